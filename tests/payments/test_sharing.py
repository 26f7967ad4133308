"""Divided payments at the emulated WeChat over HTTP: asked once, asked about, released, taken back, and equal books."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config import database, logs
from payments import errors, ledger, lifecycle, share_returns, sharing
from payments.lifecycle import Channel, PartState, ShareState
from payments.sharing import Part, Receiver
from payments.wechatpay import answers, client
from tests.payments.conftest import Buyer, Wechat, facts_of, rows

SELLER = Receiver(kind=sharing.MERCHANT, account="1900000109", name="砀山果业有限公司")


@pytest.fixture
def quick(wechat: Wechat) -> Iterator[Wechat]:
    """A WeChat whose waits are over at once."""
    wechat.order("/clock", speed=1e9)
    yield wechat
    wechat.order("/clock", speed=1)


def now() -> datetime:
    return datetime.now(UTC)


def bought(buyer: Buyer, *, is_shared: bool = True, amount_fen: int = 10_000, reference: str = "O1") -> str:
    """A payment that was opened for sharing, and arrived."""
    return buyer.paid(reference, now=now(), channel=Channel.NATIVE, amount_fen=amount_fen, is_shared=is_shared)


def ask(payment: str, *parts: Part) -> str:
    with database.transaction() as session:
        return sharing.request(session, payment=payment, parts=parts, account="commission", now=now())


def part(fen: int, receiver: Receiver = SELLER, payee: str = "S1") -> Part:
    return Part(payee=payee, receiver=receiver, amount_fen=fen)


def admitted(wechat: Wechat, receiver: Receiver = SELLER) -> None:
    assert sharing.admit(receiver=receiver, appid=wechat.settings.wechat_official_appid)


def later(**passed: float) -> datetime:
    return now() + timedelta(**passed)


def states() -> list[tuple[str, str | None]]:
    return [(each["state"], each["fail_reason"]) for each in rows("SELECT * FROM payment_share_parts ORDER BY id")]


def balance(account: str) -> int:
    with database.transaction() as session:
        return sum(each.balance_fen for each in ledger.trial_balance(session) if each.account == account)


def theirs(wechat: Wechat, payment: str) -> list[dict[str, Any]]:
    """The requests to divide this payment in WeChat's own books."""
    transaction_id = wechat.book(payment)["transaction_id"]
    divided = wechat.order("/books", "GET")["sharing"]["orders"]
    return [each for each in divided if each["transaction_id"] == transaction_id]


def test_a_payment_is_divided_once_and_its_rest_released(buyer: Buyer, quick: Wechat) -> None:
    payment = bought(buyer)
    admitted(quick)
    number = ask(payment, part(2_000))
    assert ask(payment, part(2_000)) == number
    with pytest.raises(errors.ShareStands):
        ask(payment, part(1_999))
    assert sharing.check_due(now=later(minutes=1)) == 1
    assert states() == [("succeeded", None)]
    assert balance("commission") == 2_000
    [divided] = theirs(quick, payment)
    assert (divided["out_order_no"], divided["unfreezes"]) == (number, True)
    assert [each["amount"] for each in divided["receivers"]] == [2_000]
    assert facts_of("share.ended") == [
        {"reference": "O1", "parts": {"S1": {"state": "succeeded", "amount_fen": 2_000}}}
    ]
    assert sharing.check_due(now=later(days=1)) == 0
    with database.transaction() as session:
        assert sharing.paid_fen(session, account="commission") == 2_000
        assert sharing.undivided(session, now=now(), limit=9) == []


