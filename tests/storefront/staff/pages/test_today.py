"""The first page of the day."""

from collections.abc import Callable

from config import database
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, Counter


def test_the_day_agrees_with_the_shops_books(counter: Counter, codes: dict[str, str]) -> None:
    counter.scan(next(slug for number, slug in codes.items() if ".T01." in number))
    number = counter.buy()
    page = counter.hire(Role.ADMIN).open("/").get_data(as_text=True)
    assert "<b>一致</b>" in page
    assert number in page
    assert "地铁" in page


def test_a_fault_is_not_hidden(counter: Counter) -> None:
    counter.buy()
    database.statement("DELETE FROM credits")
    page = counter.hire(Role.ANALYST).open("/").get_data(as_text=True)
    assert "<b>不一致</b>" in page


def test_a_quiet_day_says_so(clerk: Callable[..., Clerk]) -> None:
    page = clerk(Role.ADMIN).open("/").get_data(as_text=True)
    assert "今天还没有扫码" in page
    assert "没有待发货的订单" in page


def test_a_role_sees_its_own_part_of_the_day(clerk: Callable[..., Clerk]) -> None:
    packer = clerk(Role.FULFILMENT).open("/").get_data(as_text=True)
    assert "待发货" in packer
    assert "净销售额" not in packer
    analyst = clerk(Role.ANALYST).open("/").get_data(as_text=True)
    assert "待发货" not in analyst
    assert "净销售额" in analyst
    scoped = clerk(Role.ANALYST, username="scoped", area="3413").open("/").get_data(as_text=True)
    assert "没有可看的数据" in scoped
    county = clerk(Role.COUNTY, area="341321").open("/").get_data(as_text=True)
    assert "待办理的认定" in county
    assert "待审核的变更" in county
    assert "没有可看的数据" not in county
