"""The audit trail shares the fate of the act."""

import pytest
from sqlalchemy import select

from config import database
from storefront import audit
from storefront.actors import Actor, ActorKind
from storefront.roles import Grant, Role
from storefront.staff import accounts
from storefront.staff_models import AuditEntry
from tests.storefront.conftest import NOW


def entries() -> list[tuple[object, ...]]:
    with database.transaction() as session:
        query = select(AuditEntry.staff_id, AuditEntry.act, AuditEntry.subject, AuditEntry.details, AuditEntry.acted_at)
        return [tuple(row) for row in session.execute(query.order_by(AuditEntry.id))]


def test_an_act_is_written_with_who_did_it(db: None) -> None:
    with database.transaction() as session:
        grants = (Grant(role=Role.ANALYST),)
        added = accounts.add(session, username="reader", password="right password", grants=grants, now=NOW)
        actor = Actor(kind=ActorKind.STAFF, staff_id=added.staff_id, username="reader")
        audit.record(session, actor, "order.refunded", "L1", {"amount_fen": 100}, now=NOW)
    assert entries() == [
        (None, "staff.added", "reader", {"roles": ["analyst"]}, NOW),
        (added.staff_id, "order.refunded", "L1", {"amount_fen": 100}, NOW),
    ]


def test_an_act_that_fails_leaves_no_entry(db: None) -> None:
    with pytest.raises(RuntimeError, match="refund failed"), database.transaction() as session:
        audit.record(session, None, "order.refunded", "L1", {}, now=NOW)
        raise RuntimeError("refund failed")
    assert entries() == []
