"""A refund that WeChat cannot pay out, or will not take, waits for a person, who has two ways out for each."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Select

from config import database
from payments import books, cases, errors, refunds, stranded
from payments.lifecycle import RefundState
from payments.models import CaseKind, Resolution
from payments.wechatpay import answers, client
from tests.payments.conftest import Buyer, Wechat, change, facts_of, rows
from tests.payments.test_refunds import ask_back, state_of, wechat_says


@pytest.fixture
def abnormal(buyer: Buyer, wechat: Wechat, now: datetime) -> str:
    """A refund of 59.90 yuan that WeChat could not pay out."""
    buyer.paid(now=now)
    number = ask_back(now=now).number
    wechat.fault("refund_abnormal", on="refund")
    refunds.send(number=number, now=now)
    wechat.order("/settle", out_refund_no=number)
    wechat.order("/redeliver", out_refund_no=number)
    assert state_of(number) == "abnormal"
    return number


def mark(number: str, *, now: datetime, bank_reference: str = "20261121-000017") -> bool:
    with database.transaction() as session:
        return stranded.mark_transferred(
            session,
            number=number,
            bank_reference=bank_reference,
            note="买家本人账户",
            paid_by="li",
            paid_at=now - timedelta(hours=1),
            now=now,
        )


def case() -> tuple[str | None, str | None]:
    """How the case of the refund ended, and who ended it."""
    [kept] = rows("SELECT resolution, closed_by FROM payment_cases WHERE kind = 'refund_abnormal'")
    return kept["resolution"], kept["closed_by"]


def queue() -> list[str]:
    with database.transaction() as session:
        return [each.number for each in stranded.listing(session)]


def test_the_queue_holds_what_waits_for_a_person(abnormal: str, buyer: Buyer, now: datetime) -> None:
    buyer.paid("O2", now=now)
    ask_back(100, reference="O2", now=now)
    with database.transaction() as session:
        (found,) = stranded.listing(session)
    assert (found.number, found.reference, found.amount_fen) == (abnormal, "O1", 5990)
    assert found.refund_id is not None


def test_a_transfer_with_its_evidence_ends_the_refund_once(abnormal: str, now: datetime) -> None:
    assert case() == (None, None)
    assert mark(abnormal, now=now)
    assert case() == ("repaired", "li")
    assert not mark(abnormal, now=now)
    assert (state_of(abnormal), queue()) == ("transferred", [])
    (told,) = facts_of("refund.succeeded")
    assert datetime.fromisoformat(told.pop("refunded_at")) == now - timedelta(hours=1)
    assert told == {"reference": "O1", "refund": abnormal, "key": "K1", "amount_fen": 5990, "by_transfer": True}
    [kept] = rows("SELECT transfer FROM payment_refunds")
    assert (kept["transfer"]["bank_reference"], kept["transfer"]["paid_by"]) == ("20261121-000017", "li")
    with database.transaction() as session:
        assert books.differences(session) == []
    with pytest.raises(errors.RefundNotAbnormal):
        mark(abnormal, now=now, bank_reference="another")
    with pytest.raises(errors.RefundTooLarge):
        ask_back(1, key="K2", now=now)


def test_one_transfer_is_the_evidence_of_one_refund(abnormal: str, buyer: Buyer, wechat: Wechat, now: datetime) -> None:
    """Or somebody who keeps the money of the second shows the slip of the first."""
    buyer.paid("O2", now=now)
    other = ask_back(100, reference="O2", now=now).number
    wechat.fault("refund_abnormal", on="refund")
    refunds.send(number=other, now=now)
    wechat.order("/settle", out_refund_no=other)
    wechat.order("/redeliver", out_refund_no=other)
    assert mark(abnormal, now=now)
    with pytest.raises(errors.BankReferenceTaken):
        mark(other, now=now)
    assert (state_of(other), queue()) == ("abnormal", [other])
    assert mark(other, now=now, bank_reference="20261121-000018")


def test_should_wechat_pay_after_all_a_person_hears_of_it(abnormal: str, wechat: Wechat, now: datetime) -> None:
    mark(abnormal, now=now)
    with database.transaction() as session:
        refund = refunds.listing(session, reference="O1")[0]
    assert wechat_says(refund.number, status="SUCCESS", succeeded_at=now, now=now).value == "mismatched"
    assert state_of(abnormal) == "transferred"
    assert len(facts_of("refund.succeeded")) == 1


def test_only_an_abnormal_refund_is_dealt_with_by_hand(buyer: Buyer, now: datetime) -> None:
    buyer.paid(now=now)
    number = ask_back(now=now).number
    with pytest.raises(errors.RefundNotAbnormal):
        mark(number, now=now)
    with pytest.raises(errors.RefundNotFound):
        mark("Rnone", now=now)


def to_card(number: str, now: datetime) -> RefundState:
    return stranded.send_to_card(
        number=number, bank_type="ICBC_DEBIT", account="6222020000000000000", holder="王小明", now=now
    )


def test_wechat_sends_it_on_to_a_card_that_only_wechat_can_read(
    abnormal: str, wechat: Wechat, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert to_card(abnormal, now) is RefundState.PROCESSING
    assert case() == (None, None)
    wechat.order("/settle", out_refund_no=abnormal, outcome="SUCCESS")
    wechat.order("/redeliver", out_refund_no=abnormal)
    assert (state_of(abnormal), queue()) == ("succeeded", [])
    assert case() == ("repaired", "微信支付")
    assert len(facts_of("refund.succeeded")) == 1
    said = "".join(capsys.readouterr()) + str(rows("SELECT * FROM payment_refunds"))
    assert "6222020000000000000" not in said
    assert "王小明" not in said


def test_wechat_may_decline_a_card_and_the_refund_stays_in_the_queue(abnormal: str, now: datetime) -> None:
    change("UPDATE payment_refunds SET refund_id = 'unknown-at-wechat'")
    with pytest.raises(errors.RefundDeclined):
        to_card(abnormal, now)
    assert queue() == [abnormal]


def test_while_it_goes_to_a_card_nobody_pays_it_by_transfer(
    abnormal: str, wechat: Wechat, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague pays by transfer while WeChat is asked to send the money on: one of the two must not."""
    call = client.Client.refund_to_card
    paid: list[bool] = []

    def meanwhile(self: client.Client, refund: str, **card: str) -> Any:
        with suppress(errors.RefundNotAbnormal):
            paid.append(mark(abnormal, now=now))
        return call(self, refund, **card)

    monkeypatch.setattr(client.Client, "refund_to_card", meanwhile)
    assert to_card(abnormal, now) is RefundState.PROCESSING
    assert (paid, state_of(abnormal)) == ([], "processing")
    wechat.order("/settle", out_refund_no=abnormal, outcome="SUCCESS")
    wechat.order("/redeliver", out_refund_no=abnormal)
    assert (state_of(abnormal), len(facts_of("refund.succeeded"))) == ("succeeded", 1)


