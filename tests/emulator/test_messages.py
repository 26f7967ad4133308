"""Subscribe messages: one tap, one message, in the words of its template."""

from typing import Any

import pytest

from emulator import messages
from emulator.accounts import Refused
from tests.emulator.conftest import Wechat
from tests.emulator.test_weixin import post, stable_token


def send(wechat: Wechat, data: dict[str, str], template: str = "SHIPPED", **more: Any) -> int:
    body = {
        "touser": wechat.openid("李明", "miniprogram"),
        "template_id": template,
        "page": "pages/order/detail?id=1",
        "data": {name: {"value": value} for name, value in data.items()},
    }
    answer = post(wechat, "/cgi-bin/message/subscribe/send", body | more, stable_token(wechat)["access_token"])
    return int(answer["errcode"])


def test_consents_are_counted_and_templates_are_kept_to(wechat: Wechat) -> None:
    wechat.control("POST", "/templates", template_id="SHIPPED", keys=["thing1", "character_string2"])
    good = {"thing1": "砀山酥梨 5斤", "character_string2": "SF123"}
    assert send(wechat, good) == 43101
    assert wechat.control("POST", "/subscriptions", person="李明", template_id="SHIPPED", times=2)["left"] == 2
    assert send(wechat, {"thing1": "梨"}) == 47003
    assert send(wechat, good | {"thing9": "梨"}) == 47003
    assert send(wechat, good, template="OTHER") == 40037
    assert send(wechat, good, miniprogram_state="production") == 40097
    assert (send(wechat, good), send(wechat, good), send(wechat, good)) == (0, 0, 43101)
    assert len(wechat.control("GET", "/books")["messages"]) == 2


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("thing1", "梨" * 20, "梨" * 21),
        ("number2", "12.5", "twelve"),
        ("letter3", "abc", "a1"),
        ("symbol4", "!!", "!!!!!!"),
        ("character_string5", "T-202610", "订单"),
        ("time6", "2026年10月8日 15:01", "soon"),
        ("date7", "2026年10月8日", "15:01"),
        ("amount8", "¥59.90", "59.900元整"),
        ("phone_number9", "+86-0766-66888866", "+86-0766-668888661"),
        ("car_number10", "皖A8Z888", "皖A8Z888888"),
        ("name11", "李明", "李" * 11),
        ("phrase12", "已发货", "已经发货了啊"),
    ],
)
def test_each_kind_of_value_has_a_form(key: str, good: str, bad: str) -> None:
    messages.check({key: {"value": good}}, None)
    with pytest.raises(Refused, match="argument invalid"):
        messages.check({key: {"value": bad}}, None)
