"""Suppliers as those who deal with them read them: the file of one, and lists.

Invariant: reads only; of a bank account nothing but bank, holder and the last four digits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, payees, suppliers
from catalog.supplier_lifecycle import State

_HEAD = """
    SELECT u.id, u.number, u.name, u.kind, u.state, u.is_illustrative, u.entity_kind, u.county_code,
           r.full_name AS county, u.credit_code, u.licence_until, u.permit_class, u.permit_number, u.permit_until,
           u.agreement_version, u.agreed_by, u.agreed_at, u.address, u.contact_name, u.contact_phone, u.commission_bp,
           (SELECT count(*) FROM products p WHERE p.supplier_id = u.id) AS products,
           (SELECT count(*) FROM products p WHERE p.supplier_id = u.id AND p.is_on_sale) AS on_sale
    FROM suppliers u LEFT JOIN regions r ON r.code = u.county_code
"""
_FIND = text(f"{_HEAD} WHERE u.number = :number")
_LISTING = text(f"""
    {_HEAD}
    WHERE u.state = ANY(:states)
      AND EXISTS (SELECT FROM unnest(cast(:areas AS text[]), cast(:suppliers AS text[])) AS s (area, supplier)
                  WHERE starts_with(coalesce(u.county_code, ''), coalesce(s.area, ''))
                    AND (s.supplier IS NULL OR s.supplier = u.number))
    ORDER BY least(u.licence_until, u.permit_until) NULLS LAST, u.id DESC LIMIT :limit OFFSET :offset
""")
_STEPS = text("""
    SELECT act, after, seat, taken_by, reason, taken_at FROM supplier_steps WHERE supplier_id = :id ORDER BY position
""")
_PAPERS = text("SELECT kind, picture, added_by, added_at FROM supplier_papers WHERE supplier_id = :id ORDER BY id")
_PAYEE = text("""
    SELECT account_name, bank, account_tail, receiver_kind, receiver_name, changed_by, changed_at
    FROM supplier_payees WHERE supplier_id = :id
""")


@dataclass(frozen=True, slots=True)
class Reach:
    """A part of the suppliers: those of counties whose code starts with `area`, or one `supplier`; None is all."""

    area: str | None
    supplier: str | None


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return a supplier with its steps, papers and masked payee (None without one). Raises `SupplierUnknown`."""
    row = session.execute(_FIND, {"number": number}).mappings().first()
    if row is None:
        raise errors.SupplierUnknown
    payee = session.execute(_PAYEE, {"id": row["id"]}).mappings().first()
    return _head(row) | {
        "steps": [dict(step) for step in session.execute(_STEPS, {"id": row["id"]}).mappings()],
        "papers": [dict(paper) for paper in session.execute(_PAPERS, {"id": row["id"]}).mappings()],
        "payee": dict(payee) | {"account": payees.mask(payee["account_tail"])} if payee else None,
    }


def listing(
    session: Session, *, reaches: Iterable[Reach], states: Iterable[State], offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Return the suppliers within any of `reaches` in these states, whose papers end first at the top."""
    within = list(reaches)
    values = {
        "areas": [reach.area for reach in within],
        "suppliers": [reach.supplier for reach in within],
        "states": list(states),
        "limit": limit,
        "offset": offset,
    }
    return [_head(row) for row in session.execute(_LISTING, values).mappings()]


def _head(row: Any) -> dict[str, Any]:
    found = {key: value for key, value in row.items() if key != "id"}
    return found | {
        "state": State(row["state"]),
        "has_agreed": row["agreement_version"] == suppliers.AGREEMENT_VERSION,
    }
