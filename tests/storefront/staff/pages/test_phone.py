"""This phone is staff: marked, excluded, released."""

from collections.abc import Callable

from config import database
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, Counter, audited


def test_a_phone_is_marked_and_released(clerk: Callable[..., Clerk]) -> None:
    packer = clerk(Role.FULFILMENT)
    assert "未标记" in packer.open("/phone").get_data(as_text=True)
    assert packer.send("/phone/mark", label=" ").headers["Location"].endswith("fault=form.label")
    marked = packer.send("/phone/mark", label="小王的手机")
    assert marked.headers["Location"].endswith("done=marked")
    assert "hall_visitor=" in marked.headers["Set-Cookie"]
    assert "「小王的手机」" in packer.open("/phone").get_data(as_text=True)
    again = packer.send("/phone/mark", label="别的名字")
    assert again.headers["Location"].endswith("done=marked")
    assert "别的名字" not in packer.open("/phone").get_data(as_text=True)
    assert packer.send("/phone/release").headers["Location"].endswith("done=released")
    assert "未标记" in packer.open("/phone").get_data(as_text=True)
    assert packer.send("/phone/release").headers["Location"].endswith("fault=staff.phone_not_found")
    assert [act for act, _ in audited()] == ["phone.marked", "phone.released"]


def test_what_a_marked_phone_buys_is_shown_apart(counter: Counter, codes: dict[str, str]) -> None:
    slug = next(slug for number, slug in codes.items() if ".T01." in number)
    admin = counter.hire(Role.ADMIN)
    admin.client.set_cookie("hall_visitor", str(counter.desk.buyer.visitor))
    admin.send("/phone/mark", label="试单手机")
    counter.scan(slug)
    counter.buy()
    page = admin.open("/report").get_data(as_text=True)
    assert "<b>一致</b>" in page
    assert "工作人员" in page
    assert database.statement("SELECT DISTINCT outcome, reason FROM conversions") == [("excluded", "excluded_staff")]
