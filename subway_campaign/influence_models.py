"""The table of what the nightly study of the riders' paths found.

Invariant: one row for each level that is studied, replaced as a whole or not at all; no row names a rider.
"""

from datetime import date
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign.lifecycle import Level


class InfluenceStudy(database.Base):
    """The newest study at one level: of which days (half-open), with which parameters, when, and what it found."""

    __tablename__ = "influence_studies"

    level: Mapped[Level] = mapped_column(primary_key=True)
    from_day: Mapped[date]
    to_day: Mapped[date]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    found: Mapped[dict[str, Any]] = mapped_column(JSONB)
    studied_at: Mapped[database.Instant]
