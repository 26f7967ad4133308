"""What looks wrong, and who looks into it: opened once per subject, taken by somebody, closed with a resolution.

Invariant: of one kind and subject at most one alert is open, by the database; a closed one is never opened again, a
new one is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors, narrowing
from subway_campaign.field_models import AlertKind, AlertResolution

_VIEW = """
    SELECT a.number, a.kind, a.subject, p.number AS placement, p.name AS placement_name, a.evidence, a.opened_at,
           a.owner, a.owned_at, a.resolution, a.note, a.closed_by, a.closed_at
    FROM alerts a LEFT JOIN placements p ON p.id = a.placement_id
"""


def open(  # noqa: A001 - callers say alerts.open
    session: Session,
    *,
    kind: AlertKind,
    subject: str,
    evidence: Mapping[str, Any],
    now: datetime,
    placement: str | None = None,
) -> bool:
    """Open an alert of `kind` about `subject` (a code, or a suspicion's number), or add evidence to the open one.

    `evidence` names nobody. Returns whether it is new.
    """
    database.require_transaction(session)
    is_new: bool = session.execute(
        text("""
            INSERT INTO alerts AS a (number, kind, subject, placement_id, evidence, opened_at, note)
            VALUES (:number, :kind, :subject, (SELECT id FROM placements WHERE number = :placement),
                    cast(:evidence AS jsonb), :now, '')
            ON CONFLICT (kind, subject) WHERE closed_at IS NULL
                DO UPDATE SET evidence = a.evidence || excluded.evidence
            RETURNING xmax = 0
        """),
        {
            "number": f"AL{uuid4().hex[:12].upper()}",
            "kind": kind,
            "subject": subject,
            "placement": placement,
            "evidence": database.dump_json(dict(evidence)),
            "now": now,
        },
    ).scalar_one()
    return is_new


def take(session: Session, *, number: str, owner: str, now: datetime) -> dict[str, Any]:
    """Write who looks into an alert, also in place of somebody else. Raises `UnknownAlert`, `AlertClosed`."""
    _require_open(session, number)
    session.execute(
        text(
            "UPDATE alerts SET owner = :owner, owned_at = :now WHERE number = :number AND owner IS DISTINCT FROM :owner"
        ),
        {"number": number, "owner": owner, "now": now},
    )
    return find(session, number=number)


def close(
    session: Session, *, number: str, resolution: AlertResolution, note: str, by: str, now: datetime
) -> dict[str, Any]:
    """End an alert with a resolution and a note. Raises `UnknownAlert`, `AlertClosed`."""
    _require_open(session, number)
    session.execute(
        text("""
            UPDATE alerts SET resolution = :resolution, note = :note, closed_by = :by, closed_at = :now,
                   owner = coalesce(owner, :by), owned_at = coalesce(owned_at, :now)
            WHERE number = :number
        """),
        {"number": number, "resolution": resolution, "note": note, "by": by, "now": now},
    )
    return find(session, number=number)


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one alert. Raises `UnknownAlert`."""
    row = session.execute(text(f"{_VIEW} WHERE a.number = :number"), {"number": number}).first()
    if row is None:
        raise errors.UnknownAlert
    return row._asdict()


def listing(
    session: Session,
    *,
    is_open: bool,
    kind: AlertKind | None = None,
    within: Sequence[str] | None = None,
    offset: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return open or closed alerts, the latest first; `within` some branches those that are about a placement there."""
    rows = session.execute(
        text(f"""
            {_VIEW} WHERE (a.closed_at IS NULL) = :is_open AND (cast(:kind AS text) IS NULL OR a.kind = :kind)
              AND {narrowing.lies_within()}
            ORDER BY coalesce(a.closed_at, a.opened_at) DESC, a.id DESC OFFSET :offset LIMIT :limit
        """),
        {"is_open": is_open, "kind": kind, "within": within, "offset": offset, "limit": limit},
    )
    return [row._asdict() for row in rows]


def open_count(session: Session, *, within: Sequence[str] | None = None) -> int:
    """Return how many alerts wait for somebody, within some branches those that are about a placement there."""
    counted = text(f"""
        SELECT count(*) FROM alerts a LEFT JOIN placements p ON p.id = a.placement_id
        WHERE a.closed_at IS NULL AND {narrowing.lies_within()}
    """)
    return int(session.execute(counted, {"within": within}).scalar_one())


def _require_open(session: Session, number: str) -> None:
    """Lock an alert, so that of two people only one ends it."""
    database.require_transaction(session)
    row = session.execute(
        text("SELECT closed_at FROM alerts WHERE number = :number FOR UPDATE"), {"number": number}
    ).first()
    if row is None:
        raise errors.UnknownAlert
    if row.closed_at is not None:
        raise errors.AlertClosed
