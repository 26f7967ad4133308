"""What an order means in the ledger, and the proof, every hour, that the ledger is right.

Invariant: money for an order that stands has left the clearing account for what is payable with it; so whatever
clearing holds is money that nobody has decided about yet.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, logs
from payments import books, cases, ledger, payouts, share_returns, sharing
from payments.models import CaseKind
from storefront.events import ORDER_PAID

# What is owed for orders that stand, to suppliers and couriers and in goods: a liability until it is settled.
PAYABLES = "payables"
# What is owed to suppliers by approved statements: a liability until the bank has paid it.
SUPPLIERS = "supplier_payables"
# What is left of sales after their suppliers: income.
MARGIN = "margin"
# What a placement, a recommender or a programme earns of it, once commission is settled.
COMMISSION = "commission"

_SETTLED = "statement.approved"
_ASKED_BACK, _STANDS_AGAIN = "order.refund_requested", "order.refund_failed"


def honoured(session: Session, *, order: str, amount_fen: int, at: datetime) -> None:
    """Post that an order took its money and stands."""
    source = f"{ORDER_PAID.name}/{order}"
    ledger.transfer(session, debit=books.CLEARING, credit=PAYABLES, amount_fen=amount_fen, source=source, at=at)


def asked_back(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that a part of an order goes back: it is not payable any more."""
    source = f"{_ASKED_BACK}/{refund}"
    ledger.transfer(session, debit=PAYABLES, credit=books.CLEARING, amount_fen=amount_fen, source=source, at=at)


def stands_again(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that the refund of a part of an order failed: it is payable as before."""
    source = f"{_STANDS_AGAIN}/{refund}"
    ledger.transfer(session, debit=books.CLEARING, credit=PAYABLES, amount_fen=amount_fen, source=source, at=at)


def settled(session: Session, *, statement: str, gross_fen: int, owed_fen: int, at: datetime) -> None:
    """Post an approved statement: `gross_fen` of sales, of which `owed_fen` are now owed to the supplier."""
    sides = ((PAYABLES, gross_fen), (SUPPLIERS, -owed_fen), (MARGIN, owed_fen - gross_fen))
    entries = [ledger.Entry(account, amount_fen) for account, amount_fen in sides if amount_fen]
    if entries:
        ledger.post(session, entries, source=f"{_SETTLED}/{statement}", at=at)


def commission_due(session: Session, *, key: str, amount_fen: int, at: datetime) -> None:
    """Post that a seller is owed commission, out of our margin."""
    source = f"commission.due/{key}"
    ledger.transfer(session, debit=MARGIN, credit=COMMISSION, amount_fen=amount_fen, source=source, at=at)


def commission_ended(session: Session, *, key: str, amount_fen: int, at: datetime) -> None:
    """Post that commission is owed no more: WeChat closed it, or its goods went back."""
    source = f"commission.{key}"
    ledger.transfer(session, debit=COMMISSION, credit=MARGIN, amount_fen=amount_fen, source=source, at=at)


def differences(session: Session) -> list[books.Difference]:
    """Return where the ledger is not what payments, refunds, orders, statements and payouts say."""
    row = session.execute(_EXPECTED).one()
    owed_fen = row.owed - payouts.paid_fen(session, account=SUPPLIERS)
    commission_fen = row.commission - sharing.paid_fen(session, account=COMMISSION) - share_returns.asked_fen(session)
    found = [
        books.Difference("commission", commission_fen, row.posted_commission),
        books.Difference("payable", row.payable, row.posted_payable),
        books.Difference("owed_to_suppliers", owed_fen, row.posted_owed),
    ]
    return [*books.differences(session), *(each for each in found if each.expected_fen != each.posted_fen)]


def check(*, now: datetime) -> list[books.Difference]:
    """Compare the ledger with everything it was posted from; each difference is an alarm, a day with any is a case."""
    with database.transaction() as session:
        # One snapshot, or whatever happens between two sums would look like a difference.
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        found = differences(session)
        if found:
            day = now.astimezone(clock.SHANGHAI).date().isoformat()
            cases.open(session, kind=CaseKind.LEDGER, number=day, evidence={"differences": found}, now=now)
    for each in found:
        logs.alarm("payments.ledger_differs", sum=each.name, expected=each.expected_fen, posted=each.posted_fen)
    return found


def backfill(*, progress: Callable[[str, int], None]) -> int:
    """Post what happened before the ledger was there; returns how many movements. Again, it posts nothing."""
    return books.backfill(progress=progress) + books.post_missing("orders", _MISSING, progress)


_MISSING = {
    ORDER_PAID.name: books.missing_movements(
        fact=ORDER_PAID.name,
        debit=books.CLEARING,
        credit=PAYABLES,
        rows="SELECT number, payable_fen AS amount_fen, paid_at AS at FROM orders WHERE payment_number IS NOT NULL",
    ),
    _ASKED_BACK: books.missing_movements(
        fact=_ASKED_BACK,
        debit=PAYABLES,
        credit=books.CLEARING,
        rows="SELECT refund_number AS number, amount_fen, asked_at AS at FROM order_refunds",
    ),
    _STANDS_AGAIN: books.missing_movements(
        fact=_STANDS_AGAIN,
        debit=books.CLEARING,
        credit=PAYABLES,
        rows="""
            SELECT refund_number AS number, amount_fen, failed_at AS at FROM order_refunds WHERE failed_at IS NOT NULL
        """,
    ),
}
# Statements are read from their lines, not from the sums that were posted.
_EXPECTED = text(f"""
    SELECT (SELECT coalesce(sum(payable_fen), 0) FROM orders WHERE payment_number IS NOT NULL)::bigint
         - (SELECT coalesce(sum(amount_fen), 0) FROM order_refunds WHERE failed_at IS NULL)::bigint
         - s.gross AS payable, s.owed, c.commission, e.*
    FROM (
        SELECT coalesce(sum(l.gross_fen), 0)::bigint AS gross, coalesce(sum(l.owed_fen - l.fee_fen), 0)::bigint AS owed
        FROM supplier_statement_lines l JOIN supplier_statements t ON t.id = l.statement_id
        WHERE t.state <> 'drafted' AND l.kind <> 'carried'
    ) s, (
        SELECT coalesce(sum(amount_fen) FILTER (WHERE state IN ('asked', 'paid')), 0)::bigint AS commission
        FROM commission_claims
    ) c, (
        SELECT coalesce(-sum(amount_fen) FILTER (WHERE account = '{PAYABLES}'), 0)::bigint AS posted_payable,
               coalesce(-sum(amount_fen) FILTER (WHERE account = '{SUPPLIERS}'), 0)::bigint AS posted_owed,
               coalesce(-sum(amount_fen) FILTER (WHERE account = '{COMMISSION}'), 0)::bigint AS posted_commission
        FROM ledger_entries WHERE account IN ('{PAYABLES}', '{SUPPLIERS}', '{COMMISSION}')
    ) e
""")
