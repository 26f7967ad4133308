"""The list and the page of products as PostgreSQL hands them over: ready JSON, one statement each.

Invariant: what people send is only ever a parameter; every list is walked by (sort key, slug), both ascending, so a
page costs the same however deep it lies. A certificate is shown only with number and date and while it is valid.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy.orm import Session

from catalog import categories, cursors, errors, freight, labels
from catalog.cache import Cache
from config import database

Answer = TypeVar("Answer")
Places = Mapping[int | str, dict[str, str]]

# Sort keys are integers and all ascend; the slug makes each unique.
_SORTS = {
    "shelf": "p.position",
    "price": "f.price_fen",
    "-price": "-f.price_fen",
    "new": "-p.id",
    "rest": "p.position",
}

# How well the name of a product `p` fits what was typed; of what fits alike the shortest name comes first.
RANK = """CASE
        WHEN p.name_key = %(text)s OR p.pinyin = %(said)s OR p.initials = %(text)s THEN 0
        WHEN starts_with(p.name_key, %(text)s) OR starts_with(p.pinyin, %(said)s) THEN 1
        WHEN strpos(p.name_key, %(text)s) > 0 OR strpos(p.pinyin, %(said)s) > 0 THEN 2
        WHEN starts_with(p.initials, %(text)s) THEN 3 ELSE 4 END::bigint * 100 + least(length(p.name_key), 99)"""

# Where a sort key is an expression, the order and the bound are also said in terms of the column under it, so that an
# index of that column leads straight to the page.
_ORDERS = {"new": "p.id DESC", "price": "f.price_fen, p.slug", "-price": "f.price_fen DESC, p.slug"}
_BOUNDS = {
    "new": "p.id < -%(after_key)s AND ",
    "price": "f.price_fen >= %(after_key)s AND ",
    "-price": "f.price_fen <= -%(after_key)s AND ",
}

_CERTIFICATE = """(
    SELECT json_build_object('number', c.number, 'issuer', c.issuer, 'issued_on', c.issued_on,
                             'valid_until', c.valid_until{more})
    FROM certificates c
    WHERE c.product_id = p.id AND c.kind = '{kind}'
      AND (c.valid_until IS NULL OR c.valid_until >= (now() AT TIME ZONE 'Asia/Shanghai')::date)
)"""

_ITS_KIND = ", 'kind', c.indication_kind"
# What the badge rests on, for as long as it is shown.
_EVIDENCE = """(
    SELECT json_build_object('notice', a.number, 'county', g.full_name, 'batch', b.name, 'noticed_at', a.noticed_at,
                             'noticed_until', a.noticed_until, 'recheck_until', a.recheck_until)
    FROM accreditations a JOIN certificates c ON c.product_id = a.product_id AND c.number = a.certificate_number
    JOIN accreditation_batches b ON b.id = a.batch_id JOIN townships t ON t.code = a.township_code
    JOIN regions g ON g.code = t.county_code
    WHERE a.product_id = p.id AND a.state = 'published' AND c.kind = 'accreditation'
      AND c.valid_until >= (now() AT TIME ZONE 'Asia/Shanghai')::date
)"""

# The first pack `f` of a product `p`, by whose price it is listed (0058), with what is left of all that are on sale,
# in one look at its packs. A market price stands beside the price of its own version only.
ITS_PACKS = """CROSS JOIN LATERAL (
    SELECT max(k.price_fen) FILTER (WHERE k.position = 1) AS price_fen,
           max(k.market_price_fen) FILTER (WHERE k.position = 1 AND k.market_price_version = k.price_version)
               AS market_price_fen,
           coalesce(sum(l.on_hand - l.reserved) FILTER (WHERE k.is_on_sale AND NOT p.is_display_only), 0) AS available
    FROM skus k LEFT JOIN stock_levels l ON l.sku_id = k.id WHERE k.product_id = p.id
) f"""
# What a list says of a product `p`, as the columns that `listed` takes. To have PostgreSQL make JSON of them was a
# fifth of its part of a list, because it looks up anew for each product of what type each is, and saved Python nothing.
ITEM = f"""p.slug, p.name, f.price_fen, p.plate, {_CERTIFICATE.format(kind="accreditation", more="")}::text,
    f.available, p.is_display_only, p.is_illustrative, f.market_price_fen, p.hall_id, p.origin_code"""
# What that says of the product itself.
HIT = "p.id, p.slug, p.name, p.plate, p.is_display_only, p.is_illustrative, p.hall_id, p.origin_code"
# Of so few halls and regions the names are kept in memory: to look up both for each of a page was a quarter of it.
_PLACES = """
SELECT h.id, NULL, json_build_object('hall', h.slug, 'hall_name', h.name) FROM halls h
UNION ALL SELECT NULL, r.code, json_build_object('origin', r.full_name) FROM regions r
"""
_places: Cache[Places] = Cache()

# `{filters}`, `{order}` and `{key}` are fragments of this module and `{limit}` is an integer, written out so that the
# plan fits it; nothing else that anybody sends becomes part of the text.
_ON_SHELF = """
    SELECT {hit}, {key} AS sort_key, false AS is_cut
    FROM products p {priced} WHERE p.is_on_sale {filters} ORDER BY {order} LIMIT {limit} + 1
