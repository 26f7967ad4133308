import re
from collections.abc import Callable

from config import database
from tests.payments.conftest import Wechat
from tests.storefront.h5.conftest import INSIDE_WECHAT, Browser, hidden, read

PEAR = "dangshansuli"


def payment_of(number: str) -> str:
    [(payment,)] = database.statement("SELECT number FROM payments WHERE reference = %s AND state = 'open'", (number,))
    return str(payment)


def test_an_order_is_paid_without_a_script(browser: Browser, wechat: Wechat, drain: Callable[[], int]) -> None:
    number = browser.buy(PEAR)
    waiting = browser.get(f"/orders/{number}")
    assert "待支付" in waiting
    assert "138****1234" in read_private(browser, number)
    leaving = read(browser.post(f"/orders/{number}/payments", hidden(waiting)))
    assert re.search(rf'http-equiv="refresh" content="0;url={re.escape(wechat.url)}[^"]+redirect_url=', leaving)
    wechat.pay(payment_of(number))
    assert "已收款，处理中" in browser.get(f"/orders/{number}")
    drain()
    paid = browser.get(f"/orders/{number}")
    assert "已支付" in paid
    assert "微信支付 ¥" not in paid


def read_private(browser: Browser, number: str) -> str:
    answer = browser.client.get(f"/orders/{number}", base_url=browser.base_url, headers={"Accept": "text/html"})
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer.text


def test_asking_wechat_finds_money_whose_notification_was_lost(
    browser: Browser, wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = browser.buy(PEAR)
    shown = browser.get(f"/orders/{number}")
    browser.post(f"/orders/{number}/payments", hidden(shown))
    wechat.fault("lost", on="payment")
    wechat.order("/pay", out_trade_no=payment_of(number))
    assert "待支付" in browser.get(f"/orders/{number}")
    assert browser.post(f"/orders/{number}/check", hidden(shown)).status_code == 303
    assert "已收款，处理中" in browser.get(f"/orders/{number}")
    drain()
    assert "已支付" in browser.get(f"/orders/{number}")


def test_an_order_is_cancelled_once_and_then_offers_nothing(browser: Browser) -> None:
    number = browser.buy(PEAR)
    form = hidden(browser.get(f"/orders/{number}"))
    for _ in range(2):
        assert browser.post(f"/orders/{number}/cancellation", form).status_code == 303
    shown = browser.get(f"/orders/{number}")
    assert "您已取消" in shown
    assert "pay-form" not in shown


def test_a_paid_order_is_not_cancelled_and_says_why(browser: Browser, wechat: Wechat, drain: Callable[[], int]) -> None:
    number = browser.buy(PEAR)
    form = hidden(browser.get(f"/orders/{number}"))
    browser.post(f"/orders/{number}/payments", form)
    wechat.pay(payment_of(number))
    drain()
    answer = browser.post(f"/orders/{number}/cancellation", form)
    assert answer.status_code == 409
    assert "已不是待支付" in read(answer)


def test_when_wechat_does_not_answer_the_order_stays_and_says_so(browser: Browser, wechat: Wechat) -> None:
    number = browser.buy(PEAR)
    wechat.fault("error", on="prepay", times=5)
    answer = browser.post(f"/orders/{number}/payments", hidden(browser.get(f"/orders/{number}")))
    assert answer.status_code in (409, 503)
    assert "notice" in read(answer)
    assert "待支付" in browser.get(f"/orders/{number}")


def test_somebody_elses_order_is_not_there(browser: Browser, another: Callable[..., Browser]) -> None:
    number = browser.buy(PEAR)
    stranger = another()
    stranger.buy(PEAR)
    form = hidden(stranger.get("/orders"))
    assert "没有找到这笔订单" in stranger.get(f"/orders/{number}", 404)
    for action in ("payments", "check", "cancellation"):
        own = hidden(stranger.get(re.findall(r'href="(/orders/\d+)"', stranger.get("/orders"))[0]))
        assert stranger.post(f"/orders/{number}/{action}", {**form, **own}).status_code == 404
    assert "没有找到这笔订单" in another().get(f"/orders/{number}", 404)


def test_my_orders_are_listed_newest_first_and_walked(browser: Browser) -> None:
    assert "还没有订单" in browser.get("/orders")
    numbers = [browser.buy(PEAR) for _ in range(11)]
    shown = browser.get("/orders")
    assert re.findall(r'href="/orders/(\d+)"', shown) == numbers[:0:-1]
    rest = browser.get("/orders" + re.findall(r'href="(\?cursor=[^"]+)"', shown)[0])
    assert re.findall(r'href="/orders/(\d+)"', rest) == numbers[:1]


def test_inside_wechat_login_comes_only_when_it_is_paid(another: Callable[..., Browser]) -> None:
    rider = another(INSIDE_WECHAT)
    answer = rider.send(f"/p/{PEAR}/orders", rider.form(PEAR))
    assert answer.status_code == 303
    assert re.fullmatch(r"/wechat/oauth/start\?next=%2Forders%2F\d+%3Fpay%3D1", answer.headers["Location"])


def test_a_guests_paid_order_opens_elsewhere_by_its_link_until_it_is_revoked(
    browser: Browser, another: Callable[..., Browser], wechat: Wechat, drain: Callable[[], int]
) -> None:
    number = browser.buy(PEAR)
    shown = browser.get(f"/orders/{number}")
    assert "订单链接" not in shown
    browser.post(f"/orders/{number}/payments", hidden(shown))
    wechat.pay(payment_of(number))
    drain()
    assert "保存订单链接" in browser.get(f"/orders/{number}")
    found = re.search(r"/o/[\w-]{22}", read(browser.post(f"/orders/{number}/link", hidden(shown))))
    assert found
    elsewhere = another().get(found[0])
    assert "已支付" in elsewhere
    assert "王**" in elsewhere
    for private in ("王小明", "明光路", "13800001234", "<form"):
        assert private not in elsewhere
    browser.post(f"/orders/{number}/link/revocation", hidden(shown))
    assert "链接已失效" in another().get(found[0], 404)


def test_a_strangers_link_is_refused(browser: Browser, another: Callable[..., Browser]) -> None:
    number = browser.buy(PEAR)
    stranger = another()
    stranger.buy(PEAR)
    own = re.findall(r'href="(/orders/\d+)"', stranger.get("/orders"))[0]
    assert stranger.post(f"/orders/{number}/link", hidden(stranger.get(own))).status_code == 404
    assert "链接已失效" in stranger.get("/o/" + "x" * 22, 404)
