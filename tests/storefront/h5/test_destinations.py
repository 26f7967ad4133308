"""A saved address is chosen with one tap, ordered to as it was shown, and never anybody else's."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from config import clock, database
from storefront import addresses, checkout, purging, sessions
from storefront.actors import ActorKind
from tests.storefront.h5 import test_cart_orders as cart
from tests.storefront.h5.conftest import ADDRESS, INSIDE_WECHAT, Browser, hidden, read
from tests.storefront.h5.test_cart import PEAR, TEA, put

FAR = {"province": "540000", "city": "540100", "county": "540102", "detail": "江苏路 28 号", "name": "卓玛"}
NOTHING = dict.fromkeys(("name", "phone", "detail", "province", "city", "county"), "")


def book() -> list[tuple[Any, ...]]:
    return database.statement("SELECT name, region_code, detail, is_default FROM addresses ORDER BY id")


def sent_to() -> list[tuple[Any, ...]]:
    return database.statement("SELECT address->>'name', address->>'detail' FROM orders ORDER BY id")


def choices(shown: str) -> dict[str, str]:
    """What the form sends for each saved address, by the name that stands there."""
    found = re.findall(r'name="to" value="([^"]+)" id="to-\w+"[^>]*><label [^>]*><b>([^<]*)', shown)
    return {unescape(name): choice for choice, name in found}


def chosen(shown: str) -> str:
    found = re.search(r'name="to" value="([^"]*)"[^>]* checked', shown)
    assert found
    return found[1]


def pick(browser: Browser, choice: str, slug: str = PEAR) -> dict[str, Any]:
    """The product's form of somebody who tapped a saved address, saw the sum and ticked what they must."""
    return browser.form(slug, to=choice, **NOTHING)


def send(browser: Browser, data: dict[str, Any], slug: str = PEAR) -> tuple[int, str]:
    answer = browser.send(f"/p/{slug}/orders", data)
    return answer.status_code, read(answer)


def test_an_address_is_kept_only_by_who_ticks_it_and_chosen_the_next_time(browser: Browser) -> None:
    browser.buy(PEAR)
    assert (book(), choices(browser.get(f"/p/{PEAR}"))) == ([], {})
    browser.buy(PEAR, keep="yes")
    assert book() == [("王小明", "340102", "明光路 1 号", True)]
    shown = browser.get(f"/p/{TEA}")
    assert chosen(shown) == choices(shown)["王小明"]
    assert "138****1234" in shown
    assert "13800001234" not in shown
    assert 'data-region="340102"' in shown
    assert send(browser, pick(browser, chosen(shown), TEA), TEA)[0] == 303
    assert sent_to()[-1] == ("王小明", "明光路 1 号")
    assert len(book()) == 1


def test_a_page_with_addresses_is_stored_nowhere_and_one_without_is_as_it_was(browser: Browser) -> None:
    before = browser.get(f"/p/{PEAR}")
    assert ".book" not in before
    assert 'name="to"' not in before
    browser.buy(PEAR, keep="yes")
    answer = browser.client.get(f"/p/{PEAR}", base_url=browser.base_url)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert 'class="sheet book"' in read(answer)


def test_another_address_is_typed_beside_the_saved_ones_and_the_freight_follows(browser: Browser) -> None:
    browser.buy(PEAR, keep="yes")
    data = browser.form(PEAR, keep="yes", to="", name="王芳", detail="黄山路 100 号")
    assert send(browser, data)[0] == 303
    assert [name for name, *_ in book()] == ["王小明", "王芳"]
    shown = browser.get(f"/p/{PEAR}")
    assert list(choices(shown)) == ["王小明", "王芳"]
    far = {**data, **FAR, "do": "region"}
    assert "不能配送" in read(browser.post(f"/p/{PEAR}/orders", far))
    near = read(browser.post(f"/p/{PEAR}/orders", {**far, "to": choices(shown)["王芳"]}))
    assert "不能配送" not in near
    assert chosen(near) == choices(shown)["王芳"]
    assert hidden(near)["seen"]


def test_a_typed_address_with_a_fault_stays_chosen_and_typed(browser: Browser) -> None:
    browser.buy(PEAR, keep="yes")
    status, shown = send(browser, browser.form(PEAR, to="", phone="123", keep="yes"))
    assert (status, chosen(shown)) == (422, "")
    assert "11 位手机号" in shown
    assert 'name="keep" value="yes" checked' in shown
    assert len(sent_to()) == 1


def test_somebody_else_s_address_does_not_exist(browser: Browser, another: Callable[..., Browser]) -> None:
    browser.buy(PEAR, keep="yes")
    mine = chosen(browser.get(f"/p/{PEAR}"))
    stranger = another()
    stranger.buy(TEA)
    data = stranger.form(PEAR)
    for theirs in (mine, mine.partition(":")[0], "A0:000000000000", "x" * 3000, "'; DROP TABLE addresses"):
        status, shown = send(stranger, {**data, "to": theirs})
        assert status == 404, theirs
        assert "不在您的地址里" in shown
        assert len(book()) == 1
    put(stranger)
    data = cart.form(stranger)
    assert cart.send(stranger, {**data, "to": mine}).status_code == 404
    nobody = another()
    assert send(nobody, nobody.form(PEAR) | {"to": mine})[0] == 404
    assert len(sent_to()) == 2


