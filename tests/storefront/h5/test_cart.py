import re
from collections.abc import Callable

import pytest

from catalog import products
from catalog.cache import Cache
from config import database
from storefront import carts
from tests.storefront.h5.conftest import INSIDE_WECHAT, PAGE, Browser, first_sku, hidden, read

PEAR, TEA = "dangshansuli", "luanguapian"


def held() -> dict[str, int]:
    return dict(database.statement("SELECT sku, quantity FROM cart_lines ORDER BY sku"))


def put(browser: Browser, slug: str = PEAR, **changed: str) -> str:
    """Put goods into the cart from their page and return the pack's number."""
    shown = browser.get(f"/p/{slug}")
    data = {**hidden(shown), "sku": first_sku(shown), "quantity": "1", **changed}
    answer = browser.send(f"/p/{slug}/cart", data)
    assert answer.status_code == 303, read(answer)
    browser.get(answer.headers["Location"])
    return data["sku"]


def change(browser: Browser, sku: str, **fields: str) -> tuple[int, str]:
    """Send a line's form and return the status and the page."""
    token = hidden(browser.get("/cart")).get("csrf_token", "")
    answer = browser.post(f"/cart/lines/{sku}", {"csrf_token": token, **fields})
    return answer.status_code, read(answer)


def test_goods_go_into_the_cart_and_the_answer_says_which_and_how_many(browser: Browser) -> None:
    sku = put(browser, quantity="2")
    for words in ("已加入购物车", "砀山酥梨", "这次加入 2 份", "共 2 份", 'href="/cart"', f'href="/p/{PEAR}"'):
        assert words in browser.last
    put(browser, quantity="3")
    assert "这次加入 3 份，购物车里这一规格共 5 份" in browser.last
    assert held() == {sku: 5}


def test_looking_makes_nobody_a_guest_and_putting_does(browser: Browser) -> None:
    answer = browser.client.get("/cart", base_url=browser.base_url, headers=PAGE)
    assert "Set-Cookie" not in answer.headers
    assert "购物车还是空的" in read(answer)
    assert database.statement("SELECT count(*) FROM shoppers") == [(0,)]
    put(browser)
    assert database.statement("SELECT count(*) FROM shoppers WHERE openid IS NULL") == [(1,)]


def test_an_answer_lost_before_the_guest_has_a_cookie_puts_nothing_in(
    browser: Browser, another: Callable[..., Browser]
) -> None:
    shown = browser.get(f"/p/{PEAR}")
    data = {**hidden(shown), "sku": first_sku(shown), "quantity": "1"}
    lost = browser.post(f"/p/{PEAR}/cart", data)
    assert (lost.status_code, held()) == (307, {})
    refused = another().post(f"/p/{PEAR}/cart?again=1", data)
    assert refused.status_code == 403
    assert "Cookie" in read(refused)
    assert f'href="/p/{PEAR}"' in read(refused)
    assert held() == {}


def test_the_way_into_wechat_s_login_comes_before_an_unknown_cart_only(another: Callable[..., Browser]) -> None:
    rider = another(INSIDE_WECHAT)
    answer = rider.client.get("/cart", base_url=rider.base_url, headers={**PAGE, "User-Agent": INSIDE_WECHAT})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/wechat/oauth/start?next=%2Fcart")
    put(rider)
    assert "砀山酥梨" in rider.get("/cart")


def test_the_header_counts_the_pieces_of_this_browser_s_cart_only(
    browser: Browser, another: Callable[..., Browser]
) -> None:
    put(browser, quantity="3")
    for path in ("/", f"/p/{PEAR}", "/cart"):
        assert re.search(r"购物车<b>3<", browser.get(path)), path
    stranger = another()
    assert "购物车<b>" not in stranger.get("/")
    answer = browser.client.get("/", base_url=browser.base_url, headers=PAGE)
    assert answer.headers["Cache-Control"].startswith("private")
    assert "Cookie" in answer.headers["Vary"]
    kept = browser.client.get("/cart", base_url=browser.base_url, headers=PAGE)
    assert kept.headers["Cache-Control"] == "private, no-store"


