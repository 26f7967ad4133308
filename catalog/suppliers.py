"""Who may sell through us: opened, applied, admitted with valid papers, suspended, lapsed when a paper runs out.

Invariant: every move is one step of `supplier_lifecycle`, taken under the row's lock and written with person, seat and
reason; the goods follow in the same transaction (`offering`). One firm has one standing row of a kind: the second
application of a credit code is told the first one's number.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from catalog import credit_codes, errors, offering
from catalog import supplier_lifecycle as lifecycle
from catalog.accreditation_lifecycle import EntityKind
from catalog.models import Supplier
from catalog.supplier_lifecycle import Act, Kind, Papers, PermitClass, Seat, State
from catalog.supplier_models import PaperKind
from config import clock, database, logs, pictures

# The agreement that a supplier reads on its own page (storefront/staff/templates/staff/agreement.html).
AGREEMENT_VERSION = "2026-11"
REASON_LENGTHS = range(2, 501)
MOST_PAPERS = 30
# WeChat divides 30 % of a payment at most, in hundredths of a percent.
MOST_COMMISSION_BP = 3000
_NAME_LENGTHS = range(2, 61)
_LENGTHS = {"contact_name": 30, "contact_phone": 30, "address": 200, "permit_number": 60}
_AT_ONCE = 200

_NOTE_STEP = text("""
    INSERT INTO supplier_steps (supplier_id, position, act, after, seat, taken_by, reason, taken_at)
    SELECT :id, coalesce(max(position), 0) + 1, :act, :after, :seat, :by, :reason, :now
    FROM supplier_steps WHERE supplier_id = :id
""")
# Both suppliers wait here for each other's commit, so the second application sees the first.
_SAME_FIRM = text("SELECT pg_advisory_xact_lock(hashtextextended('supplier:' || :credit_code, 0))")
_FIND_FIRM = text("""
    SELECT number FROM suppliers
    WHERE kind = :kind AND credit_code = :credit_code AND state <> 'closed' AND id <> :id
""")
_ADD_PAPER = text("""
    INSERT INTO supplier_papers (supplier_id, kind, picture, added_by, added_at)
    VALUES (:id, :kind, :picture, :by, :now)
    ON CONFLICT (supplier_id, picture) DO UPDATE SET kind = excluded.kind
