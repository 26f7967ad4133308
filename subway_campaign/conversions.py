"""Orders as the campaign sees them: placed, paid, given back, and decided again when more is known.

Invariant: for every paid order and every model the credits sum to what was paid and not refunded, whatever is
repeated and in whatever order events arrive; `lock` lets one event of an order in at a time.

A decision is a function of the log as it was known 72 hours after the order was placed (R21). Deciding early, again,
twice at once or long afterwards therefore ends in the same credit: `decide_again` holds the order's lock from its
first read to its commit, so a refund or another decision waits and then finds the live version; one that is killed
half-way leaves the version before and the review mark that asks for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import attribution, candidates, crediting, decisions, errors, journeys, visits
from subway_campaign.lifecycle import Exclusion, RefundState, Stage

# A refund's line for the freight, which no placement earns (R13).
FREIGHT_LINE = 0

_log = logs.get(__name__)


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
    basis = decisions.Basis.of(placed_at)
    decision, touches = _decide(
        session, candidates.Buyer(visitor, person), basis, placed_at=placed_at, upto=placed_at, by_staff=by_staff
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
# Whatever was committed while this order was being decided is found when it is looked at once more.
_LOOK_AGAIN = text("INSERT INTO review_marks (kind, conversion_id) VALUES ('order', :id)")


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
    basis = decisions.Basis.of(conversion.placed_at)
    decision, touches = _decide_on(session, conversion, basis, paid_at=paid_at)
    stamp = _stamp(session, decision, touches, stage=Stage.PAID, at=paid_at)
    columns = {"line_nos": list(lines), "fens": list(lines.values())}
    session.execute(_PAID, {"id": conversion.id, "paid_at": paid_at, **columns, **stamp})
    _leave_journey(session, conversion, stamp)
    session.execute(_LOOK_AGAIN, {"id": conversion.id})
    decision_id = decisions.store(
        session,
        conversion=conversion.id,
        basis=basis,
        decision=decision,
        touches=touches,
        placed_at=conversion.placed_at,
        now=paid_at,
    )
    weights = decisions.shares_of(decision)
    crediting.sell(session, decision=decision_id, weights=weights, order=order, paid_at=paid_at, lines=lines)
    _apply_parked(session, order)
    return True


_MOVED = text("""
    UPDATE conversions SET outcome = :outcome, reason = :reason, journey = :journey, touch_id = :touch,
                           placement_id = :placement
    WHERE id = :id