def test_lines_stand_by_where_they_are_sent_from(browser: Browser) -> None:
    put(browser, PEAR)
    put(browser, TEA)
    shown = browser.get("/cart")
    rows = database.statement(
        "SELECT h.name FROM products p JOIN warehouses h ON h.id = p.warehouse_id WHERE p.slug IN (%s, %s)", (PEAR, TEA)
    )
    assert len({name for (name,) in rows}) == 2
    for (name,) in rows:
        assert f"{name}发货" in shown
    assert "包裹 2（共 2 个）" in shown


def test_quantities_change_by_one_and_to_what_was_typed(browser: Browser) -> None:
    sku = put(browser)
    for fields, now in (
        ({"do": "more", "quantity": "1"}, 2),
        ({"do": "set", "quantity": "7"}, 7),
        ({"quantity": "4"}, 4),
        ({"do": "less", "quantity": "4"}, 3),
    ):
        assert change(browser, sku, **fields)[0] == 303
        assert held() == {sku: now}
    assert change(browser, sku, do="remove", quantity="")[0] == 303
    assert held() == {}
    assert "购物车还是空的" in browser.get("/cart")


def test_a_wrong_quantity_is_said_at_its_line_and_stays_typed(browser: Browser) -> None:
    sku = put(browser)
    for fields, words in (
        ({"quantity": "0"}, "至少 1 份"),
        ({"do": "less", "quantity": "1"}, "至少 1 份"),
        ({"quantity": "-1"}, "数量在 1 到 999 之间"),
        ({"quantity": "100000"}, "数量在 1 到 999 之间"),
        ({"do": "more", "quantity": "999"}, "数量在 1 到 999 之间"),
        ({"quantity": "两份"}, "数量在 1 到 999 之间"),
    ):
        status, shown = change(browser, sku, **fields)
        assert status == 422, fields
        assert words in shown
        assert f'value="{fields["quantity"]}"' in shown
    assert held() == {sku: 1}


def test_a_line_that_another_page_took_out_is_not_brought_back(browser: Browser) -> None:
    sku = put(browser)
    token = hidden(browser.get("/cart"))["csrf_token"]
    assert change(browser, sku, do="remove")[0] == 303
    answer = browser.post(f"/cart/lines/{sku}", {"csrf_token": token, "do": "more", "quantity": "1"})
    assert answer.status_code == 404
    assert "已经不在购物车里" in read(answer)
    assert held() == {}
    answer = browser.post(f"/cart/lines/{sku}", {"csrf_token": token, "quantity": "0"})
    assert (answer.status_code, "已经不在购物车里" in read(answer)) == (404, True)
    assert browser.post(f"/cart/lines/{sku}", {"csrf_token": token, "do": "remove"}).status_code == 303


def test_a_forged_change_is_refused(browser: Browser) -> None:
    assert browser.post("/cart/lines/AH001A", {"quantity": "2"}).status_code == 401
    sku = put(browser)
    assert browser.post(f"/cart/lines/{sku}", {"csrf_token": "wrong", "do": "remove"}).status_code == 403
    token = hidden(browser.get("/cart"))["csrf_token"]
    refused = browser.post(f"/cart/lines/{sku}", {"csrf_token": token, "do": "remove"}, Origin="https://evil.example")
    assert refused.status_code == 403
    assert browser.post(f"/p/{PEAR}/cart", {"sku": sku, "quantity": "1"}, Origin="null").status_code == 403
    assert held() == {sku: 1}


def test_more_than_is_left_may_be_put_in_and_is_marked_and_counted_in_no_sum(browser: Browser) -> None:
    shown = browser.get(f"/p/{PEAR}")
    sku = first_sku(shown)
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved + 2 WHERE sku_id = (SELECT id FROM skus WHERE number = %s)", (sku,)
    )
    put(browser, quantity="5")
    assert "库存只剩 2 份" in browser.last
    shown = browser.get("/cart")
    assert "库存只剩 2 份，请减少数量" in shown
    assert "去结算" not in shown
    assert change(browser, sku, quantity="2")[0] == 303
    assert "去结算" in browser.get("/cart")


