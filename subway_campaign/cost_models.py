"""The tables of what placements cost and how many people passed them.

Invariant: costs are only ever inserted (a trigger refuses all else); a mistake is taken back by an entry of the
opposite amount, at most once. An estimate is never changed either: a later version stands for the days it names.
"""

from datetime import date
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
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


class Method(StrEnum):
    """How impressions are estimated."""

    RIDERSHIP_DWELL = "ridership_dwell"


class ExposureEstimate(database.Base):
    """How many people pass a placement a day, and how often each of them sees it, in thousandths: least, likely, most.

    `source` is where the ridership comes from; `is_illustrative` says that it is an example and no measurement.
    """

    __tablename__ = "exposure_estimates"
    __table_args__ = (
        UniqueConstraint("placement_id", "method", "version"),
        CheckConstraint("to_day > from_day", name="period"),
        CheckConstraint("passers >= 0 AND 0 <= seen_low AND seen_low <= seen AND seen <= seen_high", name="range"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    method: Mapped[Method]
    version: Mapped[int]
    from_day: Mapped[date]
    to_day: Mapped[date]
    passers: Mapped[int] = mapped_column(BigInteger)
    seen_low: Mapped[int]
    seen: Mapped[int]
    seen_high: Mapped[int]
    source: Mapped[str]
    is_illustrative: Mapped[bool]
    entered_by: Mapped[str]
    entered_at: Mapped[database.Instant]
