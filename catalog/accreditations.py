"""The way of a product to its badge and off it: applied for, opined on, decided, on public notice, published, lost.

Invariant: every move is one step of `accreditation_lifecycle`, taken under the row's lock and written with person, seat
and reason in the same transaction, so two people at once take one step and the second is told that it moved. Badge,
shelf and state change together: a product on the shelf by this way has a valid certificate, and one that lost it left.
Nobody acts in two seats of one accreditation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from catalog import accreditation_lifecycle as lifecycle
from catalog import errors, offering
from catalog.accreditation_lifecycle import Act, Seat, State, Term
from catalog.accreditation_models import Accreditation, EvidenceKind
from catalog.facts import ACCREDITATION_LOST
from catalog.models import OffSale
from config import clock, database, facts, logs

REASON_LENGTHS = range(2, 501)
STATEMENT_LENGTH = 2000
# Without it nobody knows who applies; which other papers a kind of goods needs is for those who read them.
_REQUIRED = frozenset({EvidenceKind.LICENCE})
_AT_ONCE = 200

_DRAFT = text("""
    INSERT INTO accreditations (number, product_id, supplier_id, township_code, statement, state, drafted_at)
    SELECT :number, p.id, p.supplier_id, t.code, :statement, 'drafted', :now
    FROM products p JOIN townships t ON t.code = :township_code AND t.county_code = p.origin_code
    WHERE p.slug = :product
    ON CONFLICT (product_id) WHERE state IN ('drafted', 'submitted', 'opined', 'returned', 'noticed', 'published',
        'suspended') DO NOTHING
    RETURNING number
""")
_NOTE_STEP = text("""
    INSERT INTO accreditation_steps (accreditation_id, position, act, after, seat, taken_by, reason, taken_at)
    SELECT :id, coalesce(max(position), 0) + 1, :act, :after, :seat, :by, :reason, :now
    FROM accreditation_steps WHERE accreditation_id = :id
    RETURNING position
""")
_GIVE_BADGE = text("""
    INSERT INTO certificates (product_id, kind, number, issuer, issued_on, valid_until)
    SELECT a.product_id, 'accreditation', a.certificate_number, r.full_name || '（县级认定）', a.issued_on,
           a.valid_until
    FROM accreditations a JOIN townships t ON t.code = a.township_code JOIN regions r ON r.code = t.county_code
    WHERE a.id = :id
    ON CONFLICT (product_id, kind) DO UPDATE SET number = excluded.number, issuer = excluded.issuer,
        issued_on = excluded.issued_on, valid_until = excluded.valid_until
""")
_TAKE_BADGE = text("""
    DELETE FROM certificates WHERE product_id = :product_id AND kind = 'accreditation' AND number = :number
