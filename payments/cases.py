"""Keeps what only a person can decide: its evidence, who looks into it, and how it ended.

A case is opened once for each number and kind, with an alarm (those of a bill together), and moves no money; only a
person who closes it may write its difference off, which posts it to the ledger. A difference of more than one person
may refund alone (`REFUND_SECOND_PERSON_FEN`) is written off by another person than the one who asked for it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import database, facts, logs, settings
from payments import books, lifecycle
from payments.errors import (
    CaseClosed,
    CaseCursorInvalid,
    CaseNotFound,
    NothingToWriteOff,
    RefundUnderWay,
    WriteOffNeedsAnother,
)
from payments.facts import PAYMENT_CLOSED, REFUND_FAILED
from payments.models import CaseKind, Resolution

log = logs.get(__name__)

# Differences that are over once our books know of the money as well.
_LACKING = frozenset({CaseKind.BILL_STATE, CaseKind.BILL_MISSING_HERE})
# Closing one of these gives the refund up.
_OF_UNKNOWN_REFUNDS = frozenset({CaseKind.REFUND_REFUSED, CaseKind.REFUND_VANISHED})
_HIGHEST_ID = 2**63 - 1
_LONGEST_CURSOR = 16

_OPEN = text("""
    INSERT INTO payment_cases (kind, payment_id, number, evidence, difference_fen, opened_at)
    VALUES (:kind, :payment_id, :number, cast(:evidence AS jsonb), :difference_fen, :now)
    ON CONFLICT (number, kind) DO NOTHING RETURNING id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as others see it; `difference_fen` is what WeChat has more than our books, None when nobody knows."""

    slug: str
    kind: CaseKind
    number: str
    evidence: dict[str, Any]
    difference_fen: int | None
    opened_at: datetime
    owner: str | None
    owned_at: datetime | None
    resolution: Resolution | None
    reason: str | None
    closed_at: datetime | None
    closed_by: str | None
    write_off_asked_by: str | None
    write_off_asked_at: datetime | None
    write_off_reason: str | None


def open(  # noqa: A001 - a case is opened
    session: Session,
    *,
    kind: CaseKind,
    number: str,
    evidence: dict[str, Any],
    now: datetime,
    payment_id: int | None = None,
    difference_fen: int | None = None,
) -> bool:
    """Open the case of this kind for a number of a payment, refund, notification or day, and raise an alarm.

    Returns False, and does nothing, when there was one before, open or closed.
    """
    database.require_transaction(session)
    row = session.execute(
        _OPEN,
        {
            "kind": kind,
            "payment_id": payment_id,
            "number": number,
            "evidence": database.dump_json(evidence),
            "difference_fen": difference_fen,
            "now": now,
        },
    ).first()
    if row is not None:
        logs.alarm("payments.case", case=kind, number=number)
    return row is not None


def find(session: Session, *, slug: str) -> CaseView:
    """Return one case. Raises `CaseNotFound`."""
    row = session.execute(text(f"SELECT {_COLUMNS} FROM payment_cases WHERE slug = :slug"), {"slug": slug}).first()
    if row is None:
        raise CaseNotFound
    return _view(row)


def listing(
    session: Session,
    *,
    is_open: bool | None = None,
    kind: CaseKind | None = None,
    number: str | None = None,
    day: date | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[CaseView], str | None]:
    """Return a page of cases, newest first, and the cursor of the next; `day` is of the bill that they are about.

    Raises `CaseCursorInvalid`.
    """
    asked = {"is_open": is_open, "kind": kind, "number": number, "day": day and day.isoformat()}
    rows = session.execute(_LISTING, asked | {"below": _below(cursor), "limit": limit + 1}).all()
    return [_view(row) for row in rows[:limit]], format(rows[limit - 1].id, "x") if len(rows) > limit else None


def reference(session: Session, *, slug: str) -> str | None:
    """Return what the payment of a case was for, None when it is about no payment of ours."""
    found = text("SELECT p.reference FROM payment_cases c JOIN payments p ON p.id = c.payment_id WHERE c.slug = :slug")
    told: str | None = session.scalar(found, {"slug": slug})
    return told


def open_count(session: Session) -> int:
    """Return how many cases wait for a person."""
    return int(session.execute(text("SELECT count(*) FROM payment_cases WHERE closed_at IS NULL")).scalar_one())


def take(session: Session, *, slug: str, owner: str, now: datetime) -> CaseView:
    """Write who looks into a case, also in place of somebody else. Raises `CaseNotFound`, `CaseClosed`."""
    case = _require_open(session, slug)
    if case.owner != owner:
        session.execute(_TAKE, {"slug": slug, "owner": owner, "now": now})
    return find(session, slug=slug)


def close(session: Session, *, slug: str, resolution: Resolution, reason: str, by: str, now: datetime) -> CaseView:
    """End a case with a reason; `written_off` posts its difference to the ledger's adjustments.

    Above the limit it stays open, with who asked and why, until somebody else does the same.
    A payment that was kept open by its mismatch ends with the case, and `payment.closed` is published, so that its
    reference can be paid anew. So does a refund that WeChat refused or has forgotten: it is neither sent nor asked
    about again, and `refund.failed` is published, so that its money can be asked for anew. A refund about which nobody
    asked any more, because of its mismatch, is asked about again. Raises `CaseNotFound`, `CaseClosed`,
    `NothingToWriteOff` for a case without a difference or about money that has reached our books since or was written
    off with another case, `WriteOffNeedsAnother`, and `RefundUnderWay` while WeChat has not said, of the refund as last
    sent, that it does not know it.
    """
    if find(session, slug=slug).kind in _OF_UNKNOWN_REFUNDS:
        # Whoever records news of a refund locks it before its case.
        session.execute(_LOCK_REFUND, {"slug": slug})
    case = _require_open(session, slug)
    if resolution is Resolution.WRITTEN_OFF:
        if not case.difference_fen or (case.kind in _LACKING and _is_there(session, case)):
            raise NothingToWriteOff
        if _needs_another(case, by):
            session.execute(_ASK_WRITE_OFF, {"slug": slug, "by": by, "reason": reason, "now": now})
            return find(session, slug=slug)
        books.written_off(session, case=slug, difference_fen=case.difference_fen, at=now)
    session.execute(_CLOSE, {"slug": slug, "resolution": resolution, "reason": reason, "by": by, "now": now})
    if case.kind is CaseKind.MISMATCH:
        _give_up_payment(session, case.number, now)
    if case.kind in _OF_UNKNOWN_REFUNDS:
        _give_up_refund(session, case.number, now)
    if case.kind is CaseKind.REFUND_MISMATCH:
        session.execute(_ASK_REFUND, {"number": case.number, "now": now})
    return find(session, slug=slug)


def _is_there(session: Session, case: CaseView) -> bool:
    """Tell whether the ledger has the money that a case lacks, from its payment or from another case's write-off."""
    kinds = [kind.value for kind in _LACKING]
    told = {"number": case.number, "kinds": kinds}
    return books.has_moved(session, number=case.number) or bool(session.scalar(_WRITTEN_OFF, told))


