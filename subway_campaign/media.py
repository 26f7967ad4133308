"""What is printed for which kind of place: how far away a phone is, how big the symbol must be, how much it corrects.

Invariant: pure; every symbol is version 2 of at least level M, and its side is a tenth of the viewing distance, which
is the trade's rule of thumb and no standard.
"""

import re
from dataclasses import dataclass

import segno
from segno.encoder import DataOverflowError

# ISO/IEC 18004: four light modules on every side.
QUIET_ZONE = 4
# 25 modules a side: the largest modules that still hold our link.
VERSION = 2
MODULES = 25
_SIDE_PER_METRE_MM = 100.0
_LEVELS = "MQ"


@dataclass(frozen=True)
class Piece:
    """One piece that is wanted: the code, the link that it says, and where it hangs, if anywhere yet."""

    code: str
    link: str
    placement: str | None
    name: str


@dataclass(frozen=True)
class Medium:
    """A kind of place. `distance_m` is an assumption of ours; `correction` is the level that its wear asks for."""

    key: str
    name: str
    distance_m: float
    correction: str


@dataclass(frozen=True)
class Format:
    """How a code is printed at a place; `correction` may be lower than the medium asks when the link is long."""

    medium: Medium
    correction: str
    side_mm: float

    @property
    def module_mm(self) -> float:
        """The side of one module."""
        return self.side_mm / MODULES

    @property
    def width_mm(self) -> float:
        """The symbol with its quiet zone."""
        return self.side_mm + 2 * QUIET_ZONE * self.module_mm


# What is touched or trodden on wears, so it asks for more correction; what hangs behind glass does not.
MEDIA = (
    (re.compile(r"METRO\..*\.TV\..+"), Medium("screen", "地铁电视", 2.5, "M")),
    (re.compile(r"METRO\..*\.LB\d+"), Medium("light_box", "站台灯箱", 2.5, "M")),
    (re.compile(r"METRO\..*\.D[LR]\d+"), Medium("door", "车门贴", 1.0, "Q")),
    (re.compile(r"METRO\..*\.H\d+"), Medium("handle", "拉手", 0.5, "Q")),
    (re.compile(r"METRO\..*\.F\d+"), Medium("floor", "地贴", 1.5, "Q")),
    (re.compile(r"METRO\..+"), Medium("panel", "车厢展板", 1.0, "M")),
    (re.compile(r"BUS\..+"), Medium("bus_poster", "公交海报", 1.0, "M")),
    (re.compile(r"COACH\..+"), Medium("hall_poster", "候车厅海报", 2.5, "M")),
    (re.compile(r"SERVICE\..+"), Medium("table_card", "餐厅台卡", 0.5, "Q")),
)
ELSEWHERE = Medium("other", "其他", 1.0, "M")


def of(placement: str | None) -> Medium:
    """Return the medium of a placement, by its number."""
    return next((medium for pattern, medium in MEDIA if placement and pattern.fullmatch(placement)), ELSEWHERE)


def symbol(link: str, *, wanted: str) -> tuple[str, tuple[tuple[bool, ...], ...]]:
    """Return the correction level and the modules of `link`: the highest level up to `wanted` that version 2 holds.

    Raises `ValueError` when version 2 does not hold the link at level M, or when it has letters that are not upper
    case, which would make the modules smaller.
    """
    for level in reversed(_LEVELS[: _LEVELS.index(wanted) + 1]):
        try:
            made = segno.make_qr(link, error=level, version=VERSION, mode="alphanumeric", boost_error=False)
        except DataOverflowError:
            continue
        return level, tuple(tuple(bool(module) for module in row) for row in made.matrix)
    raise ValueError(f"version {VERSION} holds no link of {len(link)} symbols")


def plan(link: str, *, placement: str | None) -> Format:
    """Return how `link` is printed at a placement. Raises `ValueError` as `symbol` does."""
    medium = of(placement)
    correction, _ = symbol(link, wanted=medium.correction)
    return Format(medium, correction, medium.distance_m * _SIDE_PER_METRE_MM)