"""
_PRICED = "JOIN skus f ON f.product_id = p.id AND f.position = 1"
_AMONG = "SELECT * FROM ({among}) a WHERE true {filters} ORDER BY sort_key, slug LIMIT {limit} + 1"
_PAGE = f"""
SELECT {ITEM}, p.sort_key, p.slug, p.is_cut FROM ({{page}}) p {ITS_PACKS} ORDER BY p.sort_key, p.slug
"""

_BODY = f"""
SELECT json_build_object(
    'slug', p.slug, 'name', p.name, 'price_fen', f.price_fen, 'image', '/plates/' || p.plate || '.svg',
    'accreditation', {_CERTIFICATE.format(kind="accreditation", more="")},
    'available', f.available, 'is_display_only', p.is_display_only, 'is_illustrative', p.is_illustrative,
    'category', p.category, 'region_code', p.origin_code, 'description', p.description, 'label', p.label,
    'licence_class', p.licence_class, 'return_class', p.return_class, 'delivery_class', p.delivery_class,
    'geographical_indication', {_CERTIFICATE.format(kind="geographical_indication", more=_ITS_KIND)},
    'accreditation_evidence', {_EVIDENCE},
    'supplier', json_build_object('number', u.number, 'name', u.name, 'is_illustrative', u.is_illustrative),
    'ship_from', json_build_object('key', w.key, 'name', w.name, 'is_illustrative', w.is_illustrative),
    'skus', (
        SELECT json_agg(json_strip_nulls(json_build_object('number', k.number, 'spec', k.spec,
            'price_fen', k.price_fen,
            'market_price_fen', CASE WHEN k.market_price_version = k.price_version THEN k.market_price_fen END,
            'available', CASE WHEN p.is_display_only THEN 0 ELSE coalesce(l.on_hand - l.reserved, 0) END
        )) ORDER BY k.position)
        FROM skus k LEFT JOIN stock_levels l ON l.sku_id = k.id WHERE k.product_id = p.id AND k.is_on_sale
    )
)::text, f.market_price_fen, p.hall_id, p.origin_code, p.category, p.delivery_class, p.licence_class, p.label
FROM products p JOIN suppliers u ON u.id = p.supplier_id JOIN warehouses w ON w.id = p.warehouse_id {ITS_PACKS}
WHERE p.slug = %(slug)s AND p.is_on_sale
"""

_NAMED = f"""
SELECT {ITEM} FROM unnest(%(slugs)s::text[]) WITH ORDINALITY AS w (slug, place) JOIN products p ON p.slug = w.slug
{ITS_PACKS} ORDER BY w.place
"""
_EACH = f"SELECT {ITEM} FROM products p {ITS_PACKS} WHERE p.slug = ANY(%(slugs)s::text[]) AND p.is_on_sale"


def walk(
    *, sort: str, filters: str, params: Mapping[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Return one page of what passes `filters`, from `cursor` on, and the cursor of the next."""
    key, after = _SORTS[sort], ""
    if cursor is not None:
        params = {**params, **_after(cursor, sort)}
        after = f" AND {_BOUNDS.get(sort, '')}({key}, p.slug) > (%(after_key)s, %(after_slug)s)"
    order = _ORDERS.get(sort, f"{key}, p.slug")
    priced = _PRICED if sort in ("price", "-price") else ""
    page = _ON_SHELF.format(hit=HIT, key=key, priced=priced, filters=filters + after, order=order, limit=limit)
    return _page(page, sort, params, limit)


