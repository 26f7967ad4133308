"""Keys of partners: shown once, several at a time, dead at once."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import clock, database
from storefront import guard, limits, partner_keys, partners
from storefront.errors import (
    PartnerClosed,
    PartnerInvalid,
    PartnerKeyNotFound,
    PartnerKeyRejected,
    PartnerNotFound,
    SellerTaken,
    TooManyPartnerKeys,
)
from storefront.partner_keys import KeyScope
from storefront.partner_models import PartnerKind
from tests.storefront.conftest import NOW


def partner(kind: PartnerKind = PartnerKind.BUYER, seller: str | None = None, name: str = "某某医院") -> str:
    with database.transaction() as session:
        return partners.create(session, kind=kind, name=name, seller=seller, now=NOW).number


def issue(number: str, *scopes: KeyScope, label: str = "同步") -> partner_keys.Issued:
    with database.transaction() as session:
        wanted = scopes or (KeyScope.READ_PRODUCTS,)
        return partner_keys.issue(session, partner=number, label=label, scopes=wanted, now=NOW)


def row(column: str) -> list[Any]:
    return [found for (found,) in database.statement(f"SELECT {column} FROM partner_keys ORDER BY id")]


def test_a_key_opens_what_it_was_issued_for_and_is_not_stored(db: None) -> None:
    number = partner()
    issued = issue(number)
    caller = partner_keys.verify(issued.key, now=NOW)
    assert (caller.number, caller.kind, caller.scopes) == (number, PartnerKind.BUYER, {KeyScope.READ_PRODUCTS})
    [(stored,)] = database.statement("SELECT k::text FROM partner_keys k")
    assert issued.key.rpartition("_")[2] not in stored
    assert issued.key not in repr(issued)
    assert issued.key.startswith(f"hall_{issued.prefix}_")


def test_last_use_is_a_day_and_costs_one_write(db: None) -> None:
    key = issue(partner()).key
    assert row("used_on") == [None]
    partner_keys.verify(key, now=NOW)
    [version] = row("xmin::text")
    partner_keys.verify(key, now=NOW + timedelta(hours=1))
    assert row("xmin::text") == [version]
    assert row("used_on") == [NOW.astimezone(clock.SHANGHAI).date()]
    partner_keys.verify(key, now=NOW + timedelta(days=1))
    assert row("used_on") == [(NOW + timedelta(days=1)).astimezone(clock.SHANGHAI).date()]


def test_a_partner_changes_keys_without_a_pause(db: None) -> None:
    number = partner()
    old, new = issue(number), issue(number)
    partner_keys.verify(old.key, now=NOW)
    with database.transaction() as session:
        partner_keys.revoke(session, partner=number, prefix=old.prefix, now=NOW)
    with pytest.raises(PartnerKeyRejected):
        partner_keys.verify(old.key, now=NOW)
    partner_keys.verify(new.key, now=NOW)
    with database.transaction() as session:
        assert [key.prefix for key in partner_keys.listing(session, partner=number)] == [new.prefix, old.prefix]
        with pytest.raises(PartnerKeyNotFound):
            partner_keys.revoke(session, partner=number, prefix=old.prefix, now=NOW)
    other = partner(name="另一家")
    with database.transaction() as session, pytest.raises(PartnerKeyNotFound):
        partner_keys.revoke(session, partner=other, prefix=new.prefix, now=NOW)


def test_closing_a_partner_ends_every_key_at_once(db: None) -> None:
    number = partner()
    keys = [issue(number).key, issue(number).key]
    with database.transaction() as session:
        assert partners.close(session, number=number, now=NOW).closed_at == NOW
    for key in keys:
        with pytest.raises(PartnerKeyRejected):
            partner_keys.verify(key, now=NOW)
    with pytest.raises(PartnerClosed):
        issue(number)
    with database.transaction() as session, pytest.raises(PartnerClosed):
        partners.close(session, number=number, now=NOW)


@pytest.mark.parametrize("wrong", ["", "hall_", "x" * 43, f"hall_7K3M9X2P_{'x' * 43}", f"hall_7K3M9X2P_{'x' * 42}\n"])
def test_nothing_else_is_a_key(db: None, wrong: str) -> None:
    with pytest.raises(PartnerKeyRejected):
        partner_keys.verify(wrong, now=NOW)


def test_wrong_partners_and_keys_are_refused(db: None) -> None:
    with pytest.raises(PartnerInvalid):
        partner(PartnerKind.SELLER)
    with pytest.raises(PartnerInvalid):
        partner(PartnerKind.BUYER, seller="S0001")
    with pytest.raises(PartnerInvalid):
        partner(name="一")
    seller = partner(PartnerKind.SELLER, "S0001")
    with pytest.raises(SellerTaken):
        partner(PartnerKind.SELLER, "S0001")
    issue(seller, *KeyScope)
    buyer = partner()
    for scopes in ((KeyScope.READ_STATISTICS,), (KeyScope.READ_PRODUCTS, KeyScope.WRITE_CODES)):
        with pytest.raises(PartnerInvalid):
            issue(buyer, *scopes)
    with pytest.raises(PartnerInvalid):
        issue(buyer, label="")
    with pytest.raises(PartnerNotFound):
        issue("PTNOBODY")
    for _ in range(partner_keys.MOST_KEYS):
        issue(buyer)
    with pytest.raises(TooManyPartnerKeys):
        issue(buyer)


def ask(client: FlaskClient, key: str) -> int:
    return client.get("/api/partner/v1/identity", headers={"Authorization": f"Bearer {key}"}).status_code


def test_each_key_has_a_rate_of_its_own(client: FlaskClient, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    limits.forget()
    monkeypatch.setattr(guard, "PARTNER_REQUESTS_A_MINUTE", 2)
    number = partner()
    first, second = issue(number).key, issue(number).key
    assert [ask(client, first) for _ in range(3)] == [200, 200, 429]
    assert ask(client, second) == 200


@pytest.mark.parametrize("header", [None, "Basic x", f"Bearer {'x' * 43}"])
def test_without_a_key_nothing_opens(client: FlaskClient, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = client.get("/api/partner/v1/identity", headers=headers)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "partner.key_rejected")


def test_a_key_says_whose_it_is(client: FlaskClient, db: None) -> None:
    number = partner(PartnerKind.SELLER, "S0001")
    key = issue(number, KeyScope.READ_STATISTICS, KeyScope.READ_PRODUCTS).key
    answer = client.get("/api/partner/v1/identity", headers={"Authorization": f"Bearer {key}"})
    assert answer.get_json() == {"number": number, "kind": "seller", "scopes": ["products.read", "statistics.read"]}
