"""What money over WeChat Pay means in the ledger: its accounts, and the movement of each thing that can happen.

Invariant: each movement is posted in the transaction that made it true, under the name of its fact; so the receivable
is what WeChat owes us, and `refunds` what we owe to payers, at any instant (`differences` proves it).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from config import clock, database
from payments import ledger
from payments.facts import PAYMENT_SUCCEEDED, REFUND_FAILED, REFUND_REQUESTED, REFUND_SUCCEEDED

# What WeChat holds for us: an asset.
RECEIVABLE = "wechat_receivable"
# Money received whose purpose is not yet settled: a liability, empty once everything is.
CLEARING = "order_clearing"
# What was promised back to payers and has not arrived: a liability.
REFUNDS = "refunds"
# Money of ours elsewhere than at WeChat: an asset.
BANK = "bank"
# What WeChat keeps of each payment: an expense.
FEES = "fees"
# What a person wrote off when closing a case.
ADJUSTMENTS = "adjustments"

# The source of a refund that a person paid out: `refund.succeeded` is what WeChat paid.
_TRANSFERRED = "refund.transferred"

# So many rows are posted at once when the books catch up with what was there before them.
_PAGE = 5_000


# That money arrived, posted by the statement that takes it: `known` is the payment, `paid` has a row when it is news.
RECEIVED = f"""posted AS (
    INSERT INTO ledger_entries (source, line_no, account, amount_fen, occurred_at)
    SELECT '{PAYMENT_SUCCEEDED.name}/' || %(number)s::text, side.line_no, side.account, side.sign * known.amount_fen,
           %(succeeded_at)s::timestamptz
    FROM known CROSS JOIN (VALUES (1, '{RECEIVABLE}', 1), (2, '{CLEARING}', -1)) side (line_no, account, sign)
    WHERE EXISTS (SELECT FROM paid)
    ON CONFLICT (source, line_no) DO NOTHING
)"""


def promised_back(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that a refund was recorded, and is owed from now on."""
    source = f"{REFUND_REQUESTED.name}/{refund}"
    ledger.transfer(session, debit=CLEARING, credit=REFUNDS, amount_fen=amount_fen, source=source, at=at)


