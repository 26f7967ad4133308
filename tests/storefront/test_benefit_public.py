"""What everybody reads of benefit: links that hold, goods on sale, households never by a few."""

from datetime import timedelta

import pytest

from catalog import products
from catalog.cache import Cache
from config import database
from storefront import benefit_public
from storefront.benefit_models import Mode
from storefront.benefit_public import Benefit
from tests.storefront.benefiting import NOW, PEARS, joined, linked, opened

pytestmark = pytest.mark.usefixtures("seeded")
LATER = NOW + timedelta(hours=1)
NAMES = "甲乙丙丁戊己庚辛壬癸子丑寅卯"


def group(name: str, households: int) -> str:
    number = opened(name)
    for at in range(households):
        joined(number, name="王" + NAMES[at])
    return number


def shown(hours: int = 1) -> tuple[Benefit | None, Benefit | None]:
    Cache.forget_all()
    now = NOW + timedelta(hours=hours)
    return benefit_public.of_product(PEARS, now=now), benefit_public.of_hall("dangshan-xian", now=now)


def test_small_groups_are_not_counted_and_the_rest_is_rounded_down() -> None:
    few, many = group("梨农一组", 4), group("梨农二组", 9)
    linked(few, 300)
    assert shown()[0] == Benefit(1, ("seed",), 300, 0)
    linked(many, 500, Mode.GUARANTEED_PRICE)
    assert shown() == (Benefit(1, ("guaranteed_price", "seed"), 800, 5),) * 2
    linked(many, 100, Mode.SEED)
    found = shown()[0]
    assert found is not None
    assert (found.share_bp, found.households) == (900, 5)


def test_what_ended_has_not_begun_or_is_off_sale_is_not_told_of() -> None:
    number = group("梨农一组", 5)
    linked(number, 300, starts_at=NOW + timedelta(hours=2), ends_at=NOW + timedelta(hours=4))
    assert [shown(hours)[0] is None for hours in (1, 3, 5)] == [True, False, True]
    with database.transaction() as session:
        products.delist(session, slug=PEARS)
    assert shown(3) == (None, None)
    assert benefit_public.of_product("gone", now=LATER) is None
