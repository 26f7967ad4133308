"""Which goods a search finds, in the order in which to try: as typed, as meant, and what is like it.

Invariant: a later way is asked only when the earlier ones found nothing; a cursor goes on in the way it was made for.
However many goods a common word is on, `MAX_HITS` of them are ranked: those first whose name begins with it, then
pinyin, then initials, then others; all that are left follow in the order of the shelf.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import orjson

from catalog import cursors, errors, likeness, narrowing, search, shelf, sounds, words
from catalog.narrowing import Narrowing
from config import database

# Two pages. Among 100,000 SKUs a word for a kind of goods is on thousands: to rank them all took 35 ms of the
# database's time, and to rank 100 instead of 40 takes 0.4 ms more.
MAX_HITS = 40
# Names that are compared, and goods of them that are counted.
MAX_NEAR = 80
MAX_GUESSED = 200
MAX_LIMIT = 100
# Behind every character that a name may begin with.
_BEYOND = "\U0010ffff"
_CLOSE = "close"
_ANYWHERE = "^"
# More than names that are as near as one another.
MAX_KEYS = 1_000
_LETTER = re.compile("[a-z]")
_SORTS = (None, "shelf", "price", "-price", "new")

_FOUND = " AND p.search_vector @@ %(grams)s::tsquery"
# Neighbouring pairs may all occur without the whole: a phrase must stand in the text as it was typed.
_FOUND_EXACTLY = _FOUND + " AND p.search_text ~ ALL (%(phrases)s::text[])"
# Each arm is asked only while those before it left room: PostgreSQL appends them one after the other.
_RANKED = """
    SELECT DISTINCT id, sort_key, slug, is_cut
    FROM (SELECT h.*, {is_cut} AS is_cut FROM ({arms} LIMIT {hits}) h) a
"""
_HIT = """
    SELECT p.id, {rank} AS sort_key, p.slug FROM products p WHERE p.is_on_sale {filters}"""
# Of what was meant comes first what has the most of the words as they were typed, in its name before elsewhere, then
# whose name ends with the last one: the end of a Chinese name says what the goods are.
_MEANT = f"""(
    (SELECT coalesce(sum(CASE WHEN strpos(p.name_key, w) > 0 THEN 0
                              WHEN strpos(p.search_text, w) > 0 THEN 1000 ELSE 5000 END), 0)
     FROM unnest(%(words)s::text[]) w)::bigint
    + CASE WHEN p.name_key ~ %(head)s THEN 0 ELSE 500 END + {shelf.RANK})"""
# Of what was typed, too, what is of that kind by its name comes before what has the word elsewhere.
_TYPED = f"({shelf.RANK} + CASE WHEN p.name_key ~ %(head)s THEN 0 ELSE 100 END)"
_BEGINS = f"""(
    {_HIT} AND p.{{column}} ~>=~ %(text)s AND p.{{column}} ~<~ %(beyond)s
    ORDER BY p.{{column}} USING ~<~{{then}} LIMIT {{hits}})"""
_HOLDS = f"""({_HIT} AND NOT starts_with(p.name_key, %(text)s) AND NOT starts_with(p.pinyin, %(text)s)
    AND NOT starts_with(p.initials, %(text)s) LIMIT {{hits}})"""
# Goods of one name are equally near, so names are compared and not goods, and then the goods of the nearest are read.
# Names outlive their goods: one that nothing on sale has is no guess, and must not stand in the way of others.
_NEAR = """
SELECT DISTINCT c.name_key, c.pinyin, word_similarity(%(heard)s, c.pinyin) AS alike
FROM (
    SELECT n.name_key, n.pinyin FROM product_names n
    WHERE coalesce((SELECT true FROM products p WHERE p.name_key = n.name_key AND p.is_on_sale LIMIT 1), false)
      AND {is_like}
) c
ORDER BY alike DESC, c.name_key LIMIT {near}
"""
# An index holds the goods of a name in the order of their slugs, so no more are read than are shown: PostgreSQL takes a
# pattern for one that hardly anything fits and would read them all, but knows nothing of what `coalesce` returns.
_OF_NAMES = """
SELECT g.id, w.sort_key, g.slug, false AS is_cut
FROM unnest(%(names)s::text[], %(keys)s::bigint[], %(origins)s::text[])
    WITH ORDINALITY w (name_key, sort_key, origin, place)
