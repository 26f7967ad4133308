"""Profit sharing: who receives, how much at most, that finished is not paid, and what comes back."""

from typing import Any

import pytest

from tests.emulator.conftest import Till, Wechat, wait_until
from tests.emulator.merchant import Merchant

PLACE = "/v3/profitsharing"


@pytest.fixture
def merchant(wechat: Wechat) -> Merchant:
    return Merchant(wechat)


def call(merchant: Merchant, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = merchant.call(method, f"{PLACE}{path}", body, Wechatpay_Serial=merchant.public_key_id)
    status, told = merchant.vouched(answer)
    return status, told


@pytest.fixture
def supplier(wechat: Wechat, merchant: Merchant) -> dict[str, Any]:
    """A receiver who has been added."""
    added = {
        "appid": wechat.settings["WECHAT_OFFICIAL_APPID"],
        "type": "MERCHANT_ID",
        "account": "1900000109",
        "name": merchant.concealed("砀山果业有限公司", merchant.public_key_id),
        "relation_type": "SUPPLIER",
    }
    for _ in range(2):
        assert call(merchant, "POST", "/receivers/add", added)[0] == 200
    return {"type": "MERCHANT_ID", "account": "1900000109"}


@pytest.fixture
def transaction_id(pos: Till, wechat: Wechat) -> str:
    """A payment of 100 yuan that is meant for dividing, a minute ago at this desk's speed."""
    pos.prepay("SHARE-001", 10_000, settle_info={"profit_sharing": True})
    wechat.control("POST", "/pay", out_trade_no="SHARE-001")
    return str(wechat.order("SHARE-001")["transaction_id"])


def request_of(wechat: Wechat, transaction_id: str, number: str, *parts: dict[str, Any], last: bool = False) -> Any:
    return {
        "appid": wechat.settings["WECHAT_OFFICIAL_APPID"],
        "transaction_id": transaction_id,
        "out_order_no": number,
        "receivers": [{"description": "货款"} | part for part in parts],
        "unfreeze_unsplit": last,
    }


def divided(merchant: Merchant, body: Any) -> tuple[int, Any]:
    """Ask until the payment is old enough."""
    answer: tuple[int, Any] = (0, None)

    def is_ripe() -> bool:
        nonlocal answer
        answer = call(merchant, "POST", "/orders", body)
        return "稍后再试" not in answer[1].get("message", "")

    wait_until(is_ripe)
    return answer


def test_divided_taken_back_and_released(
    wechat: Wechat, merchant: Merchant, supplier: dict[str, Any], transaction_id: str
) -> None:
    nobody = {"type": "PERSONAL_OPENID", "account": wechat.openid("王芳"), "amount": 100}
    body = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 2000}, nobody)
    status, told = divided(merchant, body)
    assert (status, told["out_order_no"]) == (200, "S-1")
    assert call(merchant, "POST", "/orders", body)[1]["order_id"] == told["order_id"]
    target = f"/orders/S-1?transaction_id={transaction_id}"
    wait_until(lambda: call(merchant, "GET", target)[1]["state"] == "FINISHED")
    parts = call(merchant, "GET", target)[1]["receivers"]
    assert [(each["result"], each.get("fail_reason")) for each in parts] == [
        ("SUCCESS", None),
        ("CLOSED", "NO_RELATION"),
    ]
    left = f"/transactions/{transaction_id}/amounts"
    assert call(merchant, "GET", left)[1]["unsplit_amount"] == 10_000 - 60 - 2000

    back = {
        "out_order_no": "S-1",
        "out_return_no": "B-1",
        "return_mchid": "1900000109",
        "amount": 500,
        "description": "退",
    }
    status, returned = call(merchant, "POST", "/return-orders", back)
    assert (status, returned["amount"]) == (200, 500)
    assert call(merchant, "POST", "/return-orders", back)[1]["return_id"] == returned["return_id"]
    query = "/return-orders/B-1?&out_order_no=S-1"
    wait_until(lambda: call(merchant, "GET", query)[1]["result"] == "SUCCESS")
    assert (
        call(merchant, "POST", "/return-orders", back | {"out_return_no": "B-2", "amount": 1501})[1]["code"]
        == "NOT_ENOUGH"
    )

    release = {"transaction_id": transaction_id, "out_order_no": "S-1", "description": "解冻"}
    assert call(merchant, "POST", "/orders/unfreeze", release)[0] == 200
    assert call(merchant, "GET", left)[1]["unsplit_amount"] > 0
    assert call(merchant, "POST", "/orders/unfreeze", release | {"out_order_no": "S-9"})[0] == 200
    assert call(merchant, "GET", left)[1]["unsplit_amount"] == 0
    late = request_of(wechat, transaction_id, "S-2", supplier | {"amount": 1})
    assert call(merchant, "POST", "/orders", late)[1]["code"] == "INVALID_REQUEST"
    sharing = wechat.control("GET", "/books")["sharing"]
    assert (len(sharing["receivers"]), len(sharing["orders"]), len(sharing["returns"])) == (1, 2, 1)