def takes_two(difference_fen: int | None) -> bool:
    """Tell whether a difference is too big for one person to write off."""
    return abs(difference_fen or 0) > settings.current().refund_second_person_fen


def _needs_another(case: CaseView, by: str) -> bool:
    """Tell whether the write-off waits for somebody else from now on. Raises `WriteOffNeedsAnother` if it does."""
    if not takes_two(case.difference_fen):
        return False
    if case.write_off_asked_by == by:
        raise WriteOffNeedsAnother
    return case.write_off_asked_by is None


def repaired(session: Session, *, kind: CaseKind, number: str, reason: str, by: str, now: datetime) -> bool:
    """End the open case of this kind for a number, because what it was about is done; False when there is none."""
    database.require_transaction(session)
    values = {"kind": kind, "number": number, "reason": reason, "by": by, "now": now}
    return session.execute(_REPAIRED, values).first() is not None


def _give_up_payment(session: Session, number: str, now: datetime) -> None:
    """Close a payment about which nobody asks any more, because WeChat took other money for it than ours."""
    row = session.execute(_GIVE_UP, {"number": number, "now": now}).first()
    if row is not None:
        facts.publish(session, PAYMENT_CLOSED, key=number, values={"reference": row.reference, "payment": number})


def _give_up_refund(session: Session, number: str, now: datetime) -> None:
    """End a refund that WeChat does not know as it was last sent: nothing of it is under way."""
    row = session.execute(_GIVE_UP_REFUND, {"number": number, "patience": lifecycle.FORGOTTEN_AFTER}).first()
    if row is None:
        raise RefundUnderWay
    books.kept_after_all(session, refund=number, amount_fen=row.amount_fen, at=now)
    values = {"reference": row.reference, "refund": number, "key": row.key, "amount_fen": row.amount_fen}
    facts.publish(session, REFUND_FAILED, key=number, values=values)
    log.info("refund.given_up", refund=number)


