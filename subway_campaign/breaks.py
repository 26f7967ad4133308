"""How much of what nobody earned broken identities may have cost: scanned on a page, bought in the mini-program (R28).

Invariant: reads only, and changes no figure of a report: an estimate stands beside the row `no_touch`, never in it.

Who bought in the mini-program may have scanned on a page under a cookie that nothing joins to her. Of such orders the
share that a scan would have earned is taken from buyers of the mini-program whose page side is known, because both
sides showed one unionid or phone. Whoever came by a hand-off is left out: it is made on a scanned page, so all of those
have scanned. People who use both sides scan more than others, so the estimate rather lies too high. Of a period of very
many orders every second, third … is looked at: the interval is far wider than what that adds.
"""

import math
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import errors, intervals
from subway_campaign.candidates import HORIZON
from subway_campaign.lifecycle import Model

# With fewer known orders the interval spans more than a third of everything, and says nothing.
ENOUGH_KNOWN = 30
# To look at the buyers of so many orders takes a tenth of a second.
MOST_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Breaks:
    """Paid orders of the mini-program by what is known of their buyers.

    `open_orders`, with what they net, are nobody's and of buyers whose page side is not known. Of those whose is,
    no scan in the mini-program earned `known_orders`, and a scan on a page `earned_orders` of these. All four are of
    one in `one_in` orders.
    """

    open_orders: int
    open_net_fen: int
    known_orders: int
    earned_orders: int
    one_in: int = 1

    @property
    def is_enough(self) -> bool:
        """Tell whether anything may be said."""
        return self.known_orders >= ENOUGH_KNOWN

    @property
    def share(self) -> tuple[float, float, float] | None:
        """Which part of the open orders a scan would have earned, with the ends of the 95 % interval."""
        ends = intervals.jeffreys(self.earned_orders, self.known_orders)
        return (self.earned_orders / self.known_orders, *ends) if ends and self.is_enough else None

    @property
    def net_fen(self) -> tuple[int, int, int] | None:
        """The same of the net sales of all open orders, in whole fen."""
        if self.share is None:
            return None
        value, low, high = (round(self.open_net_fen * self.one_in * part) for part in self.share)
        return value, low, high


_SPAN = """
    span AS (
        SELECT cast(cast(:from_day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS since,
               cast(cast(:to_day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS until
    )"""
_PAID = text(f"""
    WITH {_SPAN} SELECT count(*) FROM span JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
""")
_COUNT = text(f"""
    WITH {_SPAN}, bought AS MATERIALIZED (
        SELECT c.id, c.outcome, c.reason, c.touch_id, c.placed_at, c.person_id
        FROM span JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        WHERE c.id % :one_in = 0 AND c.outcome <> 'excluded' AND EXISTS (
            SELECT FROM visitor_identities i
            WHERE i.person_id = c.person_id AND i.kind = 'mp_openid' AND i.unlinked_at IS NULL)
    ), sided AS MATERIALIZED (
        SELECT b.id, b.outcome, b.reason,
               EXISTS (
                   SELECT FROM person_links p
                   JOIN visitor_identities i
                       ON i.person_id = CASE WHEN p.person_id = b.person_id THEN p.same_as ELSE p.person_id END
                   WHERE b.person_id IN (p.person_id, p.same_as) AND p.undone_at IS NULL
                     AND i.kind = 'oa_openid' AND i.unlinked_at IS NULL) AS is_known,
               (SELECT t.surface FROM touches t
                WHERE t.id = b.touch_id AND t.occurred_at BETWEEN b.placed_at - :horizon AND b.placed_at) AS surface
        FROM bought b
        WHERE NOT EXISTS (
            SELECT FROM visitor_links l JOIN visitor_merges m ON l.visitor_id IN (m.visitor_id, m.same_as)
            WHERE l.person_id = b.person_id AND m.undone_at IS NULL)
    )
    SELECT count(*) FILTER (WHERE NOT is_known AND reason = 'no_touch') AS open_orders,
           cast(coalesce(sum((
               SELECT sum(k.fen) FROM attribution_decisions d JOIN credits k ON k.decision_id = d.id
               WHERE d.conversion_id = sided.id AND k.model = :model
           )) FILTER (WHERE NOT is_known AND reason = 'no_touch'), 0) AS bigint) AS open_net_fen,
           count(*) FILTER (WHERE is_known AND surface IS DISTINCT FROM 'miniprogram') AS known_orders,
           count(*) FILTER (WHERE is_known AND surface = 'h5' AND outcome = 'attributed') AS earned_orders
    FROM sided
""")


def of_period(session: Session, *, from_day: date, to_day: date) -> Breaks:
    """Return what is known of broken identities among the orders paid from `from_day` up to, not including, `to_day`.

    Shanghai days. Raises `ImpossiblePeriod`.
    """
    if to_day <= from_day:
        raise errors.ImpossiblePeriod
    span = {"from_day": from_day, "to_day": to_day}
    one_in = max(1, math.ceil((session.scalar(_PAID, span) or 0) / MOST_LOOKED_AT))
    asked = span | {"horizon": HORIZON, "model": Model.LAST.value, "one_in": one_in}
    found = session.execute(_COUNT, asked).mappings().one()
    return Breaks(**found, one_in=one_in)
