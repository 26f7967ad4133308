"""The control plane: who may give orders, what it makes of nonsense, and that its manual is complete."""

import pytest
import requests

from emulator import faults
from tests.emulator.conftest import Till, Wechat


def test_the_manual_names_every_call_and_fault(wechat: Wechat) -> None:
    manual = wechat.control("GET", "")
    told = {name for group in manual["faults"].values() for name in group}
    assert told == set(faults.ALL)
    for call in manual["calls"]:
        methods, path = call.rsplit(" ", 1)
        for method in methods.split(", "):
            url = wechat.url + path.replace("{person}", "某人").replace("{out_trade_no}", "NOBODY-01")
            url = url.replace("{day}", "2026-11-01").replace("{id}", "1")
            answer = requests.request(method, url, json={}, timeout=30)
            assert answer.status_code in (200, 204, 404, 422), (call, answer.text)
            assert answer.content or answer.status_code == 204, call


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("/pay", {"out_trade_no": "NOBODY-01"}, 404),
        ("/cancel", {"prepay_id": "wx0"}, 404),
        ("/faults", {"fault": "earthquake"}, 422),
        ("/faults", {"fault": "lost", "surprise": 1}, 422),
        ("/clock", {"speed": 0}, 422),
        ("/redeliver", {"out_trade_no": "NOBODY-01"}, 404),
        ("/redeliver", {}, 422),
        ("/settle", {"out_refund_no": "NOBODY-01"}, 404),
        ("/js_codes", {}, 422),
        ("/pay", [], 422),
    ],
)
def test_nonsense_is_refused_with_a_reason(wechat: Wechat, path: str, told: object, status: int) -> None:
    answer = requests.post(f"{wechat.url}/_control{path}", json=told, timeout=30)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


def test_web_pages_cannot_give_orders(pos: Till, wechat: Wechat) -> None:
    pos.prepay("FORM-0001")
    answer = requests.post(f"{wechat.url}/_control/pay", data='{"out_trade_no": "FORM-0001"}', timeout=30)
    assert answer.status_code == 422
    assert wechat.order("FORM-0001")["state"] == "NOTPAY"


def test_the_books_add_up_and_the_log_keeps_no_secrets(pos: Till, wechat: Wechat) -> None:
    for number, fen in (("SUMS-0001", 100), ("SUMS-0002", 250), ("SUMS-0003", 4000)):
        pos.prepay(number, fen)
    for number in ("SUMS-0001", "SUMS-0002"):
        wechat.control("POST", "/pay", out_trade_no=number, wait=True)
    pos.refund("SUMS-0002", "SUMS-0002-R1", 50, 250)
    wechat.control("POST", "/settle", out_refund_no="SUMS-0002-R1")
    books = wechat.control("GET", "/books")
    assert books["totals"] == {
        "orders": 3,
        "paid_orders": 2,
        "paid_fen": 350,
        "refunded_fen": 50,
        "refunding_fen": 0,
        "fee_fen": 3,
        "fee_returned_fen": 0,
    }
    assert [(each["out_trade_no"], each["state"]) for each in books["orders"]] == [
        ("SUMS-0001", "SUCCESS"),
        ("SUMS-0002", "REFUND"),
        ("SUMS-0003", "NOTPAY"),
    ]
    known = wechat.settings
    requests.get(f"{wechat.url}/cgi-bin/token", params={"secret": known["WECHAT_OFFICIAL_SECRET"]}, timeout=30)
    log = requests.get(f"{wechat.url}/_control/log", timeout=30).text
    assert '"/cgi-bin/token"' in log
    assert '"direction": "out"' in log
    assert known["WECHAT_OFFICIAL_SECRET"] not in log
