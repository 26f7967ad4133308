"""Statements of suppliers: drafted for a month, approved by another person, invoiced, paid out.

Invariant: a supplier has one statement for a month, everything sold stands on exactly one, and the ledger is posted by
the approval and by the bank, by nothing else. What goes back to shoppers after the approval is on the next statement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database, logs
from payments import payouts
from storefront import books, purchase_terms, settlement_lines, tokens
from storefront.settlement_errors import (
    InvoiceAmountDiffers,
    InvoiceTaken,
    OtherPersonRequired,
    PeriodNotOver,
    StatementMoved,
    StatementNotFound,
    StatementOutdated,
)
from storefront.settlement_lifecycle import Period, StatementState, may_follow

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A supplier's statement, and whether this call drafted it; `number` is None when there is nothing to settle."""

    supplier: str
    number: str | None
    is_new: bool


def draft_all(*, period: Period, by: str, note: Callable[[Session, str], None], now: datetime) -> list[Drafted]:
    """Draft the statements of a month, each in a transaction of its own; again, it drafts those that are missing.

    `note` is told the number of each new one in its transaction. Raises `PeriodNotOver`.
    """
    database.refuse_transaction()
    with database.transaction() as session:
        known = purchase_terms.suppliers(session)
    drafted = []
    for supplier in known:
        with database.transaction() as session:
            made = draft(session, supplier=supplier, period=period, by=by, now=now)
            if made.number is not None and made.is_new:
                note(session, made.number)
        drafted.append(made)
    return drafted


def draft(session: Session, *, supplier: str, period: Period, by: str, now: datetime) -> Drafted:
    """Draft a supplier's statement of a month that is over, with everything that no earlier one settled.

    Again, it returns the statement that is there. Raises `PeriodNotOver`.
    """
    if now < period.ends_at:
        raise PeriodNotOver
    _take_turn(session, supplier)
    there = session.scalar(_OF_PERIOD, {"supplier": supplier, "period": period.key})
    if there is not None:
        return Drafted(supplier, there, is_new=False)
    number = tokens.number("ST")
    statement_id = session.execute(
        _BEGIN, {"number": number, "supplier": supplier, "period": period.key, "by": by, "now": now}
    ).scalar_one()
    if not _fill(session, statement_id, supplier, period):
        session.execute(text("DELETE FROM supplier_statements WHERE id = :id"), {"id": statement_id})
        return Drafted(supplier, None, is_new=False)
    log.info("statement.drafted", statement=number)
    return Drafted(supplier, number, is_new=True)


def redraft(session: Session, *, number: str, by: str, now: datetime) -> None:
    """Fill a draft anew with what belongs on it now; whoever does so is who drafted it.

    Raises `StatementNotFound`, `StatementMoved`.
    """
    statement = _lock(session, number)
    if statement.state != StatementState.DRAFTED:
        raise StatementMoved(state=statement.state)
    session.execute(text("DELETE FROM supplier_statement_lines WHERE statement_id = :id"), {"id": statement.id})
    session.execute(
        text("UPDATE supplier_statements SET drafted_by = :by, drafted_at = :now WHERE id = :id"),
        {"id": statement.id, "by": by, "now": now},
    )
    _fill(session, statement.id, statement.supplier, Period(statement.period))


def approve(session: Session, *, number: str, net_fen: int, by: str, now: datetime) -> StatementState:
    """Approve a draft of which the reader saw `net_fen`, and post it; with nothing to pay it is carried over.

    Raises `StatementNotFound`, `StatementMoved`, `OtherPersonRequired`, and `StatementOutdated` when what it stands on
    has changed: nobody approves a sum that is known to be wrong.
    """
    statement = _lock(session, number)
    after = StatementState.APPROVED if statement.net_fen > 0 else StatementState.CARRIED
    _require(statement, after)
    if statement.drafted_by == by:
        raise OtherPersonRequired
    if statement.net_fen != net_fen or _is_outdated(session, number, statement.supplier):
        raise StatementOutdated(net_fen=statement.net_fen)
    session.execute(_APPROVE, {"id": statement.id, "state": after.value, "by": by, "now": now})
    owed_fen = statement.owed_fen - statement.fees_fen
    books.settled(session, statement=number, gross_fen=statement.gross_fen, owed_fen=owed_fen, at=now)
    return after


