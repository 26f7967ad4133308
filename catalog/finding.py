"""Which goods a search finds, in the order in which to try: as typed, as meant, and what is like it.

Invariant: a later way is asked only when the earlier ones found nothing; a cursor goes on in the way it was made for.
However many goods a common word is on, `MAX_HITS` of them are ranked: those first whose name begins with it, then
pinyin, then initials, then others; all that are left follow in the order of the shelf.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import orjson

from catalog import cursors, errors, guessing, models, narrowing, search, shelf, sounds
from catalog.narrowing import Narrowing

# One page. Among 100,000 SKUs a word for a kind of goods is on thousands: to rank them all took 35 ms of the database's
# time. To rank 40 took 0.11 ms more at the median of the judged set, and put nothing else in front of its answers.
MAX_HITS = 20
MAX_LIMIT = 100
# Behind every character that a name may begin with.
_BEYOND = "\U0010ffff"
_LETTER = re.compile("[a-z]")
_SORTS = (None, "shelf", "price", "-price", "new")

_FOUND = " AND p.search_vector @@ %(grams)s::tsquery"
# Neighbouring pairs may all occur without the whole: a phrase must stand in the text as it was typed.
_FOUND_EXACTLY = _FOUND + " AND p.search_text ~ ALL (%(phrases)s::text[])"
# PostgreSQL takes a pattern for one that hardly anything fits, but knows nothing of what `coalesce` returns.
_FROM = " AND coalesce(p.search_text ~ ALL (%(phrases)s::text[]), false)"
_NAMED = " AND p.name_key ~ %(head)s"
# Each arm is asked only while those before it left room: PostgreSQL appends them one after the other. One hit more than
# are ranked tells whether others follow. The rank stands outside of the arms, because to make ready for it in each was
# a tenth of PostgreSQL's part of a search among 1,000 SKUs.
_RANKED = f"""
    SELECT DISTINCT ON (p.id) {shelf.HIT}, {{rank}} AS sort_key, p.is_cut FROM (
        SELECT h.*, row_number() OVER () AS place, {{is_cut}} AS is_cut FROM ({{arms}} LIMIT {{hits}} + 1) h
    ) p WHERE p.place <= {{hits}}
