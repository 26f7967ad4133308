import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from catalog import products
from catalog.cache import Cache
from config import clock, database
from storefront import carts, consents
from tests.storefront.h5.conftest import ADDRESS, INSIDE_WECHAT, Browser, hidden, read
from tests.storefront.h5.test_cart import PEAR, TEA, change, held, put
from tests.waits import wait_until

# How many wait for what this transaction holds.
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")


def orders() -> list[tuple[Any, ...]]:
    return database.statement("SELECT number, goods_fen, freight_fen, payable_fen FROM orders ORDER BY id")


def form(browser: Browser, **changed: Any) -> dict[str, Any]:
    """The form of the cart's order filled in by somebody who has seen the sum and ticked what they must."""
    shown = browser.get("/cart/checkout")
    ticks = {
        name: unescape(value) for name, value in re.findall(r'type="checkbox" name="(\w+)" value="([^"]+)"', shown)
    }
    data = {**hidden(shown), **ADDRESS, **ticks, "remark": "", "do": "region", **changed}
    return {**data, **hidden(read(browser.post("/cart/orders", data))), "do": "place", **changed}


def send(browser: Browser, data: dict[str, Any]) -> TestResponse:
    return browser.post("/cart/orders", data)


def test_goods_of_two_halls_are_one_order_at_the_sum_that_was_shown_and_leave_the_cart(browser: Browser) -> None:
    put(browser, PEAR, quantity="2")
    put(browser, TEA)
    data = form(browser)
    answer = send(browser, data)
    assert answer.status_code == 303, read(answer)
    [(number, _, freight_fen, payable_fen)] = orders()
    assert answer.headers["Location"] == f"/orders/{number}?pay=1"
    assert str(payable_fen) == data["seen"]
    rows = database.statement("SELECT freight_fen FROM consignments ORDER BY consignment_no")
    assert (len(rows), sum(fen for (fen,) in rows)) == (2, freight_fen)
    assert held() == {}
    assert "购物车<b>" not in browser.get("/")
    assert dict(database.statement("SELECT document, version FROM consents")) == consents.VERSIONS


def test_the_page_names_freight_by_parcel_and_ticks_nothing(browser: Browser) -> None:
    put(browser, PEAR)
    put(browser, TEA)
    shown = browser.get("/cart/checkout")
    boxes = re.findall(r'<input type="checkbox"[^>]*>', shown)
    assert boxes
    assert not any("checked" in box for box in boxes)
    assert shown.count("运费待确认") >= 2
    data = form(browser)
    shown = read(send(browser, {**data, "do": "region"}))
    assert len(re.findall(r'data-parcel="[^"]+">(?:运费 ¥|包邮)', shown)) == 2


def test_what_was_confirmed_is_kept_with_the_order(browser: Browser) -> None:
    put(browser, PEAR)
    data = form(browser)
    assert "returns_perishable" in data
    assert send(browser, data).status_code == 303
    rows = database.statement("SELECT kind FROM order_declarations")
    assert rows == [("returns_perishable",)]


def test_a_form_with_a_fault_comes_back_filled_and_orders_nothing(browser: Browser) -> None:
    sku = put(browser)
    data = form(browser)
    for changed, words in (
        ({"consent": ""}, "同意后才能下单"),
        ({"returns_perishable": ""}, "请确认退货说明"),
        ({"phone": "123"}, "11 位手机号"),
        ({"county": ""}, "最后一级地区"),
        ({"name": ""}, "请填写收货人"),
        ({"name": "王\u202e小明"}, "无法打印"),
    ):
        answer = send(browser, {**data, **changed})
        assert answer.status_code == 422, changed
        assert words in read(answer)
        assert "明光路 1 号" in read(answer)
    assert (orders(), held()) == ([], {sku: 1})


def test_a_form_sent_twice_is_one_order(browser: Browser) -> None:
    put(browser)
    data = form(browser)
    first, second = send(browser, data), send(browser, data)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(orders()) == 1


def test_a_second_page_of_the_same_cart_orders_nothing_more(browser: Browser) -> None:
    put(browser)
    one, two = form(browser), form(browser)
    assert one["key"] != two["key"]
    assert send(browser, one).status_code == 303
    answer = send(browser, two)
    assert answer.status_code == 409
    assert "购物车还是空的" in read(answer)
    assert len(orders()) == 1


