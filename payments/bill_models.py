"""The table of reconciled days: what WeChat's bills of a day say, beside what our books say.

Invariant: one row for each merchant and Shanghai day; the rows of the bills themselves are not kept.
"""

from datetime import date

from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Instant


class BillDay(Base):
    """A day that was compared; a hash is null when WeChat had no bill, because nothing happened."""

    __tablename__ = "bill_days"

    mchid: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    trade_sha1: Mapped[str | None] = mapped_column(String(40))
    flow_sha1: Mapped[str | None] = mapped_column(String(40))
    trades: Mapped[int]
    flows: Mapped[int]
    # What moved the account, by WeChat: refunds, fees and what receivers of divided payments got (less what came back)
    # are positive sums, `net_fen` is what remains of it all.
    paid_fen: Mapped[Fen]
    refunded_fen: Mapped[Fen]
    fees_fen: Mapped[Fen]
    withdrawn_fen: Mapped[Fen]
    shared_fen: Mapped[Fen] = mapped_column(server_default=text("0"))
    other_fen: Mapped[Fen]
    net_fen: Mapped[Fen]
    balance_fen: Mapped[Fen | None]
    # The same by our payments and refunds.
    our_paid_fen: Mapped[Fen]
    our_refunded_fen: Mapped[Fen]
    differences: Mapped[int]
    reconciled_at: Mapped[Instant]
