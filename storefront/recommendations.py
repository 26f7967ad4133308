"""Whose link brought an order: the third-party seller whom the campaign credits with it.

Invariant: reads and tells only; a seller is known by the partner whose node in the inventory has the credit.
"""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront import campaign_orders, partner_codes
from subway_campaign import sellers

# A guest is nobody whom we could tell from the seller: only who is logged in to WeChat counts.
_BUYER = text("""
    SELECT o.visitor, o.person, o.placed_at FROM orders o JOIN shoppers s ON s.id = o.shopper_id
    WHERE o.number = :order AND s.openid IS NOT NULL
""")
_SELLER = text("SELECT seller FROM partners WHERE number = :number AND closed_at IS NULL")
_PARTNERS = text("SELECT seller, number FROM partners WHERE seller = ANY(:sellers)")


def seller_of(session: Session, *, order: str) -> str | None:
    """Return the number of the open seller whose link brought a logged-in shopper to an order, None without one.

    The campaign is told of the order first, because its own reaction may come seconds later.
    """
    buyer = session.execute(_BUYER, {"order": order}).one_or_none()
    if buyer is None or not sellers.may_have_brought(
        session, visitor=buyer.visitor, person=buyer.person, now=buyer.placed_at
    ):
        return None
    campaign_orders.tell_placed(session, number=order)
    label = sellers.credited(session, order=order)
    return session.scalars(_SELLER, {"number": partner_codes.partner(label)}).one_or_none() if label else None


def without_credit(session: Session, *, order: str, among: Collection[str]) -> set[str]:
    """Return which of the sellers in `among` recommend by links of their own, and have no credit for the order."""
    rows = session.execute(_PARTNERS, {"sellers": list(among)}).all()
    label = sellers.credited(session, order=order) if rows else None
    return {row.seller for row in rows if label is None or row.number != partner_codes.partner(label)}