def test_what_may_have_gone_to_a_card_is_not_paid_by_transfer_before_wechat_says_no(
    abnormal: str, wechat: Wechat, now: datetime
) -> None:
    wechat.fault("error", on="abnormal_refund", when="after")
    wechat.fault("error", on="refund_query")
    with pytest.raises(errors.PaymentUnavailable):
        to_card(abnormal, now)
    for act in (lambda: mark(abnormal, now=now), lambda: to_card(abnormal, now)):
        with pytest.raises(errors.RefundNotAbnormal):
            act()
    assert queue() == []
    refunds.check_due(now=now + timedelta(hours=1))
    assert state_of(abnormal) == "processing"


def test_what_did_not_go_to_a_card_comes_back_to_the_queue(abnormal: str, wechat: Wechat, now: datetime) -> None:
    wechat.fault("error", on="abnormal_refund", when="before")
    wechat.fault("error", on="refund_query")
    with pytest.raises(errors.PaymentUnavailable):
        to_card(abnormal, now)
    assert queue() == []
    refunds.check_due(now=now + timedelta(hours=1))
    assert queue() == [abnormal]
    assert mark(abnormal, now=now)


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_answer_is_asked_about(abnormal: str, wechat: Wechat, when: str, now: datetime) -> None:
    wechat.fault("error", on="abnormal_refund", when=when)
    if when == "before":
        with pytest.raises(errors.PaymentUnavailable):
            to_card(abnormal, now)
    else:
        assert to_card(abnormal, now) is RefundState.PROCESSING
    assert queue() == ([abnormal] if when == "before" else [])


@pytest.fixture
def refused(buyer: Buyer, now: datetime) -> str:
    """A refund of 59.90 yuan that WeChat will not take, however often it is sent."""
    buyer.paid(now=now)
    number = ask_back(now=now).number
    change("UPDATE payment_refunds SET request = jsonb_set(request, '{amount,total}', '1')")
    refunds.send(number=number, now=now)
    return number


