"""The table of the ledger: one row for each entry, the rows of one source being one movement.

Invariant: rows are only ever added, and each movement's entries sum to zero; the database itself refuses anything else
(the triggers of migration `0009_ledger`).
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, func
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Instant


class LedgerEntry(Base):
    """One side of a movement of money: debits are positive, credits negative."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount_is_something"),
        Index(None, "account", "occurred_at"),
    )

    # What moved the money, such as `payment.succeeded/P0123…`; unique, so that nothing moves it twice.
    source: Mapped[str] = mapped_column(String(96), primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account: Mapped[str] = mapped_column(String(48))
    amount_fen: Mapped[Fen]
    # When the money moved, by WeChat's clock where WeChat moved it: days are those of its bills.
    occurred_at: Mapped[Instant]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())
