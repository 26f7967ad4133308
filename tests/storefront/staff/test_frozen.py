"""Money that WeChat keeps, as finance and the order desk see it, and a shipment that is put right once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask import Flask

from config import database
from payments.lifecycle import Channel
from storefront import frozen_money
from storefront.roles import Grant, Role
from tests.apps import application
from tests.payments.conftest import change
from tests.storefront import selling
from tests.storefront.api.conftest import code_of
from tests.storefront.selling import Sell, Sold
from tests.storefront.staff.conftest import Clerk, audited, hire

sell = selling.sell


def people(order: Sold) -> tuple[Clerk, Clerk]:
    app: Flask = application(replace(order.wechat.settings, redis_url=None))
    return hire(app, Grant(role=Role.FINANCE)), hire(app, Grant(role=Role.FULFILMENT))


def test_frozen_overdue_and_settled_sums_are_seen(sell: Sell) -> None:
    order = sell()
    finance, packer = people(order)
    fen = order.row()["amount_fen"]
    assert finance.get("/finance/frozen").get_json() == {
        "total": {"frozen": 1, "frozen_fen": fen, "overdue": 0, "overdue_fen": 0, "settled": 0, "settled_fen": 0},
        "overdue": [],
    }
    assert "没有逾期" in finance.open("/finance/frozen").get_data(as_text=True)
    assert "冻结，待发货" in packer.open(f"/orders/{order.number}").get_data(as_text=True)
    change("UPDATE frozen_payments SET paid_at = :at", at=datetime.now(UTC) - timedelta(hours=49))
    seen = finance.get("/finance/frozen").get_json()
    assert (seen["total"]["overdue_fen"], seen["overdue"][0]["order_number"]) == (fen, order.number)
    assert order.number in finance.open("/finance/frozen").get_data(as_text=True)
    assert packer.get(f"/orders/{order.number}").get_json()["money"]["is_overdue"]
    with database.transaction() as session:
        settled = {"settled_at": datetime.now(UTC), "shipped_at": None, "received_at": None}
        assert frozen_money.take_news(session, payment=order.payment, news=settled)
    assert finance.get("/finance/frozen").get_json()["total"]["settled_fen"] == fen
    assert packer.get(f"/orders/{order.number}").get_json()["money"]["state"] == "settled"
    assert packer.get("/finance/frozen").status_code == 403


def test_an_order_of_another_channel_has_no_such_state(sell: Sell) -> None:
    order = sell(channel=Channel.H5)
    _, packer = people(order)
    assert packer.get(f"/orders/{order.number}").get_json()["money"] is None
    assert "资金状态" not in packer.open(f"/orders/{order.number}").get_data(as_text=True)


def test_a_shipment_is_put_right_once_and_then_refused(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    _, packer = people(order)
    path = f"/orders/{order.number}/shipments"
    right = {"consignment": 1, "carrier": "圆通速递", "tracking_number": "YT1234567890"}
    assert code_of(packer.call("PUT", path, right)) == (409, "order.not_shipped")
    order.ship()
    drain()
    answer = packer.call("PUT", path, right)
    assert answer.status_code == 200
    assert answer.get_json()["consignments"][0]["tracking_number"] == "YT1234567890"
    assert packer.call("PUT", path, right).status_code == 200, "again the same changes nothing"
    again = packer.call("PUT", path, {**right, "tracking_number": "YT9999999999"})
    assert code_of(again) == (409, "order.reship_used")
    assert [act for act, _ in audited()].count("order.shipment_corrected") == 1


def test_a_shipment_is_put_right_by_a_form_which_then_says_that_it_was(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    finance, packer = people(order)
    page = f"/orders/{order.number}"
    order.ship()
    drain()
    shown = packer.open(page).get_data(as_text=True)
    assert "改正快递信息" in shown
    assert "只能改正一次" in shown
    assert "改正快递信息" not in finance.open(page).get_data(as_text=True)
    right = {"consignment": "1", "carrier": "圆通速递", "tracking_number": "YT1234567890"}
    bad = packer.send(f"{page}/corrections", **{**right, "tracking_number": "1"})
    assert bad.headers["Location"].endswith("fault=form.shipment")
    assert packer.send(f"{page}/corrections", **right).headers["Location"].endswith("done=shipment_corrected")
    shown = packer.open(page).get_data(as_text=True)
    assert "YT1234567890" in shown
    assert "已改正过一次" in shown
    again = packer.send(f"{page}/corrections", **{**right, "tracking_number": "YT9999999999"})
    assert again.headers["Location"].endswith("fault=order.reship_used")
    assert [act for act, _ in audited()].count("order.shipment_corrected") == 1
