"""The papers of an application, as photographs: what shows that what it says is so.

Invariant: papers are added and taken out only while the applicant may still edit, under the accreditation's lock; a
photograph is kept as long as an application names it.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import accreditations, errors
from catalog.accreditation_models import EvidenceKind
from config import pictures

MOST_PAPERS = 30

_ADD = text("""
    INSERT INTO accreditation_evidence (accreditation_id, kind, title, picture, added_by, added_at)
    VALUES (:id, :kind, :title, :picture, :by, :now)
    ON CONFLICT (accreditation_id, picture) DO UPDATE SET kind = excluded.kind, title = excluded.title
""")
_COUNT = text("SELECT count(*) FROM accreditation_evidence WHERE accreditation_id = :id")
_REMOVE = text("""
    DELETE FROM accreditation_evidence WHERE accreditation_id = :id AND picture = :picture RETURNING id
""")


def add(
    session: Session, *, accreditation: str, kind: EvidenceKind, title: str, picture: str, by: str, now: datetime
) -> None:
    """Add a paper to an application; the same photograph again only changes what it is called.

    Raises `AccreditationUnknown`, `EvidenceClosed`, `EvidenceTooMany` beyond 30, and `UnknownPicture`.
    """
    held = accreditations.lock(session, accreditation)
    accreditations.require_editable(held)
    if (session.scalar(_COUNT, {"id": held.id}) or 0) >= MOST_PAPERS:
        raise errors.EvidenceTooMany
    pictures.claim(session, number=picture, until=None, now=now)
    values = {"id": held.id, "kind": kind, "title": title, "picture": picture, "by": by, "now": now}
    session.execute(_ADD, values)


def remove(session: Session, *, accreditation: str, picture: str, now: datetime) -> None:
    """Take a paper out of an application. Raises `AccreditationUnknown` and `EvidenceClosed`."""
    held = accreditations.lock(session, accreditation)
    accreditations.require_editable(held)
    if session.execute(_REMOVE, {"id": held.id, "picture": picture}).first() is not None:
        pictures.release(session, number=picture, now=now)
