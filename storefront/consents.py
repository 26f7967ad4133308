"""Consents: which version of which document a shopper agreed to, and when.

Invariant: consent is recorded only for the version that is shown now, and is taken back as easily as given; what
was given and taken back stays on record.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storefront.errors import ConsentInvalid
from storefront.shopper_models import Consent

# The versions whose text the pages show. Changing a text in substance means a new date here, and asking again.
VERSIONS = {"privacy": "2026-11-23", "terms": "2026-11-21"}


def give(session: Session, *, shopper_id: int, document: str, version: str, now: datetime) -> None:
    """Record that the shopper agrees to `version` of `document`; agreeing again changes nothing.

    Raises `ConsentInvalid` when that is not the version shown now.
    """
    if VERSIONS.get(document) != version:
        raise ConsentInvalid(documents=VERSIONS)
    session.execute(
        insert(Consent)
        .values(shopper_id=shopper_id, document=document, version=version, given_at=now)
        .on_conflict_do_nothing()
    )


def withdraw(session: Session, *, shopper_id: int, document: str, now: datetime) -> None:
    """Record that the shopper no longer agrees to any version of `document`.

    Raises `ConsentInvalid` when there is no such document.
    """
    if document not in VERSIONS:
        raise ConsentInvalid(documents=VERSIONS)
    session.execute(
        update(Consent)
        .where(Consent.shopper_id == shopper_id, Consent.document == document, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )


def missing(session: Session, *, shopper_id: int) -> dict[str, str]:
    """Return the documents, with their present version, that the shopper has yet to agree to."""
    standing = session.execute(
        select(Consent.document, Consent.version).where(
            Consent.shopper_id == shopper_id, Consent.withdrawn_at.is_(None)
        )
    )
    given = {(row.document, row.version) for row in standing}
    return {document: version for document, version in VERSIONS.items() if (document, version) not in given}