def test_one_cart_ordered_by_two_pages_at_once_is_one_order(
    browser: Browser, another: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = carts.holds
    rival = another()

    def race(**guard: Any) -> int:
        before = len(orders())
        put(browser)
        cookie = browser.client.get_cookie("hall_session", domain="127.0.0.1")
        assert cookie
        rival.client.set_cookie("hall_session", cookie.value, domain="127.0.0.1")
        forms = [form(browser), form(rival)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(send, [browser, rival], forms))
        assert {answer.status_code for answer in answers} <= {303, 409}
        return len(orders()) - before

    with monkeypatch.context() as off:
        together = Barrier(2, timeout=60)

        def seen_by_both(session: Session, **asked: Any) -> bool:
            found = holds(session, **asked)
            together.wait()
            return found

        off.setattr(carts, "_lock", lambda session, shopper_id: None)
        off.setattr(carts, "holds", seen_by_both)
        assert race() == 2, "without the lock one cart is ordered twice"
    assert race() == 1


def test_a_cart_that_another_page_changed_is_shown_again(browser: Browser) -> None:
    sku = put(browser)
    data = form(browser)
    assert change(browser, sku, quantity="2")[0] == 303
    answer = send(browser, data)
    assert answer.status_code == 409
    assert "购物车有变动" in read(answer)
    assert "明光路 1 号" in read(answer)
    assert orders() == []
    shown = read(answer)
    again = {**data, **hidden(shown), "returns_perishable": "yes"}
    assert send(browser, again).status_code == 303
    assert database.statement("SELECT quantity FROM order_lines") == [(2,)]


def test_what_is_put_in_after_the_page_was_shown_stays_in_the_cart(browser: Browser) -> None:
    put(browser, PEAR)
    data = form(browser)
    tea = put(browser, TEA)
    assert send(browser, data).status_code == 303
    assert held() == {tea: 1}


def test_a_price_that_changed_meanwhile_is_shown_before_it_is_charged(browser: Browser) -> None:
    sku = put(browser)
    data = form(browser)
    with database.transaction() as session:
        products.reprice(session, sku=sku, price_fen=3190, now=clock.now())
    shown = read(send(browser, data))
    assert "请核对应付金额" in shown
    assert (orders(), held()) == ([], {sku: 1})
    assert send(browser, {**data, **hidden(shown)}).status_code == 303
    assert str(orders()[0][3]) == hidden(shown)["seen"]


def test_what_sold_out_meanwhile_is_named_and_stays_while_the_rest_can_be_ordered(browser: Browser) -> None:
    sku = put(browser, PEAR)
    put(browser, TEA)
    data = form(browser)
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved WHERE sku_id = (SELECT id FROM skus WHERE number = %s)", (sku,)
    )
    answer = send(browser, data)
    shown = read(answer)
    assert answer.status_code == 409
    assert "“砀山酥梨”刚刚不够了" in shown
    assert "还有 1 种留在" in shown
    again = form(browser)
    assert send(browser, again).status_code == 303
    assert held() == {sku: 1}


def test_what_went_off_sale_meanwhile_is_named_and_an_empty_rest_is_the_cart(browser: Browser) -> None:
    sku = put(browser, PEAR)
    data = form(browser)
    with database.transaction() as session:
        products.delist(session, slug=PEAR)
    Cache.forget_all()
    answer = send(browser, data)
    assert answer.status_code == 409
    assert "订单没有提交" in read(answer)
    assert "卖家已下架" in read(answer)
    assert (orders(), held()) == ([], {sku: 1})


def test_a_region_that_is_not_delivered_to_is_said_before_paying_with_the_goods(browser: Browser) -> None:
    put(browser)
    data = form(browser, province="540000", city="540100", county="540102")
    shown = read(send(browser, {**data, "do": "region"}))
    assert "“砀山酥梨”不能送到西藏" in shown
    assert "不能配送" in shown
    answer = send(browser, data)
    assert answer.status_code == 409
    assert "“砀山酥梨”不能送到西藏" in read(answer)
    assert orders() == []


def test_another_body_under_a_used_key_is_pointed_to_the_order(browser: Browser) -> None:
    put(browser)
    data = form(browser)
    assert send(browser, data).status_code == 303
    put(browser)
    answer = send(browser, {**data, "detail": "黄山路 100 号"})
    assert answer.status_code == 409
    assert "已经下过一单" in read(answer)
    assert len(orders()) == 1
    again = {**data, "detail": "黄山路 100 号", **hidden(read(answer)), "returns_perishable": "yes"}
    assert send(browser, again).status_code == 303