CROSS JOIN LATERAL (
    SELECT p.id, p.slug FROM products p WHERE p.name_key = w.name_key AND p.is_on_sale {filters}
      AND p.slug > CASE w.sort_key WHEN %(after_key)s THEN %(after_slug)s ELSE '' END
      AND coalesce(p.search_text ~ w.origin, false)
    ORDER BY p.slug LIMIT {most}
) g WHERE w.sort_key >= %(after_key)s ORDER BY w.place LIMIT {most}
"""
# What shares most of the trigrams is looked for only when nothing else is near: that takes PostgreSQL the longest.
_LIKE = "n.search_vector @@ %(near)s::tsquery LIMIT 300", "n.pinyin %%> %(sound)s LIMIT 50"


def page(*, q: str | None, chosen: Narrowing, sort: str | None, cursor: str | None, limit: int) -> bytes:
    """Return one page of the list; `products.page` says what it refuses."""
    if sort not in _SORTS or not 1 <= limit <= MAX_LIMIT:
        raise errors.FilterInvalid
    params, filters = chosen.params(), chosen.filters()
    walked = chosen.filters(by_price=True) if sort in ("price", "-price") else filters
    is_search = q is not None and bool(q.strip())
    is_general = q is not None and search.is_general(q)
    wanted = search.query(q) if is_search and q is not None else None
    if chosen.is_empty or (is_search and wanted is None):
        return _answer(b"[]", None, "nothing" if is_search else None)
    if wanted is None or is_general:
        items, following = shelf.walk(sort=sort or "shelf", filters=walked, params=params, cursor=cursor, limit=limit)
        return _answer(items, following, "meant" if is_general else None)
    way = cursors.sort_of(cursor) if cursor is not None else None
    if way not in (None, _CLOSE, *([sort] if sort else ("rank", "meant", "rest"))):
        raise errors.CursorInvalid
    for name, order, each in (*_ways(wanted), ("close", "meant", wanted.relaxed)):
        # Guesses come before what is left of the words; a cursor says which of the two it goes on in.
        if name == "close" and way in (None, _CLOSE):
            guessed = _closest(wanted, filters, params, cursor, limit)
            if guessed is not None:
                return guessed
        if each is None or way not in (None, order, sort, "rest"):
            continue
        wanted_order = sort or ("rest" if way == "rest" else order)
        items, following = _walk(each, wanted_order, walked, params, cursor, limit)
        if items != b"[]":
            return _answer(items, following, name)
    return _answer(b"[]", None, "nothing")


def _ways(wanted: search.Query) -> tuple[tuple[str, str, search.Wanted | None], ...]:
    return ("exact", "rank", wanted.typed), ("meant", "meant", wanted.meant), ("meant", "meant", wanted.mended)


def counts(*, q: str | None, chosen: Narrowing, month: int) -> bytes:
    """Return how many goods each further choice leaves; `products.counts` says what it refuses."""
    params, hall = chosen.params(), narrowing.everything(chosen)
    is_search = q is not None and bool(q.strip()) and not search.is_general(q)
    wanted = search.query(q) if is_search and q is not None else None
    if hall.is_empty or (is_search and wanted is None):
        return orjson.dumps(narrowing.NOTHING)
    filters = hall.filters()
    if wanted is not None:
        for each in (wanted.typed, wanted.meant, wanted.mended):
            if each is not None and (found := _counted(each, chosen, filters, params, month))["is_any"]:
                return _told(found)
        slugs = _near(wanted, filters, params)
        if not slugs and wanted.relaxed is not None:
            return _told(_counted(wanted.relaxed, chosen, filters, params, month))
        filters, params = filters + " AND p.slug = ANY (%(slugs)s)", params | {"slugs": slugs}
    return _told(narrowing.counts(chosen=chosen, filters=filters, params=params, month=month))


def _counted(
    wanted: search.Wanted, chosen: Narrowing, filters: str, params: dict[str, object], month: int
) -> dict[str, object]:
    return narrowing.counts(chosen=chosen, filters=filters + _found(wanted), params=params | _said(wanted), month=month)


def _told(found: dict[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in found.items() if name != "is_any"})


def _said(wanted: search.Wanted) -> dict[str, object]:
    return {
        "text": wanted.text,
        "said": sounds.heard(wanted.text) if _LETTER.search(wanted.text) else wanted.text,
        "beyond": wanted.text + _BEYOND,
        "grams": wanted.grams,
        "phrases": wanted.phrases,
        "words": wanted.words,
        "head": wanted.head,
    }


def _found(wanted: search.Wanted) -> str:
    return _FOUND_EXACTLY if wanted.phrases else _FOUND


def _walk(
    wanted: search.Wanted, order: str, filters: str, params: dict[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Fetch a page of what has all the words: all by price, age or shelf, or the best hits by rank, then the rest."""
    params, found = params | _said(wanted), filters + _found(wanted)
    # One letter begins a syllable of nearly everything: only what begins with it is worth showing.
    is_letter = len(wanted.text.encode()) == 1
    rank = _MEANT if order == "meant" else _TYPED
    arms = [
        _BEGINS.format(column=column, then=then, filters=filters, rank=rank, hits=MAX_HITS)
        for column, then in (("name_key", ", p.slug"), ("pinyin", ""), ("initials", ""))
    ]
    if not is_letter:
        arms.append(_HOLDS.format(filters=found, rank=rank, hits=MAX_HITS))
    is_cut = "false" if is_letter else f"count(*) OVER () = {MAX_HITS}"
    ranked = _RANKED.format(arms=" UNION ALL ".join(arms), hits=MAX_HITS, is_cut=is_cut)
    if order in ("rank", "meant"):
        return shelf.walk_among(ranked, sort=order, params=params, cursor=cursor, limit=limit)
    if order == "rest":
        found += f" AND p.id NOT IN (SELECT r.id FROM ({ranked}) r)"
    return shelf.walk(sort=order, filters=found, params=params, cursor=cursor, limit=limit)


