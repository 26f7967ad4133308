"""What the programme wants of each city and county, and what stands there now.

Invariant: figures are counted when they are asked for, each by the condition that lists the rows behind it, so none can
differ from what it counts. A target that was set for one region goes before the one for every region of its level.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors
from catalog.models import RegionLevel, ZoneKind
from catalog.target_models import Subject
from config import clock, database

MOST = 10**13
# Subjects that a county or city can be held to: what of them stands there is counted here.
HALLS = (
    Subject.ONLINE_HALL,
    Subject.PHYSICAL_HALL,
    Subject.ENTERPRISE_HALL,
    Subject.ONLINE_ZONE,
    Subject.PHYSICAL_ZONE,
)
# The halls behind each figure, in the words of their list's filters.
FILTERS: dict[Subject, dict[str, str]] = {
    Subject.ONLINE_HALL: {"kind": "local", "presence": "online"},
    Subject.PHYSICAL_HALL: {"kind": "local", "presence": "physical"},
    Subject.ENTERPRISE_HALL: {"kind": "enterprise"},
    Subject.ONLINE_ZONE: {"kind": "zone", "presence": "online"},
    Subject.PHYSICAL_ZONE: {"kind": "zone", "presence": "physical"},
}

_LISTING = text("""
    SELECT t.key, t.programme, t.subject, t.level, t.region_code, r.name AS region, t.amount, t.due_on, t.wording,
           t.responsible, t.source, t.set_by, t.set_at
    FROM targets t LEFT JOIN regions r ON r.code = t.region_code
    ORDER BY array_position(ARRAY['province', 'prefecture', 'county'], t.level), t.region_code NULLS FIRST, t.id
""")
_PUT = """
    INSERT INTO targets (key, programme, subject, level, region_code, amount, due_on, wording, responsible, source,
                         set_by, set_at)
    VALUES (:key, '', :subject, :level, :region_code, :amount, :due_on, '', '', '', :by, :now)
    ON CONFLICT {arbiter} DO UPDATE SET amount = excluded.amount, due_on = excluded.due_on, set_by = excluded.set_by,
        set_at = excluded.set_at
    RETURNING key
"""
_EACH = text(_PUT.format(arbiter="(subject, level) WHERE region_code IS NULL"))
_ONE = text(_PUT.format(arbiter="(subject, region_code) WHERE region_code IS NOT NULL"))
_COUNTS = ",\n".join(
    f"count(*) FILTER (WHERE {' AND '.join(f'{name} = {value!r}' for name, value in chosen.items())}) AS {subject}"
    for subject, chosen in FILTERS.items()
)
_ZONES = ",\n".join(f"count(*) FILTER (WHERE zone_kind = '{kind}') AS zone_{kind}" for kind in ZoneKind)
_COLUMNS = ", ".join(f"coalesce(s.{name}, 0) AS {name}" for name in (*FILTERS, *(f"zone_{kind}" for kind in ZoneKind)))
_FIGURES = text(f"""
    WITH standing AS (
        SELECT region_code, {_COUNTS}, {_ZONES} FROM halls WHERE state = 'open' GROUP BY region_code
    ), badge AS (
        SELECT p.origin_code, count(*) AS products FROM products p
        WHERE p.is_on_sale AND EXISTS (
            SELECT FROM certificates c WHERE c.product_id = p.id AND c.kind = 'accreditation'
              AND (c.valid_until IS NULL OR c.valid_until >= :today))
        GROUP BY p.origin_code
    )
    SELECT r.code AS region_code, r.name AS region, coalesce(u.name, r.name) AS city,
           {_COLUMNS},
           coalesce((SELECT sum(b.products) FROM badge b WHERE starts_with(b.origin_code, substr(r.code, 1,
               CASE r.level WHEN 'county' THEN 6 ELSE 4 END))), 0)::bigint AS accredited_products
    FROM regions r LEFT JOIN regions u ON u.code = r.parent_code AND r.level = 'county'
    LEFT JOIN standing s ON s.region_code = r.code
    WHERE r.level = :level ORDER BY r.code
""")
_ORIGINS = text("SELECT slug, origin_code FROM products WHERE slug = ANY(:slugs)")


def listing(session: Session) -> list[dict[str, Any]]:
    """Return the targets from the province down, those of single regions last in their level."""
    return [dict(row) for row in session.execute(_LISTING).mappings()]


def put(
    session: Session,
    *,
    subject: Subject,
    level: RegionLevel,
    region_code: str | None,
    amount: int,
    due_on: date | None,
    by: str,
    now: datetime,
) -> str:
    """Set a target for every region of a level, or for one region of it; returns its key. `amount` of sales is fen.

    Raises `TargetInvalid(fields=[...])`.
    """
    database.require_transaction(session)
    wrong = [] if 0 < amount <= MOST else ["amount"]
    if level is not RegionLevel.PROVINCE and subject not in {*HALLS, Subject.ACCREDITED_PRODUCTS}:
        wrong.append("subject")
    if region_code is not None:
        known = text("SELECT true FROM regions WHERE code = :code AND level = :level")
        if not session.scalar(known, {"code": region_code.replace("\x00", ""), "level": level}):
            wrong.append("region_code")
    if wrong:
        raise errors.TargetInvalid(fields=sorted(wrong))
    values = {
        "key": f"{subject.replace('_', '-')}-{region_code or level}",
        "subject": subject,
        "level": level,
        "region_code": region_code,
        "amount": amount,
        "due_on": due_on,
        "by": by,
        "now": now,
    }
    return str(session.scalar(_EACH if region_code is None else _ONE, values))


def figures(session: Session, *, level: RegionLevel, now: datetime) -> list[dict[str, Any]]:
    """Return what stands in each region of a level: open halls and zones exactly there, accredited products on sale.

    A city's products are those of its counties; its halls are its own, because the programme asks both for one.
    """
    today = now.astimezone(clock.SHANGHAI).date()
    rows = session.execute(_FIGURES, {"level": level, "today": today})
    return [dict(row) for row in rows.mappings()]


def origins(session: Session, *, slugs: list[str]) -> dict[str, str]:
    """Return slug → region code of where products come from; what does not exist is missing."""
    return {row.slug: row.origin_code for row in session.execute(_ORIGINS, {"slugs": slugs})}
