"""What the crew says on the spot, with a scan and a photo: taken down, put up here, inspected.

Invariant: a binding ends and begins at the instant at which the confirming scan reaches us (R12b), in the transaction
that keeps the scan; in between the code hangs nowhere and its touches are orphans. A scan counts once however often
its form arrives. Of two crews at once the code's row lets one go first, and the database refuses bindings that overlap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database, pictures
from subway_campaign import alerts, bindings, codes, creatives, errors, plans
from subway_campaign.field_models import Act, AlertKind, Finding
from subway_campaign.landing import Landing, LandingKind

# As long as a contract for a placement and the disputes about it; then the photo goes, and what it proved stays.
PHOTOS_LIVE = timedelta(days=730)
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A confirming scan as the crew sends it: the form's `key`, the code, the number of the photo, who it was."""

    key: UUID
    code: str
    picture: str
    crew: str
    note: str = ""


_VIEW = """
    SELECT s.number, s.act, c.slug AS code, p.number AS placement, p.name AS placement_name, s.finding, s.retired,
           s.picture, s.note, s.crew, s.scanned_at
    FROM crew_scans s JOIN codes c ON c.id = s.code_id LEFT JOIN placements p ON p.id = s.placement_id
"""


def take_down(session: Session, *, scan: Scan, now: datetime, is_retired: bool = False) -> dict[str, Any]:
    """End the binding of a code, and with `is_retired` the code itself; return the scan as kept.

    Raises `UnknownCode`, `NotHanging`, `ScanReused`, `UnknownPicture`.
    """
    code = _lock(session, scan.code)
    again = _again(session, scan, Act.TAKEN_DOWN)
    if again:
        return again
    ended = session.execute(
        text("""
            UPDATE code_bindings SET valid_until = :now
            WHERE code_id = :code AND valid_from < :now AND (valid_until IS NULL OR valid_until > :now)
            RETURNING id, placement_id
        """),
        {"code": code.id, "now": now},
    ).first()
    if ended is None:
        raise errors.NotHanging(**_last_taken_down(session, code.id))
    if is_retired:
        bindings.retire(session, code=code.slug, at=now)
    return _keep(session, scan, Act.TAKEN_DOWN, code, now, ended.placement_id, binding=ended.id, retired=is_retired)


def put_up(session: Session, *, scan: Scan, placement: str | None, now: datetime) -> dict[str, Any]:
    """Begin a binding of a code and return the scan as kept: where it is planned, or at `placement`.

    Without a plan it leads to what the last code at that placement led to, or else to what it led to itself. Raises
    `UnknownCode` (also for a retired one), `UnknownPlacement`, `NoPlan`, `PlannedElsewhere`, `AlreadyHanging`,
    `CreativeNotValid`, `BindingOverlaps` (when it is to hang elsewhere later), `ScanReused`, `UnknownPicture`.
    """
    code = _lock(session, scan.code)
    again = _again(session, scan, Act.PUT_UP)
    if again:
        return again
    hanging = session.execute(
        text("""
            SELECT p.number, p.name FROM code_bindings b JOIN placements p ON p.id = b.placement_id
            WHERE b.code_id = :code AND b.valid_from <= :now AND (b.valid_until IS NULL OR b.valid_until > :now)
        """),
        {"code": code.id, "now": now},
    ).first()
    if hanging is not None:
        raise errors.AlreadyHanging(placement=hanging.number, name=hanging.name)
    plan = plans.of(session, code=code.slug)
    wanted = _wanted(session, code, plan, placement)
    creatives.require_valid(session, number=wanted["creative"], now=now)
    binding = bindings.bind(session, code=code.slug, valid_from=now, **wanted)
    if plan is not None:
        plans.done(session, plan=plan, now=now)
    where: int = session.execute(
        text("SELECT placement_id FROM code_bindings WHERE id = :id"), {"id": binding}
    ).scalar_one()
    return _keep(session, scan, Act.PUT_UP, code, now, where, binding=binding)