def _require_open(session: Session, slug: str) -> CaseView:
    """Lock a case, so that of two people only one ends it, and with it those that lack the same money."""
    database.require_transaction(session)
    session.execute(_LOCK, {"slug": slug, "kinds": [kind.value for kind in _LACKING]})
    case = find(session, slug=slug)
    if case.closed_at is not None:
        raise CaseClosed
    return case


def _below(cursor: str | None) -> int:
    if cursor is None:
        return _HIGHEST_ID
    try:
        if not cursor.isalnum() or len(cursor) > _LONGEST_CURSOR:
            raise CaseCursorInvalid
        return min(int(cursor, 16), _HIGHEST_ID)
    except ValueError:
        raise CaseCursorInvalid from None


def _view(row: Row[Any]) -> CaseView:
    return CaseView(
        slug=row.slug,
        kind=CaseKind(row.kind),
        number=row.number,
        evidence=row.evidence,
        difference_fen=row.difference_fen,
        opened_at=row.opened_at,
        owner=row.owner,
        owned_at=row.owned_at,
        resolution=Resolution(row.resolution) if row.resolution else None,
        reason=row.reason,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        write_off_asked_by=row.write_off_asked_by,
        write_off_asked_at=row.write_off_asked_at,
        write_off_reason=row.write_off_reason,
    )


_COLUMNS = """
    id, slug, kind, number, evidence, difference_fen, opened_at, owner, owned_at, resolution, reason, closed_at,
    closed_by, write_off_asked_by, write_off_asked_at, write_off_reason
"""
_LISTING = text(f"""
    SELECT {_COLUMNS} FROM payment_cases
    WHERE id < :below AND (cast(:is_open AS boolean) IS NULL OR (closed_at IS NULL) = :is_open)
      AND (cast(:kind AS text) IS NULL OR kind = :kind) AND (cast(:day AS text) IS NULL OR evidence->>'day' = :day)
      AND (cast(:number AS text) IS NULL OR number = :number)
    ORDER BY id DESC LIMIT :limit
""")
_GIVE_UP = text("""
    UPDATE payments SET state = 'closed', closed_at = :now
    WHERE number = :number AND state = 'open' AND next_check_at IS NULL RETURNING reference
""")
_LOCK_REFUND = text("""
    SELECT 1 FROM payment_refunds r JOIN payment_cases c ON c.number = r.number WHERE c.slug = :slug FOR UPDATE OF r
""")
_GIVE_UP_REFUND = text("""
    UPDATE payment_refunds SET state = 'refused', next_check_at = NULL
    WHERE number = :number AND (state = 'requested' AND refused_at >= sent_at
                                OR state IN ('processing', 'abnormal') AND refused_at >= sent_at + :patience)
    RETURNING reference, key, amount_fen
""")
_ASK_REFUND = text("""
    UPDATE payment_refunds SET next_check_at = :now
    WHERE number = :number AND state IN ('requested', 'processing', 'abnormal')
""")
_LOCK = text("""
    SELECT 1 FROM payment_cases c JOIN payment_cases asked ON asked.slug = :slug
    WHERE c.id = asked.id
       OR c.number = asked.number AND asked.kind = ANY(cast(:kinds AS text[])) AND c.kind = ANY(cast(:kinds AS text[]))
    ORDER BY c.id FOR UPDATE OF c
""")
_WRITTEN_OFF = text("""
    SELECT EXISTS (SELECT FROM payment_cases
        WHERE number = :number AND kind = ANY(cast(:kinds AS text[])) AND resolution = 'written_off')
""")
_TAKE = text("UPDATE payment_cases SET owner = :owner, owned_at = :now WHERE slug = :slug")
_ASK_WRITE_OFF = text("""
    UPDATE payment_cases SET write_off_asked_by = :by, write_off_asked_at = :now, write_off_reason = :reason
    WHERE slug = :slug
""")
_CLOSE = text("""
    UPDATE payment_cases SET resolution = :resolution, reason = :reason, closed_by = :by, closed_at = :now,
           owner = coalesce(owner, :by), owned_at = coalesce(owned_at, :now)
    WHERE slug = :slug
""")
_REPAIRED = text("""
    UPDATE payment_cases SET resolution = 'repaired', reason = :reason, closed_by = :by, closed_at = :now,
           owner = coalesce(owner, :by), owned_at = coalesce(owned_at, :now)
    WHERE kind = :kind AND number = :number AND closed_at IS NULL RETURNING slug
""")
