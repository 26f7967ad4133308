"""The shelves of a hall: named lists of goods that somebody chose, in the order in which they put them.

Invariant: a hall's shelves are written as a whole, by the version that was read, so two who arrange at once never mix;
what is off sale is not shown, and shows itself again when it is back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, halls, identifiers, shelf
from catalog.cache import Cache
from config import database

MOST_SHELVES = 8
MOST_GOODS = 12
NAME_LENGTHS = range(1, 21)

_BODY = f"""
SELECT {shelf.ITEM}, b.position, b.name
FROM halls m JOIN hall_shelves b ON b.hall_id = m.id JOIN hall_shelf_items i ON i.shelf_id = b.id
JOIN products p ON p.id = i.product_id AND p.is_on_sale {shelf.ITS_PACKS}
WHERE m.slug = %(hall)s AND m.state = 'open' ORDER BY b.position, i.position
"""
_IS_OPEN = "SELECT FROM halls WHERE slug = %(hall)s AND state = 'open'"
_FIND = text("""
    SELECT b.position, b.name, p.slug, p.name AS product, p.is_on_sale
    FROM halls m JOIN hall_shelves b ON b.hall_id = m.id
    LEFT JOIN hall_shelf_items i ON i.shelf_id = b.id LEFT JOIN products p ON p.id = i.product_id
    WHERE m.slug = :hall ORDER BY b.position, i.position
""")
_CLEAR = text("DELETE FROM hall_shelf_items i USING hall_shelves b WHERE b.id = i.shelf_id AND b.hall_id = :hall")
_TAKE_DOWN = text("DELETE FROM hall_shelves WHERE hall_id = :hall")
_PUT_UP = text("INSERT INTO hall_shelves (hall_id, position, name) VALUES (:hall, :position, :name) RETURNING id")
_FILL = text("""
    INSERT INTO hall_shelf_items (shelf_id, product_id, position)
    SELECT :shelf, p.id, w.place
    FROM unnest(cast(:products AS text[])) WITH ORDINALITY AS w (slug, place) JOIN products p ON p.slug = w.slug
    RETURNING product_id
""")

_bodies: Cache[bytes] = Cache()


@dataclass(frozen=True, slots=True)
class Shelf:
    """A name and the slugs of what stands on it, in order."""

    name: str
    products: tuple[str, ...]


def body(hall: str) -> bytes:
    """Return the shelves of an open hall as JSON bytes, `{"items": [{"name", "products"}]}`, without what is off sale.

    An empty shelf is not among them. Raises `HallUnknown`.
    """
    if not identifiers.is_slug(hall):
        raise errors.HallUnknown
    return _bodies.get(hall, lambda: _read(hall))


def find(session: Session, *, hall: str) -> list[dict[str, Any]]:
    """Return the shelves of a hall as staff see them: `name` and `products` with `slug`, `name` and `is_on_sale`."""
    found: dict[int, dict[str, Any]] = {}
    for row in session.execute(_FIND, {"hall": hall}):
        one = found.setdefault(row.position, {"name": row.name, "products": []})
        if row.slug is not None:
            one["products"].append({"slug": row.slug, "name": row.product, "is_on_sale": row.is_on_sale})
    return list(found.values())


def arrange(session: Session, *, hall: str, shelves: Sequence[Shelf], version: int) -> None:
    """Put up these shelves instead of the ones that stand, in this order.

    Raises `HallUnknown`, `HallMoved`, and `ShelvesInvalid(shelves=[...])` with the places of those that cannot be:
    more than 8 shelves, more than 12 goods on one, a name of 0 or more than 20 characters or said twice.
    """
    held = halls.lock(session, hall, version=version)
    wrong = _wrong(shelves)
    if wrong:
        raise errors.ShelvesInvalid(shelves=wrong)
    session.execute(_CLEAR, {"hall": held.id})
    session.execute(_TAKE_DOWN, {"hall": held.id})
    for place, one in enumerate(shelves, 1):
        made = session.scalar(_PUT_UP, {"hall": held.id, "position": place, "name": one.name.strip()})
        put = session.execute(_FILL, {"shelf": made, "products": list(one.products)}).all()
        if len(put) < len(one.products):
            raise errors.ShelvesInvalid(shelves=[place])


def _wrong(shelves: Sequence[Shelf]) -> list[int]:
    names = [one.name.strip() for one in shelves]
    return [
        place
        for place, (one, name) in enumerate(zip(shelves, names, strict=True), 1)
        if place > MOST_SHELVES
        or len(name) not in NAME_LENGTHS
        or "\x00" in name
        or name in names[: place - 1]
        or len(one.products) > MOST_GOODS
        or len(set(one.products)) < len(one.products)
        or not all(map(identifiers.is_slug, one.products))
    ]


def _read(hall: str) -> bytes:
    goods = database.statement(_BODY, {"hall": hall})
    if not goods and not database.statement(_IS_OPEN, {"hall": hall}):
        raise errors.HallUnknown
    shelves = [
        {"name": name, "products": orjson.Fragment(shelf.listed(list(its)))}
        for (_, name), its in groupby(goods, key=itemgetter(-2, -1))
    ]
    return orjson.dumps({"items": shelves})
