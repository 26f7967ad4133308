"""Objections to a product on public notice: filed by anyone, answered by the county.

Invariant: an objection is heard only while the notice runs, judged under the accreditation's lock, so that none slips
in behind a publication; an answer is given once. Who objected may stay nameless; a contact is read by staff only.
"""

import base64
import hashlib
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import accreditations, errors
from catalog.accreditation_lifecycle import Act, Seat, State, Term
from config import database

CONTENT_LENGTHS = range(10, 2001)
CONTACT_LENGTH = 100
# As other public numbers: 60 bits.
_NUMBER_LENGTH = 12
# Long enough for a review of the answer (行政复议 within 60 days) and a court after it (six months).
CONTACTS_LIVE = timedelta(days=366)

_FILE = text("""
    INSERT INTO accreditation_objections (number, accreditation_id, content, contact, filed_at, due_at)
    VALUES (:number, :id, :content, :contact, :now, :due_at) ON CONFLICT (number) DO NOTHING
""")
_FIND = text("""
    SELECT o.accreditation_id, o.answered_at, a.number AS accreditation
    FROM accreditation_objections o JOIN accreditations a ON a.id = o.accreditation_id WHERE o.number = :number
""")
_ANSWER = text("""
    UPDATE accreditation_objections SET answer = :answer, is_upheld = :is_upheld, answered_by = :by, answered_at = :now
    WHERE number = :number AND answered_at IS NULL RETURNING id
""")


def file(session: Session, *, number: str, accreditation: str, content: str, contact: str, now: datetime) -> None:
    """File an objection under the public `number` that the caller made; the same number again files nothing.

    Raises `AccreditationUnknown` and `NoticeOver`.
    """
    held = accreditations.lock(session, accreditation)
    if held.state is not State.NOTICED or held.due_at is None or now >= held.due_at:
        raise errors.NoticeOver
    session.execute(
        _FILE,
        {
            "number": number,
            "id": held.id,
            "content": content,
            "contact": contact[:CONTACT_LENGTH],
            "now": now,
            "due_at": accreditations.due_at(session, Term.ANSWER, now=now),
        },
    )


def number_of(accreditation: str, key: str) -> str:
    """Return the number of the objection that a request with this key files: the same key, the same number."""
    digest = hashlib.sha256(f"{accreditation}:{key}".encode()).digest()
    return "J" + base64.b32hexencode(digest).decode()[:_NUMBER_LENGTH]


def answer(session: Session, *, number: str, answer: str, is_upheld: bool, by: str, now: datetime) -> str:
    """Answer an objection, and refuse the application when it is upheld and no other waits; returns its number.

    Raises `ObjectionUnknown`, `ObjectionAnswered`, `AccreditationReasonMissing` without an answer, and what
    `accreditations.take` does for a refusal.
    """
    database.require_transaction(session)
    found = session.execute(_FIND, {"number": number}).first()
    if found is None:
        raise errors.ObjectionUnknown
    held = accreditations.lock(session, found.accreditation)
    if len(answer.strip()) not in accreditations.REASON_LENGTHS:
        raise errors.AccreditationReasonMissing
    values = {"number": number, "answer": answer.strip(), "is_upheld": is_upheld, "by": by, "now": now}
    if session.execute(_ANSWER, values).first() is None:
        raise errors.ObjectionAnswered
    if held.state is State.NOTICED and _is_settled_against(session, held.id):
        accreditations.take(
            session, number=held.number, act=Act.REFUSE, seat=Seat.COUNTY, by=by, reason="异议成立", now=now
        )
    return held.number


def forget_contacts(session: Session, *, before: datetime, at_most: int) -> int:
    """Blank the contacts of objections that were answered before an instant; returns how many."""
    database.require_transaction(session)
    blanked = session.execute(
        text("""
            UPDATE accreditation_objections SET contact = '' WHERE id IN (
                SELECT id FROM accreditation_objections WHERE contact <> '' AND answered_at < :before
                ORDER BY id LIMIT :at_most)
            RETURNING id
        """),
        {"before": before, "at_most": at_most},
    )
    return len(blanked.all())


def _is_settled_against(session: Session, accreditation_id: int) -> bool:
    row = session.execute(
        text("""
            SELECT coalesce(bool_and(answered_at IS NOT NULL), false) AS all_answered,
                   coalesce(bool_or(is_upheld), false) AS any_upheld
            FROM accreditation_objections WHERE accreditation_id = :id
        """),
        {"id": accreditation_id},
    ).one()
    return bool(row.all_answered and row.any_upheld)
