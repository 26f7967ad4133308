"""The table of what placements cost.

Invariant: entries are only ever inserted (a trigger refuses all else); a mistake is taken back by an entry of the
opposite amount, at most once.
"""

from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign import models  # noqa: F401 - the campaigns and placements that foreign keys point at


class CostKind(StrEnum):
    """What money was spent on."""

    MEDIA = "media"
    PRODUCTION = "production"
    INSTALLATION = "installation"
    OTHER = "other"


class CostEntry(database.Base):
    """Money for a placement of any level over the Shanghai days from `from_day` up to, not including, `to_day`.

    Its number is a fingerprint of who entered it under which key, so that one form is one entry.
    """

    __tablename__ = "cost_entries"
    __table_args__ = (
        CheckConstraint("to_day > from_day", name="period"),
        CheckConstraint("(reverses_id IS NULL) = (amount_fen > 0) AND amount_fen <> 0", name="sign"),
        Index(None, "placement_id"),
        Index(None, "campaign_id"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    kind: Mapped[CostKind]
    amount_fen: Mapped[database.Fen]
    from_day: Mapped[date]
    to_day: Mapped[date]
    note: Mapped[str]
    entered_by: Mapped[str]
    entered_at: Mapped[database.Instant]
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("cost_entries.id"), unique=True)