def invoice(session: Session, *, number: str, invoice_number: str, amount_fen: int, by: str, now: datetime) -> str:
    """Note the supplier's invoice over exactly the statement, and ask for its payout; returns the payout's number.

    Raises `StatementNotFound`, `StatementMoved`, `InvoiceAmountDiffers`, `InvoiceTaken`.
    """
    statement = _lock(session, number)
    _require(statement, StatementState.INVOICED)
    if statement.state != StatementState.APPROVED:
        raise StatementMoved(state=statement.state)
    if statement.net_fen != amount_fen:
        raise InvoiceAmountDiffers(net_fen=statement.net_fen)
    try:
        with session.begin_nested():
            session.execute(_INVOICE, {"id": statement.id, "invoice": invoice_number, "by": by, "now": now})
    except IntegrityError:
        raise InvoiceTaken from None
    return _ask_for_payout(session, statement, by, now)


def call_back(session: Session, *, payout: str, reason: str, by: str, now: datetime) -> payouts.PayoutView:
    """Call back a payout that the bank has not been told of; its statement waits for an invoice again.

    Raises what `payouts.withdraw` does.
    """
    statement = _lock(session, payouts.find(session, number=payout).reference)
    withdrawn = payouts.withdraw(session, number=payout, reason=reason, by=by, now=now)
    session.execute(_WITHOUT_INVOICE, {"id": statement.id})
    return withdrawn


def pay_again(session: Session, *, number: str, by: str, now: datetime) -> str:
    """Ask for the payout of an invoiced statement anew, after the last one bounced.

    Returns the number of the payout, also of one that stands. Raises `StatementNotFound`, `StatementMoved`.
    """
    statement = _lock(session, number)
    if statement.state != StatementState.INVOICED:
        raise StatementMoved(state=statement.state)
    return _ask_for_payout(session, statement, by, now)


def paid_out(
    session: Session, *, payout: str, amount_fen: int, bank_reference: str, by: str, now: datetime
) -> payouts.PayoutView:
    """Note that the bank paid a statement. Raises what `payouts.mark_sent` does."""
    statement = _lock(session, payouts.find(session, number=payout).reference)
    sent = payouts.mark_sent(
        session, number=payout, amount_fen=amount_fen, bank_reference=bank_reference, by=by, now=now
    )
    _require(statement, StatementState.PAID_OUT)
    session.execute(_MOVE, {"id": statement.id, "state": StatementState.PAID_OUT.value, "paid_out_at": now})
    return sent


def bounced(session: Session, *, payout: str, reason: str, by: str, now: datetime) -> payouts.PayoutView:
    """Note that the bank sent a statement's money back: it is owed again. Raises what `payouts.mark_bounced` does."""
    statement = _lock(session, payouts.find(session, number=payout).reference)
    came_back = payouts.mark_bounced(session, number=payout, reason=reason, by=by, now=now)
    session.execute(_MOVE, {"id": statement.id, "state": StatementState.INVOICED.value, "paid_out_at": None})
    return came_back


def find(session: Session, *, number: str, supplier: str | None = None) -> dict[str, Any]:
    """Return a statement with its lines and payouts. Raises `StatementNotFound`, also for another supplier's."""
    row = session.execute(text(f"{_SHOWN} WHERE number = :number"), {"number": number}).mappings().first()
    if row is None or supplier not in (None, row["supplier"]):
        raise StatementNotFound
    lines = session.execute(_LINES, {"number": number}).mappings()
    paid = payouts.of_reference(session, reference=number)
    return {**row, "lines": [dict(line) for line in lines], "payouts": paid}


