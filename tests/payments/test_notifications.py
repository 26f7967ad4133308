"""What WeChat tells us is kept, applied once, and believed only when it fits."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest

from config import database, logs
from payments import collect, errors, lifecycle, notifications, receipts
from payments.lifecycle import Channel, PaymentState
from payments.receipts import Verdict
from payments.wechatpay import answers
from tests.payments.conftest import Buyer, Wechat, Writer, change, facts_of, rows
from tests.waits import wait_until

INBOX = "SELECT * FROM payment_notifications ORDER BY id"
TRANSACTION = "4200001460202207148197935963"


def payment(number: str) -> dict[str, Any]:
    return rows("SELECT * FROM payments WHERE number = :number", number=number)[0]


def kept() -> list[tuple[str, bool]]:
    """Of every notification kept: its outcome, and whether it was applied."""
    return [(row["outcome"], row["applied_at"] is not None) for row in rows(INBOX)]


@dataclass(frozen=True)
class Post:
    """Brings notifications about one open payment, with whatever WeChat could say in them."""

    writer: Writer
    number: str
    at: datetime

    def content(self, **changes: Any) -> dict[str, Any]:
        row = payment(self.number)
        said = {
            "mchid": row["mchid"],
            "appid": row["appid"],
            "out_trade_no": self.number,
            "transaction_id": TRANSACTION,
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "bank_type": "OTHERS",
            "attach": "",
            "success_time": "2020-11-20T16:00:07+08:00",
            "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
            "amount": {"total": row["amount_fen"], "payer_total": 1, "currency": "CNY", "payer_currency": "CNY"},
        }
        return {**said, **changes}

    def bring(self, content: Any = None, *, now: datetime | None = None, **envelope: Any) -> None:
        body = self.writer.envelope(self.content() if content is None else content, **envelope)
        at = now or self.at
        notifications.receive(headers=self.writer.headers(body, at=at), body=body, now=at)


@pytest.fixture
def post(db: None, writer: Writer, now: datetime) -> Post:
    """An open payment, unknown to any WeChat that could be called, and the post about it."""
    collect._take_number("O1", 5990, collect.Payer(channel=Channel.NATIVE), "梨", now + timedelta(minutes=30), now)
    return Post(writer, rows("SELECT number FROM payments")[0]["number"], now)


class TestApplying:
    """Money that fits."""

    def test_the_payment_succeeds_with_wechats_time(self, post: Post) -> None:
        post.bring()
        row = payment(post.number)
        paid_at = datetime(2020, 11, 20, 8, 0, 7, tzinfo=UTC)
        assert (row["state"], row["succeeded_at"], row["next_check_at"]) == ("succeeded", paid_at, None)
        assert facts_of("payment.succeeded") == [
            {
                "reference": "O1",
                "payment": post.number,
                "amount_fen": 5990,
                "paid_at": "2020-11-20T08:00:07+00:00",
                "channel": "native",
                "appid": row["appid"],
                "transaction_id": TRANSACTION,
            }
        ]
        assert kept() == [("applied", True)]

    def test_what_is_kept_names_no_payer(self, post: Post) -> None:
        post.bring()
        (row,) = rows(INBOX)
        assert row["number"] == post.number
        assert "openid" not in str(row["content"])
        assert row["content"]["total_fen"] == 5990

    def test_a_coupon_changes_nothing(self, post: Post) -> None:
        """`payer_total` is one fen in every notification of these tests."""
        post.bring()
        assert payment(post.number)["state"] == "succeeded"

    def test_a_repeated_id_is_counted_and_changes_nothing(self, post: Post) -> None:
        for _ in range(3):
            post.bring(name="EV-1")
        (row,) = rows(INBOX)
        assert (row["deliveries"], row["outcome"]) == (3, "applied")
        assert len(facts_of("payment.succeeded")) == 1

    def test_a_repeated_id_is_applied_when_it_was_not_yet(self, post: Post) -> None:
        """It arrived before the payment's row could be seen."""
        number = post.number
        content = post.content()
        change("UPDATE payments SET number = 'Phidden'")
        with pytest.raises(errors.UnknownPayment):
            post.bring(content, name="EV-1")
        assert kept() == [("unmatched", False)]
        change("UPDATE payments SET number = :number", number=number)
        post.bring(content, name="EV-1")
        assert kept() == [("applied", True)]
        assert len(facts_of("payment.succeeded")) == 1

    def test_a_refunded_payment_was_paid(self, post: Post) -> None:
        post.bring(post.content(trade_state="REFUND"))
        assert payment(post.number)["state"] == "succeeded"

    def test_after_the_close_it_is_still_real_money(self, post: Post) -> None:
        change("UPDATE payments SET state = 'closed', closed_at = now()")
        post.bring()
        row = payment(post.number)
        assert (row["state"], row["closed_at"] is not None) == ("succeeded", True)
        assert len(facts_of("payment.succeeded")) == 1

    def test_an_open_rival_of_late_money_is_asked_about_at_once_even_if_we_died_before(
        self, post: Post, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change("UPDATE payments SET state = 'closed', closed_at = now(), next_check_at = NULL")
        payer = collect.Payer(channel=Channel.NATIVE)
        collect._take_number("O1", 5990, payer, "梨", now + timedelta(minutes=30), now)
        (rival,) = rows("SELECT number, next_check_at FROM payments WHERE state = 'open'")
        assert rival["next_check_at"] != post.at

        class Death(BaseException):
            """Of the process, just after the statement that took the money."""

        def die(*_: Any, **__: Any) -> None:
            raise Death

        with monkeypatch.context() as patched:
            patched.setattr(receipts, "hurry_rival", die)
            with pytest.raises(Death):
                post.bring(name="EV-1")
        assert payment(post.number)["state"] == "succeeded"
        assert payment(rival["number"])["next_check_at"] == rival["next_check_at"]
        post.bring(name="EV-1")
        assert payment(rival["number"])["next_check_at"] == post.at
        assert len(facts_of("payment.succeeded")) == 1

    def test_nothing_is_kept_when_publishing_fails(self, post: Post) -> None:
        """All of it is one statement: WeChat must send it again, and finds nothing half done."""

        change("ALTER TABLE facts ADD CONSTRAINT full_disk CHECK (name <> 'payment.succeeded') NOT VALID")
        try:
            with pytest.raises(psycopg.errors.CheckViolation):
                post.bring(name="EV-1")
        finally:
            change("ALTER TABLE facts DROP CONSTRAINT full_disk")
        assert (kept(), payment(post.number)["state"]) == ([], "open")
        post.bring(name="EV-1")
        assert kept() == [("applied", True)]


class TestMismatch:
    """Money that does not fit settles nothing and refunds nothing."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount": {"total": 1, "currency": "CNY"}},
            {"amount": {"total": 5991, "currency": "CNY"}},
            {"amount": {"total": None, "currency": "CNY"}},
            {"amount": {"total": "5990", "currency": "CNY"}},
            {"amount": {"total": 5990, "currency": "USD"}},
            {"amount": {"total": 5990}},
            {"amount": {}},
            {"mchid": "1900000109"},
            {"mchid": None},
            {"appid": "wxd678efh567hg6787"},
            {"transaction_id": None},
            {"success_time": None},
            {"success_time": "2020-11-20T16:00:07"},
            {"trade_state": "NOTPAY"},
            {"trade_state": None},
        ],
        ids=str,
    )
    def test_it_is_kept_and_asked_about(
        self, post: Post, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarms: list[str] = []
        monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
        post.bring(post.content(**wrong))
        row = payment(post.number)
        assert (row["state"], row["transaction_id"], row["next_check_at"]) == ("open", None, post.at)
        assert kept() == [("mismatched", False)]
        assert alarms == ["payments.notification_mismatch"]
        assert rows("SELECT 1 FROM facts") == rows("SELECT 1 FROM payment_cases") == []
        with database.transaction() as session:
            assert collect.current(session, reference="O1").is_confirming

    def test_the_money_of_another_payment_is_not_taken_twice(self, post: Post, now: datetime) -> None:
        post.bring()
        collect._take_number("O2", 5990, collect.Payer(channel=Channel.NATIVE), "梨", now + timedelta(minutes=30), now)
        (other,) = rows("SELECT number FROM payments WHERE reference = 'O2'")
        Post(post.writer, other["number"], now).bring()
        assert payment(other["number"])["state"] == "open"
        assert kept() == [("applied", True), ("mismatched", False)]

    def test_a_second_transaction_for_a_paid_number_is_a_mismatch(self, post: Post) -> None:
        post.bring()
        post.bring(post.content(transaction_id="4200000000000000000000000001"))
        assert payment(post.number)["transaction_id"] == TRANSACTION
        assert kept() == [("applied", True), ("mismatched", False)]

    @pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency", "wrong_mchid", "wrong_appid"])
    def test_when_wechat_denies_it_the_payment_goes_on(
        self, buyer: Buyer, wechat: Wechat, fault: str, now: datetime
    ) -> None:
        """The notification was wrong, the money is right: asking finds it."""
        wechat.fault(fault, on="payment")
        number = buyer.paid(now=now)
        assert wechat.inbox.answered == [204]
        assert payment(number)["state"] == "open"
        assert collect.check_due(now=now + timedelta(seconds=4)) == 1
        assert payment(number)["state"] == "succeeded"
        assert rows("SELECT 1 FROM payment_cases") == []

    @pytest.mark.parametrize(
        ("column", "value", "differs"),
        [("amount_fen", 5000, "amount"), ("appid", "wx0000000000000000", "appid"), ("mchid", "1900000109", "mchid")],
    )
    def test_when_wechat_confirms_it_a_person_decides(
        self,
        buyer: Buyer,
        wechat: Wechat,
        column: str,
        value: Any,
        differs: str,
        now: datetime,
    ) -> None:
        number = buyer.open(now=now).number
        change(f"UPDATE payments SET {column} = :value", value=value)
        wechat.pay(number)
        assert wechat.inbox.answered == [204]
        for _ in range(2):
            change("UPDATE payments SET next_check_at = :now", now=now)
            assert collect.check_due(now=now + timedelta(seconds=4)) == 1
        (case,) = rows("SELECT kind, number, evidence FROM payment_cases")
        assert (case["kind"], case["number"]) == ("mismatch", number)
        assert case["evidence"]["differs"] == [differs]
        assert case["evidence"]["found"]["total_fen"] == 5990
        assert (payment(number)["state"], payment(number)["next_check_at"]) == ("open", None)
        assert rows("SELECT 1 FROM facts") == []
        assert wechat.book(number)["refunds"] == []


class TestUnknown:
    """Numbers and events that are not ours."""

    def test_an_unknown_number_is_kept_and_must_be_sent_again(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarms: list[str] = []
        monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
        with pytest.raises(errors.UnknownPayment) as refusal:
            post.bring(post.content(out_trade_no="Pnot-ours"))
        assert refusal.value.status == 503
        assert kept() == [("unmatched", False)]
        assert alarms == ["payments.case", "payments.unknown_number"]

    @pytest.mark.parametrize("number", [None, "", 42, "x" * 200])
    def test_a_number_that_is_none_is_unknown(self, post: Post, number: Any) -> None:
        with pytest.raises(errors.UnknownPayment):
            post.bring(post.content(out_trade_no=number))
        assert kept() == [("unmatched", False)]

    def test_the_emulated_wechat_gets_a_503_for_it(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("unknown_order", on="payment")
        buyer.paid(now=now)
        assert wechat.inbox.answered == [503]

    @pytest.mark.parametrize("event_type", ["FOO.BAR", "TRANSACTION.PARTNER", "PROFITSHARING", "refund.success"])
    def test_an_unknown_event_is_kept_and_accepted(self, post: Post, event_type: str) -> None:
        post.bring({"anything": ["at", "all"]}, event_type=event_type)
        (row,) = rows(INBOX)
        assert (row["outcome"], row["event_type"], row["content"]) == (
            "ignored",
            event_type,
            {"anything": ["at", "all"]},
        )
        assert payment(post.number)["state"] == "open"

    def test_a_refund_of_nothing_of_ours_is_unknown(self, post: Post) -> None:
        with pytest.raises(errors.UnknownPayment):
            post.bring({"out_refund_no": "Rnot-ours", "refund_status": "SUCCESS"}, event_type="REFUND.SUCCESS")
        assert kept() == [("unmatched", False)]


class TestOverTheWire:
    """Sent by the emulated WeChat, with everything that can be wrong about a letter."""

    @pytest.mark.parametrize(
        "fault", ["forged_signature", "wrong_key", "signtest", "old_timestamp", "future_timestamp"]
    )
    def test_what_is_not_believed_is_refused_and_the_true_one_follows(
        self, buyer: Buyer, wechat: Wechat, fault: str, now: datetime
    ) -> None:
        wechat.fault(fault, on="payment")
        number = buyer.paid(now=now)
        assert wechat.inbox.answered == [401]
        assert rows(INBOX) == []
        wechat.order("/redeliver", out_trade_no=number)
        assert wechat.inbox.answered == [401, 204]
        assert payment(number)["state"] == "succeeded"

    def test_a_doubled_notification_is_applied_once(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("doubled", on="payment")
        buyer.paid(now=now)
        wait_until(lambda: wechat.inbox.answered == [204, 204])
        assert len(facts_of("payment.succeeded")) == 1

    def test_twenty_at_once_are_applied_once(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("lost", on="payment")
        number = buyer.paid(now=now)
        wechat.order("/redeliver", out_trade_no=number, times=20, parallel=True)
        wait_until(lambda: wechat.inbox.answered == [204] * 20, what="twenty answers")
        (row,) = rows(INBOX)
        assert row["deliveries"] == 20
        assert len(facts_of("payment.succeeded")) == 1

    def test_a_letter_older_than_five_minutes_is_not_replayed(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        buyer.paid(now=now)
        ((headers, body),) = wechat.inbox.letters
        notifications.receive(headers=headers, body=body, now=datetime.now(UTC))
        with pytest.raises(errors.BadSignature):
            notifications.receive(headers=headers, body=body, now=datetime.now(UTC) + timedelta(seconds=301))
        assert len(facts_of("payment.succeeded")) == 1


class TestRace:
    """The same money, told by many notifications with different ids at the same moment."""

    @staticmethod
    def race(post: Post) -> None:
        start = Barrier(8, timeout=60)

        def tell(number: int) -> None:
            start.wait()
            post.bring(name=f"EV-{number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(tell, range(8)))

    @pytest.fixture
    def recorded(self, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
        """The number of each payment whose money was found to be new."""
        found: list[str | None] = []
        judge = receipts.judge

        def note(taken: receipts.Taken | None, transaction: answers.Transaction) -> Verdict:
            verdict = judge(taken, transaction)
            if verdict is Verdict.RECORDED:
                found.append(transaction.number)
            return verdict

        monkeypatch.setattr(receipts, "judge", note)
        return found

    def test_without_the_compare_and_set_each_would_find_it_new(
        self, post: Post, recorded: list[str | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard off: the race is real, and only the fact's key would stand between it and a second publication."""
        monkeypatch.setattr(lifecycle, "payment_origins", lambda _: list(PaymentState))
        self.race(post)
        assert len(recorded) == 8
        assert len(facts_of("payment.succeeded")) == 1

    def test_one_finds_it_new_and_all_are_applied(self, post: Post, recorded: list[str | None]) -> None:
        self.race(post)
        assert recorded == [post.number]
        assert kept() == [("applied", True)] * 8

    def test_notification_and_answer_agree(
        self, buyer: Buyer, wechat: Wechat, recorded: list[str | None], now: datetime
    ) -> None:
        wechat.fault("lost", on="payment")
        number = buyer.paid(now=now)
        body = wechat.writer().envelope(wechat_content(wechat, number))
        start = Barrier(6, timeout=60)

        def learn(turn: int) -> None:
            start.wait()
            if turn % 2:
                at = datetime.now(UTC)
                notifications.receive(headers=wechat.writer().headers(body, at=at), body=body, now=at)
            else:
                collect.close(reference="O1", now=now)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(learn, range(6)))
        assert recorded == [number]
        assert payment(number)["state"] == "succeeded"


def wechat_content(wechat: Wechat, number: str) -> dict[str, Any]:
    """What WeChat would tell about a payment of its books."""
    book = wechat.book(number)
    return {
        "mchid": wechat.settings.wechatpay_mchid,
        "appid": book["appid"],
        "out_trade_no": number,
        "transaction_id": book["transaction_id"],
        "trade_state": "SUCCESS",
        "success_time": book["paid_at"],
        "amount": {"total": book["total_fen"], "currency": "CNY"},
    }


def test_it_is_not_received_while_a_transaction_is_open(db: None) -> None:
    with database.transaction(), pytest.raises(AssertionError):
        notifications.receive(headers={}, body=b"", now=datetime.now(UTC))
