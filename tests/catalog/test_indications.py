"""Geographical indications: shown with kind, number and date, and never without."""

from datetime import date, timedelta

import pytest

from catalog import errors, indications, products
from catalog.cache import Cache
from catalog.models import IndicationKind
from config import database
from tests.catalog.accrediting import NOW, PEARS

DAY = date(2003, 7, 28)


def enter(number: str = "1299947", issuer: str = "国家知识产权局", day: date = DAY, product: str = PEARS) -> None:
    with database.transaction() as session:
        indications.enter(
            session,
            product=product,
            kind=IndicationKind.TRADEMARK,
            number=number,
            issuer=issuer,
            issued_on=day,
            now=NOW,
        )


def test_it_is_shown_until_it_is_taken_back_and_corrected_by_entering_it_again(seeded: None) -> None:
    enter("1111111")
    enter()
    shown = products.find(PEARS)["geographical_indication"]
    assert (shown["kind"], shown["number"], shown["issued_on"]) == ("trademark", "1299947", "2003-07-28")
    assert products.find(PEARS)["accreditation"] is None
    with database.transaction() as session:
        indications.take_back(session, product=PEARS)
    Cache.forget_all()
    assert products.find(PEARS)["geographical_indication"] is None


@pytest.mark.parametrize("wrong", [{"number": " 1 "}, {"issuer": ""}, {"day": NOW.date() + timedelta(days=1)}])
def test_without_number_issuer_and_a_day_that_was_there_is_none(seeded: None, wrong: dict[str, object]) -> None:
    with pytest.raises(errors.IndicationInvalid):
        enter(**wrong)  # type: ignore[arg-type]
    assert products.find(PEARS)["geographical_indication"] is None


def test_it_belongs_to_a_product(seeded: None) -> None:
    with pytest.raises(errors.ProductUnknown):
        enter(product="nowhere")