def test_what_went_off_sale_stays_with_its_reason_and_can_only_be_taken_out(browser: Browser) -> None:
    sku = put(browser)
    tea = put(browser, TEA)
    with database.transaction() as session:
        products.delist(session, slug=PEAR)
    Cache.forget_all()
    shown = browser.get("/cart")
    assert "现在买不到" in shown
    assert "卖家已下架" in shown
    assert f'id="l-{tea}"' in shown.split("现在买不到")[0]
    status, refused = change(browser, sku, do="more", quantity="1")
    assert status == 409
    assert "卖家已下架" in refused
    assert change(browser, sku, do="remove")[0] == 303
    assert held() == {tea: 1}


def test_a_choice_with_a_fault_comes_back_with_what_was_typed(browser: Browser) -> None:
    shown = browser.get(f"/p/{PEAR}")
    data = {**hidden(shown), "sku": first_sku(shown), "quantity": "1", "name": "王小明"}
    for changed, words in (
        ({"sku": "NOPE99"}, "请选择规格"),
        ({"sku": ""}, "请选择规格"),
        ({"quantity": "0"}, "数量在 1 到 99 之间"),
        ({"quantity": "-3"}, "数量在 1 到 99 之间"),
        ({"quantity": "9" * 30}, "数量在 1 到 99 之间"),
    ):
        answer = browser.send(f"/p/{PEAR}/cart", {**data, **changed})
        assert answer.status_code == 422, changed
        assert words in read(answer)
        assert 'value="王小明"' in read(answer)
    assert browser.post("/p/nothing/cart", {}).status_code == 404
    assert held() == {}


def test_a_sold_out_pack_is_not_put_in(browser: Browser) -> None:
    shown = browser.get(f"/p/{PEAR}")
    database.statement("UPDATE stock_levels SET on_hand = reserved")
    Cache.forget_all()
    answer = browser.send(f"/p/{PEAR}/cart", {**hidden(shown), "sku": first_sku(shown), "quantity": "1"})
    assert answer.status_code == 422
    assert held() == {}