def inspect(session: Session, *, scan: Scan, finding: Finding, now: datetime) -> dict[str, Any]:
    """Keep how a code was found where it hangs, and return the scan; anything but fine opens an alert.

    Raises `UnknownCode`, `ScanReused`, `UnknownPicture`.
    """
    code = _lock(session, scan.code)
    again = _again(session, scan, Act.INSPECTED)
    if again:
        return again
    hanging = session.execute(
        text("""
            SELECT b.id, b.placement_id FROM code_bindings b
            WHERE b.code_id = :code AND b.valid_from <= :now AND (b.valid_until IS NULL OR b.valid_until > :now)
        """),
        {"code": code.id, "now": now},
    ).first()
    where, binding = (hanging.placement_id, hanging.id) if hanging else (None, None)
    kept = _keep(session, scan, Act.INSPECTED, code, now, where, binding=binding, finding=finding)
    if finding is not Finding.FINE:
        alerts.open(
            session,
            kind=AlertKind.INSPECTION,
            subject=code.slug,
            placement=kept["placement"],
            evidence={"finding": finding.value, "scan": kept["number"]},
            now=now,
        )
    return kept


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return a confirming scan. Raises `UnknownScan`."""
    row = session.execute(text(f"{_VIEW} WHERE s.number = :number"), {"number": number}).first()
    if row is None:
        raise errors.UnknownScan
    return row._asdict()


def latest(
    session: Session, *, crew: str | None = None, code: str | None = None, most: int = _SHOWN
) -> list[dict[str, Any]]:
    """Return the latest confirming scans, at most so many: of one member of the crew, or of one code."""
    rows = session.execute(
        text(f"""
            {_VIEW} WHERE (cast(:crew AS text) IS NULL OR s.crew = :crew)
                      AND (cast(:code AS text) IS NULL OR c.slug = :code)
            ORDER BY s.scanned_at DESC, s.id DESC LIMIT :limit
        """),
        {"crew": crew, "code": codes.normalize(code) if code else None, "limit": most},
    )
    return [row._asdict() for row in rows]


def emptied(session: Session, *, crew: str, now: datetime) -> list[dict[str, Any]]:
    """Return the placements from which `crew` took a code today and where none hangs: what may be put up there."""
    rows = session.execute(
        text("""
            SELECT p.number, p.name FROM crew_scans s JOIN placements p ON p.id = s.placement_id
            WHERE s.crew = :crew AND s.act = 'taken_down' AND s.scanned_at > :since AND NOT EXISTS (
                SELECT FROM code_bindings b WHERE b.placement_id = p.id AND b.valid_from <= :now
                  AND (b.valid_until IS NULL OR b.valid_until > :now))
            GROUP BY p.id ORDER BY max(s.scanned_at) DESC
        """),
        {"crew": crew, "since": now - timedelta(hours=24), "now": now},
    )
    return [row._asdict() for row in rows]


@dataclass(frozen=True)
class _Code:
    id: int
    slug: str


def _lock(session: Session, code: str) -> _Code:
    """Return a code and let nobody else act on it until the transaction ends."""
    database.require_transaction(session)
    row = session.execute(
        text("SELECT id, slug FROM codes WHERE slug = :code FOR UPDATE"), {"code": codes.normalize(code)}
    ).first()
    if row is None:
        raise errors.UnknownCode
    return _Code(row.id, row.slug)


def _again(session: Session, scan: Scan, act: Act) -> dict[str, Any] | None:
    """Return what was kept for the same form, if it came before. Raises `ScanReused` when it said something else."""
    row = session.execute(text(f"{_VIEW} WHERE s.key = :key"), {"key": scan.key}).first()
    if row is None:
        return None
    if (row.act, row.code, row.crew) != (act, codes.normalize(scan.code), scan.crew):
        raise errors.ScanReused
    return row._asdict()


def _wanted(session: Session, code: _Code, plan: plans.Plan | None, placement: str | None) -> dict[str, Any]:
    if plan is not None:
        if placement not in {None, plan.placement}:
            raise errors.PlannedElsewhere(placement=plan.placement, name=plan.placement_name)
        return {
            "placement": plan.placement,
            "campaign": plan.campaign,
            "creative": plan.creative,
            "landing": plan.landing,
        }
    if placement is None:
        raise errors.NoPlan
    if session.execute(text("SELECT 1 FROM placements WHERE number = :number"), {"number": placement}).first() is None:
        raise errors.UnknownPlacement(placement=placement)
    before = session.execute(
        text("""
            SELECT g.number AS campaign, r.number AS creative, b.landing_kind, b.landing_slug
            FROM code_bindings b JOIN placements p ON p.id = b.placement_id JOIN campaigns g ON g.id = b.campaign_id
            LEFT JOIN creatives r ON r.id = b.creative_id
            WHERE p.number = :placement OR b.code_id = :code
            ORDER BY p.number = :placement DESC, b.valid_from DESC, b.id DESC LIMIT 1
        """),
        {"placement": placement, "code": code.id},
    ).first()
    if before is None:
        raise errors.NoPlan
    return {
        "placement": placement,
        "campaign": before.campaign,
        "creative": before.creative,
        "landing": Landing(LandingKind(before.landing_kind), before.landing_slug),
    }


def _last_taken_down(session: Session, code_id: int) -> Mapping[str, Any]:
    row = session.execute(
        text("""
            SELECT crew, scanned_at FROM crew_scans WHERE code_id = :code AND act = 'taken_down'
            ORDER BY scanned_at DESC LIMIT 1
        """),
        {"code": code_id},
    ).first()
    return {"crew": row.crew, "taken_down_at": row.scanned_at.isoformat()} if row else {}


def _keep(
    session: Session,
    scan: Scan,
    act: Act,
    code: _Code,
    now: datetime,
    placement_id: int | None,
    *,
    binding: int | None,
    finding: Finding | None = None,
    retired: bool = False,
) -> dict[str, Any]:
    pictures.claim(session, number=scan.picture, until=now + PHOTOS_LIVE, now=now)
    number = f"CS{uuid4().hex[:12].upper()}"
    try:
        with session.begin_nested():
            session.execute(
                text("""
                    INSERT INTO crew_scans (number, key, act, code_id, placement_id, binding_id, finding, retired,
                                            picture, note, crew, scanned_at)
                    VALUES (:number, :key, :act, :code, :placement, :binding, :finding, :retired, :picture, :note,
                            :crew, :now)
                """),
                {
                    "number": number,
                    "key": scan.key,
                    "act": act,
                    "code": code.id,
                    "placement": placement_id,
                    "binding": binding,
                    "finding": finding,
                    "retired": retired,
                    "picture": scan.picture,
                    "note": scan.note,
                    "crew": scan.crew,
                    "now": now,
                },
            )
    except IntegrityError as used:
        # The same form for another code, at the same time.
        raise errors.ScanReused from used
    return find(session, number=number)
