"""Orders on pages: sent by a form, refunded after a second look, explained in words."""

import re
from collections.abc import Callable

import pytest

from storefront.roles import Role
from tests.storefront.conftest import Buyer
from tests.storefront.staff.conftest import Clerk, Counter, audited


def test_a_parcel_is_sent_from_its_form(counter: Counter) -> None:
    number = counter.buy()
    packer = counter.hire(Role.FULFILMENT)
    page = packer.open(f"/orders/{number}").get_data(as_text=True)
    assert "13800001234" in page
    assert "退款金额" not in page
    path = f"/orders/{number}/shipments"
    bad = packer.send(path, consignment="1", carrier="中通快递", tracking_number="1")
    assert bad.headers["Location"].endswith("fault=form.shipment")
    sent = packer.send(path, consignment="1", carrier="中通快递", tracking_number="73111222333444")
    assert sent.headers["Location"].endswith("done=shipped")
    after = packer.client.get(sent.headers["Location"], headers={"Accept": "text/html"}).get_data(as_text=True)
    assert "已记录发货" in after
    assert "73111222333444" in after
    again = packer.send(path, consignment="1", carrier="中通快递", tracking_number="73111222333444")
    assert again.headers["Location"].endswith("done=shipped")
    another = packer.send(path, consignment="1", carrier="中通快递", tracking_number="73999")
    assert another.headers["Location"].endswith("fault=order.not_paid")
    assert audited().count(("order.shipped", number)) == 1


def test_money_goes_back_after_a_second_look_and_once(counter: Counter) -> None:
    number = counter.buy()
    finance = counter.hire(Role.FINANCE)
    assert "确认发货" not in finance.open(f"/orders/{number}").get_data(as_text=True)
    review = finance.open(f"/orders/{number}/refund?line1=1.5&reason=坏果").get_data(as_text=True)
    assert "确认退款 ¥1.50" in review
    assert counter.desk.order(number)["state"] == "paid"
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', review.split("/refunds")[1]))
    assert (fields["line1"], fields["reason"]) == ("1.50", "坏果")
    for _ in range(2):
        sent = finance.send(f"/orders/{number}/refunds", **fields)
        assert sent.headers["Location"].endswith("done=refunded")
    page = finance.open(f"/orders/{number}").get_data(as_text=True)
    assert "微信处理中" in page
    assert audited() == [("order.refund_requested", number)]


def test_all_that_is_left_is_one_tick(counter: Counter) -> None:
    number = counter.buy()
    order = counter.desk.order(number)
    review = counter.hire(Role.FINANCE).open(f"/orders/{number}/refund?all=yes&reason=x").get_data(as_text=True)
    assert f"确认退款 ¥{order['payable_fen'] / 100:,.2f}" in review


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("reason=x", "form.amount"),
        ("line1=abc&reason=x", "form.amount"),
        ("line1=1.234&reason=x", "form.amount"),
        ("line1=-1&reason=x", "form.amount"),
        ("line1=1", "form.reason"),
        ("line1=999999&reason=x", "order.refund_exceeds_line"),
    ],
)
def test_a_wrong_amount_never_reaches_the_second_look(counter: Counter, query: str, fault: str) -> None:
    number = counter.buy()
    answer = counter.hire(Role.FINANCE).open(f"/orders/{number}/refund?{query}")
    assert answer.headers["Location"].endswith(f"fault={fault}")


def test_a_forged_form_gives_nothing_back(counter: Counter) -> None:
    number = counter.buy()
    finance = counter.hire(Role.FINANCE)
    path = f"/orders/{number}/refunds"
    for fields, fault in (
        ({"line1": "1"}, "form.amount"),
        ({"line1": "1", "key": "k" * 20}, "form.reason"),
        ({"line1": "99999", "key": "k" * 20, "reason": "x"}, "order.refund_exceeds_line"),
        ({"line9": "1", "key": "k" * 20, "reason": "x"}, "order.refund_exceeds_line"),
    ):
        assert finance.send(path, **fields).headers["Location"].endswith(f"fault={fault}")
    assert audited() == []


def test_the_list_is_by_state_and_number(buyer: Buyer, skus: list[str], clerk: Callable[..., Clerk]) -> None:
    number = buyer.place({skus[0]: 1})
    packer = clerk(Role.FULFILMENT)
    assert number in packer.open("/orders?state=pending").get_data(as_text=True)
    assert "没有待发货订单" in packer.open("/orders?state=paid").get_data(as_text=True)
    assert number in packer.open(f"/orders?q={number[:8]}").get_data(as_text=True)
    assert "没有以“999”开头" in packer.open("/orders?q=999").get_data(as_text=True)
    assert number in packer.open("/orders?state=nonsense").get_data(as_text=True)
    assert packer.open("/orders?cursor=!").status_code == 422


def test_who_earned_an_order_is_said_in_words(counter: Counter, codes: dict[str, str]) -> None:
    analyst = counter.hire(Role.ANALYST)
    lost = counter.buy()
    assert "没有任何接触记录" in analyst.open(f"/orders/{lost}/attribution").get_data(as_text=True)
    counter.scan(next(slug for number, slug in codes.items() if ".T01.C1.P" in number))
    number = counter.buy(key="after-scan0")
    page = analyst.open(f"/orders/{number}/attribution").get_data(as_text=True)
    assert "主题列车1号车厢 侧墙" in page
    assert "结果相同" in page
    unpaid = counter.desk.place(key="unpaid-0001")
    counter.desk.drain()
    assert "尚未支付" in analyst.open(f"/orders/{unpaid}/attribution").get_data(as_text=True)


@pytest.mark.parametrize("number", ["%0d%0aX-Evil:1", "..%2f..", "%E8%AE%A2", "a" * 41])
def test_what_is_no_number_is_no_page(clerk: Callable[..., Clerk], number: str) -> None:
    packer = clerk(Role.FULFILMENT)
    assert packer.send(f"/orders/{number}/shipments").status_code == 404
    assert packer.open(f"/orders/{number}").status_code == 404