""")


def decide_again(session: Session, *, order: str, now: datetime) -> bool:
    """Decide on a paid order anew, and let the new version supersede the live one when its credit differs (R21).

    Returns whether it did. What became known later than 72 hours after the order changes nothing; where it would have,
    `attribution.late_ignored` is logged. An order whose buyer was forgotten stays as it is (R27).
    """
    database.require_transaction(session)
    lock(session, order)
    conversion = _find(session, order)
    if conversion is None or conversion.paid_at is None or _is_nobodys(conversion):
        return False
    live = decisions.live(session, conversion=conversion.id)
    if _supersede(session, order, conversion, live, live.basis, now):
        return True
    if now > live.basis.known_until:
        late, _ = _decide_on(session, conversion, live.basis.until(now), paid_at=conversion.paid_at)
        if late.credit != live.decision.credit:
            _log.info("attribution.late_ignored", order=order, reason=late.reason)
    return False


def override(session: Session, *, order: str, reason: str, now: datetime) -> bool:
    """Decide on a paid order with everything that is known `now`, however late it came, because of `reason` (R21).

    Returns whether the credit changed; the reason stays with the decision. Raises `UnknownConversion`,
    `NotDecided` while it is unpaid, and `BuyerForgotten` when nobody knows any more whose touches count.
    """
    database.require_transaction(session)
    lock(session, order)
    conversion = _find(session, order)
    if conversion is None:
        raise errors.UnknownConversion(order=order)
    if conversion.paid_at is None:
        raise errors.NotDecided(order=order)
    if _is_nobodys(conversion):
        raise errors.BuyerForgotten(order=order)
    live = decisions.live(session, conversion=conversion.id)
    return _supersede(session, order, conversion, live, live.basis.until(now, because=reason), now)


def _supersede(
    session: Session,
    order: str,
    conversion: Row[Any],
    live: decisions.Live,
    basis: decisions.Basis,
    now: datetime,
) -> bool:
    decision, touches = _decide_on(session, conversion, basis, paid_at=conversion.paid_at)
    if decision.credit == live.decision.credit:
        return False
    decision_id = decisions.store(
        session,
        conversion=conversion.id,
        basis=basis,
        decision=decision,
        touches=touches,
        placed_at=conversion.placed_at,
        now=now,
        after=live,
    )
    stamp = _stamp(session, decision, touches, stage=Stage.ORDER, at=conversion.placed_at)
    _stamp(session, decision, touches, stage=Stage.PAID, at=conversion.paid_at)
    session.execute(_MOVED, {"id": conversion.id, **stamp})
    _leave_journey(session, conversion, stamp)
    crediting.move(
        session,
        superseded=live.id,
        version=live.version + 1,
        decision=decision_id,
        weights=decisions.shares_of(decision),
        conversion=conversion.id,
        order=order,
        paid_at=conversion.paid_at,
    )
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
            SELECT id, visitor_id, person_id, by_staff, placed_at, paid_at, journey FROM conversions
            WHERE order_number = :order
        """),
        {"order": order},
    ).first()


def _leave_journey(session: Session, conversion: Row[Any], stamp: Mapping[str, Any]) -> None:
    """Take back how far an order brought the journey that it turned out not to belong to."""
    if conversion.journey is not None and conversion.journey != stamp["journey"]:
        journeys.unstamp(session, journey=conversion.journey)


def _is_nobodys(conversion: Row[Any]) -> bool:
    return conversion.visitor_id is None and conversion.person_id is None


def _decide_on(
    session: Session, conversion: Row[Any], basis: decisions.Basis, *, paid_at: datetime
) -> tuple[attribution.Decision, list[attribution.Candidate]]:
    buyer = candidates.Buyer(conversion.visitor_id, conversion.person_id)
    placed_at = conversion.placed_at
    # WeChat tells whole seconds, so money can seem to have moved before the order was placed.
    upto = max(placed_at, paid_at)
    return _decide(session, buyer, basis, placed_at=placed_at, upto=upto, by_staff=conversion.by_staff)


def _decide(
    session: Session,
    buyer: candidates.Buyer,
    basis: decisions.Basis,
    *,
    placed_at: datetime,
    upto: datetime,
    by_staff: bool,
) -> tuple[attribution.Decision, list[attribution.Candidate]]:
    """Decide on the touches up to `upto` as the basis knows them, and return them with the decision."""
    known = basis.known_until
    identities = candidates.resolve(session, buyer=buyer, known=known)
    touches = candidates.of(session, identities=identities, cutoff=placed_at, upto=upto, known=known)
    excluded = Exclusion.STAFF if by_staff else identities.exclusion(placed_at)
    decision = attribution.decide(touches, placed_at=placed_at, parameters=basis.parameters, excluded=excluded)
    return decision, touches


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
            crediting.give_back(
                session,
                decision=parked.decision_id,
                weights=decisions.weights_of(session, parked.decision_id),
                refund=parked.refund,
                line_no=parked.line_no,
                before_fen=int(parked.net_fen),
                fen=parked.fen,
                paid_at=parked.paid_at,
                refunded_at=parked.refunded_at,
            )
        state = RefundState.APPLIED if fits else RefundState.REJECTED
        session.execute(_SETTLE_REFUND, {"state": state, "refund": parked.refund, "line_no": parked.line_no})
