"""Staff, crew and test phones: kept, shown, never counted (R16).

Invariant: an exclusion is dated and never deleted, only ended, so that past reports keep their reasons.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors
from subway_campaign.lifecycle import Exclusion


def exclude(
    session: Session,
    *,
    reason: Exclusion,
    valid_from: datetime,
    valid_until: datetime | None = None,
    visitor: UUID | None = None,
    person: UUID | None = None,
    now: datetime | None = None,
) -> None:
    """Count nothing that `visitor` (one phone's cookie) or `person` does from `valid_from` until `valid_until`.

    `now` is when that is entered, `valid_from` unless given: orders placed up to 72 hours before are decided again
    (R21), for the database marks every change of these entries. Exactly one of the two is given. Raises
    `ImpossiblePeriod`. An equal exclusion that is still open is left as it is.
    """
    database.require_transaction(session)
    if valid_until is not None and valid_until <= valid_from:
        raise errors.ImpossiblePeriod
    session.execute(
        text("""
            INSERT INTO excluded_identities (visitor_id, person_id, reason, valid_from, valid_until,
                                             recorded_at)
            SELECT cast(:visitor AS uuid), cast(:person AS uuid), cast(:reason AS text), :valid_from,
                   cast(:valid_until AS timestamptz), :now
            WHERE NOT EXISTS (
                SELECT FROM excluded_identities
                WHERE (visitor_id = :visitor OR person_id = :person) AND reason = cast(:reason AS text)
                  AND valid_from <= :valid_from AND valid_until IS NULL)
        """),
        {
            "visitor": visitor,
            "person": person,
            "reason": reason,
            "valid_from": valid_from,
            "valid_until": valid_until,
            "now": now or valid_from,
        },
    )


def end(session: Session, *, at: datetime, visitor: UUID | None = None, person: UUID | None = None) -> None:
    """End the open exclusions of a visitor or person: what they do from `at` on counts again."""
    database.require_transaction(session)
    session.execute(
        text("""
            UPDATE excluded_identities SET valid_until = :at
            WHERE (visitor_id = :visitor OR person_id = :person) AND valid_from < :at
              AND (valid_until IS NULL OR valid_until > :at)
        """),
        {"visitor": visitor, "person": person, "at": at},
    )
