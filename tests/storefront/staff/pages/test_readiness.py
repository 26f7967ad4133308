"""The page of readiness: in words to act on, for one's own counties, and as the platform's form."""

from collections.abc import Callable

import pytest

from config import database, spreadsheets
from storefront.roles import Role
from tests.catalog.test_readiness import settle
from tests.storefront.staff.conftest import Clerk

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_clerk_sees_what_to_do(clerk: Callable[..., Clerk]) -> None:
    settle("SUP0101", "341321", 1)
    database.statement(
        "UPDATE products SET supplier_id = (SELECT id FROM suppliers WHERE number = 'SUP0101')"
        " WHERE slug = 'dangshansuli' RETURNING id"
    )
    page = clerk(Role.ADMIN).open("/readiness").get_data(as_text=True)
    assert "宿州市砀山县" in page
    assert "没有营业执照照片：请供应商上传" in page
    assert "缺认定证书：砀山酥梨" in page
    assert '<a href="/staff/suppliers/SUP0101">' in page
    assert '还没有供应商的县 <span class="tag">19 个</span>' in page
    assert page.count("还没有登记在这些县的供应商") == 1
    county = clerk(Role.COUNTY, area="3401").open("/readiness").get_data(as_text=True)
    assert "您的范围里没有国家级脱贫县" in county


def test_the_form_says_what_it_does_not_know(clerk: Callable[..., Clerk]) -> None:
    settle("SUP0101", "341321", 1)
    answer = clerk(Role.ADMIN).open("/readiness/listing.xlsx")
    heading, row = spreadsheets.unfold(answer.get_data())
    assert heading.cells[:2] == ("供应商名称*", "统一社会信用代码*")
    assert heading.cells[-1] == "还缺什么"
    assert row.cells[3] == "宿州市砀山县"
    assert "还没有商品" in row.cells[-1]
    said = clerk(Role.ADMIN, username="second").open("/readiness/listing.csv").get_data(as_text=True)
    assert "尚未取得 832 平台的正式模板" in said
    assert "县级部门的推荐意见本系统看不到" in said