""")
_DUE = text("""
    SELECT number FROM suppliers
    WHERE state = 'admitted' AND (licence_until < :today OR permit_until < :today) ORDER BY id LIMIT :at_most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a firm applies with; dates are last days of validity, None where a paper has none."""

    name: str
    entity_kind: EntityKind
    county_code: str
    credit_code: str
    licence_until: date | None = None
    permit_class: PermitClass
    permit_number: str = ""
    permit_until: date | None = None
    contact_name: str = ""
    contact_phone: str = ""
    address: str = ""


def open(  # noqa: A001 - it reads as `suppliers.open`
    session: Session, *, number: str, name: str, kind: Kind = Kind.SUPPLIER
) -> None:
    """Begin the file of a supplier or seller under the public `number` that the caller made; it sells nothing yet.

    Raises `SupplierProfileInvalid` for a name that is none.
    """
    database.require_transaction(session)
    session.add(Supplier(number=number, name=_name(name), is_illustrative=False, kind=kind))
    session.flush()


def amend(session: Session, *, number: str, profile: Profile) -> None:
    """Write what a supplier applies with, before it applies or after it was refused.

    Raises `SupplierUnknown`, `SupplierSealed`, `SupplierProfileInvalid(field=)`, `CreditCodeInvalid` and
    `CreditCodeTaken(number=)`.
    """
    held = lock(session, number)
    if held.state not in lifecycle.EDITABLE:
        raise errors.SupplierSealed(state=held.state.value)
    values = _checked(session, profile)
    session.execute(_SAME_FIRM, {"credit_code": values["credit_code"]})
    firm = {"kind": held.kind, "credit_code": values["credit_code"], "id": held.id}
    if (other := session.scalar(_FIND_FIRM, firm)) is not None:
        raise errors.CreditCodeTaken(number=other)
    for field, value in values.items():
        setattr(held, field, value)
    session.flush()


def agree(session: Session, *, number: str, version: str, by: str, now: datetime) -> None:
    """Write that a supplier accepts the agreement. Raises `AgreementOutdated` unless `version` is the present one."""
    held = lock(session, number)
    if version != AGREEMENT_VERSION:
        raise errors.AgreementOutdated(version=AGREEMENT_VERSION)
    if held.agreement_version != version:
        held.agreement_version, held.agreed_by, held.agreed_at = version, by, now
        session.flush()


def renew(session: Session, *, number: str, papers: Papers) -> None:
    """Enter the dates of new papers, which staff have seen; a lapsed supplier is then reinstated by an act of its own.

    Raises `SupplierUnknown`, and `SupplierProfileInvalid(field=)` for a permit that lacks its number or end.
    """
    held = lock(session, number)
    papers = replace(papers, permit_number=papers.permit_number.strip())
    if lacking := lifecycle.missing(papers):
        raise errors.SupplierProfileInvalid(field=lacking[0])
    for field, value in asdict(papers).items():
        setattr(held, field, value)
    session.flush()


def set_commission(session: Session, *, number: str, commission_bp: int | None) -> None:
    """Agree on a seller's commission in hundredths of a percent of what its buyers pay; None is no commission.

    Raises `SupplierUnknown`, and `SupplierProfileInvalid` above 30 % or for who is no seller.
    """
    held = lock(session, number)
    is_possible = commission_bp is None or (held.kind is Kind.SELLER and 0 <= commission_bp <= MOST_COMMISSION_BP)
    if not is_possible:
        raise errors.SupplierProfileInvalid(field="commission_bp")
    held.commission_bp = commission_bp
    session.flush()


def add_paper(session: Session, *, number: str, kind: PaperKind, picture: str, by: str, now: datetime) -> None:
    """Add a photographed paper, at any time: new permits replace old ones, and both are kept.

    Raises `SupplierUnknown`, `PapersTooMany` beyond 30, and `UnknownPicture`.
    """
    held = lock(session, number)
    count = session.scalar(text("SELECT count(*) FROM supplier_papers WHERE supplier_id = :id"), {"id": held.id})
    if (count or 0) >= MOST_PAPERS:
        raise errors.PapersTooMany
    pictures.claim(session, number=picture, until=None, now=now)
    session.execute(_ADD_PAPER, {"id": held.id, "kind": kind, "picture": picture, "by": by, "now": now})


def take(session: Session, *, number: str, act: Act, seat: Seat, by: str, reason: str = "", now: datetime) -> State:
    """Take a step and let the goods follow; returns the state after it.

    Raises `SupplierUnknown`, `SupplierMoved`, `SupplierReasonMissing`, and for a step onto the shelf or towards it
    `SupplierIncomplete`, `AgreementOutdated` and `SupplierPapersExpired`.
    """
    return _move(session, lock(session, number), act, seat, by, reason.strip(), now)


def move_due(*, now: datetime) -> None:
    """Take the goods of suppliers off sale whose licence or permit ran out, each in a transaction of its own.

    A supplier is judged again under its lock, so a paper that is renewed at the same instant counts.
    """
    with database.transaction() as session:
        numbers = list(session.scalars(_DUE, {"today": _day(now), "at_most": _AT_ONCE}))
    for number in numbers:
        with database.transaction() as session:
            held = lock(session, number)
            ended = lifecycle.expired(papers_of(held), today=_day(now))
            if held.state is State.ADMITTED and ended:
                _move(session, held, Act.LAPSE, Seat.CLOCK, "", "、".join(_PAPERS[name] for name in ended), now)
                logs.alarm("supplier.lapsed", supplier=number)


_PAPERS = {"licence": "营业执照到期", "food_permit": "食品经营许可或备案到期"}


def lock(session: Session, number: str) -> Supplier:
    """Return a supplier under its row lock. Raises `SupplierUnknown`."""
    database.require_transaction(session)
    held = session.scalar(
        select(Supplier)
        .where(Supplier.number == number)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if held is None:
        raise errors.SupplierUnknown
    return held


def papers_of(held: Supplier) -> Papers:
    """Return the papers of a supplier as the rules see them."""
    return Papers(
        licence_until=held.licence_until,
        permit_class=held.permit_class,
        permit_number=held.permit_number,
        permit_until=held.permit_until,
    )


def _move(session: Session, held: Supplier, act: Act, seat: Seat, by: str, reason: str, now: datetime) -> State:
    step = lifecycle.step(held.state, act, seat)
    if step is None:
        raise errors.SupplierMoved(state=held.state.value)
    if act in lifecycle.NEEDS_REASON and len(reason) not in REASON_LENGTHS:
        raise errors.SupplierReasonMissing
    if act in lifecycle.NEEDS_VALID_PAPERS and not held.is_illustrative:
        _require_papers(session, held, _day(now))
    held.state = step.after
    session.flush()
    noted = {"id": held.id, "act": act, "after": step.after, "seat": seat, "by": by, "reason": reason, "now": now}
    session.execute(_NOTE_STEP, noted)
    if step.after is State.ADMITTED:
        offering.resume_all(session, supplier_id=held.id)
    else:
        offering.end_all(session, supplier_id=held.id, state=step.after.value)
    return step.after


def _require_papers(session: Session, held: Supplier, today: date) -> None:
    """Raise what hinders a supplier from selling: fields, photographs, the agreement, dates."""
    papers = papers_of(held)
    filled = {"entity_kind": held.entity_kind, "county_code": held.county_code, "credit_code": held.credit_code}
    shown = session.scalars(text("SELECT kind FROM supplier_papers WHERE supplier_id = :id"), {"id": held.id})
    fields, lacking = lifecycle.lacking(filled, papers, list(shown))
    if fields or lacking:
        raise errors.SupplierIncomplete(fields=fields, papers=lacking)
    if held.agreement_version != AGREEMENT_VERSION:
        raise errors.AgreementOutdated(version=AGREEMENT_VERSION)
    if ended := lifecycle.expired(papers, today=today):
        raise errors.SupplierPapersExpired(papers=ended)


def _checked(session: Session, profile: Profile) -> dict[str, Any]:
    values = asdict(profile) | {"name": _name(profile.name), "credit_code": credit_codes.normalise(profile.credit_code)}
    for field, longest in _LENGTHS.items():
        values[field] = values[field].strip()
        if len(values[field]) > longest:
            raise errors.SupplierProfileInvalid(field=field)
    if not credit_codes.is_valid(values["credit_code"]):
        raise errors.CreditCodeInvalid
    lacking = lifecycle.missing(Papers(**{field: values[field] for field in Papers.__dataclass_fields__}))
    if lacking:
        raise errors.SupplierProfileInvalid(field=lacking[0])
    county = session.scalar(
        text("SELECT code FROM regions WHERE code = :code AND level = 'county'"), {"code": profile.county_code}
    )
    if county is None:
        raise errors.SupplierProfileInvalid(field="county_code")
    return values


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if len(name) not in _NAME_LENGTHS:
        raise errors.SupplierProfileInvalid(field="name")
    return name


def _day(now: datetime) -> date:
    return now.astimezone(clock.SHANGHAI).date()