def test_what_is_no_payment_for_sharing_is_refused(buyer: Buyer, quick: Wechat) -> None:
    plain = bought(buyer, is_shared=False)
    shared = bought(buyer, reference="O2")
    with pytest.raises(errors.NotShareable):
        ask(plain, part(1))
    with pytest.raises(errors.ShareTooLarge) as too_large:
        ask(shared, part(3_001))
    assert too_large.value.details["most_fen"] == 10_000 * lifecycle.MOST_SHARED_BP // 10_000
    with database.transaction() as session:
        assert sharing.shareable(session, payments=[plain, shared], now=now()) == {shared}
        assert sharing.shareable(session, payments=[shared], now=later(days=30)) == set()
        assert [each.number for each in sharing.undivided(session, now=now(), limit=9)] == [shared]
        assert sharing.undivided(session, now=later(days=30), limit=9) == []


def test_37_a_payment_that_shares_nothing_is_released_all_the_same(buyer: Buyer, quick: Wechat) -> None:
    payment = bought(buyer)
    ask(payment)
    sharing.check_due(now=later(minutes=1))
    [released] = theirs(quick, payment)
    assert (released["receivers"], released["unfreezes"]) == ([], True)


def test_37_finished_is_not_paid(buyer: Buyer, quick: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat finishes a request whose receiver got nothing: only the receiver's own result says so."""
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **told: alarms.append(kind))
    payment = bought(buyer)
    admitted(quick)
    quick.fault("sharing_closed", on="sharing", options={"reason": "RECEIVER_HIGH_RISK"})
    with monkeypatch.context() as off:
        off.setattr(sharing, "_RESULTS", {"CLOSED": PartState.SUCCEEDED})
        ask(payment, part(2_000))
        sharing.check_due(now=later(minutes=1))
        assert balance("commission") == 2_000
    other = bought(buyer, reference="O2")
    quick.fault("sharing_closed", on="sharing", options={"reason": "RECEIVER_HIGH_RISK"})
    ask(other, part(2_000))
    sharing.check_due(now=later(minutes=1))
    assert states()[1] == ("closed", "RECEIVER_HIGH_RISK")
    assert balance("commission") == 2_000
    assert alarms == ["payments.share_closed", "payments.case"]


def test_37_a_number_is_never_used_again(buyer: Buyer, quick: Wechat) -> None:
    """A request that WeChat refuses for good is followed by a release under a number of its own."""
    payment = bought(buyer, amount_fen=1_000)
    admitted(quick)
    number = ask(payment, part(300))
    quick.order("/faults", fault="error", on="sharing", options={"status": 403, "code": "RULE_LIMIT"}, times=1)
    sharing.check_due(now=later(minutes=1))
    kept = rows("SELECT number, state, request FROM payment_shares ORDER BY id")
    assert [each["state"] for each in kept] == [ShareState.REFUSED, ShareState.FINISHED]
    assert states() == [("closed", "RULE_LIMIT")]
    [released] = theirs(quick, payment)
    assert released["out_order_no"] == kept[1]["number"] != number
    assert released["receivers"] == []


def test_37_a_repeated_request_is_what_was_first_sent(buyer: Buyer, quick: Wechat) -> None:
    """The library seals names in the list that it is given (W9): it is given a copy each time."""
    payment = bought(buyer)
    admitted(quick)
    ask(payment, part(500))
    [kept] = rows("SELECT request FROM payment_shares")
    body = {**kept["request"], "receivers": [{**kept["request"]["receivers"][0], "name": "砀山果业有限公司"}]}
    for _ in range(2):
        assert isinstance(client.current().share(body), answers.ShareReport)
        assert body["receivers"][0]["name"] == "砀山果业有限公司"
    raw = {**body, "receivers": [dict(body["receivers"][0])]}
    client.current()._pay.profitsharing_order(**raw)
    # Without the copy the caller's own list is changed, and the next sending would seal what is sealed.
    assert raw["receivers"][0]["name"] != "砀山果业有限公司"
    assert len(theirs(quick, payment)) == 1


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("error", {"when": "after", "options": {"status": 500, "code": "SYSTEM_ERROR"}}),
    ("error", {"when": "before", "options": {"status": 500, "code": "SYSTEM_ERROR"}}),
    ("error", {"when": "after", "options": {"status": 429, "code": "FREQUENCY_LIMITED"}}),
    ("reset", {"when": "after"}),
    ("reset", {"when": "before"}),
    ("forged_response", {}),
]


