"""Commission of third-party sellers: who earned it of which order, asked of WeChat when nothing can be returned.

Invariant: a seller earns of an order once; a payment that waits to be divided is divided or released, whatever becomes
of its claims; nothing is paid on own purchases or under a suspicion, and what went back to the shopper earns nothing.
The network is never called inside a transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog import errors as catalog_errors
from catalog import payees
from catalog.supplier_lifecycle import State
from config import database, logs
from payments import errors as payment_errors
from payments import lifecycle, share_returns, sharing
from payments.lifecycle import PartState
from payments.sharing import Receiver
from storefront import books, claim_lifecycle, commission_lifecycle, orders, recommendations
from storefront.commission_lifecycle import Barred, ClaimState, Standing
from storefront.commission_models import CommissionClaim
from subway_campaign import signals

_KINDS = {"merchant": sharing.MERCHANT, "person": sharing.PERSON}
# Each look is a few reads; what is not ripe yet is looked at again by the next round.
_AT_ONCE = 200

# The key of what is taken back for refunds that came before the share had ended; theirs are refund numbers.
_WHILE_DIVIDING = "while dividing"

log = logs.get(__name__)


def earn(session: Session, *, order: str, seller: str, basis_points: int, now: datetime, is_own: bool = False) -> bool:
    """Note that a seller earns `basis_points` of an order's goods; False when it was noted before.

    Before the order is paid for: only a payment that is opened after this can be divided. `is_own` says that the buyer
    is the seller, who then earns nothing. Raises `OrderNotFound`, and `ValueError` outside 1 to 3,000.
    """
    database.require_transaction(session)
    if not 1 <= basis_points <= lifecycle.MOST_SHARED_BP:
        raise ValueError("a commission is 0.01 % to 30 %")
    orders.lock(session, order)
    made = session.execute(
        insert(CommissionClaim)
        .values(
            order_number=order,
            seller=seller,
            basis_points=basis_points,
            state=ClaimState.BARRED if is_own else ClaimState.EARNED,
            barred_for=Barred.OWN_PURCHASE if is_own else None,
            earned_at=now,
            decided_at=now if is_own else None,
        )
        .on_conflict_do_nothing()
        .returning(CommissionClaim.id)
    ).first()
    return made is not None


def claim(session: Session, *, order: str, now: datetime) -> None:
    """Note what the seller whose link brought an order earns of it, at the agreed rate; nothing for most orders.

    Just before the payment opens, which only then can be divided; again, it changes nothing.
    """
    seller = recommendations.seller_of(session, order=order)
    payee = _payee(session, seller) if seller else None
    if payee is not None and payee.receiver is not None and payee.commission_bp and payee.state is State.ADMITTED:
        earn(session, order=order, seller=payee.number, basis_points=payee.commission_bp, now=now)


def is_expected(session: Session, *, order: str) -> bool:
    """Tell whether an order's payment is to be opened for sharing."""
    claimed = text("SELECT EXISTS (SELECT FROM commission_claims WHERE order_number = :order AND state = 'earned')")
    return bool(session.scalars(claimed, {"order": order}).one())


def ask_due(*, now: datetime) -> int:
    """Have every payment that waits divided or released whose time has come; returns how many were.

    A payment whose receivers WeChat does not admit just now waits for the next round.
    """
    database.refuse_transaction()
    with database.transaction() as session:
        _bar_what_cannot_be_shared(session, now)
        waiting = sharing.undivided(session, now=now, limit=_AT_ONCE)
    return sum(_ask(payment, now) for payment in waiting)


