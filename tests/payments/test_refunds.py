"""Money goes back once, never more than came, and WeChat's last word is ours."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from config import database, facts
from payments import collect, errors, refunds
from payments.errors import RefundTooLarge
from payments.lifecycle import MOST_REFUNDS, REFUNDS_APART, PaymentState, RefundState
from payments.models import Payment, Refund
from payments.receipts import Verdict
from payments.refunds import RefundView
from payments.wechatpay import answers
from tests.payments.conftest import Buyer, Wechat, change, facts_of, rows, wait_until

_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
REFUNDS = "SELECT * FROM payment_refunds ORDER BY id"


def ask_back(amount_fen: int = 5990, *, key: str = "K1", now: datetime, **more: Any) -> RefundView:
    with database.transaction() as session:
        values = {"reference": "O1", "reason": "库存不足", **more}
        return refunds.request(session, amount_fen=amount_fen, key=key, now=now, **values)


def state_of(number: str) -> str:
    return str(rows("SELECT state FROM payment_refunds WHERE number = :number", number=number)[0]["state"])


@pytest.fixture
def paid(buyer: Buyer, now: datetime) -> str:
    """A payment of 59.90 yuan for O1 that succeeded."""
    return buyer.paid(now=now)


@pytest.fixture
def asked(paid: str, now: datetime) -> str:
    """A refund of all of it that waits to be sent."""
    return ask_back(now=now).number


@pytest.fixture
def sent(asked: str, now: datetime) -> str:
    """A refund that WeChat is working on."""
    refunds.send(number=asked, now=now)
    return asked


class TestAsking:
    """What may be promised."""

    def test_a_refund_is_recorded_and_announced(self, paid: str, now: datetime) -> None:
        made = ask_back(5000, now=now)
        assert (made.payment, made.reference, made.key, made.amount_fen) == (paid, "O1", "K1", 5000)
        assert made.state is RefundState.REQUESTED
        assert facts_of("refund.requested") == [{"number": made.number}]
        with database.transaction() as session:
            assert refunds.listing(session, reference="O1") == [made]

    def test_the_same_key_is_the_same_refund(self, paid: str, now: datetime) -> None:
        first = ask_back(now=now)
        assert ask_back(now=now + timedelta(hours=1)) == first
        with pytest.raises(errors.RefundKeyReused):
            ask_back(100, now=now)
        assert len(facts_of("refund.requested")) == len(rows(REFUNDS)) == 1

    def test_what_was_not_paid_is_not_refunded(self, buyer: Buyer, now: datetime) -> None:
        with pytest.raises(errors.NothingToRefund):
            ask_back(now=now)
        buyer.open(now=now)
        with pytest.raises(errors.NothingToRefund):
            ask_back(now=now)

    @pytest.mark.parametrize("state", RefundState)
    def test_only_a_closed_or_refused_refund_gives_its_amount_free(
        self, paid: str, state: RefundState, now: datetime
    ) -> None:
        first = ask_back(5000, now=now)
        change(
            "UPDATE payment_refunds SET state = :state, succeeded_at = :succeeded_at,"
            " transferred_at = :transferred_at, transfer = cast(:transfer AS jsonb)",
            state=state,
            succeeded_at=now if state is RefundState.SUCCEEDED else None,
            transferred_at=now if state is RefundState.TRANSFERRED else None,
            transfer="{}" if state is RefundState.TRANSFERRED else None,
        )
        if state in {RefundState.CLOSED, RefundState.REFUSED}:
            assert ask_back(5990, key="K2", now=now).number != first.number
        else:
            with pytest.raises(RefundTooLarge) as refusal:
                ask_back(991, key="K2", now=now)
            assert refusal.value.details == {"refundable_fen": 990}
            assert ask_back(990, key="K2", now=now).amount_fen == 990

    def test_nothing_and_less_than_nothing_are_no_refund(self, paid: str, now: datetime) -> None:
        for amount_fen in (0, -1):
            with pytest.raises(ValueError, match="positive"):
                ask_back(amount_fen, now=now)

    def test_a_double_payment_is_refunded_by_its_number(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        first = buyer.open(now=now).number
        collect.close(reference="O1", now=now)
        second = buyer.paid(now=now, amount_fen=100)
        wechat.pay(first, force=True)
        assert ask_back(100, now=now, payment=second).payment == second
        assert ask_back(5990, key="K2", now=now).payment == first
        with pytest.raises(RefundTooLarge):
            ask_back(1, key="K3", now=now)
        with pytest.raises(errors.NothingToRefund):
            ask_back(1, key="K3", now=now, payment="Panother")

    def test_after_fifty_refunds_none_follows_even_when_wechat_closed_some(self, paid: str, now: datetime) -> None:
        for count in range(MOST_REFUNDS):
            ask_back(1, key=f"K{count}", now=now)
        change("UPDATE payment_refunds SET state = 'closed' WHERE key IN ('K1', 'K2')")
        with pytest.raises(errors.TooManyRefunds):
            ask_back(1, key="one-more", now=now)
        assert ask_back(1, key="K0", now=now).key == "K0"

    def test_a_year_after_paying_wechat_takes_none(self, paid: str, now: datetime) -> None:
        with pytest.raises(errors.RefundTooLate):
            ask_back(1, now=now + timedelta(days=366))
        assert ask_back(1, now=now + timedelta(days=364)).amount_fen == 1


@pytest.fixture
def later(wechat: Wechat) -> Iterator[Callable[[datetime], None]]:
    """Do what is due after a while, by our clock and by WeChat's, which counts the minute for itself."""
    began = datetime.now(UTC)

    def wait(until: datetime) -> None:
        wechat.order("/clock", offset_seconds=(until - began).total_seconds())
        refunds.check_due(now=until)

    yield wait
    wechat.order("/clock", offset_seconds=0)