"""
_HIT = f"""
    SELECT {shelf.HIT}, p.name_key, p.pinyin, p.initials, p.search_text FROM products p
    WHERE p.is_on_sale {{filters}}"""
# Of what was meant comes first what has the most of the words as they were typed, in its name before elsewhere, then
# whose name ends with the last one: the end of a Chinese name says what the goods are. The amount that was asked for
# counts for more than where in a text the words are.
_MEANT = f"""(
    (SELECT coalesce(sum(CASE WHEN strpos(p.name_key, w) > 0 THEN 0
                              WHEN strpos(p.search_text, w) > 0 THEN 1000 ELSE 5000 END), 0)
     FROM unnest(%(words)s::text[]) w)::bigint
    + CASE WHEN p.search_text ~ %(amount)s THEN 0 ELSE 2000 END
    + CASE WHEN p.name_key ~ %(head)s THEN 0 ELSE 500 END + {shelf.RANK})"""
# Of what was typed, too, what is of that kind by its name comes before what has the word elsewhere, and there a word by
# itself, as the label names the kind, before a part of another.
_TYPED = f"""({shelf.RANK} + CASE WHEN p.name_key ~ %(head)s THEN 0 ELSE 100 END
    + CASE WHEN p.search_text ~ ('(^| )' || rtrim(%(head)s, '$') || '( |$)') THEN 0 ELSE 100 END)"""
_BEGINS = f"""(
    {_HIT} AND p.{{column}} ~>=~ %(text)s AND p.{{column}} ~<~ %(beyond)s
    ORDER BY p.{{column}} USING ~<~{{then}} LIMIT {{hits}} + 1)"""
_HOLDS = f"""({_HIT} AND NOT starts_with(p.name_key, %(text)s) AND NOT starts_with(p.pinyin, %(text)s)
    AND NOT starts_with(p.initials, %(text)s) AND p.position {{where}} LIMIT {{hits}} + 1)"""
# An index lists all goods that a word is on before the first of them is seen. What stands at the front of the shelf has
# one of its own (0069) and is looked through first, and for a common word that is enough.
_FRONT_FIRST = (f"< {models.FRONT_POSITIONS}", f">= {models.FRONT_POSITIONS}")
# Of what was guessed the nearest comes first, and of what is as near the shortest name.
_NEAREST = """(
    (SELECT coalesce(min(w.far), 0) FROM unnest(%(words)s::text[], %(far)s::int[]) w (part, far)
     WHERE strpos(p.name_key, w.part) > 0) * 100 + least(length(p.name_key), 99))::bigint"""
_RANKS = {"rank": _TYPED, "meant": _MEANT, "close": _NEAREST}


def page(*, q: str | None, chosen: Narrowing, sort: str | None, cursor: str | None, limit: int) -> bytes:
    """Return one page of the list; `products.page` says what it refuses."""
    if sort not in _SORTS or not 1 <= limit <= MAX_LIMIT:
        raise errors.FilterInvalid
    by_price = sort in ("price", "-price")
    is_search = q is not None and bool(q.strip())
    is_general = q is not None and search.is_general(q)
    wanted = search.query(q) if is_search and q is not None else None
    narrowed = _priced(q, chosen)
    if chosen.is_empty or (is_search and wanted is None):
        chosen.params()
        return _answer(b"[]", None, "nothing" if is_search else None)
    if wanted is None or is_general:
        filters, params = narrowed.filters(by_price=by_price), narrowed.params()
        items, following = shelf.walk(sort=sort or "shelf", filters=filters, params=params, cursor=cursor, limit=limit)
        return _answer(items, following, "meant" if is_general else None)
    way = cursors.sort_of(cursor) if cursor is not None else None
    if way not in (None, *([sort] if sort else (*_RANKS, "rest"))):
        raise errors.CursorInvalid
    for name, order, each, within in _ways(wanted, chosen, narrowed):
        if way not in (None, order, sort, "rest"):
            continue
        filters, params = within.filters(by_price=by_price), within.params()
        wanted_order = sort or ("rest" if way == "rest" else order)
        items, following = _walk(each, order, wanted_order, filters, params, cursor, limit)
        if items != b"[]":
            first = items
            if order == "close" and cursor is not None:
                first, _ = _walk(each, order, sort or order, filters, params, None, 1)
            return _answer(items, following, name, orjson.loads(first)[0]["name"] if order == "close" else None)
    return _answer(b"[]", None, "nothing")


def _priced(q: str | None, chosen: Narrowing) -> Narrowing:
    """Return what was chosen with the bounds of a price that the words tell, unless others were chosen."""
    least, most = search.price(q or "")
    if (least, most) == (None, None) or (chosen.price_from, chosen.price_to) != (None, None):
        return chosen
    return replace(chosen, price_from=least, price_to=most)


def _ways(
    query: search.Query, chosen: Narrowing, narrowed: Narrowing
) -> Iterator[tuple[str, str, search.Wanted, Narrowing]]:
    """Yield how to take the words, in which order to show what has them, what to look for and within what.

    One after the other: what costs as much as the words tell comes before all else.
    """
    for within in dict.fromkeys((narrowed, chosen)):
        ways = [("exact", "rank", query.typed), ("meant", "meant", query.meant), ("meant", "meant", query.mended)]
        for name, order, each in (ways[1], ways[0], ways[2]) if query.is_brief else ways:
            if each is not None:
                yield name, order, each, within
    for each in guessing.meant(query):
        yield "close", "close", each, chosen
    # Guesses come before what is left of the words.
    for each in query.relaxed:
        yield "close", "meant", each, chosen


def counts(*, q: str | None, chosen: Narrowing, month: int) -> bytes:
    """Return how many goods each further choice leaves; `products.counts` says what it refuses."""
    hall = narrowing.everything(chosen)
    is_search = q is not None and bool(q.strip()) and not search.is_general(q)
    wanted = search.query(q) if is_search and q is not None else None
    chosen.params()
    if hall.is_empty or (is_search and wanted is None):
        return orjson.dumps(narrowing.NOTHING)
    filters, narrowed = hall.filters(), _priced(q, chosen)
    if wanted is not None:
        for _, _, each, within in _ways(wanted, chosen, narrowed):
            asked, these = within.params() | _said(each), filters + _found(each)
            found = narrowing.counts(chosen=within, filters=these, params=asked, month=month)
            if found["is_any"] and (within == chosen or found["total"]):
                return _told(found)
        return orjson.dumps(narrowing.NOTHING)
    return _told(narrowing.counts(chosen=narrowed, filters=filters, params=narrowed.params(), month=month))


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
        "far": wanted.far,
        "amount": wanted.amount,
    }


def _found(wanted: search.Wanted) -> str:
    found = _FOUND_EXACTLY if wanted.phrases else _FOUND
    return found + _NAMED if wanted.far else found


def _walk(
    wanted: search.Wanted,
    way: str,
    order: str,
    filters: str,
    params: dict[str, object],
    cursor: str | None,
    limit: int,
) -> tuple[bytes, str | None]:
    """Fetch a page of what has all the words: all by price, age or shelf, or the best hits by rank, then the rest."""
    params, found = params | _said(wanted), filters + _found(wanted)
    # One letter begins a syllable of nearly everything: only what begins with it is worth showing.
    is_letter = len(wanted.text.encode()) == 1
    is_cut = "false" if is_letter else f"count(*) OVER () > {MAX_HITS}"
    arms = _arms(filters, found, is_guess=way == "close")
    arms = arms[: -len(_FRONT_FIRST)] if is_letter else arms
    ranked = _RANKED.format(rank=_RANKS[way], arms=" UNION ALL ".join(arms), hits=MAX_HITS, is_cut=is_cut)
    if order in _RANKS:
        return shelf.walk_among(ranked, sort=order, params=params, cursor=cursor, limit=limit)
    if order == "rest":
        found += f" AND p.id NOT IN (SELECT r.id FROM ({ranked}) r)"
    return shelf.walk(sort=order, filters=found, params=params, cursor=cursor, limit=limit)


def _arms(filters: str, found: str, *, is_guess: bool) -> list[str]:
    """Return the hits that begin with the words, and last those that hold them, from the front of the shelf first."""
    holds = [_HOLDS.format(filters=found, where=where, hits=MAX_HITS) for where in _FRONT_FIRST]
    if is_guess:
        # What begins with a part of a name need not be from the place that was asked for.
        filters += _FROM
        return [_BEGINS.format(column="name_key", then=", p.slug", filters=filters, hits=MAX_HITS), *holds]
    begins = (("name_key", ", p.slug"), ("pinyin", ""), ("initials", ""))
    return [
        *(_BEGINS.format(column=at, then=then, filters=filters, hits=MAX_HITS) for at, then in begins),
        *holds,
    ]


def _answer(items: bytes, following: str | None, way: str | None, meant: str | None = None) -> bytes:
    told = b',"next_cursor":' + orjson.dumps(following)
    if way is not None:
        told += b',"search":' + orjson.dumps({"matched": way, "did_you_mean": meant})
    return b'{"items":' + items + told + b"}"
