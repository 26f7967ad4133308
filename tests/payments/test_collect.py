"""A reference is paid once, under a number that is never given up before WeChat has closed it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql import Insert

from config import database
from payments import collect, errors, lifecycle, numbers
from payments.collect import Payer
from payments.lifecycle import Channel, PaymentState
from payments.wechatpay import client
from tests.payments.conftest import Buyer, Wechat, change, facts_of, rows, wait_until

PAYMENTS = "SELECT * FROM payments ORDER BY id"


def standing(reference: str = "O1") -> collect.PaymentView | None:
    with database.transaction() as session:
        return collect.current(session, reference=reference)


def test_the_payments_of_many_references_are_those_of_each(buyer: Buyer, now: datetime) -> None:
    for reference in ("O1", "O2"):
        buyer.open(reference, now=now)
        buyer.open(reference, channel=Channel.NATIVE, now=now)
    with database.transaction() as session:
        views = collect.currents(session, references=["O2", "O1", "nobody's"])
    assert views == {reference: standing(reference) for reference in ("O1", "O2")}
    assert {view.channel for view in views.values()} == {Channel.NATIVE}


class TestOpening:
    """What a payer is handed."""

    def test_inside_wechat_the_page_gets_signed_parameters(self, buyer: Buyer, now: datetime) -> None:
        for channel in (Channel.MINIPROGRAM, Channel.OFFICIAL):
            opened = buyer.open(channel.value, channel=channel, now=now)
            assert opened.state is PaymentState.OPEN
            assert {"timeStamp", "nonceStr", "package", "signType", "paySign"} <= opened.client.keys()
            assert opened.client["package"].startswith("prepay_id=wx")

    def test_each_channel_pays_with_its_own_account(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        ours = wechat.settings
        for channel in Channel:
            number = buyer.open(channel.value, channel=channel, now=now).number
            expected = ours.wechat_miniprogram_appid if channel is Channel.MINIPROGRAM else ours.wechat_official_appid
            assert wechat.book(number)["appid"] == expected

    def test_outside_wechat_the_browser_gets_an_address(self, buyer: Buyer, now: datetime) -> None:
        assert buyer.open("h5", channel=Channel.H5, now=now).client.keys() == {"h5_url"}
        assert buyer.open("native", channel=Channel.NATIVE, now=now).client.keys() == {"code_url"}

    def test_wechat_hears_what_was_recorded(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        pay_until = now.replace(microsecond=0) + timedelta(minutes=30)
        number = buyer.open(now=now, pay_until=pay_until, description="🍐砀山酥梨 5斤🍐").number
        book = wechat.book(number)
        assert (book["total_fen"], book["description"]) == (5990, "砀山酥梨 5斤")
        assert datetime.fromisoformat(book["pay_until"]) == pay_until
        (row,) = rows(PAYMENTS)
        assert row["request"]["time_expire"].endswith("+08:00")
        assert row["request"]["notify_url"] == f"{wechat.inbox.url}/wechatpay/notifications/payments"

    @pytest.mark.parametrize(
        "payer",
        [
            Payer(channel=Channel.MINIPROGRAM),
            Payer(channel=Channel.OFFICIAL, openid=""),
            Payer(channel=Channel.H5),
            Payer(channel=Channel.H5, client_ip="203.0.113.9, 10.0.0.1"),
        ],
    )
    def test_a_payer_must_have_what_the_channel_needs(
        self, buyer: Buyer, wechat: Wechat, payer: Payer, now: datetime
    ) -> None:
        with pytest.raises(errors.BadPayer):
            buyer.open(now=now, channel=Channel.NATIVE, payer=payer)
        assert rows(PAYMENTS) == []
        assert wechat.calls() == []

    def test_nothing_and_less_than_nothing_are_no_payment(self, buyer: Buyer, now: datetime) -> None:
        for amount_fen in (0, -1):
            with pytest.raises(ValueError, match="positive"):
                buyer.open(now=now, amount_fen=amount_fen)

    def test_after_the_time_to_pay_nothing_is_opened(self, buyer: Buyer, now: datetime) -> None:
        with pytest.raises(errors.PaymentExpired):
            buyer.open(now=now, pay_until=now)
        assert rows(PAYMENTS) == []

    def test_the_number_is_stored_before_wechat_hears_it(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        """The payer is so fast that the notification arrives before prepay is answered."""
        wechat.fault("notify_first", on="prepay")
        with pytest.raises(errors.AlreadyPaid):
            buyer.open(now=now)
        assert wechat.inbox.answered == [204]
        assert [fact["reference"] for fact in facts_of("payment.succeeded")] == ["O1"]
        assert wechat.calls() == ["prepay"]

    def test_a_paid_reference_is_not_paid_again(self, buyer: Buyer, now: datetime) -> None:
        buyer.paid(now=now)
        for channel in Channel:
            with pytest.raises(errors.AlreadyPaid):
                buyer.open(channel=channel, now=now)

    @pytest.mark.parametrize("fault", ["ORDERPAID at prepay", "ORDER_PAID at close"])
    def test_paid_in_any_spelling_is_asked_about(self, buyer: Buyer, wechat: Wechat, fault: str, now: datetime) -> None:
        """The notification is lost; only the answer to another call says that the money came."""
        wechat.fault("lost", on="payment")
        number = buyer.open(now=now).number
        later = now + timedelta(hours=2)
        if fault == "ORDERPAID at prepay":
            wechat.pay(number)
            with pytest.raises(errors.AlreadyPaid):
                buyer.open(now=later, pay_until=later + timedelta(minutes=5))
            assert wechat.calls()[-2:] == ["prepay", "query"]
        else:
            wechat.pay(number)
            with pytest.raises(errors.AlreadyPaid):
                buyer.open(channel=Channel.NATIVE, now=now)
        assert [fact["payment"] for fact in facts_of("payment.succeeded")] == [number]


class TestOpeningAgain:
    """The same wish is the same payment; another wish closes it first."""

    def test_a_second_tap_gets_a_fresh_signature_without_a_call(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        first = buyer.open(now=now)
        second = buyer.open(now=now + timedelta(seconds=9))
        assert second.number == first.number
        assert second.client["package"] == first.client["package"]
        assert int(second.client["timeStamp"]) == int(first.client["timeStamp"]) + 9
        assert second.client["paySign"] != first.client["paySign"]
        assert wechat.calls() == ["prepay"]

    @pytest.mark.parametrize(
        ("channel", "lives"), [(Channel.MINIPROGRAM, timedelta(hours=2)), (Channel.H5, timedelta(minutes=5))]
    )
    def test_a_token_that_wechat_forgot_is_ordered_again_word_for_word(
        self, buyer: Buyer, wechat: Wechat, channel: Channel, lives: timedelta, now: datetime
    ) -> None:
        pay_until = now + timedelta(hours=3)
        first = buyer.open(channel=channel, now=now, pay_until=pay_until)
        second = buyer.open(
            channel=channel,
            now=now + lives - timedelta(seconds=1),
            pay_until=pay_until + timedelta(minutes=1),
            description="another text",
        )
        assert second.number == first.number
        assert second.client != first.client
        assert wechat.calls() == ["prepay", "prepay"]

    @pytest.mark.parametrize(
        "changed",
        [
            {"channel": Channel.OFFICIAL},
            {"amount_fen": 5000},
            {"payer": Payer(channel=Channel.H5, client_ip="2001:db8::7")},
        ],
    )
    def test_a_change_closes_the_number_and_takes_another(
        self, buyer: Buyer, wechat: Wechat, changed: dict[str, Any], now: datetime
    ) -> None:
        first = buyer.open(channel=Channel.H5, now=now)
        second = buyer.open(now=now, **{"channel": Channel.H5, **changed})
        assert second.number != first.number
        assert wechat.calls() == ["prepay", "query", "close", "query", "prepay"]
        assert [wechat.book(each.number)["state"] for each in (first, second)] == ["CLOSED", "NOTPAY"]
        assert [fact["payment"] for fact in facts_of("payment.closed")] == [first.number]

    def test_without_an_answer_no_other_number_is_taken(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        buyer.open(now=now)
        wechat.fault("error", on="query")
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(channel=Channel.NATIVE, now=now)
        assert [row["state"] for row in rows(PAYMENTS)] == ["open"]
        assert wechat.calls() == ["prepay", "query"]

    def test_what_was_closed_at_wechat_gets_another_number(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        first = buyer.open(now=now, pay_until=now + timedelta(hours=5))
        client.current().close(first.number)
        second = buyer.open(now=now + timedelta(hours=3), pay_until=now + timedelta(hours=5))
        assert second.number != first.number
        assert [row["state"] for row in rows(PAYMENTS)] == ["closed", "open"]


class TestUnknown:
    """A call without an answer is resolved by asking, never by another number."""

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("fault", ["error", "limited", "forged_response"])
    def test_a_lost_answer_is_ordered_again_under_the_same_number(
        self, buyer: Buyer, wechat: Wechat, fault: str, when: str, now: datetime
    ) -> None:
        wechat.fault(fault, on="prepay", when=when)
        opened = buyer.open(now=now)
        assert wechat.calls() == ["prepay", "query", "prepay"]
        assert [row["number"] for row in rows(PAYMENTS)] == [opened.number]

    def test_when_it_stays_silent_the_shopper_may_try_again(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("error", on="prepay", when="after", times=2)
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(now=now)
        opened = buyer.open(now=now)
        assert [row["number"] for row in rows(PAYMENTS)] == [opened.number]
        assert len(wechat.book(opened.number)["prepay_ids"]) == 3

    def test_a_timeout_after_which_the_payer_pays_is_one_payment(
        self, buyer: Buyer, wechat: Wechat, impatient: Callable[[Callable[[], Any]], None], now: datetime
    ) -> None:
        impatient(lambda: wechat.knows(rows(PAYMENTS)[0]["number"]))
        wechat.fault("timeout", on="prepay", when="after", options={"seconds": 60})
        wechat.fault("error", on="query")
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(now=now)
        (row,) = rows(PAYMENTS)
        wechat.pay(row["number"])
        assert [fact["payment"] for fact in facts_of("payment.succeeded")] == [row["number"]]

    def test_a_refused_request_gives_its_number_up(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        """The openid of the other account; the corrected request follows under another number."""
        wrong = Payer(channel=Channel.MINIPROGRAM, openid=wechat.openid(account="official"))
        with pytest.raises(errors.PaymentRefused):
            buyer.open(now=now, payer=wrong)
        buyer.open(now=now)
        assert [row["state"] for row in rows(PAYMENTS)] == ["closed", "open"]

    def test_a_refusal_of_a_number_that_wechat_has_keeps_it_open(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        buyer.open(now=now, pay_until=now + timedelta(hours=5))
        change("UPDATE payments SET request = jsonb_set(request, '{description}', '\"edited\"')")
        with pytest.raises(errors.PaymentRefused):
            buyer.open(now=now + timedelta(hours=3), pay_until=now + timedelta(hours=5))
        assert [row["state"] for row in rows(PAYMENTS)] == ["open"]

    def test_a_token_that_comes_after_the_close_is_closed_too(
        self, buyer: Buyer, wechat: Wechat, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """The shopper cancels while prepay is under way: the token must reach nobody."""
        prepay = client.Client.prepay

        def slow(self: client.Client, channel: Channel, body: Any) -> Any:
            with ThreadPoolExecutor(1) as other:
                other.submit(collect.close, reference="O1", now=now).result()
            return prepay(self, channel, body)

        monkeypatch.setattr(client.Client, "prepay", slow)
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(now=now)
        (row,) = rows(PAYMENTS)
        assert (row["state"], row["token"]) == ("closed", None)
        assert wechat.book(row["number"])["state"] == "CLOSED"


class TestRace:
    """Two taps at the same moment."""

    @staticmethod
    def race(buyer: Buyer, now: datetime) -> set[str]:
        start = Barrier(4, timeout=60)

        def tap(_: int) -> str:
            start.wait()
            return buyer.open(now=now, channel=Channel.NATIVE).number

        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(tap, range(4)))

    def test_many_taps_open_one_payment(self, buyer: Buyer, now: datetime) -> None:
        assert len(self.race(buyer, now)) == 1
        assert len(rows(PAYMENTS)) == 1

    def test_without_the_index_there_would_be_several(
        self, buyer: Buyer, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """The guard off: the race is real."""
        is_paid, together = collect._is_paid, Barrier(4, timeout=60)

        def look_together(session: Any, reference: str) -> bool:
            # Nobody commits before everybody has inserted.
            together.wait()
            return is_paid(session, reference)

        monkeypatch.setattr(Insert, "on_conflict_do_nothing", lambda statement, **_: statement)
        monkeypatch.setattr(collect, "_is_paid", look_together)
        change("DROP INDEX uq_payments_one_open")
        try:
            self.race(buyer, now)
            assert len(rows(PAYMENTS)) == 4
        finally:
            change("DELETE FROM payments")
            change("CREATE UNIQUE INDEX uq_payments_one_open ON payments (reference) WHERE state = 'open'")


class TestChecking:
    """When nobody tells us, we ask."""

    def test_a_lost_notification_is_found_by_asking(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("lost", on="payment")
        number = buyer.paid(now=now)
        found = collect.check(reference="O1", now=now)
        assert found is not None
        assert (found.number, found.state) == (number, PaymentState.SUCCEEDED)
        paid_at = datetime.fromisoformat(wechat.book(number)["paid_at"])
        assert found.succeeded_at == paid_at.replace(microsecond=0)

    def test_a_shopper_may_ask_once_in_two_seconds(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        buyer.open(now=now)
        for seconds in (0, 0.5, 1.9, 2, 2.1, 4):
            collect.check(reference="O1", now=now + timedelta(seconds=seconds))
        assert wechat.calls().count("query") == 3

    def test_a_reference_without_an_open_payment_is_not_asked_about(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        assert collect.check(reference="nothing", now=now) is None
        buyer.paid(now=now)
        before = wechat.calls()
        found = collect.check(reference="O1", now=now)
        assert found is not None
        assert found.state is PaymentState.SUCCEEDED
        assert wechat.calls() == before

    def test_while_wechat_is_silent_a_payment_is_being_confirmed(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        buyer.open(now=now)
        assert not standing().is_confirming
        wechat.fault("error", on="query")
        assert collect.check(reference="O1", now=now).is_confirming
        assert not collect.check(reference="O1", now=now + timedelta(seconds=3)).is_confirming

    def test_what_wechat_never_heard_of_is_not_being_confirmed(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        wechat.fault("error", on="prepay")
        wechat.fault("error", on="query")
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(now=now)
        view = collect.check(reference="O1", now=now + timedelta(seconds=3))
        assert view is not None
        assert (view.state, view.is_confirming) == (PaymentState.OPEN, False)

    def test_every_open_payment_is_asked_about_on_schedule(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        buyer.open(now=now)
        asked = [second for second in range(0, 1800, 5) if collect.check_due(now=now + timedelta(seconds=second))]
        assert asked == [5, 30, 60, 180, 300, 600]
        assert wechat.calls() == ["prepay"] + ["query"] * 6

    def test_a_payment_that_expires_is_closed(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        number = buyer.open(now=now).number
        assert collect.check_due(now=now + timedelta(minutes=30)) == 1
        assert standing().state is PaymentState.OPEN
        assert collect.check_due(now=now + timedelta(minutes=31, seconds=30)) == 1
        assert wechat.calls() == ["prepay", "query", "query", "close", "query"]
        assert standing().state is PaymentState.CLOSED
        assert wechat.book(number)["state"] == "CLOSED"

    def test_paid_at_the_last_moment_is_paid(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("lost", on="payment")
        buyer.paid(now=now)
        collect.check_due(now=now + timedelta(minutes=32))
        assert standing().state is PaymentState.SUCCEEDED
        assert wechat.calls() == ["prepay", "query"]

    def test_a_job_that_died_after_taking_leaves_the_next_check_planned(self, buyer: Buyer, now: datetime) -> None:
        buyer.open(now=now)
        taken = now + timedelta(seconds=6)
        assert collect._take_due(taken) is not None
        assert collect._take_due(taken) is None
        assert collect.check_due(now=now + timedelta(seconds=30)) == 1

    def test_two_jobs_never_take_the_same_payment(self, buyer: Buyer, now: datetime) -> None:
        for number in range(8):
            buyer.open(f"O{number}", channel=Channel.NATIVE, now=now)
        later = now + timedelta(seconds=6)
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda _: collect._take_due(later), range(12)))
        found = [each[0] for each in taken if each is not None]
        assert len(found) == len(set(found)) == 8

    def test_silence_ends_a_round_early(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        for number in range(3):
            buyer.open(f"O{number}", channel=Channel.NATIVE, now=now)
        wechat.fault("error", on="query")
        later = now + timedelta(seconds=6)
        assert collect.check_due(now=later) == 1
        assert collect.check_due(now=later) == 2
        assert collect.check_due(now=later, limit=2) == 0


class TestClosing:
    """A payment is closed when WeChat says so, after having been asked again."""

    def test_query_close_query(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        number = buyer.open(now=now).number
        closed = collect.close(reference="O1", now=now)
        assert closed.state is PaymentState.CLOSED
        assert wechat.calls() == ["prepay", "query", "close", "query"]
        assert facts_of("payment.closed") == [{"reference": "O1", "payment": number}]
        assert collect.close(reference="O1", now=now) == closed
        assert len(wechat.calls()) == 4

    def test_what_was_never_opened_is_closed_without_a_call(self, wechat: Wechat, now: datetime) -> None:
        assert collect.close(reference="nothing", now=now) is None
        assert wechat.calls() == []

    def test_what_wechat_never_heard_of_is_closed(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("error", on="prepay", times=2)
        with pytest.raises(errors.PaymentUnavailable):
            buyer.open(now=now)
        assert collect.close(reference="O1", now=now).state is PaymentState.CLOSED

    def test_paid_before_the_close_is_paid(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("lost", on="payment")
        buyer.paid(now=now)
        assert collect.close(reference="O1", now=now).state is PaymentState.SUCCEEDED
        assert facts_of("payment.closed") == []

    def test_paid_between_query_and_close_is_paid(
        self, buyer: Buyer, wechat: Wechat, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        """WeChat then refuses to close with ORDER_PAID, and only the second query tells."""
        wechat.fault("lost", on="payment")
        number = buyer.open(now=now).number
        close = client.Client.close

        def pay_first(self: client.Client, closing: str) -> Any:
            wechat.pay(closing)
            return close(self, closing)

        monkeypatch.setattr(client.Client, "close", pay_first)
        assert collect.close(reference="O1", now=now).state is PaymentState.SUCCEEDED
        assert [fact["payment"] for fact in facts_of("payment.succeeded")] == [number]

    @pytest.mark.parametrize("call", ["query", "close"])
    def test_without_an_answer_it_stays_open(self, buyer: Buyer, wechat: Wechat, call: str, now: datetime) -> None:
        buyer.open(now=now)
        wechat.fault("error", on=call)
        assert collect.close(reference="O1", now=now).state is PaymentState.OPEN
        assert facts_of("payment.closed") == []

    def test_paid_after_the_close_is_real_money(self, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
        wechat.fault("pay_after_close", on="close")
        number = buyer.open(now=now).number
        collect.close(reference="O1", now=now)
        wait_until(lambda: wechat.inbox.answered == [204])
        assert standing().state is PaymentState.SUCCEEDED
        assert [fact["payment"] for fact in facts_of("payment.succeeded")] == [number]

    def test_paid_after_the_close_is_found_even_when_nobody_tells(
        self, buyer: Buyer, wechat: Wechat, now: datetime
    ) -> None:
        wechat.fault("lost", on="payment")
        number = buyer.open(now=now).number
        collect.close(reference="O1", now=now)
        wechat.pay(number, force=True)
        assert collect.check_due(now=now + timedelta(minutes=9)) == 0
        assert collect.check_due(now=now + lifecycle.LAST_LOOK_AFTER_CLOSING) == 1
        assert standing().state is PaymentState.SUCCEEDED
        assert collect.check_due(now=now + timedelta(days=1)) == 0


def test_the_payment_that_matters_is_shown(buyer: Buyer, wechat: Wechat, now: datetime) -> None:
    assert standing() is None
    first = buyer.open(now=now)
    collect.close(reference="O1", now=now)
    assert standing().number == first.number
    second = buyer.open(now=now, channel=Channel.NATIVE)
    assert standing().number == second.number
    wechat.pay(first.number, force=True)
    assert (standing().number, standing().state) == (first.number, PaymentState.SUCCEEDED)


def test_numbers_are_never_the_reference(buyer: Buyer, now: datetime) -> None:
    opened = buyer.open("order with spaces & 中文", now=now)
    assert numbers.is_valid(opened.number)