class TestTurns:
    """Refunds of one payment go to WeChat one at a time, and apart."""

    def test_the_next_waits_for_the_one_before_and_then_goes_by_itself(
        self, paid: str, wechat: Wechat, later: Callable[[datetime], None], now: datetime
    ) -> None:
        numbers = [ask_back(100, key=f"K{count}", now=now).number for count in range(3)]
        for number in numbers:
            refunds.send(number=number, now=now)
        assert [state_of(number) for number in numbers] == ["processing", "requested", "requested"]
        later(now + REFUNDS_APART - timedelta(seconds=1))
        assert [state_of(number) for number in numbers[1:]] == ["requested", "requested"]
        later(now + REFUNDS_APART)
        assert [state_of(number) for number in numbers[1:]] == ["processing", "requested"]
        later(now + 2 * REFUNDS_APART)
        assert state_of(numbers[2]) == "processing"
        assert [each["out_refund_no"] for each in wechat.book(paid)["refunds"]] == numbers

    def test_another_payment_waits_for_nobody(self, buyer: Buyer, now: datetime) -> None:
        for reference in ("O1", "O2"):
            buyer.paid(reference, now=now)
            made = ask_back(100, reference=reference, now=now)
            refunds.send(number=made.number, now=now)
            assert state_of(made.number) == "processing"

    def test_one_without_an_answer_is_sent_again_and_keeps_the_other_waiting(
        self, paid: str, wechat: Wechat, later: Callable[[datetime], None], now: datetime
    ) -> None:
        first, second = (ask_back(100, key=key, now=now).number for key in ("K1", "K2"))
        wechat.fault("error", on="refund", when="before")
        refunds.send(number=first, now=now)
        later(now + timedelta(seconds=31))
        assert (state_of(first), state_of(second)) == ("processing", "requested")
        later(now + timedelta(seconds=31) + REFUNDS_APART)
        assert state_of(second) == "processing"

    @staticmethod
    def race(paid: str, wechat: Wechat, now: datetime) -> int:
        """Send four refunds of one payment at the same moment; returns how many WeChat got."""
        numbers = [ask_back(100, key=f"K{count}", now=now).number for count in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: refunds.send(number=number, now=now), numbers))
        return len(wechat.book(paid)["refunds"])

    def test_without_the_lock_they_all_go_at_once(
        self, paid: str, wechat: Wechat, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """The guard off: each looks before any has gone, every time."""
        look, together = refunds._turn, Barrier(4, timeout=60)

        def look_together(session: Any, refund: Refund) -> datetime | None:
            found = look(session, refund)
            together.wait()
            return found

        monkeypatch.setattr(refunds, "_lock_payment", lambda *_: None)
        monkeypatch.setattr(refunds, "_turn", look_together)
        wechat.order("/terms", refund_gap_seconds=0)
        try:
            assert self.race(paid, wechat, now) == 4
        finally:
            wechat.order("/terms", refund_gap_seconds=60)

    def test_only_one_goes(self, paid: str, wechat: Wechat, now: datetime) -> None:
        assert self.race(paid, wechat, now) == 1


class TestRace:
    """Two refunds of 60 percent at the same moment."""

    @staticmethod
    def race(now: datetime) -> int:
        start = Barrier(4, timeout=60)

        def ask(number: int) -> bool:
            start.wait()
            try:
                ask_back(3594, key=f"K{number}", now=now)
            except RefundTooLarge:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(ask, range(4)))

    def test_without_the_lock_more_is_promised_than_was_paid(
        self, paid: str, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """The guard off: the race is real."""
        held, together = refunds._held_fen, Barrier(4, timeout=60)

        def look_together(session: Any, payment: Payment) -> int:
            found = held(session, payment)
            together.wait()
            return found

        received = select(Payment).where(Payment.state == PaymentState.SUCCEEDED)
        monkeypatch.setattr(refunds, "_lock_paid", lambda session, _: session.scalars(received).all())
        monkeypatch.setattr(refunds, "_held_fen", look_together)
        assert self.race(now) == 4

    def test_only_one_is_granted(self, paid: str, now: datetime) -> None:
        assert self.race(now) == 1
        assert sum(row["amount_fen"] for row in rows(REFUNDS)) == 3594

    def test_the_second_waits_for_the_first_and_finds_what_that_left(self, paid: str, now: datetime) -> None:
        """Nobody looks at what is left while somebody else is promising it, however the two are timed."""
        with psycopg.connect(database.plain_url(), autocommit=True) as looker, ThreadPoolExecutor(1) as pool:
            with database.transaction() as session:
                refunds.request(session, reference="O1", amount_fen=3594, reason="坏果", key="K1", now=now)
                second = pool.submit(ask_back, 3594, key="K2", now=now)
                wait_until(lambda: second.done() or looker.execute(_WAITING).fetchone() == (1,))
            with pytest.raises(RefundTooLarge):
                second.result()

    def test_one_key_at_the_same_moment_is_one_refund(self, paid: str, now: datetime) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: ask_back(100, now=now).number, range(8)))
        assert len(set(made)) == len(rows(REFUNDS)) == 1


