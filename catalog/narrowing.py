"""By what a list is narrowed, and how many goods each choice would leave.

Invariant: pure but for `counts`; what people send is only ever a parameter. A count is of what the other choices
leave, of the first `MAX_COUNTED` goods at most, and says so.
"""

from dataclasses import dataclass, replace

from catalog import categories, errors, identifiers, models
from config import database

MAX_COUNTED = 2_000
NOTHING: dict[str, object] = {
    "total": 0, "is_capped": False, "counties": [], "categories": [], "certificates": [], "prices": [], "in_season": 0,
}  # fmt: skip
# Prices of a facet in fen, each up to the next.
PRICES = (0, 3_000, 6_000, 10_000, 20_000)
MAX_FEN = 10**9
_ALL_YEAR = ("全年", "四季")

_IN_HALL = """p.hall_id = ANY (ARRAY(
    SELECT c.id FROM halls m JOIN halls c ON c.id = m.id OR c.parent_id = m.id
    WHERE m.slug = %(hall)s AND m.state = 'open' AND c.state = 'open'
))"""
_ON_SHELVES = """p.id = ANY (ARRAY(
    SELECT i.product_id
    FROM halls m JOIN hall_shelves b ON b.hall_id = m.id JOIN hall_shelf_items i ON i.shelf_id = b.id
    WHERE m.slug = %(hall)s AND m.state = 'open'
))"""
_CERTIFIED = """EXISTS (
    SELECT FROM certificates c WHERE c.product_id = p.id AND c.kind = {kind}
      AND (c.valid_until IS NULL OR c.valid_until >= (now() AT TIME ZONE 'Asia/Shanghai')::date)
)"""
_IN_SEASON = "regexp_replace(p.label->>'season', '[^0-9月-].*$', '') = ANY (%(seasons)s)"
_TESTS = {
    "county": "p.origin_code = %(county)s",
    "category": "p.category = %(category)s",
    "certificate": _CERTIFIED.format(kind="%(certificate)s"),
    "price": "f.price_fen BETWEEN %(price_from)s AND %(price_to)s",
    "season": _IN_SEASON,
}

# Where goods are not walked by price, each is looked up: as it stands above, the one plan for all prices expects few
# goods between any two, and would read all of them first. So may an EXISTS; what one subquery returns is never hashed.
_PRICE_OF_EACH = f"""coalesce((
    SELECT {_TESTS["price"]} FROM skus f WHERE f.product_id = p.id AND f.position = 1
), false)"""

_COUNTS = """
WITH base AS MATERIALIZED (
    SELECT p.id, p.category, p.origin_code, f.price_fen, {season} AS is_in_season,
           {accreditation} AS is_accredited, {indication} AS is_indicated, {flags}
    FROM products p JOIN skus f ON f.product_id = p.id AND f.position = 1
    WHERE p.is_on_sale {filters} ORDER BY p.position, p.slug LIMIT {cap} + 1
)
SELECT 'county', origin_code, (SELECT name FROM regions WHERE code = origin_code), count(*)
FROM base WHERE {but_county} GROUP BY 2
UNION ALL SELECT 'category', category, NULL, count(*) FROM base WHERE {but_category} GROUP BY 2
UNION ALL SELECT 'certificate', 'accreditation', NULL, count(*) FROM base WHERE is_accredited AND {but_certificate}
UNION ALL SELECT 'certificate', 'geographical_indication', NULL, count(*)
FROM base WHERE is_indicated AND {but_certificate}
UNION ALL SELECT 'price', width_bucket(price_fen, ARRAY[{prices}]::bigint[])::text, NULL, count(*)
FROM base WHERE {but_price} GROUP BY 2
UNION ALL SELECT 'season', 'now', NULL, count(*) FROM base WHERE is_in_season AND {but_season}
UNION ALL SELECT 'total', 'total', NULL, count(*) FROM base WHERE {but_none}
UNION ALL SELECT 'base', 'base', NULL, count(*) FROM base
"""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What was chosen: a hall's slug, a county's code, a category, a kind of certificate, prices in fen, a month.

    `is_shelved` says that the hall has no goods of its own and shows what is on its shelves.
    """

    hall: str | None = None
    category: str | None = None
    county: str | None = None
    certificate: str | None = None
    price_from: int | None = None
    price_to: int | None = None
    month: int | None = None
    is_shelved: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing can pass, because a hall, category, county or certificate of that name cannot exist."""
        return (
            self.category not in (None, *categories.NAMES)
            or (self.hall is not None and not identifiers.is_slug(self.hall))
            or (self.county is not None and not identifiers.is_slug(self.county))
            or self.certificate not in (None, *models.CertificateKind)
        )

    def filters(self, *, by_price: bool = False) -> str:
        """Return the condition on products `p`, beginning with AND, or nothing.

        `by_price` says that they are walked in the order of the prices of their first SKUs `f`, into whose index the
        bounds then lead.
        """
        tests = _TESTS if by_price else _TESTS | {"price": _PRICE_OF_EACH}
        chosen = [_ON_SHELVES if self.is_shelved else _IN_HALL] if self.hall is not None else []
        return "".join(f" AND {test}" for test in [*chosen, *(tests[name] for name in self._chosen())])

    def params(self) -> dict[str, object]:
        """Return the parameters of `filters`. Raises `FilterInvalid` for a month or a price that cannot be."""
        low, high = self.price_from or 0, MAX_FEN if self.price_to is None else self.price_to
        if not 0 <= low <= high <= MAX_FEN or (self.month is not None and not 1 <= self.month <= 12):
            raise errors.FilterInvalid
        return {
            "hall": self.hall,
            "category": self.category,
            "county": self.county,
            "certificate": self.certificate,
            "price_from": low,
            "price_to": high,
            "seasons": seasons(self.month) if self.month is not None else [],
        }

    def _chosen(self) -> list[str]:
        has_price = self.price_from is not None or self.price_to is not None
        asked = (self.county, self.category, self.certificate, has_price or None, self.month)
        return [name for name, value in zip(_TESTS, asked, strict=True) if value is not None]


