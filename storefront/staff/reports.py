"""The placement report as staff read it: what the campaign credited, beside what the shop itself sold.

Invariant: both sides are read from one snapshot, and orders whose credit is still on its way stand apart as
undecided, so that any other difference, of a single fen, is a fault and shows. Whose role is narrowed to branches of
the placements reads the rows of these and their sum; the shop's own sales, with which only the whole can be compared,
are not theirs to see.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import products
from config import clock
from storefront import events, sales
from storefront.actors import Actor
from storefront.errors import PeriodTooLong
from storefront.roles import Permission
from storefront.staff import sight
from subway_campaign import reports, returns, ways, yields
from subway_campaign.lifecycle import Level, Model, View
from subway_campaign.narrowing import Narrowing

# Two years: longer than any campaign of the programme, short enough to be read in one go.
LONGEST = timedelta(days=732)

# What the campaign has not booked yet: the facts of orders whose reaction in `reactions` is still to run, and refunds
# of such orders, which it keeps parked until then.
_WAITING = """
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
"""
_WAITING_ORDERS = text(
    _WAITING
    + """
    SELECT sold.*, back.* FROM (
        SELECT count(*), coalesce(sum(goods_fen), 0)::bigint, coalesce(sum(freight_fen), 0)::bigint
        FROM unpaid WHERE paid_at >= :since AND paid_at < :before
    ) sold CROSS JOIN (
        SELECT coalesce(sum(r.amount_fen - r.freight_fen), 0)::bigint, coalesce(sum(r.freight_fen), 0)::bigint
        FROM unreversed JOIN order_refunds r USING (id) JOIN orders o ON o.id = r.order_id
        WHERE CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END >= :since
          AND CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END < :before
    ) back
    """
)
_WAITING_GOODS = text(
    _WAITING
    + """
    , meant AS (
        SELECT l.order_id, l.line_no, l.amount_fen FROM order_lines l
        WHERE l.product_slug = ANY(cast(:products AS text[]))
    )
    SELECT sold.*, back.* FROM (
        SELECT count(DISTINCT u.id), coalesce(sum(m.amount_fen), 0)::bigint, 0::bigint
        FROM unpaid u JOIN meant m ON m.order_id = u.id WHERE u.paid_at >= :since AND u.paid_at < :before
    ) sold CROSS JOIN (
        SELECT coalesce(sum(b.amount_fen), 0)::bigint, 0::bigint
        FROM unreversed JOIN order_refunds r USING (id) JOIN orders o ON o.id = r.order_id
        JOIN order_refund_lines b ON b.refund_id = r.id
        JOIN meant m ON m.order_id = r.order_id AND m.line_no = b.line_no
        WHERE CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END >= :since
          AND CASE WHEN :cash THEN r.refunded_at ELSE o.paid_at END < :before
    ) back
    """
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a report is asked for: Shanghai days (half-open), model, view, and to what it is narrowed.

    `hall` and `product` are slugs and mean goods that were sold, `campaign` and `creative` numbers.
    """

    from_day: date
    to_day: date
    model: Model = Model.LAST
    view: View = View.COHORT
    campaign: str | None = None
    creative: str | None = None
    hall: str | None = None
    product: str | None = None

    def narrowed(self, session: Session, within: tuple[str, ...] | None = None) -> Narrowing:
        """Return what the campaign is to narrow its report to; a hall is all that it ever sold."""
        goods = None
        if self.hall is not None:
            goods = products.of_hall(session, hall=self.hall)
        if self.product is not None:
            goods = [self.product] if goods is None or self.product in goods else []
        return Narrowing(self.campaign, self.creative, None if goods is None else tuple(goods), within)


def placements(session: Session, actor: Actor, wanted: Wanted, *, level: Level = Level.POSITION) -> dict[str, Any]:
    """Return the report of the days that are `wanted`, with the shop's own `sales` of the same orders and goods.

    `difference` is sales less everything in the report, in orders and fen: all zero when they agree. A campaign or
    creative takes nothing from the comparison: the sales of the others are `outside`. Within branches `undecided`,
    `sales` and `difference` are None, and a level above a branch is read as its own. Must be the first thing in its
    transaction. Raises `NotPermitted`, `PeriodTooLong`, `ImpossiblePeriod`, `UnknownCampaign`.
    """
    narrowed = _begin(session, actor, wanted)
    report = reports.placements(session, level=level, narrowed=narrowed, **_asked(wanted))
    return report | _beside_sales(session, report, wanted, narrowed)


