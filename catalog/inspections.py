"""Supervision of accredited products: spot checks, orders to rectify, and what follows from them.

Invariant: an inspection is only ever added; what it found changes the accreditation in the same transaction, by a step
of the lifecycle in the supervisor's seat. An order to rectify whose day passes suspends by itself.
"""

from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import accreditations, errors
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import Finding, InspectionLevel
from config import clock

_RECORD = text("""
    INSERT INTO accreditation_inspections
        (accreditation_id, level, finding, reason, rectify_until, inspected_by, inspected_at)
    VALUES (:id, :level, :finding, :reason, :rectify_until, :by, :now)
""")
_RECTIFIED = text("""
    UPDATE accreditation_inspections SET rectified_at = :now
    WHERE accreditation_id = :id AND finding = 'rectify' AND rectified_at IS NULL RETURNING id
""")
_ACTS = {Finding.SUSPENDED: Act.SUSPEND, Finding.REVOKED: Act.REVOKE}


def record(
    session: Session,
    *,
    accreditation: str,
    level: InspectionLevel,
    finding: Finding,
    reason: str,
    rectify_until: date | None,
    by: str,
    now: datetime,
) -> State:
    """Write what an inspection found, and let it follow; returns the state after it.

    Raises `AccreditationUnknown`, `AccreditationMoved` for a product without a badge, `AccreditationReasonMissing`,
    `RectificationInvalid` and what `accreditations.take` does.
    """
    held = accreditations.lock(session, accreditation)
    if held.state not in {State.PUBLISHED, State.SUSPENDED}:
        raise errors.AccreditationMoved(state=held.state.value)
    if len(reason.strip()) not in accreditations.REASON_LENGTHS:
        raise errors.AccreditationReasonMissing
    is_day_due = finding is Finding.RECTIFY
    today = now.astimezone(clock.SHANGHAI).date()
    if (rectify_until is not None) != is_day_due or (rectify_until is not None and rectify_until <= today):
        raise errors.RectificationInvalid
    values = {
        "id": held.id,
        "level": level,
        "finding": finding,
        "reason": reason.strip(),
        "rectify_until": rectify_until,
        "by": by,
        "now": now,
    }
    session.execute(_RECORD, values)
    if is_day_due:
        held.rectify_until = rectify_until
    act = _ACTS.get(finding)
    if act is None:
        return held.state
    return accreditations.take(
        session, number=accreditation, act=act, seat=Seat.SUPERVISOR, by=by, reason=reason, now=now
    ).state


def confirm_rectified(session: Session, *, accreditation: str, now: datetime) -> None:
    """End an order to rectify because it was followed. Raises `AccreditationUnknown`, `RectificationInvalid`."""
    held = accreditations.lock(session, accreditation)
    if not session.execute(_RECTIFIED, {"id": held.id, "now": now}).all():
        raise errors.RectificationInvalid
    held.rectify_until = None
