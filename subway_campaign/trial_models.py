"""The table of tests that switch placements on by turns.

Invariant: a plan is never changed, only started or withdrawn, once, and neither is undone (a trigger refuses all else).
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config import database


class SwitchTrial(database.Base):
    """A plan: `baseline` holds each unit's weekly net sales before, oldest first; `pairs` the schedule that was drawn.

    Its number is a fingerprint of who planned it under which key. Week 0 begins at `starts_on`.
    """

    __tablename__ = "switch_trials"
    __table_args__ = (CheckConstraint("started_at IS NULL OR withdrawn_at IS NULL", name="one_end"),)

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    weeks: Mapped[int]
    starts_on: Mapped[date]
    baseline_from: Mapped[date]
    baseline_weeks: Mapped[int]
    baseline: Mapped[dict[str, Any]]
    pairs: Mapped[list[Any]]
    detectable_fen: Mapped[database.Fen]
    planned_by: Mapped[str]
    planned_at: Mapped[database.Instant]
    started_by: Mapped[str | None]
    started_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