""")
_DUE = text("""
    SELECT number FROM accreditations
    WHERE (state = 'returned' AND due_at <= :now)
       OR (state IN ('submitted', 'opined') AND due_at <= :now AND escalated_at IS NULL)
       OR (state IN ('published', 'suspended') AND valid_until < :today)
       OR (state = 'published' AND least(recheck_until, rectify_until) < :today)
    ORDER BY id LIMIT :at_most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an accreditation stands after an act; `product` is the slug."""

    number: str
    product: str
    state: State


def draft(session: Session, *, number: str, product: str, township_code: str, statement: str, now: datetime) -> None:
    """Begin an application for a product, under the public `number` that the caller made.

    Raises `ProductUnknown`, `TownshipInvalid` and `AccreditationStanding` for one that has an application or a badge.
    """
    database.require_transaction(session)
    values = {
        "number": number,
        "product": product,
        "township_code": township_code,
        "statement": statement[:STATEMENT_LENGTH],
        "now": now,
    }
    if session.execute(_DRAFT, values).first() is not None:
        return
    found = session.execute(
        text("""
            SELECT a.number FROM products p
            LEFT JOIN accreditations a ON a.product_id = p.id AND a.state = ANY(:standing)
            WHERE p.slug = :product
        """),
        {"product": product, "standing": list(lifecycle.STANDING)},
    ).first()
    if found is None:
        raise errors.ProductUnknown
    if found.number is not None:
        raise errors.AccreditationStanding(number=found.number)
    raise errors.TownshipInvalid(township_code=township_code)


def amend(session: Session, *, number: str, statement: str) -> None:
    """Write what the applicant says anew. Raises `AccreditationUnknown` and `EvidenceClosed`."""
    held = lock(session, number)
    require_editable(held)
    held.statement = statement[:STATEMENT_LENGTH]


def take(session: Session, *, number: str, act: Act, seat: Seat, by: str, reason: str = "", now: datetime) -> Standing:
    """Take any step but a publication, and publish `accreditation.lost` when it takes a badge away.

    Raises `AccreditationUnknown`, `AccreditationMoved`, `AccreditationOtherSeat`, `AccreditationReasonMissing`,
    `EvidenceMissing` for an application without its papers, `ObjectionsOpen` for a refusal that leaves some unanswered.
    """
    held = lock(session, number)
    if act is Act.PUBLISH:
        raise errors.AccreditationMoved(state=held.state.value)
    if act is Act.SUBMIT:
        _require_papers(session, held)
    today = _day(now)
    if act in {Act.RECHECK, Act.REINSTATE}:
        held.recheck_until = today + timedelta(days=_term(session, Term.RECHECK))
        held.rectify_until = None
    return _move(session, held, act, seat, by, reason, now)


def publish(session: Session, *, number: str, batch: str, by: str, now: datetime) -> Standing:
    """Accredit a product in a batch of the catalogue: it gets its certificate and goes on the shelf.

    Raises what `take` does, `NoticeRunning`, `ObjectionsOpen` and `BatchUnknown`.
    """
    held = lock(session, number)
    if held.state is State.NOTICED:
        if held.due_at is not None and now < held.due_at:
            raise errors.NoticeRunning(until=held.due_at.isoformat())
        require_answered(session, held)
    batch_id = session.scalar(text("SELECT id FROM accreditation_batches WHERE name = :name"), {"name": batch})
    if batch_id is None:
        raise errors.BatchUnknown
    today = _day(now)
    if held.state is State.NOTICED:
        held.batch_id = batch_id
        held.issued_on = today
        held.valid_until = today + timedelta(days=_term(session, Term.VALIDITY))
        held.recheck_until = today + timedelta(days=_term(session, Term.RECHECK))
        held.certificate_number = f"{held.township_code[:6]}-{today.year}-{held.id:05}"
    return _move(session, held, Act.PUBLISH, Seat.COUNTY, by, batch, now)


def open_batch(session: Session, *, name: str, now: datetime) -> None:
    """Open a batch of the catalogue. Raises `BatchTaken`."""
    database.require_transaction(session)
    opened = session.execute(
        text("""
            INSERT INTO accreditation_batches (name, opened_on) VALUES (:name, :today)
            ON CONFLICT (name) DO NOTHING RETURNING id
        """),
        {"name": name, "today": _day(now)},
    )
    if opened.first() is None:
        raise errors.BatchTaken


def move_due(*, now: datetime) -> None:
    """Do what deadlines do: what was returned and never completed ends, badges that ran out or were not rechecked go.

    Whoever sits on an application too long is an alarm, once. Each is a transaction of its own, and judged again under
    its lock, so a step that comes at the same instant is never undone.
    """
    with database.transaction() as session:
        numbers = _due(session, now)
    for number in numbers:
        with database.transaction() as session:
            _move_overdue(session, number, now)


def lock(session: Session, number: str) -> Accreditation:
    """Return an accreditation under its row lock. Raises `AccreditationUnknown`."""
    database.require_transaction(session)
    held = session.scalar(
        select(Accreditation)
        .where(Accreditation.number == number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if held is None:
        raise errors.AccreditationUnknown
    return held


def require_editable(held: Accreditation) -> None:
    """Raise `EvidenceClosed` unless the applicant may still change text and files."""
    if held.state not in lifecycle.EDITABLE:
        raise errors.EvidenceClosed(state=held.state.value)


def require_answered(session: Session, held: Accreditation) -> None:
    """Raise `ObjectionsOpen` while an objection has no answer."""
    count = session.scalar(
        text("SELECT count(*) FROM accreditation_objections WHERE accreditation_id = :id AND answered_at IS NULL"),
        {"id": held.id},
    )
    if count:
        raise errors.ObjectionsOpen(count=count)


def due_at(session: Session, term: Term, *, now: datetime) -> datetime:
    """Return the end of a term that begins now: so many whole days after today, in Beijing."""
    last = _day(now) + timedelta(days=_term(session, term))
    return datetime.combine(last + timedelta(days=1), time(), tzinfo=clock.SHANGHAI)


def _move(session: Session, held: Accreditation, act: Act, seat: Seat, by: str, reason: str, now: datetime) -> Standing:
    before, reason = held.state, reason.strip()
    step = lifecycle.step(before, act, seat)
    if step is None:
        raise errors.AccreditationMoved(state=before.value)
    if act in lifecycle.NEEDS_REASON and len(reason) not in REASON_LENGTHS:
        raise errors.AccreditationReasonMissing
    _require_one_seat(session, held, seat, by)
    if act is Act.REFUSE:
        require_answered(session, held)
    held.state, held.escalated_at = step.after, None
    waits = lifecycle.WAITS.get(step.after)
    held.due_at = due_at(session, waits, now=now) if waits else None
    if step.after is State.NOTICED:
        held.noticed_at, held.noticed_until = now, held.due_at
    session.flush()
    position = session.execute(
        _NOTE_STEP,
        {
            "id": held.id,
            "act": act,
            "after": step.after,
            "seat": seat,
            "by": by,
            "reason": reason,
            "now": now,
        },
    ).scalar_one()
    product = _shelve(session, held, before, f"{held.number}:{position}", reason)
    return Standing(number=held.number, product=product, state=step.after)


def _shelve(session: Session, held: Accreditation, before: State, key: str, reason: str) -> str:
    """Let badge and shelf follow the state; returns the product's slug."""
    slug = str(session.scalar(text("SELECT slug FROM products WHERE id = :id"), {"id": held.product_id}))
    if held.state is State.PUBLISHED:
        session.execute(_GIVE_BADGE, {"id": held.id})
        offering.begin_accredited(session, slug=slug)
    elif lifecycle.is_lost(before, held.state):
        session.execute(_TAKE_BADGE, {"product_id": held.product_id, "number": held.certificate_number})
        offering.end(session, slug=slug, because=OffSale.ACCREDITATION)
        values = {"number": held.number, "product": slug, "state": held.state.value, "reason": reason}
        facts.publish(session, ACCREDITATION_LOST, key=key, values=values)
    return slug