def listing(
    session: Session, *, supplier: str | None = None, state: StatementState | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """Return statements, of one supplier and in one state or of all, newest month first."""
    rows = session.execute(
        text(f"""
            {_SHOWN} WHERE (cast(:supplier AS text) IS NULL OR supplier = :supplier)
              AND (cast(:state AS text) IS NULL OR state = :state)
            ORDER BY period DESC, supplier LIMIT :limit
        """),
        {"supplier": supplier, "state": state and state.value, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def _take_turn(session: Session, supplier: str) -> None:
    """Let one transaction at a time settle a supplier: two of them would read the same things as not settled."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:who, 0))"), {"who": f"settlement/{supplier}"})


def _lock(session: Session, number: str) -> Row[Any]:
    database.require_transaction(session)
    supplier = session.scalar(
        text("SELECT supplier FROM supplier_statements WHERE number = :number"), {"number": number}
    )
    if supplier is None:
        raise StatementNotFound
    _take_turn(session, supplier)
    return session.execute(
        text("SELECT * FROM supplier_statements WHERE number = :number FOR UPDATE"), {"number": number}
    ).one()


def _require(statement: Row[Any], after: StatementState) -> None:
    if not may_follow(StatementState(statement.state), after):
        raise StatementMoved(state=statement.state)


def _fill(session: Session, statement_id: int, supplier: str, period: Period) -> bool:
    """Enter everything that belongs on a draft and add it up; False when that is nothing."""
    settlement_lines.enter(session, statement_id, settlement_lines.sold(session, supplier=supplier, period=period))
    # In this order: what failed to go back is there again before more of it goes.
    for gather in (settlement_lines.kept_after_all, settlement_lines.gone_back, settlement_lines.carried):
        settlement_lines.enter(session, statement_id, gather(session, supplier=supplier))
    return bool(session.execute(_ADD_UP, {"id": statement_id}).scalar_one())


def _is_outdated(session: Session, number: str, supplier: str) -> bool:
    return bool(
        settlement_lines.gone_back(session, supplier=supplier)
        or settlement_lines.kept_after_all(session, supplier=supplier)
        or settlement_lines.is_claimed(session, number=number)
    )


def _ask_for_payout(session: Session, statement: Row[Any], by: str, now: datetime) -> str:
    return payouts.request(
        session,
        payee=statement.supplier,
        amount_fen=statement.net_fen,
        reference=statement.number,
        account=books.SUPPLIERS,
        by=by,
        now=now,
    )


_OF_PERIOD = text("SELECT number FROM supplier_statements WHERE supplier = :supplier AND period = :period")
_BEGIN = text("""
    INSERT INTO supplier_statements (number, supplier, period, state, gross_fen, owed_fen, fees_fen, carried_fen,
                                     net_fen, drafted_by, drafted_at)
    VALUES (:number, :supplier, :period, 'drafted', 0, 0, 0, 0, 0, :by, :now) RETURNING id
""")
_ADD_UP = text("""
    UPDATE supplier_statements t
    SET gross_fen = s.gross, owed_fen = s.owed, fees_fen = s.fees, carried_fen = s.carried,
        net_fen = s.owed - s.fees + s.carried
    FROM (
        SELECT count(*) AS lines, coalesce(sum(gross_fen), 0)::bigint AS gross,
               coalesce(sum(fee_fen), 0)::bigint AS fees,
               coalesce(sum(owed_fen) FILTER (WHERE kind <> 'carried'), 0)::bigint AS owed,
               coalesce(sum(owed_fen) FILTER (WHERE kind = 'carried'), 0)::bigint AS carried
        FROM supplier_statement_lines WHERE statement_id = :id
    ) s WHERE t.id = :id RETURNING s.lines
""")
_APPROVE = text("""
    UPDATE supplier_statements SET state = :state, approved_by = :by, approved_at = :now WHERE id = :id
""")
_INVOICE = text("""
    UPDATE supplier_statements SET state = 'invoiced', invoice_number = :invoice, invoiced_by = :by, invoiced_at = :now
    WHERE id = :id
""")
_WITHOUT_INVOICE = text("""
    UPDATE supplier_statements SET state = 'approved', invoice_number = NULL, invoiced_by = NULL, invoiced_at = NULL
    WHERE id = :id
""")
_MOVE = text("UPDATE supplier_statements SET state = :state, paid_out_at = :paid_out_at WHERE id = :id")
_SHOWN = """
    SELECT number, supplier, period, state, gross_fen, owed_fen, fees_fen, carried_fen, net_fen, drafted_by, drafted_at,
           approved_by, approved_at, invoice_number, invoiced_by, invoiced_at, paid_out_at
    FROM supplier_statements
"""
_LINES = text("""
    SELECT l.kind, l.order_number AS "order", l.part_no, l.reference, l.title, l.quantity, l.gross_fen, l.owed_fen,
           l.fee_fen, l.owed_fen - l.fee_fen AS net_fen, l.occurred_at
    FROM supplier_statement_lines l JOIN supplier_statements t ON t.id = l.statement_id
    WHERE t.number = :number ORDER BY l.id
""")
