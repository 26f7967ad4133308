from config import database
from storefront import declarations
from storefront.declaration_models import DeclarationKind
from tests.storefront.conftest import NOW, Buyer


def test_the_first_word_stands_and_belongs_to_its_order(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1})
    other = buyer.place({skus[0]: 1}, key="key-00000002")
    for kinds in ([DeclarationKind.RETURNS_SEALED], [DeclarationKind.RETURNS_SEALED, DeclarationKind.ADULT]):
        with database.transaction() as session:
            declarations.record(session, order=number, kinds=kinds, now=NOW)
    with database.transaction() as session:
        assert declarations.listing(session, order=number) == [DeclarationKind.ADULT, DeclarationKind.RETURNS_SEALED]
        assert declarations.listing(session, order=other) == []


def test_nothing_confirmed_is_nothing_recorded(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1})
    with database.transaction() as session:
        declarations.record(session, order=number, kinds=[], now=NOW)
        assert declarations.listing(session, order=number) == []
