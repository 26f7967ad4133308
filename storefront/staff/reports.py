"""The placement report as staff read it: what the campaign credited, beside what the shop itself sold.

Invariant: both sides are read from one snapshot, and orders whose credit is still on its way stand apart as
undecided, so that any other difference, of a single fen, is a fault and shows.
"""

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock
from storefront import events, sales
from storefront.actors import Actor
from storefront.errors import PeriodTooLong
from storefront.roles import Permission
from storefront.staff import sight
from subway_campaign import listings, reports
from subway_campaign.lifecycle import Level, Model, View

# Two years: longer than any campaign of the programme, short enough to be read in one go.
LONGEST = timedelta(days=732)
_LEVELS = list(Level)

# What the campaign has not booked yet: the facts of orders whose reaction in `reactions` is still to run, and refunds
# of such orders, which it keeps parked until then.
_WAITING = text("""
    WITH waiting AS (
        SELECT f.name, f.key FROM open_facts w JOIN facts f ON f.id = w.fact_id
        WHERE f.name IN (:paid, :refunded) AND NOT EXISTS (
            SELECT FROM reactions_done d WHERE d.fact_id = f.id
                AND d.reaction = CASE f.name WHEN :paid THEN 'credit_placement' ELSE 'reverse_credit' END)
    ), unpaid AS (
        SELECT o.id, o.goods_fen, o.freight_fen, o.paid_at FROM waiting w JOIN orders o ON o.number = w.key
        WHERE w.name = :paid
    ), unreversed AS (
        SELECT r.id FROM waiting w JOIN order_refunds r ON r.refund_number = w.key WHERE w.name = :refunded
        UNION
        SELECT r.id FROM unpaid JOIN order_refunds r ON r.order_id = unpaid.id WHERE r.refunded_at IS NOT NULL
    )
    SELECT sold.*, back.* FROM (
        SELECT count(*), coalesce(sum(goods_fen), 0)::bigint, coalesce(sum(freight_fen), 0)::bigint
        FROM unpaid WHERE paid_at >= :since AND paid_at < :before
    ) sold CROSS JOIN (
        SELECT coalesce(sum(r.amount_fen - r.freight_fen), 0)::bigint, coalesce(sum(r.freight_fen), 0)::bigint
        FROM unreversed JOIN order_refunds r USING (id) JOIN orders o ON o.id = r.order_id
        WHERE CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END >= :since
          AND CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END < :before
    ) back
""")


def placements(
    session: Session,
    actor: Actor,
    *,
    from_day: date,
    to_day: date,
    model: Model = Model.LAST,
    level: Level = Level.POSITION,
    view: View = View.COHORT,
) -> dict[str, Any]:
    """Return the report of the Shanghai days from `from_day` up to, not including, `to_day`, with the shop's `sales`.

    `difference` is sales less everything in the report, in orders and fen: all zero when they agree. Must be the first
    thing in its transaction. Raises `NotPermitted`, `PeriodTooLong`, `ImpossiblePeriod`.
    """
    sight.require_whole(actor, Permission.READ_REPORTS)
    check_length(from_day, to_day)
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return _beside_sales(session, from_day=from_day, to_day=to_day, model=model, level=level, view=view)


def under(
    session: Session,
    actor: Actor,
    *,
    placement: str | None,
    from_day: date,
    to_day: date,
    model: Model = Model.LAST,
    view: View = View.COHORT,
) -> dict[str, Any]:
    """Return the report with `rows` one step below `placement` (None: the media), `self` being its own row.

    A step is the next level at which something below it has figures. `above` is the way from the root.
    Raises as `placements` does, and `UnknownPlacement`.
    """
    answer = placements(session, actor, from_day=from_day, to_day=to_day, model=model, level=Level.MEDIUM, view=view)
    answer |= {"above": [], "self": None}
    if placement is None:
        return answer
    answer["above"] = listings.way(session, number=placement)
    period = {"from_day": from_day, "to_day": to_day, "model": model, "view": view}
    own = Level(answer["above"][-1]["level"])
    at_own_level = reports.placements(session, level=own, **period)["rows"]  # type: ignore[arg-type]
    answer["self"] = next((row for row in at_own_level if row["placement"] == placement), None)
    answer["rows"] = []
    for level in _LEVELS[_LEVELS.index(own) + 1 :]:
        rows = reports.placements(session, level=level, **period)["rows"]  # type: ignore[arg-type]
        answer["rows"] = [row for row in rows if row["placement"].startswith(f"{placement}.")]
        if answer["rows"]:
            break
    return answer


def check_length(from_day: date, to_day: date) -> None:
    """Raise `PeriodTooLong` for more days than are read in one go."""
    if to_day - from_day > LONGEST:
        raise PeriodTooLong(days=LONGEST.days)


def agrees(report: dict[str, Any]) -> bool:
    """Tell whether the report and the shop's own sales are the same to the fen."""
    return not any(report["difference"].values())


def _beside_sales(
    session: Session, *, from_day: date, to_day: date, model: Model, level: Level, view: View
) -> dict[str, Any]:
    report = reports.placements(session, from_day=from_day, to_day=to_day, model=model, level=level, view=view)
    since, before = midnight(from_day), midnight(to_day)
    sold = sales.of_period(session, since=since, before=before, by_refund_day=view is View.CASH)
    waiting = session.execute(
        _WAITING,
        {
            "paid": events.ORDER_PAID.name,
            "refunded": events.ORDER_REFUNDED.name,
            "since": since,
            "before": before,
            "cash": view is View.CASH,
        },
    ).one()
    undecided = dict(
        zip(("orders", "gross_fen", "freight_fen", "refunded_fen", "refunded_freight_fen"), waiting, strict=True)
    )
    undecided["orders"] += report["undecided"]["orders"]
    undecided["gross_fen"] += report["undecided"]["gross_fen"]
    undecided["net_fen"] = undecided["gross_fen"] - undecided["refunded_fen"]
    ours = asdict(sold) | {
        "gross_fen": sold.goods_fen,
        "refunded_fen": sold.refunded_goods_fen,
        "net_fen": sold.goods_fen - sold.refunded_goods_fen,
        "net_freight_fen": sold.freight_fen - sold.refunded_freight_fen,
    }
    total = report["total"]
    waiting_freight_fen = undecided["freight_fen"] - undecided["refunded_freight_fen"]
    return report | {
        "undecided": undecided,
        "sales": ours,
        "difference": {
            "orders": ours["orders"] - total["paid_orders"] - undecided["orders"],
            "gross_fen": ours["gross_fen"] - total["gross_fen"] - undecided["gross_fen"],
            "refunded_fen": ours["refunded_fen"] - total["refunded_fen"] - undecided["refunded_fen"],
            "net_fen": ours["net_fen"] - total["net_fen"] - undecided["net_fen"],
            "freight_fen": ours["net_freight_fen"] - report["freight_fen"] - waiting_freight_fen,
        },
    }


def midnight(day: date) -> datetime:
    """Return the instant at which a Shanghai day begins."""
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)
