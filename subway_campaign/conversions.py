"""Orders as the campaign sees them, and the signed ledger of who earned their money.

Invariant: for every paid order and every model the credits sum to what was paid and not refunded, whatever is
repeated and in whatever order events arrive; `lock` lets one event of an order in at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import attribution, candidates, decisions, errors, journeys, shares, visits
from subway_campaign.lifecycle import Entry, Exclusion, Model, RefundState, Stage

# A refund's line for the freight, which no placement earns (R13).
FREIGHT_LINE = 0


@dataclass(frozen=True)
class Line:
    """One line of an order as it was placed; `product` is a slug."""

    line_no: int
    product: str
    amount_fen: int


_PLACED = text("""
    WITH conversion AS (
        INSERT INTO conversions (order_number, visitor_id, person_id, by_staff, placed_at, freight_fen,
                                 outcome, reason, journey, touch_id, placement_id)
        VALUES (:order, :visitor, :person, :by_staff, :placed_at, :freight_fen,
                :outcome, :reason, :journey, :touch, :placement)
        RETURNING id
    )
    INSERT INTO conversion_lines (conversion_id, line_no, product, amount_fen)
    SELECT conversion.id, line.* FROM conversion, unnest(
        cast(:line_nos AS integer[]), cast(:products AS text[]), cast(:amounts_fen AS bigint[])) AS line
""")


def placed(
    session: Session,
    *,
    order: str,
    visitor: UUID | None,
    person: UUID | None,
    placed_at: datetime,
    lines: Sequence[Line],
    freight_fen: int = 0,
    by_staff: bool = False,
) -> bool:
    """Write that `order` was placed, and stamp it with its journey; False when it was written before.

    It may come late, with the payment: only touches up to `placed_at` count (R8). `by_staff` marks an order that
    staff entered for a customer, which is never credited (R16).
    """
    database.require_transaction(session)
    lock(session, order)
    if _find(session, order) is not None:
        return False
    if visitor is not None:
        visits.vouch(session, visitor=visitor, now=placed_at)
    decision, touches = _decide(
        session, candidates.Buyer(visitor, person), placed_at=placed_at, upto=placed_at, by_staff=by_staff
    )
    values: dict[str, Any] = {
        "order": order,
        "visitor": visitor,
        "person": person,
        "by_staff": by_staff,
        "placed_at": placed_at,
        "freight_fen": freight_fen,
    }
    values |= _stamp(session, decision, touches, stage=Stage.ORDER, at=placed_at)
    values |= {
        "line_nos": [line.line_no for line in lines],
        "products": [line.product for line in lines],
        "amounts_fen": [line.amount_fen for line in lines],
    }
    session.execute(_PLACED, values)
    return True


_PAID = text("""
    WITH conversion AS (
        UPDATE conversions SET paid_at = :paid_at, outcome = :outcome, reason = :reason,
                               journey = :journey, touch_id = :touch, placement_id = :placement
        WHERE id = :id
    )
    UPDATE conversion_lines l SET paid_fen = paid.fen
    FROM unnest(cast(:line_nos AS integer[]), cast(:fens AS bigint[])) AS paid (line_no, fen)
    WHERE l.conversion_id = :id AND l.line_no = paid.line_no
""")


def paid(session: Session, *, order: str, paid_at: datetime, lines: Mapping[int, int]) -> bool:
    """Decide who earned `order`, and credit what was paid for each line (line number → fen, without freight).

    `paid_at` is when the money moved, so that report days match the bill. False when it was credited before.
    Refunds that came first are applied now (R14b). Raises `UnknownConversion` before `placed`.
    """
    database.require_transaction(session)
    lock(session, order)
    conversion = _find(session, order)
    if conversion is None:
        raise errors.UnknownConversion(order=order)
    if conversion.paid_at is not None:
        return False
    buyer = candidates.Buyer(conversion.visitor_id, conversion.person_id)
    placed_at = conversion.placed_at
    # WeChat tells whole seconds, so money can seem to have moved before the order was placed.
    upto = max(placed_at, paid_at)
    decision, touches = _decide(session, buyer, placed_at=placed_at, upto=upto, by_staff=conversion.by_staff)
    stamp = _stamp(session, decision, touches, stage=Stage.PAID, at=paid_at)
    columns = {"line_nos": list(lines), "fens": list(lines.values())}
    session.execute(_PAID, {"id": conversion.id, "paid_at": paid_at, **columns, **stamp})
    decision_id = decisions.store(
        session, conversion=conversion.id, decision=decision, touches=touches, placed_at=placed_at, now=paid_at
    )
    weights = decisions.shares_of(decision)
    moves = {
        (model, no): shares.split(fen, [share.weight for share in weights[model]])
        for model in Model
        for no, fen in lines.items()
    }
    _post(session, decision_id, weights, moves, entry=Entry.SALE, source=order, at=paid_at, cohort_at=paid_at)
    _apply_parked(session, order)
    return True


_REFUND = text("""
    INSERT INTO conversion_refunds (refund, line_no, order_number, fen, refunded_at, state)
    VALUES (:refund, :line_no, :order, :fen, :refunded_at, 'parked') ON CONFLICT DO NOTHING