def tree(session: Session, actor: Actor, wanted: Wanted, *, with_models: bool = False) -> reports.Tree:
    """Return the same report of all nodes at once, `told` with sales and difference. Raises as `placements` does."""
    narrowed = _begin(session, actor, wanted)
    found = reports.tree(session, narrowed=narrowed, with_models=with_models, **_asked(wanted))
    return reports.Tree(found.nodes, found.told | _beside_sales(session, found.told, wanted, narrowed))


def ways_of(session: Session, actor: Actor, wanted: Wanted, *, level: Level, under: str | None = None) -> ways.Ways:
    """Return the ways to the orders that are `wanted`, node by node of `level`; those that touch `under`, if any.

    Must be the first thing in its transaction. Raises `NotPermitted`, `OutsideArea`, `PeriodTooLong`,
    `ImpossiblePeriod`, `UnknownCampaign`.
    """
    part = sight.part(actor, Permission.READ_REPORTS, under)
    narrowed = replace(_begin(session, actor, wanted), within=None if part is None else tuple(part))
    return ways.of_period(session, from_day=wanted.from_day, to_day=wanted.to_day, level=level, narrowed=narrowed)


def add_returns(session: Session, wanted: Wanted, rows: Sequence[dict[str, Any]]) -> None:
    """Add to each row with a cost its `roi` with both ends, or `is_too_few` orders to say so; other rows get neither.

    Of the cohort view whatever is `wanted`, as the page of returns has it. In the transaction of the report.
    """
    costly = [row for row in rows if row["allocated_cost_fen"]]
    if not costly:
        return
    found = yields.of_placements(
        session,
        placements=[row["placement"] for row in costly],
        from_day=wanted.from_day,
        to_day=wanted.to_day,
        model=wanted.model,
    )
    for row in costly:
        sold = found.get(row["placement"], returns.Sales())
        row["is_too_few"] = returns.effective_orders(sold) < returns.ENOUGH_ORDERS
        row["roi"] = None if row["is_too_few"] else returns.roi(row["allocated_cost_fen"], sold)


def _begin(session: Session, actor: Actor, wanted: Wanted) -> Narrowing:
    within = reach(actor)
    check_length(wanted.from_day, wanted.to_day)
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return wanted.narrowed(session, within)


def reach(actor: Actor, *places: str | None) -> tuple[str, ...] | None:
    """Return the branches whose figures `actor` may read, None for all. Raises `OutsideArea` for `places` elsewhere.

    Raises `NotPermitted` for who may read none.
    """
    within = sight.branches(actor, Permission.READ_REPORTS)
    for place in places:
        sight.require_place(within, place)
    return None if within is None else tuple(within)


def _asked(wanted: Wanted) -> dict[str, Any]:
    return {
        "from_day": wanted.from_day,
        "to_day": wanted.to_day,
        "model": wanted.model,
        "view": wanted.view,
    }


def check_length(from_day: date, to_day: date) -> None:
    """Raise `PeriodTooLong` for more days than are read in one go."""
    if to_day - from_day > LONGEST:
        raise PeriodTooLong(days=LONGEST.days)


def agrees(report: dict[str, Any]) -> bool:
    """Tell whether the report and the shop's own sales are the same to the fen; of a part of it nothing differs."""
    return report["difference"] is None or not any(report["difference"].values())


def _beside_sales(session: Session, report: dict[str, Any], wanted: Wanted, narrowed: Narrowing) -> dict[str, Any]:
    if narrowed.within is not None:
        return dict.fromkeys(("undecided", "sales", "difference"))
    since, before = midnight(wanted.from_day), midnight(wanted.to_day)
    is_cash = wanted.view is View.CASH
    goods = narrowed.products
    sold = sales.of_period(session, since=since, before=before, by_refund_day=is_cash, products=goods)
    waiting = session.execute(
        _WAITING_ORDERS if goods is None else _WAITING_GOODS,
        {
            "paid": events.ORDER_PAID.name,
            "refunded": events.ORDER_REFUNDED.name,
            "since": since,
            "before": before,
            "cash": is_cash,
            **({} if goods is None else {"products": list(goods)}),
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
    return {
        "undecided": undecided,
        "sales": ours,
        "difference": {
            "orders": ours["orders"] - total["paid_orders"] - undecided["orders"],
            "gross_fen": ours["gross_fen"] - total["gross_fen"] - undecided["gross_fen"],
            "refunded_fen": ours["refunded_fen"] - total["refunded_fen"] - undecided["refunded_fen"],
            "net_fen": ours["net_fen"] - total["net_fen"] - undecided["net_fen"],
            "freight_fen": ours["net_freight_fen"] - (report["freight_fen"] or 0) - waiting_freight_fen,
        },
    }


def midnight(day: date) -> datetime:
    """Return the instant at which a Shanghai day begins."""
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)
