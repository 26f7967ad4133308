"""The audit trail: what staff did, to what, and when.

Invariant: an entry is written in the transaction of the act itself, and is never changed or deleted.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from storefront.actors import Actor
from storefront.staff_models import AuditEntry


def record(
    session: Session, actor: Actor | None, act: str, subject: str, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Write that `actor` (None: the command line) did `act` to `subject`.

    `act` is a dotted name such as `"order.refunded"`, `subject` a public number, `values` say how, in JSON, without
    personal data.
    """
    session.execute(
        insert(AuditEntry).values(
            acted_at=now,
            staff_id=actor.staff_id if actor else None,
            act=act,
            subject=subject,
            details=dict(values),
        )
    )
