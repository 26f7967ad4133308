"""Accreditation as those who work on it see it: applicants, townships, counties and supervisors, each in their part.

Invariant: a seat is taken with a permission whose scope covers the township and the supplier of that very application;
what is out of scope is not found; every act is in the audit trail.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import accreditation_lifecycle as lifecycle
from catalog import accreditation_views, accreditations, editing, evidence, indications, inspections, objections
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import EvidenceKind, Finding, InspectionLevel
from catalog.accreditation_views import Reach
from catalog.errors import AccreditationUnknown, ObjectionUnknown
from catalog.models import IndicationKind
from config import database, pictures
from storefront import audit, roles, tokens
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts, sight

SEATS = {
    Seat.APPLICANT: Permission.APPLY,
    Seat.TOWNSHIP: Permission.GIVE_OPINION,
    Seat.COUNTY: Permission.DECIDE_ACCREDITATION,
    Seat.SUPERVISOR: Permission.SUPERVISE,
}


def queue(
    session: Session, actor: Actor, *, states: Iterable[State], offset: int = 0, limit: int = 20
) -> list[dict[str, Any]]:
    """Return the accreditations in sight that are in these states, what is due first at the top."""
    scopes = roles.scopes(actor.grants, Permission.READ_ACCREDITATIONS)
    reaches = [Reach(scope.area, scope.supplier) for scope in scopes]
    return accreditation_views.queue(session, reaches=reaches, states=states, offset=offset, limit=limit)


def mine(actor: Actor) -> list[State]:
    """Return the states in which an accreditation waits for a seat that the actor holds somewhere."""
    held = [seat for seat, permission in SEATS.items() if accounts.allowed(actor, permission)]
    waiting = {
        Seat.APPLICANT: {State.DRAFTED, State.RETURNED},
        Seat.TOWNSHIP: {State.SUBMITTED},
        Seat.COUNTY: {State.OPINED, State.NOTICED},
        Seat.SUPERVISOR: {State.PUBLISHED},
    }
    return sorted({state for seat in held for state in waiting[seat]})


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one accreditation in sight, with `choices`: what the actor may do now, as (seat, acts) pairs.

    `goods` is what the product's label says.
    Raises `AccreditationUnknown`, also for one that is out of sight.
    """
    found = accreditation_views.find(session, number=number)
    where = _scope_of(found)
    if not accounts.allowed(actor, Permission.READ_ACCREDITATIONS, where):
        raise AccreditationUnknown
    seats = [seat for seat, permission in SEATS.items() if accounts.allowed(actor, permission, where)]
    other = {step["seat"] for step in found["steps"] if step["taken_by"] == actor.username}
    free = [seat for seat in seats if not other or seat in other]
    if Seat.COUNTY not in seats:
        # Who objected is known to those who must answer, and never to the applicant.
        found["objections"] = [objection | {"contact": ""} for objection in found["objections"]]
    choices = {seat.value: [act.value for act in lifecycle.choices(found["state"], seat)] for seat in free}
    return (
        found
        | {"choices": choices, "seats": [seat.value for seat in seats]}
        | {"indication": indications.of(session, product=found["product"])}
        | {"goods": editing.shown(session, slug=found["product"])}
    )


