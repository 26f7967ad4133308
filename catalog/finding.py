"""Which goods a search finds, in the order in which to try: as typed, as meant, and what is like it.

Invariant: a later way is asked only when the earlier ones found nothing; a cursor goes on in the way it was made for.
However many goods a common word is on, only the best hits are ranked: `MAX_HITS` whose name, pinyin or initials begin
with it, each, and of `MAX_LOOKED_AT` others twice as many that stand first on the shelf.
"""

import re

import orjson

from catalog import cursors, errors, likeness, narrowing, search, shelf, sounds, words
from catalog.narrowing import Narrowing
from config import database

MAX_HITS = 100
# Among 100,000 SKUs a word for a kind of goods is on thousands: to sort them all took 35 ms of the database's time.
MAX_LOOKED_AT = 400
MAX_NEAR = 80
MAX_LIMIT = 100
# Behind every character that a name may begin with.
_BEYOND = "\U0010ffff"
_CLOSE = "close"
_LETTER = re.compile("[a-z]")
_SORTS = (None, "shelf", "price", "-price", "new")

_FOUND = " AND p.search_vector @@ %(grams)s::tsquery"
# Neighbouring pairs may all occur without the whole: a phrase must stand in the text as it was typed.
_FOUND_EXACTLY = _FOUND + " AND NOT EXISTS (SELECT FROM unnest(%(phrases)s::text[]) x WHERE p.search_text !~ x)"
_BEGINS = """
    (SELECT p.id FROM products p JOIN skus f ON f.product_id = p.id AND f.position = 1
     WHERE p.is_on_sale {filters} AND p.{column} ~>=~ %(text)s AND p.{column} ~<~ %(beyond)s
     ORDER BY p.{column} USING ~<~ LIMIT {hits})"""
_HITS = """
    (SELECT b.id FROM (
        SELECT p.id, p.position, p.slug FROM products p JOIN skus f ON f.product_id = p.id AND f.position = 1
        WHERE p.is_on_sale {filters} LIMIT {looked_at}
     ) b ORDER BY b.position, b.slug LIMIT {hits})"""
_NEAR = """
SELECT p.slug, p.name_key, p.pinyin, p.name, p.search_text
FROM products p JOIN skus f ON f.product_id = p.id AND f.position = 1
WHERE p.is_on_sale {filters} AND p.id IN (
    (SELECT n.id FROM products n WHERE n.is_on_sale AND n.search_vector @@ %(near)s::tsquery LIMIT 150)
    UNION (SELECT n.id FROM products n WHERE n.is_on_sale AND n.pinyin %%> %(sound)s LIMIT 150)
)
ORDER BY word_similarity(%(heard)s, p.pinyin) DESC, p.slug LIMIT {near}
"""
_IS_AMONG = " AND p.id IN (SELECT id FROM hit)"


def page(*, q: str | None, chosen: Narrowing, sort: str | None, cursor: str | None, limit: int) -> bytes:
    """Return one page of the list; `products.page` says what it refuses."""
    if sort not in _SORTS or not 1 <= limit <= MAX_LIMIT:
        raise errors.FilterInvalid
    params, filters = chosen.params(), chosen.filters()
    is_search = q is not None and bool(q.strip())
    wanted = search.query(q) if is_search and q is not None else None
    if chosen.is_empty or (is_search and wanted is None):
        return _answer(b"[]", None, "nothing" if is_search else None)
    if wanted is None:
        items, following = shelf.walk(sort=sort or "shelf", filters=filters, params=params, cursor=cursor, limit=limit)
        return _answer(items, following, None)
    way = cursors.sort_of(cursor) if cursor is not None else None
    if way not in (None, _CLOSE, *([sort] if sort else ("rank", "meant"))):
        raise errors.CursorInvalid
    for name, order, each in (("exact", "rank", wanted.typed), ("meant", "meant", wanted.meant)):
        if each is None or way not in (None, order, sort):
            continue
        items, following = _walk(each, sort or order, filters, params, cursor, limit)
        if items != b"[]":
            return _answer(items, following, name)
    if way in (None, _CLOSE):
        return _closest(wanted, filters, params, cursor, limit)
    return _answer(b"[]", None, "nothing")


