"""The list and the page of products as PostgreSQL hands them over: ready JSON, one statement each.

Invariant: what people send is only ever a parameter; every list is walked by (sort key, slug), both ascending, so a
page costs the same however deep it lies. A certificate is shown only with number and date and while it is valid.
"""

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy.orm import Session

from catalog import categories, cursors, errors, freight, labels
from config import database

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

_AVAILABLE = """CASE WHEN p.is_display_only THEN 0 ELSE coalesce((
    SELECT sum(l.on_hand - l.reserved) FROM skus k JOIN stock_levels l ON l.sku_id = k.id
    WHERE k.product_id = p.id AND k.is_on_sale
), 0) END"""

# A market price stands beside the price of its own version only, and where there is none, nothing is said.
_MARKET = "CASE WHEN {sku}.market_price_version = {sku}.price_version THEN {sku}.market_price_fen END"

_SHARED = f"""
    'slug', p.slug, 'name', p.name, 'hall', h.slug, 'hall_name', h.name, 'origin', r.full_name,
    'price_fen', f.price_fen, 'image', '/plates/' || p.plate || '.svg',
    'accreditation', {_CERTIFICATE.format(kind="accreditation", more="")},
    'available', {_AVAILABLE}, 'is_display_only', p.is_display_only, 'is_illustrative', p.is_illustrative
"""
# What a list says of a product `p` with its first SKU `f`, its hall `h` and its origin `r`. The last character is a
# closing brace that no template takes for its own.
ITEM = f"""(
    SELECT CASE WHEN x.market_fen IS NULL THEN x.body
        ELSE (left(x.body::text, -1) || ', "market_price_fen": ' || x.market_fen || chr(125))::json END
    FROM (SELECT {_MARKET.format(sku="f")} AS market_fen, json_build_object({_SHARED}) AS body) x
)"""

# `{filters}`, `{order}` and `{key}` are fragments of this module and `{limit}` is an integer, written out so that the
# plan fits it; nothing else that anybody sends becomes part of the text.
_ON_SHELF = """
    SELECT p.id, {key} AS sort_key, p.slug, f.price_fen, f.price_version, f.market_price_fen, f.market_price_version,
           false AS is_cut
    FROM products p JOIN skus f ON f.product_id = p.id AND f.position = 1
    WHERE p.is_on_sale {filters}
    ORDER BY {order} LIMIT {limit} + 1
"""
_AMONG = """
    SELECT b.*, f.price_fen, f.price_version, f.market_price_fen, f.market_price_version
    FROM (SELECT * FROM ({among}) a WHERE true {filters} ORDER BY sort_key, slug LIMIT {limit} + 1) b
    JOIN skus f ON f.product_id = b.id AND f.position = 1
"""
_PAGE = (
    """
WITH page AS MATERIALIZED ({page}), item AS (
    SELECT f.sort_key, f.slug, f.is_cut, row_number() OVER (ORDER BY f.sort_key, f.slug) AS place, """
    + ITEM
    + """ AS body
    FROM page f JOIN products p ON p.id = f.id
    JOIN halls h ON h.id = p.hall_id JOIN regions r ON r.code = p.origin_code
)
SELECT coalesce(json_agg(body ORDER BY place) FILTER (WHERE place <= {limit}), '[]')::text,
       max(sort_key) FILTER (WHERE place = {limit}), max(slug) FILTER (WHERE place = {limit}),
       count(*) > {limit}, max(slug) FILTER (WHERE is_cut)
FROM item
"""
)

