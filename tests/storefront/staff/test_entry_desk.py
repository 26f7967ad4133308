"""Goods that a supplier enters on a page: its own only, with what was wrong beside each field, and then for review."""

import re
from collections.abc import Callable

import pytest

from config import database
from storefront.roles import Role
from tests.catalog.supplying import COOP, OTHER, PEARS, admitted, code, on_sale
from tests.catalog.test_drafts import PACK, TYPED
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]

pytestmark = pytest.mark.usefixtures("app", "seeded")


@pytest.fixture
def coop(clerk: Hire) -> Clerk:
    """Somebody of the co-operative; there is another firm beside it."""
    admitted(COOP)
    admitted(OTHER, goods="", name="六安瓜片茶业", credit_code=code("91341321MA2RKT6X3"))
    return clerk(Role.SUPPLIER, supplier=COOP)


def number_on(page: str) -> str:
    return str(re.search(r'name="number" value="(N\w+)"', page)[1])  # type: ignore[index]


def test_new_goods_are_typed_in_and_lead_on_to_their_accreditation(coop: Clerk) -> None:
    page = coop.open("/my/goods/new").text
    assert OTHER not in page
    assert 'role="alert"' not in page
    number = number_on(page)
    wrong = coop.send("/my/goods", number=number, **(TYPED | {"weight_g": "两斤"}))
    assert wrong.status_code == 422
    assert "要是 1 到 1,000,000 的整数" in wrong.text
    assert 'value="砀山黄桃罐头"' in wrong.text
    for _ in range(2):
        sent = coop.send("/my/goods", number=number, **TYPED)
        assert sent.location.endswith("?done=goods_entered")
    slug = str(re.search(r"/my/goods/([a-z0-9-]+)\?", sent.location)[1])  # type: ignore[index]
    shown = coop.open(f"/my/goods/{slug}").text
    assert f"/staff/accreditations/new?product={slug}" in shown
    assert "标签还缺：" in shown
    assert on_sale(slug) == (False, "draft")
    assert ("goods.entered", slug) in audited()
    again = coop.send("/my/goods", number=number_on(coop.open("/my/goods/new").text), **TYPED)
    assert again.location.endswith(f"/my/goods/{slug}?fault=goods.entry_taken")


def test_nobody_enters_goods_for_another_firm(coop: Clerk, clerk: Hire) -> None:
    number = number_on(coop.open("/my/goods/new").text)
    assert coop.send("/my/goods", number=number, **(TYPED | {"supplier": OTHER})).status_code == 403
    admin = clerk(Role.ADMIN)
    assert OTHER in admin.open("/my/goods/new").text
    assert "goods_entered" in admin.send("/my/goods", number=number, **(TYPED | {"supplier": OTHER})).location


def test_a_new_pack_is_read_by_the_county_before_anybody_buys_it(coop: Clerk, clerk: Hire) -> None:
    county = clerk(Role.COUNTY, area="341321")
    number = number_on(coop.open(f"/my/goods/{PEARS}").text)
    wrong = coop.send(f"/my/goods/{PEARS}/packs", number=number, **(PACK | {"first_price": "便宜"}))
    assert (wrong.status_code, "要写成元，最多两位小数" in wrong.text) == (422, True)
    assert "done=change_asked" in coop.send(f"/my/goods/{PEARS}/packs", number=number, **PACK).location
    page = county.open("/changes").text
    assert "新规格" in page
    assert "850 克 × 6 罐 · 毛重 7,200 克 · ¥99.00 · 库存 20" in page
    change = str(re.search(r"/staff/changes/(E\w+)", page)[1])  # type: ignore[index]
    assert "done=step_taken" in county.send(f"/changes/{change}", do="approve").location
    assert database.statement("SELECT price_fen FROM skus WHERE number = %s", (number,)) == [(9900,)]
    assert ("goods.pack_asked", PEARS) in audited()
