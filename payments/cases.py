"""Keeps what only a person can decide, with its evidence.

A case is opened once for each number and kind, raises an alarm, and moves no money.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from payments.models import CaseKind

_OPEN = text("""
    INSERT INTO payment_cases (kind, payment_id, number, evidence, opened_at)
    VALUES (:kind, :payment_id, :number, cast(:evidence AS jsonb), :now)
    ON CONFLICT (number, kind) DO NOTHING RETURNING id
""")


def open(  # noqa: A001 - a case is opened
    session: Session, *, kind: CaseKind, payment_id: int, number: str, evidence: dict[str, Any], now: datetime
) -> None:
    """Open the case of this kind for a payment's or refund's number, unless it is open already."""
    database.require_transaction(session)
    row = session.execute(
        _OPEN,
        {
            "kind": kind,
            "payment_id": payment_id,
            "number": number,
            "evidence": database.dump_json(evidence),
            "now": now,
        },
    ).first()
    if row is not None:
        logs.alarm("payments.case", case=kind, number=number)
