"""What things are called, for pages that know them by their public keys only.

Invariant: reads only; what does not exist is missing from the answer.
"""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from config import database


def products(session: Session, slugs: Iterable[str]) -> dict[str, str]:
    """Return slug → name of products, on sale or not."""
    return _names(session, "SELECT slug, name FROM products WHERE slug = ANY(%s)", slugs)


def halls(session: Session, slugs: Iterable[str]) -> dict[str, str]:
    """Return slug → name of halls, open or not."""
    return _names(session, "SELECT slug, name FROM halls WHERE slug = ANY(%s)", slugs)


def shelf(session: Session) -> list[dict[str, str]]:
    """Return `slug`, `name` and `hall` (its slug) of every product, on sale or not, in the order of their names."""
    sql = """
        SELECT p.slug, p.name, h.slug FROM products p JOIN halls h ON h.id = p.hall_id
        ORDER BY p.name COLLATE "C", p.slug
    """
    rows = database.driver_connection(session).execute(sql).fetchall()
    return [{"slug": slug, "name": name, "hall": hall} for slug, name, hall in rows]


def signs(session: Session) -> list[dict[str, str]]:
    """Return `slug` and `name` of every hall that has goods of its own or below it, by region."""
    sql = """
        SELECT h.slug, h.name FROM halls h
        WHERE EXISTS (SELECT FROM products p JOIN halls b ON b.id = p.hall_id WHERE b.id = h.id OR b.parent_id = h.id)
        ORDER BY h.region_code, h.slug
    """
    rows = database.driver_connection(session).execute(sql).fetchall()
    return [{"slug": slug, "name": name} for slug, name in rows]


def warehouses(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """Return key (`ship_from`) → name of warehouses."""
    return _names(session, "SELECT key, name FROM warehouses WHERE key = ANY(%s)", keys)


def suppliers(session: Session, numbers: Iterable[str]) -> dict[str, str]:
    """Return number → name of suppliers and sellers."""
    return _names(session, "SELECT number, name FROM suppliers WHERE number = ANY(%s)", numbers)


def _names(session: Session, sql: str, keys: Iterable[str]) -> dict[str, str]:
    return dict(database.driver_connection(session).execute(sql, (list(set(keys)),)).fetchall())