class TestSending:
    """A request without an answer is the same request again."""

    def test_accepted_is_not_yet_refunded(self, sent: str, paid: str, wechat: Wechat) -> None:
        assert state_of(sent) == "processing"
        assert facts_of("refund.succeeded") == []
        book = wechat.book(paid)
        assert (book["refunding_fen"], book["refunds"][0]["reason"]) == (5990, "库存不足")

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("fault", ["error", "limited", "forged_response"])
    def test_whatever_happens_one_refund_is_made(
        self, asked: str, paid: str, wechat: Wechat, fault: str, when: str, now: datetime
    ) -> None:
        wechat.fault(fault, on="refund", when=when)
        refunds.send(number=asked, now=now)
        assert wechat.calls()[-2:] == ["refund", "query_refund"]
        refunds.check_due(now=now + timedelta(seconds=31))
        assert state_of(asked) == "processing"
        assert [each["out_refund_no"] for each in wechat.book(paid)["refunds"]] == [asked]

    def test_a_timeout_after_acceptance_is_found_by_asking(
        self, asked: str, paid: str, wechat: Wechat, impatient: Callable[[Callable[[], Any]], None], now: datetime
    ) -> None:
        impatient(lambda: wechat.book(paid)["refunds"])
        wechat.fault("timeout", on="refund", when="after", options={"seconds": 60})
        refunds.send(number=asked, now=now)
        assert state_of(asked) == "processing"

    def test_sending_again_changes_nothing(self, sent: str, wechat: Wechat, now: datetime) -> None:
        before = wechat.calls()
        refunds.send(number=sent, now=now)
        assert wechat.calls() == before

    def test_a_refusal_waits_and_alarms(
        self, asked: str, wechat: Wechat, capsys: pytest.CaptureFixture[str], now: datetime
    ) -> None:
        request = rows(REFUNDS)[0]["request"]
        change("UPDATE payment_refunds SET request = jsonb_set(request, '{amount,total}', '1')")
        refunds.send(number=asked, now=now)
        assert state_of(asked) == "requested"
        assert "payments.refund_refused" in "".join(capsys.readouterr())
        change("UPDATE payment_refunds SET request = cast(:r AS jsonb)", r=database.dump_json(request))
        assert refunds.check_due(now=now + timedelta(seconds=31)) == 1
        assert state_of(asked) == "processing"

    def test_it_is_not_sent_while_a_transaction_is_open(self, asked: str, now: datetime) -> None:
        with database.transaction(), pytest.raises(AssertionError):
            refunds.send(number=asked, now=now)


