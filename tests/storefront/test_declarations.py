"""Declarations: what a shopper confirmed for one order, and for no other."""

import pytest

from config import database
from storefront import declarations
from storefront.declaration_models import DeclarationKind
from tests.storefront.conftest import Buyer


@pytest.mark.parametrize(
    "kinds", [[], [DeclarationKind.RETURNS_SEALED], [DeclarationKind.ADULT, DeclarationKind.RETURNS_SEALED]]
)
def test_what_was_confirmed_belongs_to_its_order(buyer: Buyer, skus: list[str], kinds: list[DeclarationKind]) -> None:
    number = buyer.place({skus[0]: 1}, declared=kinds)
    other = buyer.place({skus[0]: 1}, key="key-00000002")
    with database.transaction() as session:
        assert declarations.listing(session, order=number) == kinds
        assert declarations.listing(session, order=other) == []


def test_the_first_word_stands(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1}, declared=[DeclarationKind.RETURNS_SEALED])
    assert buyer.place({skus[0]: 1}, declared=[DeclarationKind.ADULT]) == number
    with database.transaction() as session:
        assert declarations.listing(session, order=number) == [DeclarationKind.RETURNS_SEALED]
