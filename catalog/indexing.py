"""What search needs of a product, written anew after its facts changed.

Invariant: it is written as seeding writes it, from name, place, category and spec; it romanises, so only the worker
imports this module.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import categories, romanise, search
from config import database

_READ = text("""
    SELECT p.id, p.name, p.category, coalesce(p.label ->> 'kind', '') AS kind, coalesce(p.label ->> 'spec', '') AS spec,
           r.full_name AS origin, left(r.name, -1) AS county, coalesce(left(c.name, -1), '') AS city
    FROM products p JOIN regions r ON r.code = p.origin_code LEFT JOIN regions c ON c.code = r.parent_code
    WHERE p.slug = :slug FOR NO KEY UPDATE OF p
""")
_WRITE = text("""
    UPDATE products SET name_key = :name_key, pinyin = :pinyin, initials = :initials, search_text = :text,
        search_vector = cast(:vector AS tsvector)
    WHERE id = :id
""")


def write(session: Session, *, slug: str) -> None:
    """Write what search needs of a product; of one that is gone nothing."""
    database.require_transaction(session)
    found = session.execute(_READ, {"slug": slug}).one_or_none()
    if found is None:
        return
    entry = search.entry(
        name=found.name,
        sounds=[romanise.syllables(name) for name in (found.name, found.county, found.city)],
        texts=[
            found.origin,
            f"{found.city}{found.county}",
            found.kind,
            categories.NAMES.get(found.category, ""),
            found.spec,
        ],
    )
    keys = {"name_key": entry.name_key, "pinyin": entry.pinyin, "initials": entry.initials}
    session.execute(_WRITE, keys | {"id": found.id, "text": entry.text, "vector": entry.vector})