class TestEnding:
    """Notification and polling agree on what became of it."""

    def test_success_is_published_once_with_wechats_time(
        self, sent: str, paid: str, wechat: Wechat, now: datetime
    ) -> None:
        wechat.order("/settle", out_refund_no=sent)
        wait_until(lambda: wechat.inbox.answered == [204, 204])
        refunds.check_due(now=now + timedelta(hours=1))
        wechat.order("/redeliver", out_refund_no=sent, times=3)
        settled = datetime.fromisoformat(wechat.book(paid)["refunds"][0]["settled_at"])
        (told,) = facts_of("refund.succeeded")
        assert datetime.fromisoformat(told.pop("refunded_at")) == settled.replace(microsecond=0)
        assert told == {"reference": "O1", "refund": sent, "key": "K1", "amount_fen": 5990}

    def test_a_lost_notification_is_found_by_asking(self, sent: str, wechat: Wechat, now: datetime) -> None:
        wechat.fault("lost", on="refund")
        wechat.order("/settle", out_refund_no=sent)
        assert refunds.check_due(now=now + timedelta(seconds=29)) == 0
        assert refunds.check_due(now=now + timedelta(seconds=31)) == 1
        assert state_of(sent) == "succeeded"
        assert len(facts_of("refund.succeeded")) == 1
        assert refunds.check_due(now=now + timedelta(days=1)) == 0

    def test_closed_is_published_as_failed_and_may_be_asked_again(
        self, asked: str, wechat: Wechat, now: datetime
    ) -> None:
        wechat.fault("refund_closed", on="refund")
        refunds.send(number=asked, now=now)
        wechat.order("/settle", out_refund_no=asked)
        wait_until(lambda: len(wechat.inbox.answered) == 2)
        assert facts_of("refund.failed") == [{"reference": "O1", "refund": asked, "key": "K1", "amount_fen": 5990}]
        assert ask_back(key="K2", now=now).number != asked

    def test_abnormal_is_a_case_and_may_still_arrive(
        self, asked: str, wechat: Wechat, now: datetime, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wechat.fault("refund_abnormal", on="refund")
        refunds.send(number=asked, now=now)
        wechat.order("/settle", out_refund_no=asked)
        wait_until(lambda: len(wechat.inbox.answered) == 2)
        refunds.check_due(now=now + timedelta(hours=1))
        assert state_of(asked) == "abnormal"
        (case,) = rows("SELECT kind, number FROM payment_cases")
        assert case == {"kind": "refund_abnormal", "number": asked}
        assert "".join(capsys.readouterr()).count("payments.case") == 1
        assert facts_of("refund.failed") == []
        with pytest.raises(RefundTooLarge):
            ask_back(1, key="K2", now=now)
        wechat_says(asked, status="SUCCESS", succeeded_at=now, now=now)
        assert state_of(asked) == "succeeded"

    def test_old_news_changes_nothing(self, sent: str, now: datetime) -> None:
        assert wechat_says(sent, status="SUCCESS", succeeded_at=now, now=now) is Verdict.RECORDED
        for late in ("PROCESSING", "ABNORMAL", "SUCCESS"):
            assert wechat_says(sent, status=late, succeeded_at=now, now=now) is Verdict.KNOWN
        assert wechat_says(sent, status="CLOSED", now=now) is Verdict.MISMATCHED
        assert state_of(sent) == "succeeded"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"refund_fen": 1},
            {"refund_fen": None},
            {"total_fen": 1},
            {"transaction_id": "4200000000000000000000000000"},
            {"mchid": "1900000109"},
            {"refund_id": "another"},
            {"status": "FINISHED"},
            {"status": None},
            {"succeeded_at": None},
        ],
    )
    def test_news_of_another_refund_changes_nothing(self, sent: str, wrong: dict[str, Any], now: datetime) -> None:
        values = {"status": "SUCCESS", "succeeded_at": now, **wrong}
        assert wechat_says(sent, now=now, **values) is Verdict.MISMATCHED
        assert state_of(sent) == "processing"
        assert facts_of("refund.succeeded") == []

    def test_a_mismatch_is_kept_asked_about_and_forgotten_when_wechat_denies_it(
        self, sent: str, wechat: Wechat, now: datetime
    ) -> None:
        wechat.fault("wrong_amount", on="refund")
        wechat.order("/settle", out_refund_no=sent)
        wait_until(lambda: wechat.inbox.answered == [204, 204])
        assert state_of(sent) == "processing"
        (kept,) = rows("SELECT outcome, applied_at FROM payment_notifications WHERE number = :n", n=sent)
        assert kept == {"outcome": "mismatched", "applied_at": None}
        assert refunds.check_due(now=now + timedelta(seconds=10)) == 1
        assert state_of(sent) == "succeeded"
        assert rows("SELECT 1 FROM payment_cases") == []

    def test_a_mismatch_that_an_answer_confirms_is_a_case(self, sent: str, now: datetime) -> None:
        change("UPDATE payment_refunds SET amount_fen = 5000")
        assert refunds.check_due(now=now + timedelta(seconds=31)) == 1
        (case,) = rows("SELECT kind, number, evidence FROM payment_cases")
        assert (case["kind"], case["number"]) == ("refund_mismatch", sent)
        assert case["evidence"]["found"]["refund_fen"] == 5990
        assert refunds.check_due(now=now + timedelta(days=1)) == 0

    def test_a_refund_that_nobody_asked_for_is_kept_and_sent_again(self, sent: str, paid: str, wechat: Wechat) -> None:
        change("DELETE FROM payment_refunds")
        wechat.order("/settle", out_refund_no=sent)
        wait_until(lambda: wechat.inbox.answered == [204, 503])
        (kept,) = rows("SELECT outcome, applied_at FROM payment_notifications WHERE number = :n", n=sent)
        assert kept == {"outcome": "unmatched", "applied_at": None}

    def test_silence_while_sending_ends_a_round_early(self, paid: str, wechat: Wechat, now: datetime) -> None:
        for key in ("K1", "K2"):
            ask_back(100, key=key, now=now)
        wechat.fault("error", on="refund", times=2)
        wechat.fault("error", on="refund_query", times=2)
        assert refunds.check_due(now=now + timedelta(seconds=31)) == 1
        assert wechat.calls()[-2:] == ["refund", "query_refund"]

    def test_silence_ends_a_round_early(self, sent: str, wechat: Wechat, now: datetime) -> None:
        wechat.fault("error", on="refund_query")
        assert refunds.check_due(now=now + timedelta(seconds=31)) == 1
        assert state_of(sent) == "processing"