def test_an_address_that_another_tab_changed_or_removed_is_shown_before_it_is_ordered_to(browser: Browser) -> None:
    browser.buy(PEAR, keep="yes")
    was = chosen(browser.get(f"/p/{PEAR}"))
    data, number = pick(browser, was), was.partition(":")[0]
    token = data["csrf_token"]
    moved = {"csrf_token": token, **ADDRESS, "detail": "长江路 2 号"}
    assert browser.post(f"/addresses/{number}", moved).status_code == 303
    status, shown = send(browser, data)
    assert (status, "在别的页面改过了" in shown, "长江路 2 号" in shown) == (409, True, True)
    assert chosen(shown) not in {"", was}
    assert browser.post(f"/addresses/{number}/removal", {"csrf_token": token}).status_code == 303
    status, shown = send(browser, {**data, "to": chosen(shown)})
    assert (status, "不在您的地址里" in shown) == (404, True)
    assert len(sent_to()) == 1


def test_a_form_sent_twice_keeps_one_address_and_places_one_order(browser: Browser) -> None:
    data = browser.form(PEAR, keep="yes")
    first, second = browser.send(f"/p/{PEAR}/orders", data), browser.send(f"/p/{PEAR}/orders", data)
    assert first.headers["Location"] == second.headers["Location"]
    assert (len(book()), len(sent_to())) == (1, 1)


def test_an_order_that_breaks_off_keeps_no_address(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    data = browser.form(PEAR, keep="yes")

    def break_off(*_: Any, **__: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(checkout, "place", break_off)
        assert send(browser, data)[0] == 500
    assert (book(), sent_to()) == ([], [])
    assert send(browser, data)[0] == 303
    assert len(book()) == 1


def test_a_full_book_offers_no_box_and_refuses_no_order(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 1)
    browser.buy(PEAR, keep="yes")
    assert 'name="keep"' not in browser.get(f"/p/{PEAR}")
    assert send(browser, browser.form(PEAR, to="", keep="yes", name="王芳"))[0] == 303
    assert len(book()) == 1


def test_a_cart_goes_to_a_saved_address(browser: Browser) -> None:
    browser.buy(PEAR, keep="yes")
    put(browser, PEAR)
    put(browser, TEA)
    shown = browser.get("/cart/checkout")
    assert chosen(shown) == choices(shown)["王小明"]
    assert "运费待确认" not in shown
    data = cart.form(browser, to=chosen(shown), **NOTHING)
    assert data["seen"] == hidden(shown)["seen"]
    assert cart.send(browser, data).status_code == 303
    assert sent_to()[-1] == ("王小明", "明光路 1 号")


def test_who_may_share_a_telephone_is_warned_before_keeping(browser: Browser, another: Callable[..., Browser]) -> None:
    assert "与人合用手机请勿勾选" in browser.get(f"/p/{PEAR}")
    assert "与人合用手机" not in another(INSIDE_WECHAT).get(f"/p/{PEAR}")


def test_a_guest_s_addresses_go_with_the_last_session(browser: Browser) -> None:
    browser.buy(PEAR, keep="yes")
    purging.purge(now=clock.now())
    assert len(book()) == 1
    purging.purge(now=clock.now() + sessions.LIFETIMES[ActorKind.GUEST])
    assert book() == []


def test_a_long_book_is_chosen_from_on_its_own_page(browser: Browser, another: Callable[..., Browser]) -> None:
    for name in "甲乙丙丁戊己":
        browser.buy(PEAR, keep="yes", to="", name=name)
    shown = browser.get(f"/p/{PEAR}")
    assert (len(choices(shown)), "另 2 个" in shown) == (4, True)
    [(last,)] = database.statement("SELECT number FROM addresses WHERE name = '乙'")
    assert last not in shown
    assert f'href="/p/{PEAR}?to={last}"' in browser.get(f"/addresses?back=/p/{PEAR}")
    shown = browser.get(f"/p/{PEAR}?to={last}")
    assert (chosen(shown), len(choices(shown))) == (choices(shown)["乙"], 5)
    assert send(browser, pick(browser, chosen(shown)))[0] == 303
    assert sent_to()[-1][0] == "乙"
    put(browser)
    assert chosen(browser.get(f"/cart/checkout?to={last}")).startswith(f"{last}:")
    stranger = another()
    put(stranger)
    for path in (f"/p/{PEAR}", "/cart/checkout"):
        assert choices(stranger.get(f"{path}?to={last}")) == {}, "a page's address may be shared"
    assert chosen(browser.get(f"/p/{PEAR}?to=%3Cb%3E{'x' * 3000}")) == choices(browser.last)["甲"]