def walk_among(
    among: str, *, sort: str, params: Mapping[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Return one page of `among`, as `walk` does: a SELECT of `HIT` and a `sort_key` of each product.

    It also says of each whether `among` `is_cut`, so that more have to follow it: in the order `rest`, of those others.
    """
    after = ""
    if cursor is not None:
        params = {**params, **_after(cursor, sort)}
        after = " AND (sort_key, slug) > (%(after_key)s, %(after_slug)s)"
    return _page(_AMONG.format(among=among, filters=after, limit=limit), sort, params, limit)


def _after(cursor: str, sort: str) -> dict[str, object]:
    key, slug = cursors.read(cursor, sort=sort)
    return {"after_key": key, "after_slug": slug}


def _page(page: str, sort: str, params: Mapping[str, object], limit: int) -> tuple[bytes, str | None]:
    rows = database.statement(_PAGE.format(page=page), params)
    shown, following = rows[:limit], None
    if len(rows) > limit:
        *_, key, slug, _ = shown[-1]
        following = cursors.write(sort=sort, key=key, slug=slug)
    elif cut := [slug for *_, slug, is_cut in shown if is_cut]:
        # Before all that stand on the shelf.
        following = cursors.write(sort="rest", key=-1, slug=max(cut))
    return listed(shown), following


def listed(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Return rows that begin with the columns of `ITEM` as a JSON array."""
    return orjson.dumps(_with_places(lambda places: [_item(row, places) for row in rows]))


def _with_places(say: Callable[[Places], Answer]) -> Answer:
    try:
        return say(_places.get("all", _named_places))
    except KeyError:
        # Of a hall that has just been opened.
        _places.forget()
        return say(_places.get("all", _named_places))


def _item(row: tuple[Any, ...], places: Places) -> dict[str, Any]:
    slug, name, price_fen, plate, accreditation, available, *more = row
    is_display_only, is_illustrative, market_price_fen, hall, origin, *_ = more
    said = {
        "slug": slug,
        "name": name,
        "price_fen": price_fen,
        "image": f"/plates/{plate}.svg",
        "accreditation": None if accreditation is None else orjson.Fragment(accreditation),
        "available": available,
        "is_display_only": is_display_only,
        "is_illustrative": is_illustrative,
        **places[hall],
        **places[origin],
    }
    if market_price_fen is not None:
        said["market_price_fen"] = market_price_fen
    return said


def _named_places(session: Session | None = None) -> Places:
    """Return what is said of each hall, by its id, and of each region, by its code."""
    return {hall or code: said for hall, code, said in database.run(session, _PLACES)}


def named(slugs: Sequence[str]) -> bytes:
    """Return the products of these slugs as they stand in a list, in this order."""
    return listed(database.statement(_NAMED, {"slugs": list(slugs)}))


def on_sale(session: Session, slugs: Sequence[str]) -> dict[str, str]:
    """Return those of the products that are on sale, by slug, as JSON as they stand in a list, at this very moment."""
    found, places = database.run(session, _EACH, {"slugs": list(slugs)}), _named_places(session)
    return {row[0]: orjson.dumps(_item(row, places)).decode() for row in found}


def body(slug: str) -> bytes:
    """Return the page of one product as JSON. Raises `ProductUnknown`."""
    rows = database.statement(_BODY, {"slug": slug})
    if not rows:
        raise errors.ProductUnknown
    [(said, market_price_fen, hall, origin, category, delivery_class, licence_class, label)] = rows
    tail = {
        **_with_places(lambda places: places[hall] | places[origin]),
        **({} if market_price_fen is None else {"market_price_fen": market_price_fen}),
        "category_name": categories.NAMES.get(category),
        "freight_note": freight.note(delivery_class),
        "label_missing": labels.missing(licence_class, label),
    }
    return str(said)[:-1].encode() + b"," + orjson.dumps(tail)[1:]