def seasons(month: int) -> list[str]:
    """Return all that a label may say of its season when `month` is in it."""
    spans = [f"{start}-{end}月" for start in range(1, 13) for end in range(1, 13) if _lies_in(month, start, end)]
    return [*_ALL_YEAR, f"{month}月", *spans]


def _lies_in(month: int, start: int, end: int) -> bool:
    return start <= month <= end if start <= end else month >= start or month <= end


def counts(*, chosen: Narrowing, filters: str, params: dict[str, object], month: int) -> dict[str, object]:
    """Return how many goods each choice leaves among those that pass `filters`; `month` says what is in season."""
    names = list(_TESTS)
    flags = ", ".join(f"{_TESTS[name] if name in chosen._chosen() else 'true'} AS is_{name}" for name in names)  # noqa: SLF001
    but = {name: " AND ".join(f"is_{other}" for other in names if other != name) for name in names}
    sql = _COUNTS.format(
        filters=filters,
        season=f"coalesce({_IN_SEASON.replace('seasons', 'now')}, false)",
        accreditation=_CERTIFIED.format(kind="'accreditation'"),
        indication=_CERTIFIED.format(kind="'geographical_indication'"),
        flags=flags,
        cap=MAX_COUNTED,
        prices=",".join(map(str, PRICES)),
        but_none=" AND ".join(f"is_{name}" for name in names),
        **{f"but_{name}": test for name, test in but.items()},
    )
    rows = database.statement(sql, {**params, **chosen.params(), "now": seasons(month)})
    found: dict[str, list[tuple[str, str | None, int]]] = {}
    for facet, value, name, count in rows:
        found.setdefault(facet, []).append((value, name, count))
    return {
        "is_any": found["base"][0][2] > 0,
        "total": found["total"][0][2],
        "is_capped": found["base"][0][2] > MAX_COUNTED,
        "counties": _values(found.get("county", [])),
        "categories": [
            value | {"name": categories.NAMES[str(value["value"])]} for value in _values(found.get("category", []))
        ],
        "certificates": [{"value": value, "count": count} for value, _, count in found["certificate"] if count],
        "prices": [_price(int(value), count) for value, _, count in sorted(found.get("price", []))],
        "in_season": found["season"][0][2],
    }


def everything(chosen: Narrowing) -> Narrowing:
    """Return the hall alone: the goods among which choices are counted."""
    return replace(Narrowing(), hall=chosen.hall, is_shelved=chosen.is_shelved)


def _values(rows: list[tuple[str, str | None, int]]) -> list[dict[str, object]]:
    return [
        {"value": value, "name": name, "count": count}
        for value, name, count in sorted(rows, key=lambda row: (-row[2], row[0]))
    ]


def _price(bucket: int, count: int) -> dict[str, object]:
    until = PRICES[bucket] - 1 if bucket < len(PRICES) else None
    return {"price_from": PRICES[bucket - 1], "price_to": until, "count": count}