""")


def refunded(
    session: Session,
    *,
    order: str,
    refund: str,
    lines: Mapping[int, int],
    refunded_at: datetime,
    freight_fen: int = 0,
) -> bool:
    """Take back the credit of what was refunded (line number → fen), with the order's original weights (R14).

    False when this refund was written before. A refund that arrives before its payment is parked and applied then. A
    line that gives back more than its net is kept as rejected and alarmed, and moves no money (R14b).
    """
    database.require_transaction(session)
    lock(session, order)
    known = session.execute(
        text("SELECT 1 FROM conversion_refunds WHERE refund = :refund LIMIT 1"), {"refund": refund}
    ).first()
    if known is not None:
        return False
    rows = [
        {"refund": refund, "line_no": no, "order": order, "fen": fen, "refunded_at": refunded_at}
        for no, fen in {**lines, FREIGHT_LINE: freight_fen}.items()
        if fen
    ]
    if rows:
        session.execute(_REFUND, rows)
    conversion = _find(session, order)
    if conversion is not None and conversion.paid_at is not None:
        _apply_parked(session, order)
    return True


def lock(session: Session, order: str) -> None:
    """Wait until no other transaction is writing this order's events, even one whose row does not exist yet."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('conversion ' || :order, 0))"), {"order": order}
    )


def _find(session: Session, order: str) -> Row[Any] | None:
    return session.execute(
        text("""
            SELECT id, visitor_id, person_id, by_staff, placed_at, paid_at FROM conversions
            WHERE order_number = :order
        """),
        {"order": order},
    ).first()


def _decide(
    session: Session, buyer: candidates.Buyer, *, placed_at: datetime, upto: datetime, by_staff: bool
) -> tuple[attribution.Decision, list[attribution.Candidate]]:
    """Decide on the touches known up to `upto`, and return them with the decision."""
    identities = candidates.resolve(session, buyer=buyer)
    touches = candidates.of(session, identities=identities, cutoff=placed_at, upto=upto)
    excluded = Exclusion.STAFF if by_staff else identities.exclusion(placed_at)
    return attribution.decide(touches, placed_at=placed_at, excluded=excluded), touches


def _stamp(
    session: Session,
    decision: attribution.Decision,
    touches: Sequence[attribution.Candidate],
    *,
    stage: Stage,
    at: datetime,
) -> dict[str, Any]:
    """Return the columns that say whose order this is, after writing how far its journey came."""
    last = decision.last
    start = None if last is None else attribution.journey_start(touches, last).touch
    if last is not None and start is not None:
        journeys.stamp(session, stage=stage, start=start, last=last, now=at)
    return {
        "outcome": decision.outcome,
        "reason": decision.reason,
        "journey": start,
        "touch": last and last.touch,
        "placement": last and last.placement_id,
    }


_CREDIT = text("""
    INSERT INTO credits (decision_id, entry, source, occurred_at, cohort_at,
                         model, line_no, touch_id, placement_id, fen)
    SELECT :decision, :entry, :source, :occurred_at, :cohort_at, moved.* FROM unnest(
        cast(:models AS text[]), cast(:line_nos AS integer[]), cast(:touches AS uuid[]),
        cast(:placements AS bigint[]), cast(:fens AS bigint[])) AS moved
""")


def _post(
    session: Session,
    decision_id: int,
    weights: Mapping[Model, Sequence[decisions.Share]],
    moves: Mapping[tuple[Model, int], Sequence[int]],
    *,
    entry: Entry,
    source: str,
    at: datetime,
    cohort_at: datetime,
) -> None:
    rows = [
        (model, line_no, share.touch, share.placement_id, fen)
        for (model, line_no), parts in moves.items()
        for share, fen in zip(weights[model], parts, strict=True)
        if fen
    ]
    if not rows:
        return
    names = ("models", "line_nos", "touches", "placements", "fens")
    session.execute(
        _CREDIT,
        {
            "decision": decision_id,
            "entry": entry,
            "source": source,
            "occurred_at": at,
            "cohort_at": cohort_at,
            **{name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)},
        },
    )


_PARKED = text("""
    SELECT r.refund, r.line_no, r.fen, r.refunded_at, d.id AS decision_id, c.paid_at,
           CASE WHEN r.line_no = 0 THEN c.freight_fen ELSE l.paid_fen END - coalesce((
               SELECT sum(a.fen) FROM conversion_refunds a
               WHERE a.order_number = r.order_number AND a.line_no = r.line_no AND a.state = 'applied'), 0) AS net_fen
    FROM conversion_refunds r
    JOIN conversions c USING (order_number)
    JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
    LEFT JOIN conversion_lines l ON l.conversion_id = c.id AND l.line_no = r.line_no
    WHERE r.order_number = :order AND r.state = 'parked'
    ORDER BY r.refunded_at, r.refund, r.line_no
""")
_SETTLE_REFUND = text("UPDATE conversion_refunds SET state = :state WHERE refund = :refund AND line_no = :line_no")


def _apply_parked(session: Session, order: str) -> None:
    """Apply the order's waiting refunds, oldest first; each line's net is read after the one before it was applied."""
    while (parked := session.execute(_PARKED, {"order": order}).first()) is not None:
        fits = parked.net_fen is not None and 0 < parked.fen <= parked.net_fen
        if not fits:
            logs.alarm("campaign.refund_exceeds_net", order=order, refund=parked.refund, line=parked.line_no)
        elif parked.line_no != FREIGHT_LINE:
            weights = decisions.weights_of(session, parked.decision_id)
            moves = {
                (model, parked.line_no): shares.reversal(
                    before_fen=int(parked.net_fen),
                    after_fen=int(parked.net_fen) - parked.fen,
                    weights=[share.weight for share in weights[model]],
                )
                for model in Model
            }
            _post(
                session,
                parked.decision_id,
                weights,
                moves,
                entry=Entry.REFUND,
                source=parked.refund,
                at=parked.refunded_at,
                cohort_at=parked.paid_at,
            )
        state = RefundState.APPLIED if fits else RefundState.REJECTED
        session.execute(_SETTLE_REFUND, {"state": state, "refund": parked.refund, "line_no": parked.line_no})