def record(session: Session, *, order: str, parts: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Note what each seller got of an order; what WeChat closed is not owed any more.

    What went back to the shopper while WeChat was dividing is taken back at once.
    """
    for seller, part in parts.items():
        is_paid = part["state"] == PartState.SUCCEEDED
        moved = session.execute(
            _MOVE, {"order": order, "seller": seller, "state": "paid" if is_paid else "closed", "now": now}
        ).first()
        if moved is not None and not is_paid:
            books.commission_ended(session, key=f"closed/{order}/{seller}", amount_fen=part["amount_fen"], at=now)
    take_back(session, order=order, refund=_WHILE_DIVIDING, now=now)


def take_back(session: Session, *, order: str, refund: str, now: datetime) -> None:
    """Take back of each seller what it got for goods whose money went back to the shopper.

    WeChat takes nothing back from a person: that is an alarm, for somebody to settle with the seller.
    """
    sold_fen = session.execute(_SOLD, {"order": order}).scalar_one()
    parts = {part.payee: part for part in sharing.parts_of(session, reference=order)}
    for claim in session.execute(_PAID, {"order": order}).all():
        part = parts[claim.seller]
        kept_fen = min(sold_fen * claim.basis_points // 10_000, claim.amount_fen)
        back_fen = claim.amount_fen - kept_fen - share_returns.asked_fen(session, part_id=part.id)
        if back_fen <= 0:
            continue
        try:
            number = share_returns.request(session, part_id=part.id, amount_fen=back_fen, key=refund, now=now)
        except payment_errors.NothingToTakeBack:
            logs.alarm("commission.not_taken_back", order=order, seller=claim.seller, amount_fen=back_fen)
            continue
        books.commission_ended(session, key=f"taken_back/{number}", amount_fen=back_fen, at=now)


def listing(session: Session, *, seller: str | None = None, limit: int = 500) -> list[dict[str, Any]]:
    """Return the claims of one seller or of all, newest first."""
    rows = session.execute(
        text("""
            SELECT order_number AS "order", seller, basis_points, state, barred_for, amount_fen, earned_at, decided_at
            FROM commission_claims WHERE cast(:seller AS text) IS NULL OR seller = :seller
            ORDER BY id DESC LIMIT :limit
        """),
        {"seller": seller, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def sums(session: Session, *, seller: str | None, from_day: date, to_day: date) -> dict[str, int]:
    """Return what became of a seller's claims of Shanghai days, half-open: orders and fen, by where they stand.

    What shoppers' refunds took back again of what was paid is not taken off.
    """
    found = session.execute(_SUMS, {"seller": seller, "from_day": from_day, "to_day": to_day}).mappings().one()
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be asked of WeChat for one payment."""

    amounts: dict[str, int]
    receivers: dict[str, Receiver]
    barred: dict[str, Barred]


def _ask(payment: sharing.Undivided, now: datetime) -> bool:
    """Divide or release one payment, if its time has come."""
    with database.transaction() as session:
        due = _due(session, payment, now)
    if due is None or not all(
        sharing.admit(receiver=due.receivers[seller], appid=payment.appid) for seller in due.amounts
    ):
        return False
    with database.transaction() as session:
        orders.lock(session, payment.reference)
        # A refund or a claim may have come while WeChat admitted the receivers.
        if _due(session, payment, now) != due:
            return False
        parts = [
            sharing.Part(payee=seller, receiver=due.receivers[seller], amount_fen=fen)
            for seller, fen in due.amounts.items()
        ]
        sharing.request(session, payment=payment.number, parts=parts, account=books.COMMISSION, now=now)
        for seller, fen in due.amounts.items():
            session.execute(_ASKED, {"order": payment.reference, "seller": seller, "fen": fen, "now": now})
            books.commission_due(session, key=f"{payment.reference}/{seller}", amount_fen=fen, at=now)
        for seller, reason in due.barred.items():
            session.execute(_BAR, {"order": payment.reference, "seller": seller, "why": reason.value, "now": now})
    log.info("commission.asked", order=payment.reference, sellers=len(due.amounts))
    return True


def _due(session: Session, payment: sharing.Undivided, now: datetime) -> _Due | None:
    """Return what each seller of a payment gets, None while it is not yet time."""
    standing = _standing(session, payment)
    claims = session.execute(_EARNED, {"order": payment.reference}).all()
    receivers: dict[str, Receiver] = {}
    barred: dict[str, Barred] = {}
    openids = set(session.scalars(_OPENIDS, {"order": payment.reference}))
    sellers = {claim.seller for claim in claims}
    moved = recommendations.without_credit(session, order=payment.reference, among=sellers)
    for claim in claims:
        found = _receiver(session, claim.seller)
        is_own = found is not None and found.account in openids
        reason = commission_lifecycle.barred(standing, is_own=is_own, is_moved=claim.seller in moved)
        if reason is None and found is None:
            reason = Barred.RECEIVER
        if reason is not None:
            barred[claim.seller] = reason
        elif found is not None:
            receivers[claim.seller] = found
    if receivers and not commission_lifecycle.is_ripe(standing, now=now):
        return None
    points = {claim.seller: claim.basis_points for claim in claims if claim.seller in receivers}
    most_fen = payment.amount_fen * lifecycle.MOST_SHARED_BP // 10_000
    amounts = commission_lifecycle.amounts(points, sold_fen=standing.sold_fen, most_fen=most_fen)
    barred |= dict.fromkeys(points.keys() - amounts.keys(), Barred.REFUNDED)
    return _Due(amounts, {seller: receivers[seller] for seller in amounts}, barred)


def _standing(session: Session, payment: sharing.Undivided) -> Standing:
    row = session.execute(_ORDER, {"order": payment.reference, "open": _OPEN}).one()
    seen = signals.of_visitor(session, visitor=row.visitor) if row.visitor else set()
    return Standing(
        received_at=row.received_at if row.state == "received" else None,
        is_disputed=row.is_disputed,
        is_suspected=None in seen,
        is_confirmed_fraud="confirmed" in seen,
        sold_fen=0 if row.state == "refunded" else session.execute(_SOLD, {"order": payment.reference}).scalar_one(),
    )


def _payee(session: Session, seller: str) -> payees.Payee | None:
    try:
        return payees.find(session, number=seller)
    except (catalog_errors.SupplierUnknown, catalog_errors.PayeeMissing):
        return None


def _receiver(session: Session, seller: str) -> Receiver | None:
    payee = _payee(session, seller)
    found = payee.receiver if payee else None
    return Receiver(kind=_KINDS[found.kind.value], account=found.account, name=found.name) if found else None


def _bar_what_cannot_be_shared(session: Session, now: datetime) -> None:
    """Bar claims on payments that were opened before anybody claimed, or whose time is over: their money is free."""
    waiting = {row.payment_number: row.order_number for row in session.execute(_WAITING)}
    lost = set(waiting) - sharing.shareable(session, payments=list(waiting), now=now)
    for payment in lost:
        why = {"order": waiting[payment], "seller": None, "why": Barred.NOT_SHAREABLE.value, "now": now}
        session.execute(_BAR, why)


_OPEN = [state.value for state in claim_lifecycle.OPEN]
_EARNED = text("""
    SELECT seller, basis_points FROM commission_claims WHERE order_number = :order AND state = 'earned' ORDER BY id
""")
_SUMS = text("""
    SELECT count(*) FILTER (WHERE state = 'earned') AS waiting, count(*) FILTER (WHERE state = 'barred') AS barred,
           coalesce(sum(amount_fen) FILTER (WHERE state = 'asked'), 0)::bigint AS asked_fen,
           coalesce(sum(amount_fen) FILTER (WHERE state = 'paid'), 0)::bigint AS paid_fen
    FROM commission_claims WHERE seller = :seller
      AND earned_at >= cast(:from_day AS timestamp) AT TIME ZONE 'Asia/Shanghai'
      AND earned_at < cast(:to_day AS timestamp) AT TIME ZONE 'Asia/Shanghai'
""")
_WAITING = text("""
    SELECT DISTINCT c.order_number, o.payment_number FROM commission_claims c JOIN orders o ON o.number = c.order_number
    WHERE c.state = 'earned' AND o.payment_number IS NOT NULL
""")
_ORDER = text("""
    SELECT o.state, o.received_at, o.visitor,
           EXISTS (SELECT FROM claims c WHERE c.order_id = o.id AND c.state = ANY(cast(:open AS text[])))
           OR EXISTS (SELECT FROM refund_proposals p WHERE p.order_id = o.id AND p.state = 'waiting') AS is_disputed
    FROM orders o WHERE o.number = :order
""")
_SOLD = text("""
    SELECT (SELECT coalesce(sum(l.amount_fen), 0) FROM order_lines l WHERE l.order_id = o.id)::bigint
         - (SELECT coalesce(sum(r.amount_fen - r.freight_fen), 0) FROM order_refunds r
            WHERE r.order_id = o.id AND r.failed_at IS NULL)::bigint
    FROM orders o WHERE o.number = :order
""")
# Whoever is known to be the same human through WeChat's unionid is the same buyer.
_OPENIDS = text("""
    SELECT s.openid FROM shoppers s, (
        SELECT b.id, b.unionid FROM orders o JOIN shoppers b ON b.id = o.shopper_id WHERE o.number = :order
    ) buyer
    WHERE (s.id = buyer.id OR s.unionid = buyer.unionid) AND s.openid IS NOT NULL
""")
_ASKED = text("""
    UPDATE commission_claims SET state = 'asked', amount_fen = :fen, decided_at = :now
    WHERE order_number = :order AND seller = :seller AND state = 'earned'
""")
_BAR = text("""
    UPDATE commission_claims SET state = 'barred', barred_for = :why, decided_at = :now
    WHERE order_number = :order AND state = 'earned' AND (cast(:seller AS text) IS NULL OR seller = :seller)
""")
_MOVE = text("""
    UPDATE commission_claims SET state = :state, decided_at = :now
    WHERE order_number = :order AND seller = :seller AND state = 'asked' RETURNING id
""")
_PAID = text("""
    SELECT seller, basis_points, amount_fen FROM commission_claims WHERE order_number = :order AND state = 'paid'
""")