def test_lines_that_nobody_was_shown_order_nothing(browser: Browser) -> None:
    sku = put(browser)
    data = form(browser)
    for lines in ("", "AH001A", "AH001A:0", "AH001A:x", "AH001A:1 AH001A:2", "NOPE:1", "AH001A:9999", "a:1 " * 900):
        assert send(browser, {**data, "lines": lines}).status_code in {409, 422}, lines
    assert (orders(), held()) == ([], {sku: 1})


def test_a_forged_order_is_refused(browser: Browser) -> None:
    put(browser)
    data = form(browser)
    assert send(browser, {**data, "csrf_token": "wrong"}).status_code == 403
    assert browser.post("/cart/orders", data, Origin="https://evil.example").status_code == 403
    assert orders() == []


def test_inside_wechat_login_comes_when_it_is_paid(another: Callable[..., Browser]) -> None:
    rider = another(INSIDE_WECHAT)
    put(rider)
    answer = send(rider, form(rider))
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/wechat/oauth/start?next=%2Forders%2F")


def test_a_page_takes_as_many_kinds_as_one_order_may_have(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    put(browser, PEAR)
    tea = put(browser, TEA)
    monkeypatch.setattr("storefront.checkout.MAX_LINES", 1)
    shown = browser.get("/cart/checkout")
    assert "还有 1 种留在" in shown
    assert send(browser, form(browser)).status_code == 303
    assert held() == {tea: 1}


def test_only_what_is_ticked_is_ordered_at_its_own_freight_and_the_rest_stays(browser: Browser) -> None:
    put(browser, PEAR)
    tea = put(browser, TEA)
    whole = form(browser)
    assert change(browser, tea, do="untick")[0] == 303
    shown = browser.get("/cart/checkout")
    assert shown.count("data-parcel=") == 1
    assert "还有 1 种留在" in shown
    data = form(browser)
    assert int(data["seen"]) < int(whole["seen"])
    assert send(browser, data).status_code == 303
    assert str(orders()[0][3]) == data["seen"]
    assert held() == {tea: 1}
    assert "请勾选要买的" in browser.get("/cart/checkout")
    assert send(browser, data).status_code == 303, "a form sent again finds its order"
    assert len(orders()) == 1


def test_a_tick_that_another_page_took_off_is_no_order_of_this_one(browser: Browser) -> None:
    pear, tea = put(browser, PEAR), put(browser, TEA)
    data = form(browser)
    assert change(browser, tea, do="untick")[0] == 303
    answer = send(browser, data)
    assert (answer.status_code, "购物车有变动" in read(answer)) == (409, True)
    assert change(browser, pear, do="untick")[0] == 303
    answer = send(browser, data)
    assert (answer.status_code, "在别的页面移除、取消勾选了" in read(answer)) == (409, True)
    assert (orders(), held()) == ([], {pear: 1, tea: 1})


def test_a_ticked_line_that_sold_out_is_said_so_beside_one_that_is_not_ticked(browser: Browser) -> None:
    pear, tea = put(browser, PEAR), put(browser, TEA)
    assert change(browser, tea, do="untick")[0] == 303
    data = form(browser)
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved WHERE sku_id = (SELECT id FROM skus WHERE number = %s)", (pear,)
    )
    answer = send(browser, data)
    assert (answer.status_code, "这些商品刚刚卖完了" in read(answer)) == (409, True)
    assert (orders(), held()) == ([], {pear: 1, tea: 1})


def test_a_tick_taken_off_while_the_order_is_placed_comes_too_late_or_keeps_it_out(
    browser: Browser, another: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = carts.holds
    rival = another()

    def race() -> tuple[int, int]:
        """Place the order of a line whose tick another page takes off meanwhile; return both answers."""
        sku = put(browser)
        cookie = browser.client.get_cookie("hall_session", domain="127.0.0.1")
        assert cookie
        rival.client.set_cookie("hall_session", cookie.value, domain="127.0.0.1")
        data, late = form(browser), []

        def seen_before_the_tick(session: Session, **asked: Any) -> bool:
            found = holds(session, **asked)
            late.append(pool.submit(change, rival, sku, do="untick"))
            wait_until(lambda: late[0].done() or session.scalar(WAITING), what="the other page")
            return found

        with ThreadPoolExecutor(1) as pool, monkeypatch.context() as gate:
            gate.setattr(carts, "holds", seen_before_the_tick)
            placed = send(browser, data).status_code
            return placed, late[0].result()[0]

    with monkeypatch.context() as off:
        off.setattr(carts, "_lock", lambda session, shopper_id: None)
        assert race() == (303, 303), "without the lock a tick that was taken off is ordered"
    assert race() == (303, 404)
