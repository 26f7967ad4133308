"""Suppliers as those who work with them see them: the supplier itself, and the operator who admits it.

Invariant: a supplier sees and changes its own file only; what is out of scope is not found; every act is in the audit
trail, and no account number is.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import payees, supplier_views, suppliers
from catalog import supplier_lifecycle as lifecycle
from catalog.errors import SupplierUnknown
from catalog.payees import Account, Receiver
from catalog.supplier_lifecycle import Act, Kind, Papers, Seat, State
from catalog.supplier_models import PaperKind
from catalog.supplier_views import Reach
from config import database, pictures
from storefront import audit, roles, tokens
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts, sight

SEATS = {Seat.APPLICANT: Permission.KEEP_GOODS, Seat.OPERATOR: Permission.MANAGE_SUPPLIERS}


def listing(
    session: Session, actor: Actor, *, states: Iterable[State], offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Return the suppliers in sight that are in these states, whose papers end first at the top."""
    accounts.require(actor, Permission.READ_SUPPLIERS)
    scopes = roles.scopes(actor.grants, Permission.READ_SUPPLIERS)
    reaches = [Reach(scope.area, scope.supplier) for scope in scopes]
    return supplier_views.listing(session, reaches=reaches, states=states, offset=offset, limit=limit)


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one supplier in sight, with the `seats` that the actor holds and the acts (`choices`) of each.

    Raises `SupplierUnknown`, also for one that is out of sight.
    """
    found = supplier_views.find(session, number=number)
    where = Scope(area=found["county_code"], supplier=number)
    if not accounts.allowed(actor, Permission.READ_SUPPLIERS, where):
        raise SupplierUnknown
    seats = [seat for seat, permission in SEATS.items() if accounts.allowed(actor, permission, where)]
    choices = {seat.value: [act.value for act in lifecycle.choices(found["state"], seat)] for seat in seats}
    return found | {"seats": [seat.value for seat in seats], "choices": choices}


def open_file(session: Session, actor: Actor, *, name: str, kind: Kind, now: datetime) -> str:
    """Begin the file of a supplier; returns its number. Raises `NotPermitted` and `SupplierProfileInvalid`."""
    sight.require_whole(actor, Permission.MANAGE_SUPPLIERS)
    number = tokens.number("S")
    suppliers.open(session, number=number, name=name, kind=kind)
    audit.record(session, actor, "supplier.opened", number, {"kind": kind}, now=now)
    return number


def amend(session: Session, actor: Actor, *, number: str, profile: suppliers.Profile, now: datetime) -> None:
    """Write what a supplier applies with. Raises `NotPermitted` and what `suppliers.amend` does."""
    _require(session, actor, number, Seat.APPLICANT, Seat.OPERATOR)
    suppliers.amend(session, number=number, profile=profile)
    audit.record(session, actor, "supplier.amended", number, {}, now=now)


def agree(session: Session, actor: Actor, *, number: str, version: str, now: datetime) -> None:
    """Accept the agreement for a supplier. Raises `NotPermitted` and `AgreementOutdated`."""
    _require(session, actor, number, Seat.APPLICANT)
    suppliers.agree(session, number=number, version=version, by=actor.username or "", now=now)
    audit.record(session, actor, "supplier.agreed", number, {"version": version}, now=now)


def renew(session: Session, actor: Actor, *, number: str, papers: Papers, now: datetime) -> None:
    """Enter the dates of papers that the operator has seen. Raises `NotPermitted` and what `suppliers.renew` does."""
    _require(session, actor, number, Seat.OPERATOR)
    suppliers.renew(session, number=number, papers=papers)
    ends = {"licence_until": papers.licence_until, "permit_until": papers.permit_until}
    values = {name: until.isoformat() for name, until in ends.items() if until}
    audit.record(session, actor, "supplier.renewed", number, values, now=now)


def enter_payee(
    session: Session, actor: Actor, *, number: str, account: Account, receiver: Receiver | None, now: datetime
) -> None:
    """Write where a supplier's money goes; once it is admitted the operator alone does.

    Raises `NotPermitted` and what `payees.enter` does.
    """
    found = _require(session, actor, number, Seat.APPLICANT, Seat.OPERATOR)
    if found["state"] not in lifecycle.EDITABLE and Seat.OPERATOR not in found["seats"]:
        raise NotPermitted(permission=Permission.MANAGE_SUPPLIERS)
    payees.enter(session, number=number, account=account, receiver=receiver, by=actor.username or "", now=now)
    audit.record(session, actor, "supplier.payee_entered", number, {"account": account.masked}, now=now)


def take(session: Session, actor: Actor, *, number: str, act: Act, seat: Seat, reason: str, now: datetime) -> State:
    """Take a step in a seat; returns the state after it. Raises `NotPermitted` and what `suppliers.take` does."""
    _require(session, actor, number, seat)
    by = actor.username or ""
    after = suppliers.take(session, number=number, act=act, seat=seat, by=by, reason=reason, now=now)
    audit.record(session, actor, f"supplier.{act.value}", number, {"reason": reason.strip()}, now=now)
    return after


def add_paper(actor: Actor, *, number: str, kind: PaperKind, upload: bytes, now: datetime) -> None:
    """Prove and keep a photographed paper, then add it to the file.

    Opens its own transactions. Raises `NotPermitted`, `PictureRefused`, `StorageAway` and what `suppliers.add_paper`
    does.
    """
    with database.transaction() as session:
        _require(session, actor, number, Seat.APPLICANT, Seat.OPERATOR)
    picture = pictures.take_in(upload, is_public=False, now=now)
    with database.transaction() as session:
        _require(session, actor, number, Seat.APPLICANT, Seat.OPERATOR)
        by = actor.username or ""
        suppliers.add_paper(session, number=number, kind=kind, picture=picture.number, by=by, now=now)
        audit.record(session, actor, "supplier.paper_added", number, {"paper": kind}, now=now)


def require_paper(session: Session, actor: Actor, *, number: str, picture: str) -> None:
    """Raise `SupplierUnknown` unless `picture` is a paper of a supplier whose file the actor works on."""
    found = find(session, actor, number=number)
    if not found["seats"] or picture not in {paper["picture"] for paper in found["papers"]}:
        raise SupplierUnknown


def _require(session: Session, actor: Actor, number: str, *seats: Seat) -> dict[str, Any]:
    found = find(session, actor, number=number)
    if not set(found["seats"]) & set(seats):
        raise NotPermitted(permission=SEATS.get(seats[-1], Permission.MANAGE_SUPPLIERS))
    return found