def applicable(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the products that the actor may apply for."""
    suppliers = {scope.supplier for scope in roles.scopes(actor.grants, Permission.APPLY)}
    if None in suppliers:
        return accreditation_views.open_to_applications(session, supplier=None)
    return [
        product
        for supplier in sorted(filter(None, suppliers))
        for product in accreditation_views.open_to_applications(session, supplier=supplier)
    ]


def draft(session: Session, actor: Actor, *, product: str, township_code: str, statement: str, now: datetime) -> str:
    """Begin an application for a product in sight; returns its number.

    Raises `NotPermitted` for somebody else's product, and what `accreditations.draft` does.
    """
    if not sight.of(session, actor, Permission.APPLY).sees(product):
        raise NotPermitted(permission=Permission.APPLY)
    number = tokens.number("C")
    accreditations.draft(
        session, number=number, product=product, township_code=township_code, statement=statement, now=now
    )
    audit.record(session, actor, "accreditation.drafted", number, {"product": product}, now=now)
    return number


def take(
    session: Session,
    actor: Actor,
    *,
    number: str,
    act: Act,
    seat: Seat,
    reason: str = "",
    batch: str = "",
    now: datetime,
) -> State:
    """Take a step in a seat; returns the state after it. Raises `NotPermitted` and what `accreditations` does."""
    _require_seat(session, actor, number, seat)
    by = actor.username or ""
    if act is Act.PUBLISH:
        after = accreditations.publish(session, number=number, batch=batch, by=by, now=now)
    else:
        after = accreditations.take(session, number=number, act=act, seat=seat, by=by, reason=reason, now=now)
    audit.record(session, actor, f"accreditation.{act.value}", number, {"seat": seat, "reason": reason}, now=now)
    return after.state


def amend(session: Session, actor: Actor, *, number: str, statement: str, now: datetime) -> None:
    """Write the applicant's words anew. Raises `NotPermitted` and what `accreditations.amend` does."""
    _require_seat(session, actor, number, Seat.APPLICANT)
    accreditations.amend(session, number=number, statement=statement)
    audit.record(session, actor, "accreditation.amended", number, {}, now=now)


def add_evidence(actor: Actor, *, number: str, kind: EvidenceKind, title: str, upload: bytes, now: datetime) -> None:
    """Prove and keep a photographed paper, then add it to the application.

    Opens its own transactions. Raises `NotPermitted`, `PictureRefused`, `StorageAway` and what `evidence.add` does.
    """
    with database.transaction() as session:
        _require_seat(session, actor, number, Seat.APPLICANT)
    picture = pictures.take_in(upload, is_public=False, now=now)
    with database.transaction() as session:
        _require_seat(session, actor, number, Seat.APPLICANT)
        evidence.add(
            session,
            accreditation=number,
            kind=kind,
            title=title,
            picture=picture.number,
            by=actor.username or "",
            now=now,
        )
        audit.record(session, actor, "accreditation.evidence_added", number, {"kind": kind}, now=now)


def remove_evidence(session: Session, actor: Actor, *, number: str, picture: str, now: datetime) -> None:
    """Take a paper out again. Raises `NotPermitted` and what `evidence.remove` does."""
    _require_seat(session, actor, number, Seat.APPLICANT)
    evidence.remove(session, accreditation=number, picture=picture, now=now)
    audit.record(session, actor, "accreditation.evidence_removed", number, {"picture": picture}, now=now)


def require_paper(session: Session, actor: Actor, *, number: str, picture: str) -> None:
    """Raise `AccreditationUnknown` unless `picture` is a paper of an application in sight."""
    found = find(session, actor, number=number)
    if picture not in {paper["picture"] for paper in found["evidence"]}:
        raise AccreditationUnknown


def open_batch(session: Session, actor: Actor, *, name: str, now: datetime) -> None:
    """Open a batch of the catalogue. Raises `NotPermitted` and `BatchTaken`."""
    accounts.require(actor, Permission.DECIDE_ACCREDITATION)
    accreditations.open_batch(session, name=name, now=now)
    audit.record(session, actor, "accreditation.batch_opened", name, {}, now=now)


def answer(
    session: Session, actor: Actor, *, number: str, objection: str, answer: str, is_upheld: bool, now: datetime
) -> None:
    """Answer an objection to `number`. Raises `ObjectionUnknown`, `NotPermitted` and what `objections.answer` does."""
    found = _require_seat(session, actor, number, Seat.COUNTY)
    if objection not in {each["number"] for each in found["objections"]}:
        raise ObjectionUnknown
    by = actor.username or ""
    objections.answer(session, number=objection, answer=answer, is_upheld=is_upheld, by=by, now=now)
    audit.record(session, actor, "objection.answered", objection, {"upheld": is_upheld, "of": number}, now=now)


def inspect(
    session: Session,
    actor: Actor,
    *,
    number: str,
    level: InspectionLevel,
    finding: Finding,
    reason: str,
    rectify_until: date | None,
    now: datetime,
) -> State:
    """Write what a spot check found. Raises `NotPermitted` and what `inspections.record` does."""
    _require_seat(session, actor, number, Seat.SUPERVISOR)
    after = inspections.record(
        session,
        accreditation=number,
        level=level,
        finding=finding,
        reason=reason,
        rectify_until=rectify_until,
        by=actor.username or "",
        now=now,
    )
    values = {"finding": finding, "level": level, "reason": reason}
    audit.record(session, actor, "accreditation.inspected", number, values, now=now)
    return after


def confirm_rectified(session: Session, actor: Actor, *, number: str, now: datetime) -> None:
    """End an order to rectify. Raises `NotPermitted` and what `inspections.confirm_rectified` does."""
    _require_seat(session, actor, number, Seat.SUPERVISOR)
    inspections.confirm_rectified(session, accreditation=number, now=now)
    audit.record(session, actor, "accreditation.rectified", number, {}, now=now)


def enter_indication(
    session: Session,
    actor: Actor,
    *,
    number: str,
    kind: IndicationKind,
    certificate: str,
    issuer: str,
    issued_on: date,
    now: datetime,
) -> None:
    """Enter the geographical indication of an application's product, as its `certificate` says.

    Raises `NotPermitted` and what `indications.enter` does.
    """
    product = _require_seat(session, actor, number, Seat.COUNTY)["product"]
    indications.enter(
        session, product=product, kind=kind, number=certificate, issuer=issuer, issued_on=issued_on, now=now
    )
    values = {"product": product, "kind": kind, "number": certificate}
    audit.record(session, actor, "indication.entered", number, values, now=now)


def take_back_indication(session: Session, actor: Actor, *, number: str, now: datetime) -> None:
    """Take the geographical indication of an application's product away again. Raises `NotPermitted`."""
    product = _require_seat(session, actor, number, Seat.COUNTY)["product"]
    indications.take_back(session, product=product)
    audit.record(session, actor, "indication.taken_back", number, {"product": product}, now=now)


def _require_seat(session: Session, actor: Actor, number: str, seat: Seat) -> dict[str, Any]:
    found = find(session, actor, number=number)
    if seat.value not in found["seats"]:
        raise NotPermitted(permission=SEATS.get(seat, Permission.READ_ACCREDITATIONS))
    return found


def _scope_of(found: dict[str, Any]) -> Scope:
    return Scope(area=found["township_code"], supplier=found["supplier"])
