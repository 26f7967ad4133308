"""Request bodies contain only what WeChat accepts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from payments.lifecycle import Channel
from payments.wechatpay import bodies


def prepay(channel: Channel = Channel.MINIPROGRAM, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "channel": channel,
        "number": "P123456",
        "mchid": "1900000001",
        "appid": "wx1",
        "amount_fen": 5990,
        "description": "砀山酥梨",
        "pay_until": datetime(2020, 11, 20, 16, 30, 0, 999999, tzinfo=UTC),
        "notify_url": "https://hall.example/wechatpay/notifications/payments",
        "openid": "o1",
        "client_ip": "2409:8a30::1",
    }
    return bodies.prepay(**{**values, **changes})


def test_the_time_to_pay_is_chinese_time_without_fractions() -> None:
    assert prepay()["time_expire"] == "2020-11-21T00:30:00+08:00"


def test_each_channel_says_who_pays_in_its_own_way() -> None:
    assert prepay(Channel.MINIPROGRAM)["payer"] == prepay(Channel.OFFICIAL)["payer"] == {"openid": "o1"}
    h5 = prepay(Channel.H5)
    assert h5["scene_info"] == {"payer_client_ip": "2409:8a30::1", "h5_info": {"type": "Wap"}}
    assert "payer" not in h5
    assert not {"payer", "scene_info"} & prepay(Channel.NATIVE).keys()


def test_no_value_is_null() -> None:
    assert None not in prepay(Channel.NATIVE, openid=None, client_ip=None).values()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("🍐砀山酥梨🍐 5斤", "砀山酥梨 5斤"),
        ("a\u0000b\u0085c\u202ed\ne", "abcde"),
        ("  two   spaces ", "two spaces"),
        ("🍐🍐", "商品"),
        ("", "商品"),
        ("梨" * 200, "梨" * 127),
        ("\ud800lone", "lone"),
    ],
)
def test_a_description_is_cut_to_what_wechat_accepts(given: str, kept: str) -> None:
    assert prepay(description=given)["description"] == kept


def test_a_refund_always_says_where_to_notify() -> None:
    body = bodies.refund(
        number="R123456", transaction_id="42", amount_fen=60, paid_fen=100, reason="🍐", notify_url="https://x/y"
    )
    assert body == {
        "transaction_id": "42",
        "out_refund_no": "R123456",
        "notify_url": "https://x/y",
        "amount": {"refund": 60, "total": 100, "currency": "CNY"},
    }


def test_a_reason_is_cut_by_characters() -> None:
    body = bodies.refund(
        number="R123456", transaction_id="42", amount_fen=1, paid_fen=1, reason="退" * 90, notify_url="https://x/y"
    )
    assert body["reason"] == "退" * 80