def _closest(
    wanted: search.Query, filters: str, params: dict[str, object], cursor: str | None, limit: int
) -> bytes | None:
    """Fetch a page of what is like the words, the nearest first, and say what may have been meant; None of nothing."""
    for named in _named(wanted):
        sql, asked = _OF_NAMES.format(filters=filters, most=limit + 1), params | named
        items, following = shelf.walk_among(sql, sort=_CLOSE, params=asked, cursor=cursor, limit=limit)
        if items == b"[]":
            continue
        nearest = items
        if cursor is not None:
            sql = _OF_NAMES.format(filters=filters, most=1)
            nearest, _ = shelf.walk_among(sql, sort=_CLOSE, params=asked, cursor=None, limit=1)
        return _answer(items, following, "close", orjson.loads(nearest)[0]["name"])
    return None


def _near(wanted: search.Query, filters: str, params: dict[str, object]) -> list[str]:
    """Return the slugs of what is like the words, the nearest first, `MAX_GUESSED` at most."""
    sql = _OF_NAMES.format(filters=filters, most=MAX_GUESSED)
    for named in _named(wanted):
        found = [slug for _, _, slug, _ in database.statement(sql, params | named)]
        if found:
            return found
    return []


def _named(wanted: search.Query) -> Iterator[dict[str, object]]:
    """Yield the names that are like the words as `_OF_NAMES` takes them, until they satisfy the caller."""
    guesses = search.guesses(wanted)
    for is_like in _LIKE:
        # Of what is not bound to a place the least counts, and of what is bound only what makes it less.
        scores: dict[tuple[str, str], int] = {}
        for guess in sorted(guesses, key=lambda each: bool(each.places)):
            for name, score in _scores(guess, is_like).items():
                free = scores.get((name, _ANYWHERE), score + 1)
                if score < free:
                    scores[name, _origin(guess.places)] = score
        if scores:
            yield _in_order(scores)
        guesses = [guess for guess in guesses if guess.sound is not None]


def _in_order(scores: Mapping[tuple[str, str], int]) -> dict[str, object]:
    """Return names with the origin that each must have, the nearest first, each with a key of its own to walk by."""
    bound = {name: origin for name, origin in scores if origin != _ANYWHERE}
    ordered = sorted((score, name, origin) for (name, origin), score in scores.items())
    return {
        "names": [name for _, name, _ in ordered],
        "keys": [score * MAX_KEYS + at for at, (score, _, _) in enumerate(ordered)],
        # What is as near for its origin comes with that, and not once more behind it.
        "origins": [
            f"^(?!{bound[name][1:]})" if origin == _ANYWHERE and name in bound else origin
            for _, name, origin in ordered
        ],
        "after_key": -1,
        "after_slug": "",
    }


def _origin(places: Sequence[tuple[str, ...]]) -> str:
    """Return the pattern of the text of goods that are from all of these places."""
    return _ANYWHERE + "".join(f"(?=.*(?:{'|'.join(names)}))" for names in places)


def _scores(guess: search.Guess, is_like: str) -> dict[str, int]:
    """Return how far each name is from a guess that is near enough; of those as far the shortest is nearest."""
    scores: dict[str, int] = {}
    asked = {"near": guess.near, "sound": guess.sound, "heard": sounds.heard(guess.typed)}
    for key, pinyin, _ in database.statement(_NEAR.format(is_like=is_like, near=MAX_NEAR), asked):
        far = likeness.distance(guess.typed, key, pinyin, places=words.parts(key)[:1])
        if far < likeness.FAR:
            score = round(far * 100) * 100 + min(len(key), 99)
            scores[key] = min(scores.get(key, score), score)
    return scores


def _answer(items: bytes, following: str | None, way: str | None, meant: str | None = None) -> bytes:
    told = b',"next_cursor":' + orjson.dumps(following)
    if way is not None:
        told += b',"search":' + orjson.dumps({"matched": way, "did_you_mean": meant})
    return b'{"items":' + items + told + b"}"
