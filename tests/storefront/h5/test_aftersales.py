"""After-sales on the phone: asked for on the order's page, refused in words, sent back, withdrawn."""

import io
import re
from collections.abc import Callable

from config import clock, database
from storefront import claims, shipping
from tests.payments.conftest import Wechat
from tests.storefront.h5.conftest import Browser, hidden, read
from tests.storefront.test_claim_photos import photo

PEAR = "dangshansuli"


def buy(browser: Browser, wechat: Wechat, drain: Callable[[], int]) -> str:
    """An order that was paid by H5 pay."""
    number = browser.buy(PEAR)
    browser.post(f"/orders/{number}/payments", hidden(browser.get(f"/orders/{number}")))
    [(payment,)] = database.statement("SELECT number FROM payments WHERE reference = %s", (number,))
    wechat.pay(str(payment))
    drain()
    return number


def ship(number: str) -> None:
    with database.transaction() as session:
        shipping.ship(session, number=number, carrier="顺丰", tracking_number="SF12345", now=clock.now())


def claim_of(number: str) -> str:
    [(claim,)] = database.statement("SELECT c.number FROM claims c JOIN orders o ON o.id = c.order_id")
    return str(claim)


def test_an_unpaid_order_has_nothing_to_claim_for(browser: Browser) -> None:
    unpaid = browser.buy(PEAR)
    assert "申请售后" not in browser.get(f"/orders/{unpaid}")
    assert "现在不能申请售后" in browser.get(f"/orders/{unpaid}/aftersales/new")


def test_unsent_goods_are_claimed_for_without_sending_anything(
    browser: Browser, wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = buy(browser, wechat, drain)
    assert "申请售后" in browser.get(f"/orders/{number}")
    form = hidden(browser.get(f"/orders/{number}/aftersales/new"))
    none = browser.post(f"/orders/{number}/aftersales", {**form, "line1": "0", "cause": "no_reason"})
    assert "请选择要申请售后的商品和数量" in read(none)
    filed = {**form, "line1": "1", "cause": "no_reason", "note": "买错了"}
    for _ in range(2):
        assert browser.post(f"/orders/{number}/aftersales", filed).status_code == 303
    path = f"/orders/{number}/aftersales/{claim_of(number)}"
    shown = browser.get(path)
    assert "等待商家处理" in shown
    assert "买错了" in shown
    followed = browser.get(f"/orders/{number}")
    assert "等待商家处理" in followed
    assert "aftersales/new" not in followed, "every piece is claimed for"
    assert browser.post(f"{path}/withdrawal", hidden(shown)).status_code == 303
    withdrawn = browser.get(path)
    assert "已撤销" in withdrawn
    assert "撤销申请" not in withdrawn
    assert "aftersales/new" in browser.get(f"/orders/{number}")


def test_goods_are_sent_back_to_the_address_that_staff_gave(
    browser: Browser, wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = buy(browser, wechat, drain)
    ship(number)
    form = hidden(browser.get(f"/orders/{number}/aftersales/new"))
    choice = {**form, "line1": "1", "kind": "refund", "cause": "no_reason", "note": "压坏了"}
    refused = read(browser.post(f"/orders/{number}/aftersales", choice))
    assert "商品已发出，请申请退货退款" in refused
    assert "压坏了" in refused
    browser.post(f"/orders/{number}/aftersales", {**choice, "kind": "return", "cause": "damaged"})
    claim = claim_of(number)
    with database.transaction() as session:
        claims.approve(session, number=claim, by="li", return_address="宿州市仓储路 8 号", now=clock.now())
    path = f"/orders/{number}/aftersales/{claim}"
    shown = browser.get(path)
    assert "请寄回商品" in shown
    assert "宿州市仓储路 8 号" in shown
    bad = browser.post(f"{path}/parcel", {**hidden(shown), "carrier": "中通快递", "tracking_number": "!"})
    assert "运单号" in read(bad)
    sent = {**hidden(shown), "carrier": "中通快递", "tracking_number": "ZT123456"}
    assert browser.post(f"{path}/parcel", sent).status_code == 303
    after = browser.get(path)
    assert "等待商家收货" in after
    assert "ZT123456" in after
    assert browser.post(f"{path}/withdrawal", hidden(after)).status_code == 409


def test_nobody_else_sees_a_claim(
    browser: Browser, another: Callable[..., Browser], wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = buy(browser, wechat, drain)
    form = hidden(browser.get(f"/orders/{number}/aftersales/new"))
    browser.post(f"/orders/{number}/aftersales", {**form, "line1": "1", "cause": "no_reason"})
    stranger = another()
    stranger.buy(PEAR)
    for path in ("new", claim_of(number)):
        stranger.get(f"/orders/{number}/aftersales/{path}", 404)


def test_photos_go_with_the_form_and_are_added_later_without_a_script(
    browser: Browser, wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = buy(browser, wechat, drain)
    at = f"/orders/{number}/aftersales"
    form = {**hidden(browser.get(f"{at}/new")), "line1": "1", "cause": "damaged"}
    assert 'type="file" multiple' in browser.last

    def files() -> list[tuple[io.BytesIO, str]]:
        return [(io.BytesIO(photo()), "a.jpg"), (io.BytesIO(b"<html>"), "b.jpg")]

    filed = browser.post(at, {**form, "photos": files()})
    assert filed.status_code == 422
    assert "申请已提交。第 2 张照片没有收下：只接受 JPEG、PNG 或 WebP 照片。" in read(filed)
    assert browser.post(at, {**form, "photos": files()}).status_code == 303, "a second tap brings nothing twice"
    path = f"{at}/{claim_of(number)}"
    shown = browser.get(path)
    [picture] = set(re.findall(r"photos/(PIC[0-9A-F]+)", shown))
    assert "还可以添加 5 张" in shown
    none = browser.post(f"{path}/photos", hidden(shown))
    assert (none.status_code, "请选择照片" in read(none)) == (422, True)
    added = browser.post(f"{path}/photos", {**hidden(shown), "photos": [(io.BytesIO(photo("red")), "c.jpg")]})
    assert added.status_code == 303
    assert len(set(re.findall(r"photos/(PIC[0-9A-F]+)", browser.get(path)))) == 2
    small = browser.client.get(f"{at}/photos/{picture}?small", base_url=browser.base_url)
    assert (small.status_code, small.mimetype, small.headers["Cache-Control"]) == (
        200,
        "image/jpeg",
        "private, max-age=3600",
    )
    other = browser.client.application.test_client()
    assert other.get(f"{at}/photos/{picture}", base_url=browser.base_url).status_code in {401, 404}
    assert browser.post(f"{path}/withdrawal", hidden(shown)).status_code == 303
    assert "还可以添加" not in browser.get(path)
    late = browser.post(f"{path}/photos", {**hidden(shown), "photos": [(io.BytesIO(photo()), "d.jpg")]})
    assert (late.status_code, "状态已变化" in read(late)) == (422, True)
