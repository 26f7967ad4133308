"""Every fault at one rate: repeatable from its seed, over every kind of call, and never in what a query says."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from emulator import faults
from emulator.faults import Faults
from emulator.storms import raise_storm
from tests.emulator.conftest import Shop, Till, Wechat, wait_until
from tests.emulator.merchant import Merchant


def struck(seed: int, order: list[str]) -> dict[str, list[str | None]]:
    """What each of many notifications suffers when threads draw in some order."""
    rules = Faults()
    raise_storm(rules, rate=0.05, seed=seed)
    drawn: dict[str, list[str | None]] = {number: [] for number in order}

    def draw(number: str) -> None:
        for _ in range(5):
            rule = rules.draw(faults.NOTIFICATION_FAULTS, on="payment", reference=number)
            drawn[number].append(rule.fault if rule else None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(draw, order))
    return drawn


def test_a_storm_repeats_from_its_seed_whatever_the_order() -> None:
    numbers = [f"N{number}" for number in range(400)]
    first = struck(7, numbers)
    assert first == struck(7, list(reversed(numbers)))
    assert first != struck(8, numbers)
    suffered = [fault for each in first.values() for fault in each]
    assert set(suffered) == {None, *faults.NOTIFICATION_FAULTS}
    for name in faults.NOTIFICATION_FAULTS:
        assert 25 < suffered.count(name) < 150


def test_a_storm_spares_what_it_is_told_to_and_never_falsifies_bills() -> None:
    rules = Faults()
    laid = {each.fault for each in raise_storm(rules, rate=0.05, spare=["lost"], seconds={"slow": 0.5})}
    assert laid == faults.ALL.keys() - {"lost", "row_missing", "row_doubled", "row_amount"}
    assert next(each for each in rules.listing() if each["fault"] == "slow")["options"] == {"seconds": 0.5}
    for told in ({"rate": 0}, {"rate": 2}, {"rate": 0.1, "only": ["earthquake"]}):
        with pytest.raises(ValueError, match=r"rate|no such fault"):
            raise_storm(rules, **told)


def test_a_run_through_a_storm_ends_with_what_was_paid(pos: Till, wechat: Wechat, shop: Shop) -> None:
    """A merchant that repeats whatever failed and asks whenever it is not told gets its money whole."""
    short = dict.fromkeys(("timeout", "slow", "api_timeout", "api_slow"), 0.01)
    wechat.control("POST", "/storms", rate=0.05, seed=3, seconds=short, spare=["pay_after_close", "notify_first"])
    merchant = Merchant(wechat)

    def insist(method: str, target: str, body: Any = None) -> Any:
        for _ in range(40):
            try:
                answer = merchant.call(method, target, body)
            except requests.RequestException:
                continue
            if answer.status_code == 200 and merchant.is_signed(answer.headers, answer.content):
                return answer.json()
        raise AssertionError("forty times in vain")

    for number in range(20):
        order = f"STORM-{number:03d}"
        body = {
            "appid": wechat.settings["WECHAT_OFFICIAL_APPID"],
            "mchid": merchant.mchid,
            "description": "梨",
            "out_trade_no": order,
            "notify_url": f"{shop.url}/n",
            "amount": {"total": 100, "currency": "CNY"},
            "payer": {"openid": wechat.openid("李明")},
        }
        insist("POST", "/v3/pay/transactions/jsapi", body)
        wechat.control("POST", "/pay", out_trade_no=order)
        paid = insist("GET", f"/v3/pay/transactions/out-trade-no/{order}?mchid={merchant.mchid}")
        assert (paid["trade_state"], paid["amount"]["total"]) == ("SUCCESS", 100)
    assert wechat.control("GET", "/books")["totals"]["paid_fen"] == 2000
    assert sum(rule["struck"] for rule in wechat.control("GET", "/faults")) > 10
    wechat.control("DELETE", "/faults")


def test_a_reordered_word_comes_after_the_next_one(pos: Till, wechat: Wechat, shop: Shop) -> None:
    wechat.control("POST", "/faults", fault="reordered", match="FIRST-0001", options={"seconds": 10**8})
    for number in ("FIRST-0001", "SECOND-001"):
        pos.prepay(number)
        wechat.control("POST", "/pay", out_trade_no=number, wait=True)
    told = [pos.client.callback(*each)["resource"]["out_trade_no"] for each in shop.wait_for(2)]
    assert told == ["SECOND-001", "FIRST-0001"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("fault", "status"), [("api_error", 502), ("api_reset", None), ("api_slow", 200)])
def test_the_account_apis_fail_too(wechat: Wechat, fault: str, status: int | None, when: str) -> None:
    wechat.control("POST", "/faults", fault=fault, when=when, on="token", options={"seconds": 0.2})
    known = wechat.settings
    asked = {
        "grant_type": "client_credential",
        "appid": known["WECHAT_MINIPROGRAM_APPID"],
        "secret": known["WECHAT_MINIPROGRAM_SECRET"],
    }
    try:
        answered = requests.get(f"{wechat.url}/cgi-bin/token", params=asked, timeout=30).status_code
    except requests.ConnectionError:
        answered = None
    assert answered == status


@pytest.mark.parametrize(("when", "is_made"), [("before", False), ("after", True)])
def test_a_call_stands_still_until_it_is_told(pos: Till, wechat: Wechat, when: str, is_made: bool) -> None:
    point = wechat.control("POST", "/holds", on="prepay", when=when, match="HELD-0001")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(pos.prepay, "HELD-0001")
        assert requests.get(f"{wechat.url}/_control/holds/{point['id']}?seconds=30", timeout=60).json()["caught"] == 1
        known = requests.get(f"{wechat.url}/_control/books/HELD-0001", timeout=30).status_code
        assert ((known == 200), call.done()) == (is_made, False)
        wechat.control("POST", f"/holds/{point['id']}", then="continue")
        assert call.result()[0] == 200


def test_a_held_call_may_be_hung_up_on_and_a_held_word_waits(pos: Till, wechat: Wechat, shop: Shop) -> None:
    point = wechat.control("POST", "/holds", on="prepay", when="after")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(pos.prepay, "HELD-0001")
        requests.get(f"{wechat.url}/_control/holds/{point['id']}?seconds=30", timeout=60)
        wechat.control("POST", f"/holds/{point['id']}", then="reset")
        with pytest.raises(requests.ConnectionError):
            call.result()
    wechat.control("POST", "/holds", on="payment")
    wechat.control("POST", "/pay", out_trade_no="HELD-0001")
    wait_until(lambda: wechat.control("GET", "/holds")[-1]["caught"] == 1)
    assert shop.received == []
    wechat.control("DELETE", "/holds")
    shop.wait_for(1)
