"""Consent is to the version that was shown, and can be taken back."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from config import database
from storefront import consents
from storefront.errors import ConsentInvalid
from storefront.shopper_models import Consent
from tests.storefront.conftest import NOW

PRIVACY = consents.VERSIONS["privacy"]


def test_what_is_agreed_to_is_no_longer_missing(guest: int) -> None:
    with database.transaction() as session:
        assert consents.missing(session, shopper_id=guest) == consents.VERSIONS
        for _ in range(2):
            consents.give(session, shopper_id=guest, document="privacy", version=PRIVACY, now=NOW)
        assert set(consents.missing(session, shopper_id=guest)) == {"terms"}
        assert session.scalars(select(Consent.given_at)).all() == [NOW]


def test_taking_it_back_asks_again_and_keeps_the_record(guest: int) -> None:
    later = NOW + timedelta(hours=1)
    with database.transaction() as session:
        consents.give(session, shopper_id=guest, document="privacy", version=PRIVACY, now=NOW)
        consents.withdraw(session, shopper_id=guest, document="privacy", now=later)
        assert "privacy" in consents.missing(session, shopper_id=guest)
        consents.give(session, shopper_id=guest, document="privacy", version=PRIVACY, now=later)
        assert "privacy" not in consents.missing(session, shopper_id=guest)
        history = session.execute(select(Consent.given_at, Consent.withdrawn_at).order_by(Consent.id)).all()
        assert [tuple(row) for row in history] == [(NOW, later), (later, None)]


def test_a_new_version_asks_again(guest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as session:
        consents.give(session, shopper_id=guest, document="privacy", version=PRIVACY, now=NOW)
        monkeypatch.setitem(consents.VERSIONS, "privacy", "2099-01-01")
        assert consents.missing(session, shopper_id=guest)["privacy"] == "2099-01-01"


@pytest.mark.parametrize(("document", "version"), [("privacy", "2019-01-01"), ("privacy", ""), ("cookies", PRIVACY)])
def test_what_is_not_shown_cannot_be_agreed_to(guest: int, document: str, version: str) -> None:
    with database.transaction() as session:
        with pytest.raises(ConsentInvalid) as refused:
            consents.give(session, shopper_id=guest, document=document, version=version, now=NOW)
        assert refused.value.details == {"documents": consents.VERSIONS}
        assert session.scalars(select(Consent.id)).all() == []


def test_there_is_nothing_else_to_take_back(guest: int) -> None:
    with database.transaction() as session, pytest.raises(ConsentInvalid):
        consents.withdraw(session, shopper_id=guest, document="cookies", now=NOW)
