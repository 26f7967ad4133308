"""Where suppliers' money goes, and that nobody reads an account number in passing."""

from dataclasses import replace
from typing import Any

import pytest

from catalog import errors, payees, suppliers
from catalog.payees import Account, Receiver
from catalog.supplier_lifecycle import Kind
from catalog.supplier_models import ReceiverKind
from config import database
from config import settings as process_settings
from tests.catalog.supplying import ACCOUNT, COOP, NOW, opened

pytestmark = pytest.mark.usefixtures("seeded")
SELLER = Receiver(kind=ReceiverKind.MERCHANT, account="1900000109", name="合肥某推广有限公司")


def find(number: str = COOP) -> payees.Payee:
    with database.transaction() as session:
        return payees.find(session, number=number)


def enter(account: Account = ACCOUNT, receiver: Receiver | None = None, number: str = COOP) -> None:
    with database.transaction() as session:
        payees.enter(session, number=number, account=account, receiver=receiver, by="coop", now=NOW)


def test_who_pays_reads_the_whole_account_and_others_its_tail() -> None:
    opened()
    found = find()
    assert (found.account.number, found.account.masked) == ("6217000012345678", "****5678")
    assert (found.kind, found.receiver, found.commission_bp) == (Kind.SUPPLIER, None, None)
    assert "6217000012345678" not in repr(found)


def test_account_and_receiver_are_sealed_at_rest() -> None:
    opened(kind=Kind.SELLER)
    enter(receiver=SELLER)
    with database.transaction() as session:
        suppliers.set_commission(session, number=COOP, commission_bp=500)
    found = find()
    assert (found.receiver, found.commission_bp) == (SELLER, 500)
    [(row,)] = database.statement("SELECT to_jsonb(y)::text FROM supplier_payees y")
    assert "6217000012345678" not in row
    assert SELLER.account not in row


def test_a_later_account_replaces_the_earlier() -> None:
    opened()
    enter(replace(ACCOUNT, number="6217000099998888"))
    assert find().account.masked == "****8888"


@pytest.mark.parametrize(
    ("account", "receiver", "field"),
    [
        ({"number": "62170000x2345678"}, None, "account"),
        ({"number": "1234567"}, None, "account"),
        ({"number": "６２１７００００１２３４５６７８"}, None, "account"),
        ({"name": " "}, None, "account_name"),
        ({"bank": "x" * 61}, None, "bank"),
        ({}, replace(SELLER, account="nobody"), "receiver"),
        ({}, replace(SELLER, kind=ReceiverKind.PERSON), "receiver"),
        ({}, replace(SELLER, name=""), "receiver_name"),
    ],
)
def test_wrong_fields_are_named(account: dict[str, Any], receiver: Receiver | None, field: str) -> None:
    opened()
    with pytest.raises(errors.PayeeInvalid) as caught:
        enter(replace(ACCOUNT, **account), receiver)
    assert caught.value.details == {"field": field}


def test_who_has_not_said_where_is_not_paid() -> None:
    with database.transaction() as session:
        suppliers.open(session, number=COOP, name="良梨合作社")
    with pytest.raises(errors.PayeeMissing):
        find()
    with pytest.raises(errors.SupplierUnknown):
        find("S-NOBODY")


def test_another_secret_key_reads_nothing() -> None:
    opened()
    known = process_settings.current()
    process_settings.use(replace(known, secret_key="another-key-that-is-32-characters-long"))
    try:
        with pytest.raises(errors.PayeeUnreadable):
            find()
    finally:
        process_settings.use(known)
