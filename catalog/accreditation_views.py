"""Accreditations as others read them: the work of a seat, one with its whole history, and what is on public notice.

Invariant: what the public reads names products, entities and places, never a person: neither who objected nor which
clerk acted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from catalog import errors
from catalog.accreditation_lifecycle import STANDING, State
from catalog.accreditation_models import AccreditationBatch, AccreditationTerm, Township

_HEAD = """
    a.id, a.number, a.state, a.statement, a.drafted_at, a.due_at, a.noticed_at, a.noticed_until,
    a.certificate_number, a.issued_on, a.valid_until, a.recheck_until, a.rectify_until, a.township_code,
    p.slug AS product, p.name AS product_name, p.plate, p.is_on_sale,
    u.number AS supplier, u.name AS supplier_name, u.is_illustrative AS is_supplier_illustrative,
    t.name AS township, r.code AS county_code, r.full_name AS county, b.name AS batch
"""
_FROM = """
    FROM accreditations a JOIN products p ON p.id = a.product_id JOIN suppliers u ON u.id = a.supplier_id
    JOIN townships t ON t.code = a.township_code JOIN regions r ON r.code = t.county_code
    LEFT JOIN accreditation_batches b ON b.id = a.batch_id
"""
_FIND = text(f"SELECT {_HEAD} {_FROM} WHERE a.number = :number")
_QUEUE = text(f"""
    SELECT {_HEAD},
           (SELECT count(*) FROM accreditation_objections o WHERE o.accreditation_id = a.id AND o.answered_at IS NULL)
               AS open_objections
    {_FROM}
    WHERE a.state = ANY(:states)
      AND EXISTS (SELECT FROM unnest(cast(:areas AS text[]), cast(:suppliers AS text[])) AS s (area, supplier)
                  WHERE starts_with(a.township_code, coalesce(s.area, ''))
                    AND (s.supplier IS NULL OR s.supplier = u.number))
    ORDER BY a.due_at NULLS LAST, a.id DESC LIMIT :limit OFFSET :offset
""")
_NOTICES = text(f"""
    SELECT {_HEAD} {_FROM} WHERE a.state = 'noticed' AND starts_with(a.township_code, :area)
    ORDER BY a.due_at, a.id LIMIT :limit OFFSET :offset
""")
_STEPS = text("""
    SELECT act, after, seat, taken_by, reason, taken_at FROM accreditation_steps
    WHERE accreditation_id = :id ORDER BY position
""")
_EVIDENCE = text("""
    SELECT kind, title, picture, added_by, added_at FROM accreditation_evidence
    WHERE accreditation_id = :id ORDER BY id
""")
_OBJECTIONS = text("""
    SELECT number, content, contact, filed_at, due_at, answer, is_upheld, answered_by, answered_at
    FROM accreditation_objections WHERE accreditation_id = :id ORDER BY id
""")
_INSPECTIONS = text("""
    SELECT level, finding, reason, rectify_until, rectified_at, inspected_by, inspected_at
    FROM accreditation_inspections WHERE accreditation_id = :id ORDER BY id DESC
""")
# Open to anybody: these states, and nothing of a draft or of what is still weighed.
_PUBLIC = frozenset({State.NOTICED, State.PUBLISHED, State.SUSPENDED, State.REVOKED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Reach:
    """A part of the work: townships whose code starts with `area`, products of one `supplier`; None is all."""

    area: str | None
    supplier: str | None


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one accreditation with steps, evidence, objections and inspections. Raises `AccreditationUnknown`."""
    row = session.execute(_FIND, {"number": number}).mappings().first()
    if row is None:
        raise errors.AccreditationUnknown
    parts = {
        name: [dict(part) for part in session.execute(statement, {"id": row["id"]}).mappings()]
        for name, statement in {
            "steps": _STEPS,
            "evidence": _EVIDENCE,
            "objections": _OBJECTIONS,
            "inspections": _INSPECTIONS,
        }.items()
    }
    return _head(row) | parts


def queue(
    session: Session, *, reaches: Iterable[Reach], states: Iterable[State], offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Return what lies within any of `reaches` in these states, what is due first at the top."""
    within = list(reaches)
    rows = session.execute(
        _QUEUE,
        {
            "areas": [reach.area for reach in within],
            "suppliers": [reach.supplier for reach in within],
            "states": list(states),
            "limit": limit,
            "offset": offset,
        },
    )
    return [_head(row) for row in rows.mappings()]


def notices(session: Session, *, area: str = "", offset: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Return what is on public notice in the places whose code starts with `area`, what ends first at the top."""
    rows = session.execute(_NOTICES, {"area": area, "limit": limit, "offset": offset})
    return [_head(row) for row in rows.mappings()]


def notice(session: Session, *, number: str) -> dict[str, Any]:
    """Return what the public may read of one: the facts, opinion and answers, without any person.

    Raises `AccreditationUnknown`, also for one that was never on notice.
    """
    found = find(session, number=number)
    if found["state"] not in _PUBLIC:
        raise errors.AccreditationUnknown
    hidden = {"contact", "answered_by", "content"}
    objections = [{key: value for key, value in o.items() if key not in hidden} for o in found["objections"]]
    steps = [{key: step[key] for key in ("act", "after", "seat", "taken_at")} for step in found["steps"]]
    return {key: value for key, value in found.items() if key not in {"evidence", "inspections", "statement"}} | {
        "objections": objections,
        "steps": steps,
        "papers": sorted({file["kind"] for file in found["evidence"]}),
    }


def open_to_applications(session: Session, *, supplier: str | None) -> list[dict[str, Any]]:
    """Return the products that may be applied for: without a standing accreditation, of one supplier or of all."""
    rows = session.execute(
        text("""
            SELECT p.slug, p.name, p.origin_code, r.full_name AS origin
            FROM products p JOIN regions r ON r.code = p.origin_code JOIN suppliers u ON u.id = p.supplier_id
            WHERE (cast(:supplier AS text) IS NULL OR u.number = :supplier)
              AND NOT EXISTS (SELECT FROM accreditations a WHERE a.product_id = p.id AND a.state = ANY(:standing))
            ORDER BY p.origin_code, p.position LIMIT 500
        """),
        {"supplier": supplier, "standing": list(STANDING)},
    )
    return [dict(row) for row in rows.mappings()]


def townships(session: Session, *, county: str) -> list[Township]:
    """Return the townships of a county, in the order of their codes."""
    return list(session.scalars(select(Township).where(Township.county_code == county).order_by(Township.code)))


def batches(session: Session) -> list[AccreditationBatch]:
    """Return the batches of the catalogue, the latest first."""
    return list(session.scalars(select(AccreditationBatch).order_by(AccreditationBatch.id.desc()).limit(50)))


def terms(session: Session) -> list[AccreditationTerm]:
    """Return how long each step may take, and where that number comes from."""
    return list(session.scalars(select(AccreditationTerm).order_by(AccreditationTerm.key)))


def overdue(row: dict[str, Any], *, now: datetime) -> bool:
    """Tell whether whoever has to act on it has missed the day."""
    return row["due_at"] is not None and row["due_at"] < now


def _head(row: RowMapping) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "id"} | {"state": State(row["state"])}
