"""Links by which third-party sellers recommend goods: a code of their own, which attribution counts as a placement.

Invariant: a seller has one code for one product or hall, however often it asks; a link of one seller is never
another's. What it earns is decided by attribution alone, as for a poster on a wall.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from catalog import halls, names, products
from config import database, settings
from storefront import partners
from storefront.errors import LandingUnknown, TooManyPartnerCodes
from storefront.partner_models import Partner, PartnerCode
from subway_campaign import sellers
from subway_campaign.landing import Landing, LandingKind

# Each is a placement that reports read: a seller of more than that recommends halls.
MOST_CODES = 2_000
# What stands before the random part of a partner's number, which names its node in the inventory.
_PREFIX = "PT"


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A link of a seller: what it leads to, its code, and the placement that its sales stand at."""

    landing: Landing
    code: str
    placement: str
    made_at: datetime


def recommend(session: Session, *, partner: str, landings: Sequence[Landing], now: datetime) -> list[Recommendation]:
    """Return a link of the seller `partner` for each landing, making those that it does not have yet.

    Raises `PartnerNotFound`, `PartnerClosed`, `LandingUnknown` for what is no product or hall of ours, and
    `TooManyPartnerCodes` beyond two thousand.
    """
    partner_id = partners.open_id(session, number=partner)
    known = {link.landing: link for link in listing(session, partner=partner)}
    name = partners.find(session, number=partner).name
    wanted = [landing for landing in dict.fromkeys(landings) if landing not in known]
    if len(known) + len(wanted) > MOST_CODES:
        raise TooManyPartnerCodes(most=MOST_CODES)
    for landing in wanted:
        title = f"{name} 推荐 {_name(session, landing)}"
        place, code = sellers.recommend(session, label=label(partner), name=name, landing=landing, title=title, now=now)
        known[landing] = Recommendation(landing=landing, code=code, placement=place, made_at=now)
        session.execute(
            insert(PartnerCode).values(
                partner_id=partner_id,
                landing_kind=landing.kind,
                landing_slug=landing.slug,
                code=code,
                placement=place,
                made_at=now,
            )
        )
    return [known[landing] for landing in dict.fromkeys(landings)]


def listing(session: Session, *, partner: str) -> list[Recommendation]:
    """Return every link of a partner, oldest first."""
    rows = session.execute(
        select(PartnerCode)
        .join(Partner, Partner.id == PartnerCode.partner_id)
        .where(Partner.number == partner)
        .order_by(PartnerCode.made_at, func.length(PartnerCode.placement), PartnerCode.placement)
    ).scalars()
    return [
        Recommendation(
            landing=Landing(row.landing_kind, row.landing_slug),
            code=row.code,
            placement=row.placement,
            made_at=row.made_at,
        )
        for row in rows
    ]


def of_products(*, partner_id: int, slugs: Sequence[str]) -> dict[str, str]:
    """Return the codes that a partner has for those of the products that it recommends, by slug."""
    found: list[tuple[Any, ...]] = database.statement(_OF_PRODUCTS, {"partner": partner_id, "slugs": list(slugs)})
    return dict(found)


_OF_PRODUCTS = """
SELECT landing_slug, code FROM partner_codes
WHERE partner_id = %(partner)s AND landing_kind = 'product' AND landing_slug = ANY(%(slugs)s::text[])
"""


def label(partner: str) -> str:
    """Return the label of a partner's node in the inventory, by its number."""
    return partner[len(_PREFIX) :]


def partner(label: str) -> str:
    """Return the number of the partner whose node in the inventory has this label."""
    return f"{_PREFIX}{label}"


def url(code: str) -> str:
    """Return the address by which a code is put into a web page or a message."""
    return f"{settings.current().public_base_url}/s/{code}"


def _name(session: Session, landing: Landing) -> str:
    """Return what people call a landing. Raises `LandingUnknown`."""
    is_product = landing.kind is LandingKind.PRODUCT
    if not (products if is_product else halls).exists(session, slug=landing.slug):
        raise LandingUnknown(kind=landing.kind.value, slug=landing.slug)
    return (names.products if is_product else names.halls)(session, [landing.slug])[landing.slug]
