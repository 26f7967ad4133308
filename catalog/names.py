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


def warehouses(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """Return key (`ship_from`) → name of warehouses."""
    return _names(session, "SELECT key, name FROM warehouses WHERE key = ANY(%s)", keys)


def _names(session: Session, sql: str, keys: Iterable[str]) -> dict[str, str]:
    return dict(database.driver_connection(session).execute(sql, (list(set(keys)),)).fetchall())
