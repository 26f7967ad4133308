"""What third-party sellers earn on what their links bring, as finance agrees on it.

Invariant: who sets a rate saw the one that it replaces, and both stand in the audit trail. A rate holds for orders
whose payment opens from then on; what was claimed before keeps its own.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import suppliers
from storefront import audit
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.settlement_errors import CommissionMoved
from storefront.staff import sight

_SELLERS = text("""
    SELECT u.number, u.name, u.state, u.commission_bp, y.receiver_kind IS NOT NULL AS has_receiver,
           (SELECT a.acted_at FROM staff_audit a WHERE a.subject = u.number AND a.act = 'supplier.commission_set'
            ORDER BY a.acted_at DESC LIMIT 1) AS set_at
    FROM suppliers u LEFT JOIN supplier_payees y ON y.supplier_id = u.id
    WHERE u.kind = 'seller' AND u.state <> 'closed' ORDER BY u.id DESC LIMIT 500
""")


def listing(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the sellers with their rate (None without one) and since when it holds. Raises `NotPermitted`."""
    sight.require_whole(actor, Permission.SETTLE)
    return [dict(row) for row in session.execute(_SELLERS).mappings()]


def agree(
    session: Session, actor: Actor, *, number: str, commission_bp: int | None, seen_bp: int | None, now: datetime
) -> None:
    """Set a seller's commission (hundredths of a percent, None for none) from now on.

    Raises `NotPermitted`, `CommissionMoved` when it is no longer `seen_bp`, and what `suppliers.set_commission` does.
    """
    sight.require_whole(actor, Permission.SETTLE)
    if suppliers.lock(session, number).commission_bp != seen_bp:
        raise CommissionMoved
    suppliers.set_commission(session, number=number, commission_bp=commission_bp)
    values = {"commission_bp": commission_bp, "before": seen_bp}
    audit.record(session, actor, "supplier.commission_set", number, values, now=now)
