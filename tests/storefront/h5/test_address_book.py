"""My addresses: seen, changed and deleted by me alone, and led back from to where I was."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from config import database
from tests.storefront.h5.conftest import ADDRESS, INSIDE_WECHAT, PAGE, Browser, hidden, read
from tests.storefront.h5.test_cart import PEAR
from tests.storefront.h5.test_destinations import book, sent_to


def keep(browser: Browser, **changed: str) -> str:
    """Buy with a typed address that is kept, and return its number."""
    browser.buy(PEAR, keep="yes", to="", **changed)
    [(number,)] = database.statement("SELECT number FROM addresses ORDER BY id DESC LIMIT 1")
    return str(number)


def names(shown: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="entry"><p><b>([^<]*)', shown)]


def test_the_list_shows_the_default_first_and_hides_telephones(browser: Browser) -> None:
    assert "还没有保存的地址" in browser.get("/addresses")
    assert database.statement("SELECT count(*) FROM shoppers") == [(0,)]
    keep(browser)
    second = keep(browser, name="王芳")
    shown = browser.get("/addresses")
    assert names(shown) == ["王小明", "王芳"]
    assert "138****1234" in shown
    assert "13800001234" not in shown
    assert "用完请删除" in shown
    data = {**hidden(browser.get(f"/addresses/{second}")), **ADDRESS, "name": "王芳", "default": "yes"}
    answer = browser.post(f"/addresses/{second}", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/addresses")
    assert names(browser.get("/addresses")) == ["王芳", "王小明"]
    answer = browser.client.get("/addresses", base_url=browser.base_url, headers=PAGE)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert 'href="/addresses"' in browser.get("/orders")


def test_an_address_is_changed_step_by_step_without_a_script_and_orders_keep_theirs(browser: Browser) -> None:
    number = keep(browser)
    shown = browser.get(f"/addresses/{number}?back=/cart/checkout")
    assert 'value="13800001234"' in shown
    assert re.search(r'value="340102" selected', shown)
    data = {**hidden(shown), **ADDRESS, "province": "540000", "city": "", "county": "", "do": "region"}
    assert 'value="540100"' in read(browser.post(f"/addresses/{number}", data))
    assert book() == [("王小明", "340102", "明光路 1 号", True)]
    data |= {"city": "540100", "county": "540102", "phone": "0551-62345678", "detail": "江苏路 28 号", "do": "save"}
    answer = browser.post(f"/addresses/{number}", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/cart/checkout?to={number}")
    assert book() == [("王小明", "540102", "江苏路 28 号", True)]
    assert sent_to() == [("王小明", "明光路 1 号")]
    assert 'value="055162345678"' in browser.get(f"/addresses/{number}")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "请填写姓名"),
        ({"phone": "123"}, "请填写手机号"),
        ({"county": ""}, "请选择到区县"),
        ({"detail": " "}, "请填写详细地址"),
        ({"name": "王\u202e小明"}, "无法打印"),
    ],
)
def test_a_change_with_a_fault_comes_back_as_typed_and_changes_nothing(
    browser: Browser, changed: dict[str, str], words: str
) -> None:
    number = keep(browser)
    before = book()
    data = {**hidden(browser.get(f"/addresses/{number}")), **ADDRESS, "detail": "黄山路", "default": "yes", **changed}
    answer = browser.post(f"/addresses/{number}", data)
    assert answer.status_code == 422
    assert words in read(answer)
    assert changed.keys() == {"detail"} or "黄山路" in read(answer)
    assert book() == before


def test_an_address_is_deleted_once_and_the_default_passes_on(browser: Browser) -> None:
    first, second = keep(browser), keep(browser, name="王芳")
    data = {**hidden(browser.get("/addresses")), "back": f"/p/{PEAR}"}
    answer = browser.post(f"/addresses/{first}/removal", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/p/{PEAR}")
    assert [(name, is_default) for name, *_, is_default in book()] == [("王芳", True)]
    for path in (f"/addresses/{first}/removal", f"/addresses/{first}"):
        answer = browser.post(path, {**data, **ADDRESS})
        assert (answer.status_code, "没有这个地址" in read(answer)) == (404, True)
    browser.get(f"/addresses/{first}", 404)
    browser.get(f"/addresses/{second}")
    answer = browser.client.get(f"/addresses/{second}/removal", base_url=browser.base_url)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/addresses")


def test_nobody_else_sees_changes_or_deletes_an_address(browser: Browser, another: Callable[..., Browser]) -> None:
    number = keep(browser)
    before = book()
    another().get(f"/addresses/{number}", 404)
    stranger = another()
    keep(stranger, name="王芳")
    token = hidden(stranger.get("/addresses"))["csrf_token"]
    stranger.get(f"/addresses/{number}", 404)
    assert names(stranger.last) == []
    for path in (f"/addresses/{number}", f"/addresses/{number}/removal"):
        assert stranger.post(path, {**ADDRESS, "csrf_token": token}).status_code == 404
        assert browser.post(path, {**ADDRESS, "csrf_token": token}).status_code == 403
        assert browser.post(path, ADDRESS, Origin="https://evil.example").status_code == 403
        assert another().post(path, ADDRESS).status_code == 401
    assert book()[:1] == before
    browser.get("/addresses/..%2F", 404)


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_way_back_is_a_page_of_ours(browser: Browser, back: str) -> None:
    number = keep(browser)
    shown = browser.get(f"/addresses/{number}?back={back}")
    assert "evil" not in shown
    assert "alert" not in shown
    answer = browser.post(f"/addresses/{number}", {**hidden(shown), **ADDRESS, "back": back})
    assert answer.headers["Location"] == "/addresses"
    assert "evil" not in browser.get(f"/addresses?back={back}")


def test_inside_wechat_the_login_comes_before_an_unknown_book(another: Callable[..., Browser]) -> None:
    rider = another(INSIDE_WECHAT)
    for path in ("/addresses", "/addresses/AB12"):
        answer = rider.client.get(path, base_url=rider.base_url, headers={**PAGE, "User-Agent": INSIDE_WECHAT})
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/wechat/oauth/start?next=%2Faddresses")
