"""The double-entry ledger: movements of money between accounts that it does not ask the meaning of.

Invariant: a movement balances, is written once for its source, and is never changed. The database holds all three (a
statement trigger sums what every INSERT adds, another refuses UPDATE, DELETE and TRUNCATE), so the trial balance is
zero after every statement, not only at commit. Nothing keeps a balance: balances are sums of the entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database

# A statement longer than this is asked for in parts.
LONGEST_STATEMENT_DAYS = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a movement, in fen: a debit is positive, a credit negative."""

    account: str
    amount_fen: int


# One statement for all entries. A rival with the same source waits on its first line and then adds none.
_POST = """
    INSERT INTO ledger_entries (source, line_no, account, amount_fen, occurred_at)
    SELECT %s, entry.line_no, entry.account, entry.amount_fen, %s
    FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS entry (account, amount_fen, line_no)
    ON CONFLICT (source, line_no) DO NOTHING
"""


def post(session: Session, entries: Sequence[Entry], *, source: str, at: datetime) -> bool:
    """Write one movement in the caller's transaction; `at` is when the money moved.

    Returns False when this source was posted before with these very entries. Raises `ValueError` when it was posted
    with others, or when the entries do not sum to zero.
    """
    database.require_transaction(session)
    if len(entries) < 2 or sum(entry.amount_fen for entry in entries) != 0:
        raise ValueError(f"the entries of {source} do not balance")
    accounts, amounts = [entry.account for entry in entries], [entry.amount_fen for entry in entries]
    connection = database.driver_connection(session)
    if connection.execute(_POST, (source, at, accounts, amounts), prepare=True).rowcount == len(entries):
        return True
    if list(entries) != movement(session, source=source):
        raise ValueError(f"{source} was posted before with other entries")
    return False


def transfer(session: Session, *, debit: str, credit: str, amount_fen: int, source: str, at: datetime) -> bool:
    """Post the plainest movement: `amount_fen` from the account `credit` to the account `debit`; as `post` does."""
    return post(session, (Entry(debit, amount_fen), Entry(credit, -amount_fen)), source=source, at=at)


def movement(session: Session, *, source: str) -> list[Entry]:
    """Return the entries of one source in the order in which they were posted; none when it never was."""
    rows = session.execute(
        text("SELECT account, amount_fen FROM ledger_entries WHERE source = :source ORDER BY line_no"),
        {"source": source},
    )
    return [Entry(row.account, row.amount_fen) for row in rows]


@dataclass(frozen=True, slots=True)
class Balance:
    """What was ever debited and credited to an account, both as positive sums in fen."""

    account: str
    debits_fen: int
    credits_fen: int

    @property
    def balance_fen(self) -> int:
        """Debits less credits."""
        return self.debits_fen - self.credits_fen


def trial_balance(session: Session, *, before: datetime | None = None) -> list[Balance]:
    """Return every account with its sums, of all time or of what occurred before an instant."""
    rows = session.execute(
        text("""
            SELECT account, coalesce(sum(amount_fen) FILTER (WHERE amount_fen > 0), 0)::bigint AS debits,
                   coalesce(-sum(amount_fen) FILTER (WHERE amount_fen < 0), 0)::bigint AS credits
            FROM ledger_entries WHERE cast(:before AS timestamptz) IS NULL OR occurred_at < :before
            GROUP BY account ORDER BY account
        """),
        {"before": before},
    )
    return [Balance(row.account, row.debits, row.credits) for row in rows]


@dataclass(frozen=True, slots=True)
class Day:
    """A Shanghai day of an account in fen; `closing_fen` is its balance when the day ended."""

    day: date
    debits_fen: int
    credits_fen: int
    movements: int
    closing_fen: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account over some Shanghai days; days on which nothing moved are left out."""

    account: str
    opening_fen: int
    days: list[Day]

    @property
    def closing_fen(self) -> int:
        """The balance after the last day."""
        return self.days[-1].closing_fen if self.days else self.opening_fen


def statement(session: Session, *, account: str, first_day: date, last_day: date) -> Statement:
    """Return an account day by day, from `first_day` to `last_day`, both included.

    Raises `ValueError` for more than `LONGEST_STATEMENT_DAYS` at once.
    """
    if (last_day - first_day).days >= LONGEST_STATEMENT_DAYS:
        raise ValueError("too many days at once")
    since, before = _midnight(first_day), _midnight(date.fromordinal(last_day.toordinal() + 1))
    opening = session.execute(_OPENING, {"account": account, "since": since}).scalar_one()
    rows = session.execute(_DAYS, {"account": account, "since": since, "before": before})
    days, closing = [], opening
    for row in rows:
        closing += row.debits - row.credits
        days.append(Day(row.day, row.debits, row.credits, row.movements, closing))
    return Statement(account, opening, days)


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as a statement shows it."""

    source: str
    account: str
    amount_fen: int
    occurred_at: datetime


def lines(session: Session, *, account: str, day: date, limit: int) -> list[Line]:
    """Return the first `limit` entries of an account on one Shanghai day, in the order in which the money moved."""
    before = _midnight(date.fromordinal(day.toordinal() + 1))
    rows = session.execute(_LINES, {"account": account, "since": _midnight(day), "before": before, "limit": limit})
    return [Line(*row) for row in rows]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)


_OPENING = text("""
    SELECT coalesce(sum(amount_fen), 0)::bigint FROM ledger_entries WHERE account = :account AND occurred_at < :since
""")
_DAYS = text("""
    SELECT (occurred_at AT TIME ZONE 'Asia/Shanghai')::date AS day, count(*) AS movements,
           coalesce(sum(amount_fen) FILTER (WHERE amount_fen > 0), 0)::bigint AS debits,
           coalesce(-sum(amount_fen) FILTER (WHERE amount_fen < 0), 0)::bigint AS credits
    FROM ledger_entries WHERE account = :account AND occurred_at >= :since AND occurred_at < :before
    GROUP BY 1 ORDER BY 1
""")
_LINES = text("""
    SELECT source, account, amount_fen, occurred_at FROM ledger_entries
    WHERE account = :account AND occurred_at >= :since AND occurred_at < :before
    ORDER BY occurred_at, source, line_no LIMIT :limit
""")