def test_a_line_and_a_cart_have_their_bounds(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    sku = put(browser)
    assert change(browser, sku, quantity="999")[0] == 303
    shown = browser.get(f"/p/{PEAR}")
    data = {**hidden(shown), "sku": sku, "quantity": "1"}
    refused = browser.send(f"/p/{PEAR}/cart", data)
    assert refused.status_code == 422
    assert "同一规格最多 999 份" in read(refused)
    monkeypatch.setattr(carts, "MOST_LINES", 1)
    second = re.findall(r'name="sku" value="([^"]+)"', shown)[1]
    refused = browser.send(f"/p/{PEAR}/cart", {**data, "sku": second})
    assert refused.status_code == 409
    assert "购物车已满" in read(refused)
    assert held() == {sku: 999}


def test_addresses_of_the_cart_can_be_reloaded(browser: Browser) -> None:
    for path, target in (
        (f"/p/{PEAR}/cart?again=1", f"/p/{PEAR}"),
        ("/cart/lines/AH001A", "/cart"),
        ("/cart/ticks", "/cart"),
        ("/cart/added?sku=AH001A&n=1", "/cart"),
        ("/cart/added", "/cart"),
        ("/cart/checkout", "/cart"),
        ("/cart/orders", "/cart/checkout"),
    ):
        answer = browser.client.get(path, base_url=browser.base_url)
        assert (answer.status_code, answer.headers["Location"]) == (302, target), path


def test_a_made_up_address_is_no_claim_about_the_cart(browser: Browser) -> None:
    sku = put(browser)
    assert "这次加入" not in browser.get(f"/cart/added?sku={sku}&n=9")
    assert "这次加入" not in browser.get(f"/cart/added?sku={sku}&n=<b>")


def ticks(shown: str) -> list[str]:
    """What the boxes of the cart's page say, that of the whole cart first when it has one."""
    return re.findall(r'role="checkbox" aria-checked="(\w+)"', shown)


def sum_of(shown: str) -> str:
    found = re.search(r'class="bar-sum">(.*?)</p>', shown, re.DOTALL)
    assert found
    return re.sub(r"<[^>]*>", "", found[1])


def test_a_tick_is_taken_off_and_the_sum_follows(browser: Browser) -> None:
    pear, tea = put(browser, quantity="2"), put(browser, TEA)
    shown = browser.get("/cart")
    assert ticks(shown) == ["true"] * 3
    whole = sum_of(shown)
    assert change(browser, pear, do="untick")[0] == 303
    shown = browser.get("/cart")
    assert sorted(ticks(shown)) == ["false", "false", "true"]
    assert "1 份" in sum_of(shown)
    assert sum_of(shown) != whole
    assert held() == {pear: 2, tea: 1}
    assert change(browser, pear, do="tick")[0] == 303
    assert sum_of(browser.get("/cart")) == whole


def test_all_lines_are_ticked_at_once_and_none_is_said_before_the_till(browser: Browser) -> None:
    put(browser)
    put(browser, TEA)
    token = hidden(browser.get("/cart"))["csrf_token"]
    assert browser.post("/cart/ticks", {"csrf_token": token, "do": "untick"}).status_code == 303
    shown = browser.get("/cart")
    assert ticks(shown) == ["false"] * 3
    assert sum_of(shown) == "¥0.00还没有勾选商品"
    assert "请勾选要买的，再去结算" in browser.get("/cart/checkout")
    assert browser.post("/cart/ticks", {"csrf_token": token, "do": "tick"}).status_code == 303
    assert ticks(browser.get("/cart")) == ["true"] * 3
    assert browser.post("/cart/ticks", {"csrf_token": token, "do": "what"}).status_code == 303
    assert ticks(browser.get("/cart")) == ["true"] * 3


def test_what_cannot_be_bought_has_no_box_and_a_wrong_quantity_leaves_the_tick(browser: Browser) -> None:
    pear, tea = put(browser), put(browser, TEA)
    assert change(browser, tea, do="untick")[0] == 303
    status, shown = change(browser, tea, quantity="0")
    assert status == 422
    assert sorted(ticks(shown)) == ["false", "false", "true"]
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved WHERE sku_id = (SELECT id FROM skus WHERE number = %s)", (pear,)
    )
    assert ticks(browser.get("/cart")) == ["false"]
    assert "请勾选要买的" in browser.get("/cart/checkout")


def test_a_tick_of_a_line_that_is_gone_or_is_not_mine_changes_nothing(
    browser: Browser, another: Callable[..., Browser]
) -> None:
    sku = put(browser)
    stranger = another()
    put(stranger, TEA)
    status, shown = change(stranger, sku, do="untick")
    assert (status, "已经不在购物车里" in shown) == (404, True)
    assert ticks(browser.get("/cart")) == ["true"]
    assert change(browser, sku, do="remove")[0] == 303
    put(browser, TEA)
    assert change(browser, sku, do="tick")[0] == 404
    assert browser.post("/cart/ticks", {"csrf_token": "wrong", "do": "untick"}).status_code == 403
    assert another().post("/cart/ticks", {"do": "untick"}).status_code == 401
    assert ticks(browser.get("/cart")) == ["true"]


def test_goods_put_in_again_are_ticked_again(browser: Browser) -> None:
    sku = put(browser)
    assert change(browser, sku, do="untick")[0] == 303
    assert change(browser, sku, do="more", quantity="1")[0] == 303
    assert ticks(browser.get("/cart")) == ["false"]
    put(browser)
    assert ticks(browser.get("/cart")) == ["true"]
    assert held() == {sku: 3}
