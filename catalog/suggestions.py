"""What may be meant by the first letters: goods, halls and kinds of goods that begin so.

Invariant: reads only; a handful of index scans by prefix, however many goods there are.
"""

import orjson

from catalog import categories, search, sounds
from catalog.cache import COUNTS_TTL_SECONDS, Cache
from config import database

MAX_LIMIT = 20
_BEYOND = "\U0010ffff"

_ARM = """(SELECT p.name, p.slug FROM products p
    WHERE p.is_on_sale AND p.{column} ~>=~ %(text)s AND p.{column} ~<~ %(beyond)s
    ORDER BY p.{column} USING ~<~ LIMIT 40)"""
_GOODS = f"""
SELECT name, min(slug) FROM ({" UNION ".join(_ARM.format(column=each) for each in ("name_key", "pinyin", "initials"))})
AS p GROUP BY name ORDER BY length(name), name LIMIT %(limit)s
"""
_HALLS = """
SELECT h.name, h.slug FROM halls h JOIN regions r ON r.code = h.region_code
WHERE h.state = 'open'
  AND (starts_with(h.name, %(text)s) OR starts_with(r.pinyin, %(text)s) OR starts_with(r.initials, %(text)s))
ORDER BY length(h.name), h.name LIMIT %(limit)s
"""

_kept: Cache[bytes] = Cache(COUNTS_TTL_SECONDS)


def page(*, q: str, limit: int = 8) -> bytes:
    """Return `{"items": [{"text", "kind", "slug"}]}` as JSON bytes: `kind` is category, hall or product."""
    text = search.normalise(q[: search.MAX_QUERY_LENGTH]).replace(" ", "")[: search.MAX_QUERY_LENGTH]
    return _kept.get((text, limit), lambda: _page(text, max(1, min(limit, MAX_LIMIT))))


def _page(text: str, limit: int) -> bytes:
    if not text:
        return b'{"items":[]}'
    kinds = [
        (name, "category", key)
        for key, name in categories.NAMES.items()
        if name.startswith(text) or (len(text) > 1 and sounds.heard(name).startswith(text))
    ]
    params = {"text": text, "beyond": text + _BEYOND, "limit": limit}
    halls = [(name, "hall", slug) for name, slug in database.statement(_HALLS, params | {"limit": 2})]
    goods = [(name, "product", slug) for name, slug in database.statement(_GOODS, params)]
    items = [*kinds[:2], *halls, *goods][:limit]
    return orjson.dumps({"items": [dict(zip(("text", "kind", "slug"), item, strict=True)) for item in items]})