def paid_back(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that a refund reached its payer."""
    source = f"{REFUND_SUCCEEDED.name}/{refund}"
    ledger.transfer(session, debit=REFUNDS, credit=RECEIVABLE, amount_fen=amount_fen, source=source, at=at)


def paid_by_transfer(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that a person paid a refund out from the bank; what WeChat holds of it stays ours."""
    source = f"{_TRANSFERRED}/{refund}"
    ledger.transfer(session, debit=REFUNDS, credit=BANK, amount_fen=amount_fen, source=source, at=at)


def kept_after_all(session: Session, *, refund: str, amount_fen: int, at: datetime) -> None:
    """Post that a refund was closed by WeChat, or refused and given up: the money is still here."""
    source = f"{REFUND_FAILED.name}/{refund}"
    ledger.transfer(session, debit=REFUNDS, credit=CLEARING, amount_fen=amount_fen, source=source, at=at)


def charged(session: Session, *, mchid: str, day: date, fees_fen: int) -> None:
    """Post WeChat's fees of one bill, fees given back with refunds taken off. A day without fees posts nothing."""
    if fees_fen:
        noon = datetime.combine(day, time(12), tzinfo=clock.SHANGHAI)
        source = f"bill.fees/{mchid}/{day.isoformat()}"
        ledger.transfer(session, debit=FEES, credit=RECEIVABLE, amount_fen=fees_fen, source=source, at=noon)


def fees_of(session: Session, *, mchid: str, day: date) -> int | None:
    """Return the fees that were posted from one bill, None when none were."""
    posted = ledger.movement(session, source=f"bill.fees/{mchid}/{day.isoformat()}")
    return posted[0].amount_fen if posted else None


def withdrawn(session: Session, *, flow: str, amount_fen: int, at: datetime) -> None:
    """Post what went from WeChat to our bank account, under WeChat's number of the movement."""
    entries = (ledger.Entry(BANK, amount_fen), ledger.Entry(RECEIVABLE, -amount_fen))
    ledger.post(session, entries, source=f"bill.withdrawal/{flow}", at=at)


def withdrawn_of(session: Session, *, flow: str) -> int | None:
    """Return what was posted as withdrawn under WeChat's number of a movement, None when nothing was."""
    posted = ledger.movement(session, source=f"bill.withdrawal/{flow}")
    return posted[0].amount_fen if posted else None


def written_off(session: Session, *, case: str, difference_fen: int, at: datetime) -> None:
    """Post what WeChat has more (or less, when negative) than our books, as a person accepted it."""
    entries = (ledger.Entry(RECEIVABLE, difference_fen), ledger.Entry(ADJUSTMENTS, -difference_fen))
    ledger.post(session, entries, source=f"case.written_off/{case}", at=at)


def has_moved(session: Session, *, number: str) -> bool:
    """Tell whether the ledger knows by now that WeChat moved the money of this payment, refund, share or return."""
    return bool(session.scalar(text(f"SELECT {_MOVED.format(':number')}"), {"number": number}))


# By the sources under which `RECEIVED`, `paid_back`, `share_returns` and `sharing` post.
_MOVED = f"""EXISTS (
    SELECT FROM ledger_entries WHERE account = '{RECEIVABLE}' AND (
        source IN ('{PAYMENT_SUCCEEDED.name}/' || {{0}}, '{REFUND_SUCCEEDED.name}/' || {{0}})
        OR source = 'share.returned/' || {{0}} OR source LIKE 'share.succeeded/' || {{0}} || '/%'))"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum that the ledger should hold, and what it holds, in fen."""

    name: str
    expected_fen: int
    posted_fen: int


def differences(session: Session) -> list[Difference]:
    """Return where the ledger is not what payments and refunds say, and the trial balance when it is not zero."""
    row = session.execute(_EXPECTED).one()
    found = [
        Difference("trial_balance", 0, row.total),
        Difference("received", row.received, row.posted_received),
        Difference("paid_back", row.paid_back, row.posted_paid_back),
        Difference("owed_back", row.owed_back, row.posted_owed_back),
        # What a person wrote off as missing in our books, and what reached them all the same, stands there twice.
        Difference("written_off_and_recorded", 0, row.twice),
    ]
    return [each for each in found if each.expected_fen != each.posted_fen]


def backfill(*, progress: Callable[[str, int], None]) -> int:
    """Post what happened before the ledger was there, page by page; returns how many movements.

    Again, it posts nothing: each movement has the source that it would have been posted under.
    """
    return post_missing("payments", _MISSING, progress)


def post_missing(what: str, missing: dict[str, TextClause], progress: Callable[[str, int], None]) -> int:
    """Run each statement, which posts up to `:page` movements and returns two rows for each, until none is missing.

    `progress` is told how many movements of `what` have been posted.
    """
    posted = 0
    for statement in missing.values():
        while True:
            with database.transaction() as session:
                rows = session.execute(statement, {"page": _PAGE}).all()
            posted += len(rows) // 2
            if rows:
                progress(what, posted)
            if len(rows) < 2 * _PAGE:
                break
    return posted


def missing_movements(*, fact: str, debit: str, credit: str, rows: str) -> TextClause:
    """Make the statement that posts each of `rows` (number, amount_fen, at) that lacks its movement."""
    return text(f"""
        WITH missing AS (
            SELECT '{fact}/' || was.number AS source, was.amount_fen, was.at FROM ({rows}) was
            WHERE NOT EXISTS (
                SELECT FROM ledger_entries e WHERE e.source = '{fact}/' || was.number AND e.line_no = 1)
            LIMIT :page
        )
        INSERT INTO ledger_entries (source, line_no, account, amount_fen, occurred_at)
        SELECT source, side.line_no, side.account, side.sign * amount_fen, at
        FROM missing CROSS JOIN (VALUES (1, '{debit}', 1), (2, '{credit}', -1)) side (line_no, account, sign)
        ON CONFLICT (source, line_no) DO NOTHING RETURNING line_no
    """)


_MISSING = {
    PAYMENT_SUCCEEDED.name: missing_movements(
        fact=PAYMENT_SUCCEEDED.name,
        debit=RECEIVABLE,
        credit=CLEARING,
        rows="SELECT number, amount_fen, succeeded_at AS at FROM payments WHERE state = 'succeeded'",
    ),
    REFUND_REQUESTED.name: missing_movements(
        fact=REFUND_REQUESTED.name,
        debit=CLEARING,
        credit=REFUNDS,
        rows="SELECT number, amount_fen, requested_at AS at FROM payment_refunds",
    ),
    REFUND_SUCCEEDED.name: missing_movements(
        fact=REFUND_SUCCEEDED.name,
        debit=REFUNDS,
        credit=RECEIVABLE,
        rows="SELECT number, amount_fen, succeeded_at AS at FROM payment_refunds WHERE state = 'succeeded'",
    ),
    _TRANSFERRED: missing_movements(
        fact=_TRANSFERRED,
        debit=REFUNDS,
        credit=BANK,
        rows="SELECT number, amount_fen, transferred_at AS at FROM payment_refunds WHERE state = 'transferred'",
    ),
    # When WeChat closed a refund, or a person gave it up, was not kept; the fact that says so was written then.
    REFUND_FAILED.name: missing_movements(
        fact=REFUND_FAILED.name,
        debit=REFUNDS,
        credit=CLEARING,
        rows=f"""
            SELECT r.number, r.amount_fen, coalesce(f.created_at, r.requested_at) AS at FROM payment_refunds r
            LEFT JOIN facts f ON f.name = '{REFUND_FAILED.name}' AND f.key = r.number
            WHERE r.state IN ('closed', 'refused')
        """,
    ),
}
# Of each account only the movements of payments and refunds are compared: fees and adjustments have no other book.
_EXPECTED = text(f"""
    SELECT
        (SELECT coalesce(sum(amount_fen), 0)::bigint FROM payments WHERE state = 'succeeded') AS received,
        (SELECT coalesce(sum(difference_fen), 0)::bigint FROM payment_cases c
            WHERE resolution = 'written_off' AND kind IN ('bill_state', 'bill_missing_here')
              AND {_MOVED.format("c.number")}) AS twice,
        r.paid_back, r.owed_back, e.*
    FROM (
        SELECT coalesce(sum(amount_fen) FILTER (WHERE state = 'succeeded'), 0)::bigint AS paid_back,
               coalesce(sum(amount_fen) FILTER (
                   WHERE state NOT IN ('succeeded', 'closed', 'transferred', 'refused')), 0)::bigint AS owed_back
        FROM payment_refunds
    ) r, (
        SELECT coalesce(sum(amount_fen), 0)::bigint AS total,
               coalesce(sum(amount_fen) FILTER (
                   WHERE account = '{RECEIVABLE}' AND source LIKE '{PAYMENT_SUCCEEDED.name}/%'), 0)::bigint
                   AS posted_received,
               coalesce(-sum(amount_fen) FILTER (
                   WHERE account = '{RECEIVABLE}' AND source LIKE '{REFUND_SUCCEEDED.name}/%'), 0)::bigint
                   AS posted_paid_back,
               coalesce(-sum(amount_fen) FILTER (WHERE account = '{REFUNDS}'), 0)::bigint AS posted_owed_back
        FROM ledger_entries
    ) e
""")
