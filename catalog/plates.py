"""The drawn plates that stand in for photographs: one small picture for each kind of goods.

Invariant: original drawings that are part of this package, at most `MAX_BYTES` each, and each says 示意图 on itself.
"""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from catalog import errors

# A list of twenty weighs less than one photograph.
MAX_BYTES = 8_192


@cache
def names() -> frozenset[str]:
    """Return the names of all plates."""
    return frozenset(file.name.removesuffix(".svg") for file in _folder().iterdir())


@cache
def find(name: str) -> bytes:
    """Return the SVG document of a plate. Raises `PlateUnknown`."""
    if name not in names():
        raise errors.PlateUnknown
    return (_folder() / f"{name}.svg").read_bytes()


def _folder() -> Traversable:
    return resources.files("catalog") / "data" / "plates"
