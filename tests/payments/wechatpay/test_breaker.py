"""An operation that keeps failing is left alone, and tried by one caller at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from config import database, logs
from payments import collect, errors
from payments.lifecycle import Channel
from payments.wechatpay import answers, breaker, client
from payments.wechatpay.breaker import REST_S, Breaker
from tests.payments.conftest import Buyer, Wechat, change, rows


def fail(states: Breaker, times: int, *, at: float = 0.0, operation: str = "query") -> list[bool]:
    return [states.note(operation, is_usable=False, at=at) for _ in range(times)]


def test_five_failures_in_a_row_open_it_and_are_told_once() -> None:
    states = Breaker()
    assert fail(states, 4) == [False] * 4
    assert states.admits("query", at=0)
    assert fail(states, 3) == [True, False, False]
    assert not states.admits("query", at=REST_S - 0.1)


def test_a_usable_answer_forgets_what_went_before() -> None:
    states = Breaker()
    fail(states, 4)
    assert not states.note("query", is_usable=True, at=0)
    assert fail(states, 4) == [False] * 4
    assert states.admits("query", at=0)


def test_another_operation_goes_on() -> None:
    states = Breaker()
    fail(states, 5, operation="refund")
    assert not states.admits("refund", at=1)
    assert states.admits("query", at=1)


def test_after_the_rest_one_caller_tries_and_the_others_wait() -> None:
    states = Breaker()
    fail(states, 5)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: states.admits("query", at=REST_S), range(64))) == 1


def test_a_trial_that_succeeds_closes_it() -> None:
    states = Breaker()
    fail(states, 5)
    assert states.admits("query", at=REST_S)
    states.note("query", is_usable=True, at=REST_S + 1)
    assert all(states.admits("query", at=REST_S + 1) for _ in range(9))


def test_a_trial_that_fails_begins_another_rest() -> None:
    states = Breaker()
    fail(states, 5)
    assert states.admits("query", at=REST_S)
    assert fail(states, 1, at=REST_S + 8) == [False]
    assert not states.admits("query", at=2 * REST_S + 7)
    assert states.admits("query", at=2 * REST_S + 8)


def test_a_trial_that_never_reports_is_followed_by_another() -> None:
    states = Breaker()
    fail(states, 5)
    assert states.admits("query", at=REST_S)
    assert not states.admits("query", at=2 * REST_S - 1)
    assert states.admits("query", at=2 * REST_S)


class TestOnTheWire:
    """What the verbs see of it."""

    @pytest.mark.parametrize("fault", ["error", "forged_response", "reset"])
    def test_after_five_failures_wechat_is_called_no_more(
        self, wechat: Wechat, fault: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarms: list[str] = []
        monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
        client.current().query("Pnever-seen")
        # A forged signature is one under a 2xx: close is answered so even for a number that never was.
        ask = client.current().close if fault == "forged_response" else client.current().query
        wechat.fault(fault, on="close" if fault == "forged_response" else "query", times=40)
        found = [ask("Pnever-seen") for _ in range(9)]
        assert all(isinstance(each, answers.Unknown) for each in found)
        assert [isinstance(each, answers.NotSent) for each in found] == [False] * 5 + [True] * 4
        assert alarms == ["payments.wechatpay_paused"]
        calls = len(wechat.calls())
        assert isinstance(ask("Pnever-seen"), answers.NotSent)
        assert len(wechat.calls()) == calls

    def test_refusals_are_answers_and_open_nothing(self, wechat: Wechat) -> None:
        found = [client.current().query("Pnever-seen") for _ in range(12)]
        assert found == [answers.Missing()] * 12
        wechat.fault("limited", on="query", times=12)
        assert [client.current().query("Pnever-seen") for _ in range(12)] == [
            answers.Unknown("429 FREQUENCY_LIMITED")
        ] * 12

    def test_it_closes_again_when_wechat_answers(self, wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(breaker, "REST_S", 0.0)
        wechat.fault("error", on="query", times=5)
        for _ in range(5):
            assert isinstance(client.current().query("Pnever-seen"), answers.Unknown)
        assert client.current().query("Pnever-seen") == answers.Missing()

    def test_a_payment_that_was_not_sent_is_unavailable_and_stays_open(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        fail(client._breaker, 5, operation="prepay", at=1e12)
        with pytest.raises(errors.PaymentPaused) as refusal:
            buyer.open(now=now)
        assert (refusal.value.status, refusal.value.code, refusal.value.retry_after) == (503, "payment.paused", 10)
        assert wechat.calls() == []
        assert [row["state"] for row in rows("SELECT state FROM payments")] == ["open"]

    def test_a_question_that_was_not_sent_is_no_answer_about_money(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        """Neither a close nor an expiry believes it, and what is due comes up again."""
        number = buyer.open(now=now, channel=Channel.NATIVE).number
        fail(client._breaker, 5, operation="query", at=1e12)
        calls = wechat.calls()
        change("UPDATE payments SET next_check_at = :now, pay_until = :now", now=now)
        assert collect.check_due(now=now) == 1
        assert collect.close(reference="O1", now=now).state == "open"
        assert wechat.calls() == calls
        (row,) = rows("SELECT number, state, answered_at, next_check_at FROM payments")
        assert (row["number"], row["state"], row["answered_at"]) == (number, "open", None)
        assert row["next_check_at"] > now
        with database.transaction() as session:
            assert collect.current(session, reference="O1").state == "open"
