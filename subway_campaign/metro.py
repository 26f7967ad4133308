"""Where Hefei's metro runs: its lines in their colours, and each station's placement at its place on the earth.

Invariant: read from the repository's own data (data/PROVENANCE.md), once a process; only what ran in November 2020,
which is what the inventory has.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "hefei_metro.csv"


@dataclass(frozen=True)
class Station:
    """A station of one line; an interchange is one of each line, at the same place."""

    placement: str
    name: str
    longitude: float
    latitude: float


@dataclass(frozen=True)
class Line:
    """A line and its stations in the order in which a train calls at them."""

    placement: str
    name: str
    colour: str
    stations: tuple[Station, ...]


@lru_cache(maxsize=1)
def lines() -> tuple[Line, ...]:
    """Return the lines."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["open_in_2020_11"] == "yes"]
    return tuple(
        Line(
            placement=f"METRO.HF.L{number}",
            name=name,
            colour=colour,
            stations=tuple(
                Station(
                    placement=f"METRO.HF.L{number}.S{int(row['seq']):02}",
                    name=row["name_in_2020"] or row["station"],
                    longitude=float(row["lon"]),
                    latitude=float(row["lat"]),
                )
                for row in rows
                if row["line_no"] == number
            ),
        )
        for number, name, colour in dict.fromkeys((row["line_no"], row["line_name"], row["color"]) for row in rows)
    )
