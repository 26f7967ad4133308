"""What the label of goods must say: the fields, and of which goods the law wants them.

Invariant: pure; the fields are data with their source (`data/label_fields.csv`); what is missing is said, not made up.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a label: its key, what people call it, and the licence classes that must have it."""

    key: str
    name: str
    required_of: frozenset[str]


@cache
def fields() -> tuple[Field, ...]:
    """Return every field, in the order in which a page shows them."""
    text = (resources.files("catalog") / "data" / "label_fields.csv").read_text(encoding="utf-8")
    return tuple(
        Field(row["field"], row["name"], frozenset(row["required_of"].split()))
        for row in csv.DictReader(text.splitlines())
    )


def missing(licence_class: str, label: Mapping[str, object]) -> list[str]:
    """Return the keys that goods of this licence class must have on their label and that were not entered."""
    return [
        field.key
        for field in fields()
        if licence_class in field.required_of and not str(label.get(field.key) or "").strip()
    ]
