"""How long payments remember who paid (docs/privacy.md).

Invariant: a payment that may still be sent again keeps its request word for word; what is kept beyond that names
amounts, numbers and instants, and no payer.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database

# Through an array the choice is made once; under a join the planner may make it again for each row, and forget more.
_FORGET = text("""
    UPDATE payments SET request = request #- '{payer}' #- '{scene_info}' WHERE id = ANY (ARRAY(
        SELECT id FROM payments
        WHERE state <> 'open' AND coalesce(succeeded_at, closed_at) < :before
          AND (request ? 'payer' OR request ? 'scene_info')
        ORDER BY id LIMIT :at_most FOR UPDATE))
    RETURNING id
""")


def forget_payers(session: Session, *, before: datetime, at_most: int) -> int:
    """Drop the openid or the address of whoever paid from payments that ended before `before`; returns how many."""
    database.require_transaction(session)
    return len(session.execute(_FORGET, {"before": before, "at_most": at_most}).all())


_FORGET_IGNORED = text("""
    UPDATE payment_notifications SET content = '{}' WHERE id = ANY (ARRAY(
        SELECT id FROM payment_notifications
        WHERE outcome = 'ignored' AND received_at < :before AND content <> '{}'
        ORDER BY id LIMIT :at_most FOR UPDATE))
    RETURNING id
""")


def forget_ignored(session: Session, *, before: datetime, at_most: int) -> int:
    """Empty notifications of unknown kinds that came before `before`, whatever they said; returns how many."""
    database.require_transaction(session)
    return len(session.execute(_FORGET_IGNORED, {"before": before, "at_most": at_most}).all())