def test_thirty_percent_and_not_a_fen_more(
    wechat: Wechat, merchant: Merchant, supplier: dict[str, Any], transaction_id: str
) -> None:
    first = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 2999})
    assert divided(merchant, first)[0] == 200
    over = request_of(wechat, transaction_id, "S-2", supplier | {"amount": 2})
    status, refused = call(merchant, "POST", "/orders", over)
    assert (status, refused["code"]) == (403, "RULE_LIMIT")
    assert (
        call(merchant, "POST", "/orders", request_of(wechat, transaction_id, "S-3", supplier | {"amount": 1}))[0] == 200
    )
    other = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 1})
    assert call(merchant, "POST", "/orders", other)[1]["code"] == "INVALID_REQUEST"


def test_what_was_refunded_is_not_divided(
    pos: Till, wechat: Wechat, merchant: Merchant, supplier: dict[str, Any], transaction_id: str
) -> None:
    pos.refund("SHARE-001", "SHARE-001-R1", 9000, 10_000)
    body = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 941})
    assert divided(merchant, body)[1]["code"] == "NOT_ENOUGH"


def test_a_receiver_may_get_nothing_and_a_return_may_fail(
    wechat: Wechat, merchant: Merchant, supplier: dict[str, Any], transaction_id: str
) -> None:
    wechat.control("POST", "/faults", fault="sharing_closed", options={"reason": "RECEIVER_HIGH_RISK"})
    assert divided(merchant, request_of(wechat, transaction_id, "S-1", supplier | {"amount": 100}))[0] == 200
    target = f"/orders/S-1?transaction_id={transaction_id}"
    wait_until(lambda: call(merchant, "GET", target)[1]["state"] == "FINISHED")
    assert call(merchant, "GET", target)[1]["receivers"][0]["fail_reason"] == "RECEIVER_HIGH_RISK"
    assert (
        call(merchant, "POST", "/orders", request_of(wechat, transaction_id, "S-2", supplier | {"amount": 100}))[0]
        == 200
    )
    wechat.control("POST", "/faults", fault="sharing_return_failed")
    back = {
        "out_order_no": "S-2",
        "out_return_no": "B-1",
        "return_mchid": "1900000109",
        "amount": 1,
        "description": "退",
    }
    assert call(merchant, "POST", "/return-orders", back)[0] == 200
    wait_until(lambda: call(merchant, "GET", "/return-orders/B-1?out_order_no=S-2")[1]["result"] == "FAILED")


def test_a_payment_that_is_not_meant_for_it_or_not_received(
    pos: Till, wechat: Wechat, merchant: Merchant, supplier: dict[str, Any]
) -> None:
    pos.prepay("PLAIN-001", 10_000)
    wechat.control("POST", "/pay", out_trade_no="PLAIN-001")
    plain = str(wechat.order("PLAIN-001")["transaction_id"])
    status, refused = call(merchant, "POST", "/orders", request_of(wechat, plain, "S-1", supplier | {"amount": 1}))
    assert (status, refused["message"]) == (400, "非分账订单不支持分账")
    appid, payer = wechat.settings["WECHAT_MINIPROGRAM_APPID"], {"openid": wechat.openid("李明", "miniprogram")}
    pos.prepay("MINI-0001", 10_000, appid=appid, payer=payer, settle_info={"profit_sharing": True})
    wechat.control("POST", "/pay", out_trade_no="MINI-0001")
    wechat.control("POST", "/clock", offset_seconds=120)
    mini = str(wechat.order("MINI-0001")["transaction_id"])
    refused = call(merchant, "POST", "/orders", request_of(wechat, mini, "S-1", supplier | {"amount": 1}))[1]
    assert refused["message"] == "订单处理中，暂时无法分账，请稍后再试"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"out_order_no": "单号"}, "PARAM_ERROR"),
        ({"receivers": []}, "PARAM_ERROR"),
        ({"surprise": 1}, "PARAM_ERROR"),
        ({"appid": "wx0"}, "APPID_MCHID_NOT_MATCH"),
        ({"transaction_id": "4200"}, "RESOURCE_NOT_EXISTS"),
    ],
)
def test_wrong_requests(
    wechat: Wechat, merchant: Merchant, supplier: dict[str, Any], transaction_id: str, change: dict[str, Any], code: str
) -> None:
    body = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 1})
    assert call(merchant, "POST", "/orders", body | change)[1]["code"] == code
    twice = request_of(wechat, transaction_id, "S-1", supplier | {"amount": 1}, supplier | {"amount": 2})
    assert call(merchant, "POST", "/orders", twice)[0] == 400


def test_receivers_are_named_in_secret_and_can_leave(
    wechat: Wechat, merchant: Merchant, supplier: dict[str, Any]
) -> None:
    appid = {"appid": wechat.settings["WECHAT_OFFICIAL_APPID"]}
    bare = appid | {"type": "MERCHANT_ID", "account": "1900000110", "relation_type": "STORE"}
    assert call(merchant, "POST", "/receivers/add", bare)[1]["code"] == "PARAM_ERROR"
    assert call(merchant, "POST", "/receivers/add", bare | {"name": "明文"})[1]["code"] == "PARAM_ERROR"
    assert call(merchant, "POST", "/receivers/delete", appid | supplier) == (200, supplier)
    assert call(merchant, "POST", "/receivers/delete", appid | supplier)[0] == 400