class TestSameNews:
    """The same success, brought by many at once."""

    @staticmethod
    def bring(number: str, now: datetime) -> list[Verdict]:
        start = Barrier(6, timeout=60)

        def tell(_: int) -> Verdict:
            start.wait()
            return wechat_says(number, status="SUCCESS", succeeded_at=now, now=now)

        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(tell, range(6)))

    def test_without_the_lock_several_would_find_it_new(
        self, sent: str, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """The guard off: the race is real, and only the fact's key would stand between it and a second publication."""
        together = Barrier(6, timeout=60)

        def unlocked(session: Any, number: str | None) -> Refund | None:
            found = session.scalar(select(Refund).where(Refund.number == number))
            together.wait()
            return found

        monkeypatch.setattr(refunds, "_lock", unlocked)
        assert self.bring(sent, now).count(Verdict.RECORDED) == 6

    def test_one_finds_it_new(self, sent: str, now: datetime) -> None:
        assert sorted(self.bring(sent, now)) == [Verdict.KNOWN] * 5 + [Verdict.RECORDED]
        assert len(facts_of("refund.succeeded")) == 1


def wechat_says(number: str, *, now: datetime, **told: Any) -> Verdict:
    """Record a report that fits the refund except for what is told."""
    (refund,) = rows(
        "SELECT r.*, p.transaction_id, p.mchid, p.amount_fen AS paid_fen FROM payment_refunds r"
        " JOIN payments p ON p.id = r.payment_id WHERE r.number = :number",
        number=number,
    )
    report: dict[str, Any] = {
        "number": number,
        "mchid": refund["mchid"],
        "refund_id": refund["refund_id"],
        "transaction_id": refund["transaction_id"],
        "status": "PROCESSING",
        "refund_fen": refund["amount_fen"],
        "total_fen": refund["paid_fen"],
        "succeeded_at": None,
    }
    with database.transaction() as session:
        return refunds.record(session, report=answers.RefundReport(**{**report, **told}), now=now)


def test_every_fact_is_declared() -> None:
    assert {"refund.requested", "refund.succeeded", "refund.failed"} <= facts.declared().keys()