_BODY = f"""
SELECT json_build_object({_SHARED},
    'category', p.category, 'region_code', p.origin_code, 'description', p.description, 'label', p.label,
    'licence_class', p.licence_class, 'return_class', p.return_class, 'delivery_class', p.delivery_class,
    'geographical_indication', {_CERTIFICATE.format(kind="geographical_indication", more=_ITS_KIND)},
    'accreditation_evidence', {_EVIDENCE},
    'supplier', json_build_object('number', u.number, 'name', u.name, 'is_illustrative', u.is_illustrative),
    'ship_from', json_build_object('key', w.key, 'name', w.name, 'is_illustrative', w.is_illustrative),
    'skus', (
        SELECT json_agg(json_strip_nulls(json_build_object('number', k.number, 'spec', k.spec,
            'price_fen', k.price_fen, 'market_price_fen', {_MARKET.format(sku="k")},
            'available', CASE WHEN p.is_display_only THEN 0 ELSE coalesce(l.on_hand - l.reserved, 0) END
        )) ORDER BY k.position)
        FROM skus k LEFT JOIN stock_levels l ON l.sku_id = k.id WHERE k.product_id = p.id AND k.is_on_sale
    )
)::text, p.category, p.delivery_class, p.licence_class, p.label, {_MARKET.format(sku="f")}
FROM products p
JOIN skus f ON f.product_id = p.id AND f.position = 1
JOIN halls h ON h.id = p.hall_id JOIN regions r ON r.code = p.origin_code
JOIN suppliers u ON u.id = p.supplier_id JOIN warehouses w ON w.id = p.warehouse_id
WHERE p.slug = %(slug)s AND p.is_on_sale
"""

_NAMED = f"""
SELECT coalesce(json_agg({ITEM} ORDER BY w.place), '[]')::text
FROM unnest(%(slugs)s::text[]) WITH ORDINALITY AS w (slug, place) JOIN products p ON p.slug = w.slug
JOIN skus f ON f.product_id = p.id AND f.position = 1
JOIN halls h ON h.id = p.hall_id JOIN regions r ON r.code = p.origin_code
"""


_EACH = (
    """
SELECT p.slug, """
    + ITEM
    + """::text
FROM products p
JOIN skus f ON f.product_id = p.id AND f.position = 1
JOIN halls h ON h.id = p.hall_id JOIN regions r ON r.code = p.origin_code
WHERE p.slug = ANY(%(slugs)s::text[]) AND p.is_on_sale
"""
)


def walk(
    *, sort: str, filters: str, params: Mapping[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Return one page of what passes `filters`, from `cursor` on, and the cursor of the next."""
    key, after = _SORTS[sort], ""
    if cursor is not None:
        params = {**params, **_after(cursor, sort)}
        after = f" AND {_BOUNDS.get(sort, '')}({key}, p.slug) > (%(after_key)s, %(after_slug)s)"
    order = _ORDERS.get(sort, "2, 3")
    return _page(_ON_SHELF.format(key=key, filters=filters + after, order=order, limit=limit), sort, params, limit)


def walk_among(
    among: str, *, sort: str, params: Mapping[str, object], cursor: str | None, limit: int
) -> tuple[bytes, str | None]:
    """Return one page of `among`, as `walk` does: a SELECT of each product's `id`, `sort_key` and `slug`.

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
    [row] = database.statement(_PAGE.format(page=page, limit=limit), params)
    items, last_key, last_slug, has_more, cut_slug = row
    following = cursors.write(sort=sort, key=last_key, slug=last_slug) if has_more else None
    if following is None and cut_slug is not None:
        # Before all that stand on the shelf.
        following = cursors.write(sort="rest", key=-1, slug=cut_slug)
    return str(items).encode(), following


def named(slugs: Sequence[str]) -> bytes:
    """Return the products of these slugs as they stand in a list, in this order."""
    [(items,)] = database.statement(_NAMED, {"slugs": list(slugs)})
    return str(items).encode()


def on_sale(session: Session, slugs: Sequence[str]) -> dict[str, str]:
    """Return those of the products that are on sale, by slug, as JSON as they stand in a list."""
    return {slug: str(each) for slug, each in database.run(session, _EACH, {"slugs": list(slugs)})}


def body(slug: str) -> bytes:
    """Return the page of one product as JSON. Raises `ProductUnknown`."""
    rows = database.statement(_BODY, {"slug": slug})
    if not rows:
        raise errors.ProductUnknown
    text, category, delivery_class, licence_class, label, market_price_fen = rows[0]
    tail: dict[str, object] = {} if market_price_fen is None else {"market_price_fen": market_price_fen}
    tail |= {
        "category_name": categories.NAMES.get(category),
        "freight_note": freight.note(delivery_class),
        "label_missing": labels.missing(licence_class, label),
    }
    return str(text)[:-1].encode() + b"," + orjson.dumps(tail)[1:]