def _require_one_seat(session: Session, held: Accreditation, seat: Seat, by: str) -> None:
    other = session.scalar(
        text("""
            SELECT seat FROM accreditation_steps
            WHERE accreditation_id = :id AND taken_by = :by AND seat <> :seat AND seat <> 'clock' LIMIT 1
        """),
        {"id": held.id, "by": by, "seat": seat},
    )
    if other is not None:
        raise errors.AccreditationOtherSeat(seat=other)


def _require_papers(session: Session, held: Accreditation) -> None:
    kinds: Iterable[str] = session.scalars(
        text("SELECT DISTINCT kind FROM accreditation_evidence WHERE accreditation_id = :id"), {"id": held.id}
    )
    missing = sorted(_REQUIRED - {EvidenceKind(kind) for kind in kinds})
    if missing:
        raise errors.EvidenceMissing(kinds=missing)


def _due(session: Session, now: datetime) -> list[str]:
    values = {"now": now, "today": _day(now), "at_most": _AT_ONCE}
    return [row.number for row in session.execute(_DUE, values)]


def _move_overdue(session: Session, number: str, now: datetime) -> None:
    held, today = lock(session, number), _day(now)
    if held.valid_until is not None and held.valid_until < today and Act.EXPIRE in lifecycle.STEPS[held.state]:
        _move(session, held, Act.EXPIRE, Seat.CLOCK, "", f"有效期至 {held.valid_until}", now)
    elif held.state is State.PUBLISHED and (reason := _neglected(held, today)):
        _move(session, held, Act.LAPSE, Seat.CLOCK, "", reason, now)
    elif held.due_at is None or held.due_at > now:
        return
    elif held.state is State.RETURNED:
        _move(session, held, Act.LAPSE, Seat.CLOCK, "", "逾期未补正", now)
    elif held.state is not State.NOTICED and held.escalated_at is None:
        held.escalated_at = now
        logs.alarm("accreditation.overdue", accreditation=number, state=held.state.value)


def _neglected(held: Accreditation, today: date) -> str:
    if held.rectify_until is not None and held.rectify_until < today:
        return f"整改期限 {held.rectify_until} 已过"
    if held.recheck_until is not None and held.recheck_until < today:
        return f"年度复核期限 {held.recheck_until} 已过"
    return ""


def _term(session: Session, term: Term) -> int:
    days = text("SELECT days FROM accreditation_terms WHERE key = :key")
    return int(session.execute(days, {"key": term}).scalar_one())


def _day(now: datetime) -> date:
    return now.astimezone(clock.SHANGHAI).date()