def give_up(*, now: datetime, kind: CaseKind = CaseKind.REFUND_REFUSED) -> None:
    with database.transaction() as session:
        [case], _ = cases.listing(session, kind=kind)
        cases.close(session, slug=case.slug, resolution=Resolution.EXPLAINED, reason="账户异常", by="lin", now=now)


def ends() -> list[tuple[Any, ...]]:
    return database.statement("SELECT kind, resolution FROM payment_cases ORDER BY id")


def test_closing_the_case_of_a_refused_refund_gives_it_up(refused: str, now: datetime) -> None:
    assert queue() == [refused]
    give_up(now=now)
    assert (state_of(refused), queue()) == ("refused", [])
    assert facts_of("refund.failed") == [{"reference": "O1", "refund": refused, "key": "K1", "amount_fen": 5990}]
    assert refunds.check_due(now=now + timedelta(days=1)) == 0, "it is never sent again"
    refunds.send(number=refused, now=now + timedelta(days=1))
    assert state_of(refused) == "refused"
    with database.transaction() as session:
        assert books.differences(session) == []
    assert ask_back(5990, key="K2", now=now).number != refused
    with pytest.raises(errors.CaseClosed):
        give_up(now=now)
    with pytest.raises(errors.RefundNotAbnormal):
        mark(refused, now=now)


def test_a_refused_refund_is_paid_out_by_transfer(refused: str, now: datetime) -> None:
    with pytest.raises(errors.RefundNotAbnormal):
        to_card(refused, now)
    assert mark(refused, now=now)
    assert (state_of(refused), queue(), ends()) == ("transferred", [], [("refund_refused", "repaired")])
    with database.transaction() as session:
        assert books.differences(session) == []
    assert refunds.check_due(now=now + timedelta(days=1)) == 0
    with pytest.raises(errors.RefundTooLarge):
        ask_back(1, key="K2", now=now)
    with pytest.raises(errors.CaseClosed):
        give_up(now=now)


def test_nobody_decides_while_it_is_sent_again_and_not_answered(refused: str, wechat: Wechat, now: datetime) -> None:
    later = now + timedelta(hours=1)
    wechat.fault("error", on="refund")
    wechat.fault("error", on="refund_query")
    refunds.send(number=refused, now=later)
    assert queue() == []
    with pytest.raises(errors.RefundUnderWay):
        give_up(now=later)
    with pytest.raises(errors.RefundUnderWay):
        mark(refused, now=later)
    assert (state_of(refused), ends()) == ("requested", [("refund_refused", None)])
    refunds.send(number=refused, now=later + timedelta(hours=1))
    give_up(now=later)
    assert state_of(refused) == "refused"


@pytest.mark.parametrize("status", ["PROCESSING", "ABNORMAL", "SUCCESS", "CLOSED"])
def test_what_was_given_up_and_is_known_at_wechat_after_all_is_a_mismatch(
    refused: str, status: str, now: datetime
) -> None:
    give_up(now=now)
    told = {"refund_id": "50001", "status": status, "succeeded_at": now if status == "SUCCESS" else None}
    assert wechat_says(refused, now=now, **told).value == "mismatched"
    assert state_of(refused) == "refused"


