"""Declarations: what a shopper confirmed for one order, and for no other."""

import pytest

from catalog.models import ReturnClass
from config import database
from storefront import declarations, errors
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


SEALED, PERISHABLE, ADULT = (
    DeclarationKind.RETURNS_SEALED,
    DeclarationKind.RETURNS_PERISHABLE,
    DeclarationKind.ADULT,
)


@pytest.mark.parametrize(
    ("given", "classes", "is_confirmed", "kept"),
    [
        ([], {"sealed_only"}, True, [SEALED]),
        ([], {"sealed_only", "excluded_perishable", "allowed"}, True, [PERISHABLE, SEALED]),
        ([ADULT], {"sealed_only"}, True, [ADULT, SEALED]),
        ([SEALED, SEALED], {"sealed_only"}, None, [SEALED]),
        ([SEALED], {"sealed_only"}, False, [SEALED]),
        ([], {"sealed_only"}, None, []),
        ([], {"allowed"}, True, []),
        ([], {"allowed"}, False, []),
    ],
)
def test_one_confirmation_covers_what_was_shown_and_none_leaves_the_right_to_return(
    given: list[DeclarationKind], classes: set[str], is_confirmed: bool | None, kept: list[DeclarationKind]
) -> None:
    assert declarations.complete(given, classes=classes, are_returns_confirmed=is_confirmed) == kept


def test_what_was_shown_and_not_confirmed_is_refused_by_name() -> None:
    with pytest.raises(errors.ReturnsDeclarationMissing) as missing:
        declarations.complete([PERISHABLE], classes={"sealed_only", "excluded_perishable"}, are_returns_confirmed=False)
    assert missing.value.details == {"declarations": [SEALED]}


def test_every_return_class_has_its_words() -> None:
    assert set(declarations.WORDING) == {each.value for each in ReturnClass}
    assert set(declarations.OF_CLASS) == set(declarations.WORDING) - {"allowed"}