@pytest.mark.parametrize(("fault", "how"), FAULTS)
def test_37_whatever_is_lost_a_share_happens_once(buyer: Buyer, quick: Wechat, fault: str, how: dict[str, Any]) -> None:
    payment = bought(buyer)
    admitted(quick)
    number = ask(payment, part(2_000))
    quick.fault(fault, on="sharing", **how)
    sharing.check_due(now=later(minutes=1))
    sharing.check_due(now=later(minutes=10))
    assert states() == [("succeeded", None)]
    assert [each["out_order_no"] for each in theirs(quick, payment)] == [number]
    assert balance("commission") == 2_000


def test_a_payment_that_is_too_young_is_asked_again(buyer: Buyer, wechat: Wechat) -> None:
    payment = bought(buyer)
    admitted(wechat)
    ask(payment, part(2_000))
    sharing.check_due(now=later(minutes=1))
    assert states() == [("pending", None)]
    assert theirs(wechat, payment) == []
    wechat.order("/clock", speed=1e9)
    try:
        sharing.check_due(now=later(minutes=10))
    finally:
        wechat.order("/clock", speed=1)
    assert states() == [("succeeded", None)]


def test_a_share_comes_back_once(buyer: Buyer, quick: Wechat) -> None:
    payment = bought(buyer)
    admitted(quick)
    ask(payment, part(2_000))
    sharing.check_due(now=later(minutes=1))
    with database.transaction() as session:
        [got] = sharing.parts_of(session, reference="O1")

    def back(fen: int, key: str) -> str:
        with database.transaction() as session:
            return share_returns.request(session, part_id=got.id, amount_fen=fen, key=key, now=now())

    number = back(1_500, "R1")
    assert back(1_500, "R1") == number
    with pytest.raises(errors.NothingToTakeBack):
        back(501, "R2")
    quick.fault("reset", on="sharing_return", when="after")
    assert share_returns.check_due(now=later(minutes=1)) == 1
    share_returns.check_due(now=later(minutes=10))
    assert balance("commission") == 500
    [returned] = quick.order("/books", "GET")["sharing"]["returns"][-1:]
    assert (returned["out_return_no"], returned["amount"]) == (number, 1_500)
    quick.fault("sharing_return_failed", on="sharing_return")
    back(500, "R2")
    share_returns.check_due(now=later(minutes=1))
    share_returns.check_due(now=later(minutes=10))
    assert [each["state"] for each in rows("SELECT state FROM payment_share_returns ORDER BY id")] == [
        "succeeded",
        "closed",
    ]
    assert balance("commission") == 500
    assert back(500, "R3") not in {number}


def test_nothing_is_taken_back_of_a_person(buyer: Buyer, quick: Wechat) -> None:
    openid = quick.openid("王芳", "official")
    person = Receiver(kind=sharing.PERSON, account=openid)
    admitted(quick, person)
    ask(bought(buyer), part(100, person))
    sharing.check_due(now=later(minutes=1))
    with database.transaction() as session:
        [got] = sharing.parts_of(session, reference="O1")
        assert got.state is PartState.SUCCEEDED
        with pytest.raises(errors.NothingToTakeBack):
            share_returns.request(session, part_id=got.id, amount_fen=1, key="R1", now=now())
    assert openid not in repr(person)


def test_a_receiver_whom_wechat_refuses_is_not_admitted(quick: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **told: alarms.append(kind))
    nameless = Receiver(kind=sharing.MERCHANT, account="1900000109")
    assert not sharing.admit(receiver=nameless, appid=quick.settings.wechat_official_appid)
    assert alarms == ["payments.receiver_refused"]
