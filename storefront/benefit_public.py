"""What everybody may read beside a product and in a hall of whom its sales benefit: modes, share, rounded households.

Invariant: only links that hold now, of goods on sale, are told of; households are counted in groups of five or more and
rounded down to five, so that neither a number nor the difference of two tells of a few; nobody is named.
"""

from dataclasses import dataclass
from datetime import datetime

from catalog.cache import Cache
from config import database
from storefront.benefit import FEWEST_HOUSEHOLDS

# A link begins or ends a minute from now at the earliest, so nobody misses it by this.
_KEPT_SECONDS = 60
_LINKS = """
    SELECT b.product_slug, b.mode, b.share_bp, g.id,
           (SELECT count(*) FROM benefit_households h WHERE h.group_id = g.id AND h.left_at IS NULL)
    FROM benefit_links b JOIN benefit_groups g ON g.id = b.group_id
    JOIN products p ON p.slug = b.product_slug AND p.is_on_sale
    WHERE tstzrange(b.starts_at, b.ends_at) @> %(now)s::timestamptz AND {which} ORDER BY b.mode
"""
_OF_PRODUCT = _LINKS.format(which="b.product_slug = %(slug)s")
_OF_HALL = _LINKS.format(
    which="p.hall_id = ANY (ARRAY(SELECT h.id FROM halls t JOIN halls h ON h.id = t.id OR h.parent_id = t.id"
    " WHERE t.slug = %(slug)s))"
)

_kept: Cache[tuple["Benefit | None"]] = Cache(_KEPT_SECONDS)


@dataclass(frozen=True, slots=True)
class Benefit:
    """How many goods benefit households, in which modes, by which share (ten-thousandths; None when they differ).

    `households` is at least how many, 0 when they are too few to be told.
    """

    goods: int
    modes: tuple[str, ...]
    share_bp: int | None
    households: int


def of_product(slug: str, *, now: datetime) -> Benefit | None:
    """Return whom a product's sales benefit, at most a minute old; None when nobody in particular."""
    return _kept.get(("product", slug), lambda: (_read(_OF_PRODUCT, slug, now),))[0]


def of_hall(slug: str, *, now: datetime) -> Benefit | None:
    """Return whom the sales of the goods of a hall, and of those under it, benefit; None when nobody in particular."""
    return _kept.get(("hall", slug), lambda: (_read(_OF_HALL, slug, now),))[0]


def _read(sql: str, slug: str, now: datetime) -> Benefit | None:
    rows = database.statement(sql, {"slug": slug, "now": now})
    if not rows:
        return None
    shares: dict[str, int] = {}
    for product, _, share_bp, _, _ in rows:
        shares[product] = shares.get(product, 0) + share_bp
    groups = {group: count for _, _, _, group, count in rows if count >= FEWEST_HOUSEHOLDS}
    total = sum(groups.values())
    return Benefit(
        goods=len(shares),
        modes=tuple(dict.fromkeys(row[1] for row in rows)),
        share_bp=next(iter(shares.values())) if len(set(shares.values())) == 1 else None,
        households=total - total % FEWEST_HOUSEHOLDS,
    )
