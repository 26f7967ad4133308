"""Phones of staff: visitors whose scans and orders are kept apart from the riders'.

Invariant: a phone is marked from an instant until it is released, by name of who did it; what was counted before
stays counted, and a visitor is marked once at a time.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storefront import audit, tokens
from storefront.actors import Actor
from storefront.errors import PhoneNotFound
from storefront.roles import Role
from storefront.staff_models import StaffAccount, StaffPhone
from subway_campaign import exclusions
from subway_campaign.lifecycle import Exclusion

LABEL_LENGTH = 60


@dataclass(frozen=True, kw_only=True)
class PhoneView:
    """A phone that is marked now. `username` marked it."""

    number: str
    label: str
    username: str
    marked_at: datetime


def mark(session: Session, *, actor: Actor, visitor: UUID, label: str, now: datetime) -> str:
    """Say that the phone with the cookie `visitor` is staff from now on, and return the phone's number.

    `label` says whose it is, cut to 60 characters. A phone that is marked already keeps its number and label.
    """
    number: str | None = session.scalar(
        insert(StaffPhone)
        .values(
            number=tokens.number("P"),
            visitor=visitor,
            label=label[:LABEL_LENGTH],
            staff_id=actor.staff_id,
            marked_at=now,
        )
        .on_conflict_do_nothing()
        .returning(StaffPhone.number)
    )
    if number is None:
        return session.scalars(
            select(StaffPhone.number).where(StaffPhone.visitor == visitor, StaffPhone.released_at.is_(None))
        ).one()
    is_crew = {grant.role for grant in actor.grants} == {Role.CREW}
    exclusions.exclude(session, reason=Exclusion.CREW if is_crew else Exclusion.STAFF, valid_from=now, visitor=visitor)
    audit.record(session, actor, "phone.marked", number, {"label": label[:LABEL_LENGTH]}, now=now)
    return number


def release(session: Session, *, actor: Actor, number: str, now: datetime) -> None:
    """Let the phone count as a rider's again from now on. Raises `PhoneNotFound`, also when it was released before."""
    visitor = session.scalar(
        update(StaffPhone)
        .where(StaffPhone.number == number, StaffPhone.released_at.is_(None))
        .values(released_at=now)
        .returning(StaffPhone.visitor)
    )
    if visitor is None:
        raise PhoneNotFound
    exclusions.end(session, at=now, visitor=visitor)
    audit.record(session, actor, "phone.released", number, {}, now=now)


def release_here(session: Session, *, actor: Actor, visitor: UUID, now: datetime) -> None:
    """Release the phone with the cookie `visitor`. Raises `PhoneNotFound` when it is not marked."""
    number = session.scalar(
        select(StaffPhone.number).where(StaffPhone.visitor == visitor, StaffPhone.released_at.is_(None))
    )
    release(session, actor=actor, number=number or "", now=now)


def here(session: Session, *, visitor: UUID | None) -> tuple[PhoneView | None, list[PhoneView]]:
    """Return the mark of the phone with the cookie `visitor`, if it has one, and all phones that are marked now."""
    number = session.scalar(
        select(StaffPhone.number).where(StaffPhone.visitor == visitor, StaffPhone.released_at.is_(None))
    )
    phones = listing(session)
    return next((phone for phone in phones if phone.number == number), None), phones


def listing(session: Session) -> list[PhoneView]:
    """Return the phones that are marked now, the latest first."""
    rows = session.execute(
        select(StaffPhone.number, StaffPhone.label, StaffAccount.username, StaffPhone.marked_at)
        .join(StaffAccount, StaffAccount.id == StaffPhone.staff_id)
        .where(StaffPhone.released_at.is_(None))
        .order_by(StaffPhone.marked_at.desc(), StaffPhone.id.desc())
    )
    return [
        PhoneView(number=row.number, label=row.label, username=row.username, marked_at=row.marked_at) for row in rows
    ]
