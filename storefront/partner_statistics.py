"""What a third-party seller's own links brought, as the placement report says it.

Invariant: the figures are the rows that staff read of the same placements, and of no others; nothing tells of a
person, and what would come close to it, visitors and rates of fewer than five, is left out.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront import commissions, partner_codes, partners
from storefront.errors import PeriodTooLong
from subway_campaign import reports, sellers
from subway_campaign.lifecycle import View
from subway_campaign.ways import LEAST

LONGEST = timedelta(days=366)
FIGURES = ("scans", "orders", "paid_orders", "gross_fen", "refunded_fen", "net_fen")


def of_seller(session: Session, *, partner: str, from_day: date, to_day: date, view: View) -> dict[str, Any]:
    """Return the figures of the links of `partner` (a number) over Shanghai days, half-open, and their `total`.

    `commission` says what became of the claims that were made at the pay taps of these days.
    `links` has one for each that brought anything. Must be the first thing in its transaction. Raises
    `PeriodTooLong` and `ImpossiblePeriod`.
    """
    if to_day - from_day > LONGEST:
        raise PeriodTooLong(days=LONGEST.days)
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    found = reports.tree(session, from_day=from_day, to_day=to_day, view=view)
    links = {link.placement: link for link in partner_codes.listing(session, partner=partner)}
    own = sellers.node(partner_codes.label(partner))
    return {
        "commission": commissions.sums(
            session,
            seller=partners.find(session, number=partner).seller,
            from_day=from_day,
            to_day=to_day,
        ),
        "total": _figures(found.nodes[own]["row"]) if own in found.nodes else dict.fromkeys(FIGURES, 0) | _few(),
        "links": [
            _figures(row) | {"code": link.code, "landing": link.landing}
            for row in found.below(own)
            if (link := links.get(row["placement"]))
        ],
    }


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in FIGURES}
    if row["visitors"] < LEAST or row["conversion"]["journeys"] < LEAST:
        return told | _few()
    rate = {name: row["conversion"][name] for name in ("rate", "low", "high")}
    return told | {"visitors": row["visitors"], "conversion": rate}


def _few() -> dict[str, None]:
    return {"visitors": None, "conversion": None}
