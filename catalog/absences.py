"""Why goods cannot be bought now, in words for whoever would buy them.

Invariant: goods that were never published are not told of, only not found; a reason is one of `WORDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog import errors, identifiers
from catalog.pricing import PricedLine
from config import database

WORDS: Mapping[str, str] = {
    "revoked": "产品认定已被撤销，不再销售",
    "suspended": "产品认定正在整改复查，暂停销售",
    "expired": "产品认定已到期，重新认定后再上架",
    "accreditation": "产品认定已失效，暂停销售",
    "supplier": "供货方暂停供货",
    "papers": "供货方正在更新证照，暂停销售",
    "owner": "卖家已下架",
    "pack": "这个规格已停售，请选别的规格",
    "draft": "还没有上架",
    "alcohol": "酒类经营资质录入之前只作展示，不出售",
    "display": "只作展示，不出售",
    "sold_out": "卖完了，补货后即可购买",
    "short": "库存不够这么多，请减少数量",
}

# What was published once and then lost its badge says which way it lost it.
_FIND = """
SELECT p.name, h.slug, coalesce(CASE WHEN p.off_sale_for = 'accreditation' THEN (
           SELECT a.state FROM accreditations a
           WHERE a.product_id = p.id AND a.state IN ('suspended', 'expired', 'revoked') ORDER BY a.id DESC LIMIT 1
       ) END, p.off_sale_for, 'owner')
FROM products p JOIN halls h ON h.id = p.hall_id
WHERE p.slug = %(slug)s AND NOT p.is_on_sale AND p.off_sale_for IS DISTINCT FROM 'draft'
"""


@dataclass(frozen=True, slots=True)
class Absent:
    """Goods that were on sale and are not: what they are called, the slug of their hall, and why."""

    name: str
    hall: str
    because: str


def find(slug: str) -> Absent:
    """Return why published goods are off sale. Raises `ProductUnknown` for drafts and for what is on sale, too."""
    rows = database.statement(_FIND, {"slug": slug}) if identifiers.is_slug(slug) else []
    if not rows:
        raise errors.ProductUnknown
    return Absent(*rows[0])


def of_line(line: PricedLine) -> str | None:
    """Return why a line cannot be ordered, as a key of `WORDS`; None when it can."""
    if not line.is_on_sale:
        return line.off_sale_for or "owner"
    if line.is_display_only:
        return "alcohol" if line.is_for_adults else "display"
    if line.available >= line.quantity:
        return None
    return "short" if line.available else "sold_out"
