"""Phones of staff are excluded from the campaign's figures while they are marked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from config import database
from storefront.actors import Actor, ActorKind
from storefront.errors import PhoneNotFound
from storefront.roles import Grant, Role
from storefront.staff import accounts, phones
from storefront.staff_models import AuditEntry
from tests.storefront.conftest import NOW

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def actor(db: None) -> Actor:
    """A member of staff."""
    with database.transaction() as session:
        grants = (Grant(role=Role.CAMPAIGN),)
        added = accounts.add(session, username="crew", password="right password", grants=grants, now=NOW)
    return Actor(kind=ActorKind.STAFF, staff_id=added.staff_id, username="crew", grants=grants)


def mark(actor: Actor, visitor: UUID, label: str = "巡检一号") -> str:
    with database.transaction() as session:
        return phones.mark(session, actor=actor, visitor=visitor, label=label, now=NOW)


def excluded() -> list[tuple[object, ...]]:
    return database.statement("SELECT visitor_id, reason, valid_from, valid_until FROM excluded_identities ORDER BY id")


def test_a_marked_phone_is_excluded_until_it_is_released(actor: Actor) -> None:
    visitor = uuid4()
    number = mark(actor, visitor)
    assert excluded() == [(visitor, "excluded_staff", NOW, None)]
    with database.transaction() as session:
        assert phones.listing(session) == [
            phones.PhoneView(number=number, label="巡检一号", username="crew", marked_at=NOW)
        ]
        phones.release(session, actor=actor, number=number, now=LATER)
        assert phones.listing(session) == []
        acts = session.execute(select(AuditEntry.act, AuditEntry.subject).order_by(AuditEntry.id)).all()
        assert [tuple(row) for row in acts[1:]] == [("phone.marked", number), ("phone.released", number)]
    assert excluded() == [(visitor, "excluded_staff", NOW, LATER)]


def test_marking_twice_marks_once(actor: Actor) -> None:
    visitor = uuid4()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: mark(actor, visitor), range(4)))) == 1
    assert len(excluded()) == 1


def test_a_released_phone_can_be_marked_again(actor: Actor) -> None:
    visitor = uuid4()
    first = mark(actor, visitor)
    with database.transaction() as session:
        phones.release(session, actor=actor, number=first, now=LATER)
        second = phones.mark(session, actor=actor, visitor=visitor, label="x" * 500, now=LATER + timedelta(hours=1))
        assert second != first
        assert len(phones.listing(session)[0].label) == phones.LABEL_LENGTH
    assert len(excluded()) == 2


def test_what_is_not_marked_cannot_be_released(actor: Actor) -> None:
    number = mark(actor, uuid4())
    with database.transaction() as session:
        phones.release(session, actor=actor, number=number, now=LATER)
        for unknown in (number, "P0", ""):
            with pytest.raises(PhoneNotFound):
                phones.release(session, actor=actor, number=unknown, now=LATER)