class TestTwoDecideAtOnce:
    """One writes that a refused refund was transferred while another gives it up."""

    def race(self, refused: str, monkeypatch: pytest.MonkeyPatch, now: datetime, *, is_locked: bool) -> set[str]:
        looked, given_up, look = Event(), Event(), stranded._require_stranded

        def look_first(refund: Any) -> None:
            look(refund)
            looked.set()
            # Without the lock the other goes by; with it the other waits for us, so we must not for them.
            assert is_locked or given_up.wait(30)

        monkeypatch.setattr(stranded, "_require_stranded", look_first)

        def transfer() -> None:
            mark(refused, now=now)

        def give() -> None:
            assert looked.wait(30)
            give_up(now=now)
            given_up.set()

        done = set()
        with ThreadPoolExecutor(2) as pool:
            for name, work in {"transferred": pool.submit(transfer), "refused": pool.submit(give)}.items():
                if work.exception() is None:
                    done.add(name)
        return done

    def test_without_the_lock_both_do(self, refused: str, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        """The guard off: the one has looked before the other decides, and writes after it."""
        monkeypatch.setattr(Select, "with_for_update", lambda self, **_: self)
        assert self.race(refused, monkeypatch, now, is_locked=False) == {"transferred", "refused"}

    def test_only_one_does(self, refused: str, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        assert self.race(refused, monkeypatch, now, is_locked=True) == {"transferred"}
        assert (state_of(refused), ends()) == ("transferred", [("refund_refused", "repaired")])


@pytest.fixture
def vanished(buyer: Buyer, now: datetime, monkeypatch: pytest.MonkeyPatch) -> str:
    """A refund of 59.90 yuan that WeChat took, and knows nothing of ever after."""
    buyer.paid(now=now)
    number = ask_back(now=now).number
    refunds.send(number=number, now=now)
    assert state_of(number) == "processing"
    monkeypatch.setattr(client.Client, "query_refund", lambda *_: answers.Missing())
    assert refunds.check_due(now=now + timedelta(hours=1)) == 1
    assert (queue(), ends()) == ([], [("refund_vanished", None)]), "it may only be hard to find just now"
    for attempt in (lambda: give_up(now=now, kind=CaseKind.REFUND_VANISHED), lambda: mark(number, now=now)):
        with pytest.raises(errors.RefundUnderWay):
            attempt()
    assert refunds.check_due(now=now + timedelta(days=1)) == 1
    return number


def test_closing_the_case_of_a_vanished_refund_gives_it_up(vanished: str, now: datetime) -> None:
    assert (queue(), ends()) == ([vanished], [("refund_vanished", None)])
    give_up(now=now, kind=CaseKind.REFUND_VANISHED)
    assert (state_of(vanished), queue()) == ("refused", [])
    assert facts_of("refund.failed") == [{"reference": "O1", "refund": vanished, "key": "K1", "amount_fen": 5990}]
    assert refunds.check_due(now=now + timedelta(days=2)) == 0, "nobody asks about it any more"
    with database.transaction() as session:
        assert books.differences(session) == []
    assert ask_back(5990, key="K2", now=now).number != vanished
    assert wechat_says(vanished, status="SUCCESS", refund_id="50001", succeeded_at=now, now=now).value == "mismatched"


def test_a_vanished_refund_is_paid_out_by_transfer(vanished: str, now: datetime) -> None:
    with pytest.raises(errors.RefundNotAbnormal):
        to_card(vanished, now)
    assert mark(vanished, now=now)
    assert (state_of(vanished), queue(), ends()) == ("transferred", [], [("refund_vanished", "repaired")])
    with database.transaction() as session:
        assert books.differences(session) == []
    assert refunds.check_due(now=now + timedelta(days=2)) == 0


def test_what_wechat_remembers_is_decided_by_nobody(vanished: str, now: datetime) -> None:
    """Its word of old is not its last one: the money may be on its way."""
    assert wechat_says(vanished, status="PROCESSING", now=now).value == "known"
    assert (queue(), ends()) == ([], [("refund_vanished", "repaired")])
    with pytest.raises(errors.RefundNotAbnormal):
        mark(vanished, now=now)


def test_what_vanished_before_it_went_to_a_card_is_decided_by_nobody_meanwhile(
    abnormal: str, wechat: Wechat, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    """A question of before the card, whose answer comes after it, says nothing of the card."""
    asked_at, later = now + timedelta(days=2), now + timedelta(days=3)
    wechat.fault("error", on="abnormal_refund")
    wechat.fault("error", on="refund_query")
    with pytest.raises(errors.PaymentUnavailable):
        to_card(abnormal, later)
    refunds._hand_over(abnormal, CaseKind.REFUND_VANISHED, {}, asked_at)
    assert queue() == []
    with pytest.raises(errors.RefundUnderWay):
        give_up(now=later, kind=CaseKind.REFUND_VANISHED)
    with pytest.raises(errors.RefundUnderWay):
        mark(abnormal, now=later)
    assert (state_of(abnormal), facts_of("refund.failed")) == ("processing", [])


def test_a_mismatch_that_a_person_has_looked_into_is_asked_about_again(
    buyer: Buyer, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    """Or its refund would be under way for ever: nobody asks while the case is open."""
    buyer.paid(now=now)
    number = ask_back(now=now).number
    with monkeypatch.context() as patch:
        patch.setattr(refunds, "_differences", lambda *_: ["total"])
        refunds.send(number=number, now=now)
    assert (ends(), refunds.check_due(now=now + timedelta(days=1))) == ([("refund_mismatch", None)], 0)
    give_up(now=now, kind=CaseKind.REFUND_MISMATCH)
    assert refunds.check_due(now=now) == 1
    assert state_of(number) in ("processing", "succeeded")