def counts(*, q: str | None, chosen: Narrowing, month: int) -> bytes:
    """Return how many goods each further choice leaves; `products.counts` says what it refuses."""
    params, hall = chosen.params(), narrowing.everything(chosen)
    wanted = search.query(q) if q is not None and q.strip() else None
    if hall.is_empty or (q is not None and q.strip() and wanted is None):
        return orjson.dumps(narrowing.NOTHING)
    filters = hall.filters()
    for each in (wanted.typed, wanted.meant) if wanted is not None else ():
        if each is not None:
            found = narrowing.counts(
                chosen=chosen, filters=filters + _found(each), params=params | _said(each), month=month
            )
            if found["is_any"]:
                return _told(found)
    if wanted is not None:
        slugs = [slug for _, slug, _ in _near(wanted, filters, params)]
        filters, params = filters + " AND p.slug = ANY (%(slugs)s)", params | {"slugs": slugs}
    return _told(narrowing.counts(chosen=chosen, filters=filters, params=params, month=month))


def _told(found: dict[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in found.items() if name != "is_any"})


def _said(wanted: search.Wanted) -> dict[str, object]:
    return {
        "text": wanted.text,
        "said": sounds.heard(wanted.text) if _LETTER.search(wanted.text) else wanted.text,
        "beyond": wanted.text + _BEYOND,
        "grams": wanted.grams,
        "phrases": wanted.phrases,
    }


def _found(wanted: search.Wanted) -> str:
    return _FOUND_EXACTLY if wanted.phrases else _FOUND


def _walk(
    wanted: search.Wanted, order: str, filters: str, params: dict[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Fetch a page of what has all the words: of all by price, age or shelf, of the best hits by rank."""
    params, found = params | _said(wanted), filters + _found(wanted)
    if order not in ("rank", "meant"):
        return shelf.walk(sort=order, filters=found, params=params, cursor=cursor, limit=limit)
    # One letter begins a syllable of nearly everything: only what begins with it is worth ranking.
    arms = [
        _BEGINS.format(column=column, filters=filters, hits=MAX_HITS) for column in ("name_key", "pinyin", "initials")
    ]
    if len(wanted.text.encode()) > 1:
        arms.append(_HITS.format(filters=found, hits=2 * MAX_HITS, looked_at=MAX_LOOKED_AT))
    before = f"hit AS MATERIALIZED ({' UNION '.join(arms)}), "
    return shelf.walk(sort=order, filters=_IS_AMONG, params=params, cursor=cursor, limit=limit, before=before)


def _closest(wanted: search.Query, filters: str, params: dict[str, object], cursor: str | None, limit: int) -> bytes:
    """Fetch a page of what is like the words, the nearest first, and say what may have been meant."""
    near = _near(wanted, filters, params)
    after = cursors.read(cursor, sort=_CLOSE) if cursor is not None else (-1, "")
    ahead = [(key, slug) for key, slug, _ in near if (key, slug) > after]
    following = cursors.write(sort=_CLOSE, key=ahead[limit - 1][0], slug=ahead[limit - 1][1]) if ahead[limit:] else None
    if not ahead:
        return _answer(b"[]", None, "nothing")
    return _answer(shelf.named([slug for _, slug in ahead[:limit]]), following, "close", near[0][2])


def _near(wanted: search.Query, filters: str, params: dict[str, object]) -> list[tuple[int, str, str]]:
    """Return (how far, slug, name) of what is like the words, the nearest first."""
    found: dict[str, tuple[int, str, str]] = {}
    for guess in search.guesses(wanted):
        asked = params | {"near": guess.near, "sound": guess.sound, "heard": sounds.heard(guess.typed)}
        for slug, key, pinyin, name, text in database.statement(_NEAR.format(filters=filters, near=MAX_NEAR), asked):
            if not all(any(place in text for place in places) for places in guess.places):
                continue
            far = likeness.distance(guess.typed, key, pinyin, places=words.parts(key)[:1])
            if far < likeness.FAR:
                score = round(far * 100) * 100 + min(len(key), 99)
                found[slug] = min(found.get(slug, (score, slug, name)), (score, slug, name))
    return sorted(found.values())


def _answer(items: bytes, following: str | None, way: str | None, meant: str | None = None) -> bytes:
    told = b',"next_cursor":' + orjson.dumps(following)
    if way is not None:
        told += b',"search":' + orjson.dumps({"matched": way, "did_you_mean": meant})
    return b'{"items":' + items + told + b"}"
