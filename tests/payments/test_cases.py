"""A case is opened once, with its evidence, and moves nothing; a person ends it, with a reason."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database, logs
from payments import books, cases, collect, ledger
from payments.errors import CaseClosed, CaseCursorInvalid, CaseNotFound, NothingToWriteOff, WriteOffNeedsAnother
from payments.lifecycle import Channel
from payments.models import CaseKind, Resolution
from tests.payments.conftest import rows


def test_one_case_of_a_kind_for_each_number(db: None, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **told: alarms.append(f"{kind} {told['case']}"))
    payer = collect.Payer(channel=Channel.NATIVE)
    payment = collect._take_number("O1", 5990, payer, "梨", now + timedelta(minutes=30), now)
    for kind in (CaseKind.MISMATCH, CaseKind.MISMATCH, CaseKind.REFUND_ABNORMAL):
        with database.transaction() as session:
            cases.open(
                session, kind=kind, payment_id=payment.id, number=payment.number, evidence={"seen": "梨"}, now=now
            )
    found = rows("SELECT kind, number, evidence, opened_at FROM payment_cases ORDER BY id")
    assert [case["kind"] for case in found] == ["mismatch", "refund_abnormal"]
    assert found[0] | {"kind": ""} == {
        "kind": "",
        "number": payment.number,
        "evidence": {"seen": "梨"},
        "opened_at": now,
    }
    assert alarms == ["payments.case mismatch", "payments.case refund_abnormal"]
    assert rows("SELECT state FROM payments") == [{"state": "open"}]


def opened(number: str = "P1", *, kind: CaseKind = CaseKind.BILL_AMOUNT, difference_fen: int | None = None) -> str:
    """A case about something that is no payment of ours: its slug."""
    at = datetime(2026, 11, 21, tzinfo=UTC)
    with database.transaction() as session:
        cases.open(session, kind=kind, number=number, evidence={}, difference_fen=difference_fen, now=at)
    return str(rows("SELECT slug FROM payment_cases WHERE number = :n AND kind = :k", n=number, k=kind)[0]["slug"])


def close(slug: str, now: datetime, resolution: Resolution = Resolution.EXPLAINED, *, by: str = "li") -> cases.CaseView:
    with database.transaction() as session:
        return cases.close(session, slug=slug, resolution=resolution, reason="已核对", by=by, now=now)


def test_a_case_is_taken_and_closed_with_a_reason_once(db: None, now: datetime) -> None:
    slug = opened()
    with database.transaction() as session:
        assert cases.take(session, slug=slug, owner="wang", now=now).owner == "wang"
        assert cases.open_count(session) == 1
    ended = close(slug, now)
    assert (ended.owner, ended.closed_by, ended.reason, ended.closed_at) == ("wang", "li", "已核对", now)
    for attempt in (lambda: close(slug, now), lambda: take(slug, now)):
        with pytest.raises(CaseClosed):
            attempt()
    with database.transaction() as session:
        assert cases.open_count(session) == 0
        assert cases.open(session, kind=CaseKind.BILL_AMOUNT, number="P1", evidence={}, now=now) is False
    for unknown in (lambda: close("K0", now), lambda: take("K0", now)):
        with pytest.raises(CaseNotFound):
            unknown()


def take(slug: str, now: datetime) -> None:
    with database.transaction() as session:
        cases.take(session, slug=slug, owner="zhao", now=now)


@pytest.mark.parametrize("difference_fen", [36, -36])
def test_a_difference_is_written_off_to_the_ledger(db: None, now: datetime, difference_fen: int) -> None:
    close(opened(difference_fen=difference_fen), now, Resolution.WRITTEN_OFF)
    with database.transaction() as session:
        found = {each.account: each.balance_fen for each in ledger.trial_balance(session)}
    assert found == {"wechat_receivable": difference_fen, "adjustments": -difference_fen}


@pytest.mark.parametrize("difference_fen", [None, 0])
def test_what_differs_in_no_money_cannot_be_written_off(db: None, now: datetime, difference_fen: int | None) -> None:
    slug = opened(difference_fen=difference_fen)
    with pytest.raises(NothingToWriteOff):
        close(slug, now, Resolution.WRITTEN_OFF)
    close(slug, now, Resolution.REPAIRED)


def balances() -> dict[str, int]:
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session)}


class TestAWriteOffAboveTheLimit:
    """One person alone may write off as much as one person alone may refund."""

    LIMIT_FEN = 50_000

    @pytest.mark.parametrize("difference_fen", [LIMIT_FEN + 1, -LIMIT_FEN - 1])
    def test_waits_for_a_second_person(self, db: None, now: datetime, difference_fen: int) -> None:
        slug = opened(difference_fen=difference_fen)
        asked = close(slug, now, Resolution.WRITTEN_OFF)
        assert (asked.closed_at, asked.resolution) == (None, None)
        assert (asked.write_off_asked_by, asked.write_off_asked_at, asked.write_off_reason) == ("li", now, "已核对")
        with pytest.raises(WriteOffNeedsAnother):
            close(slug, now, Resolution.WRITTEN_OFF)
        assert balances() == {}
        ended = close(slug, now, Resolution.WRITTEN_OFF, by="wang")
        assert (ended.closed_by, ended.resolution) == ("wang", Resolution.WRITTEN_OFF)
        assert balances() == {"wechat_receivable": difference_fen, "adjustments": -difference_fen}

    def test_at_the_limit_it_does_not(self, db: None, now: datetime) -> None:
        assert close(opened(difference_fen=self.LIMIT_FEN), now, Resolution.WRITTEN_OFF).closed_by == "li"

    def test_can_be_ended_in_another_way_by_anybody(self, db: None, now: datetime) -> None:
        slug = opened(difference_fen=self.LIMIT_FEN + 1)
        close(slug, now, Resolution.WRITTEN_OFF)
        assert close(slug, now).resolution is Resolution.EXPLAINED
        assert balances() == {}

    def test_what_reached_the_books_meanwhile_is_written_off_by_nobody(self, db: None, now: datetime) -> None:
        slug = opened(kind=CaseKind.BILL_MISSING_HERE, difference_fen=self.LIMIT_FEN + 1)
        close(slug, now, Resolution.WRITTEN_OFF)
        with database.transaction() as session:
            ledger.transfer(session, debit=books.RECEIVABLE, credit=books.CLEARING, amount_fen=self.LIMIT_FEN + 1,
                            source="payment.succeeded/P1", at=now)  # fmt: skip
        with pytest.raises(NothingToWriteOff):
            close(slug, now, Resolution.WRITTEN_OFF, by="wang")

    def test_of_one_person_twice_at_once_nothing_is_written_off(
        self, db: None, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database itself keeps whoever asked from being the one who closes."""
        slug = opened(difference_fen=self.LIMIT_FEN + 1)
        close(slug, now, Resolution.WRITTEN_OFF)
        with monkeypatch.context() as patch:
            patch.setattr(cases, "_needs_another", lambda *_: False)
            with pytest.raises(IntegrityError, match="another_person_writes_off"):
                close(slug, now, Resolution.WRITTEN_OFF)
        assert balances() == {}


def test_money_that_was_missing_is_written_off_once_whatever_it_is_missing_as(db: None, now: datetime) -> None:
    """A payment that nobody knew and that is closed by the next comparison is the same money in two cases."""
    kinds = (CaseKind.BILL_MISSING_HERE, CaseKind.BILL_STATE)
    first, second = (opened(kind=kind, difference_fen=100) for kind in kinds)
    other = opened("P2", kind=CaseKind.BILL_STATE, difference_fen=100)
    close(first, now, Resolution.WRITTEN_OFF)
    with pytest.raises(NothingToWriteOff):
        close(second, now, Resolution.WRITTEN_OFF)
    close(second, now)
    close(other, now, Resolution.WRITTEN_OFF)
    assert balances() == {"wechat_receivable": 200, "adjustments": -200}


def test_of_two_people_one_closes(db: None, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(slug: str) -> int:
        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(close, slug, now, Resolution.WRITTEN_OFF) for _ in range(2)]
        return sum(end.exception() is None for end in ends)

    assert at_once(opened("P1", difference_fen=1)) == 1
    both_have_read, find = Barrier(2, timeout=60), cases.find

    def unguarded(session: Session, slug: str) -> cases.CaseView:
        case = find(session, slug=slug)
        both_have_read.wait(10)
        return case

    monkeypatch.setattr(cases, "_require_open", unguarded)
    assert at_once(opened("P2", difference_fen=1)) == 2, "without the lock both of them believe that they did"


def test_cases_are_listed_by_state_kind_and_number(db: None, now: datetime) -> None:
    slugs = [opened(f"P{at}", kind=kind) for at, kind in enumerate([CaseKind.BILL_FEE] * 3 + [CaseKind.UNMATCHED])]
    close(slugs[0], now)

    def listed(**asked: Any) -> tuple[list[str], str | None]:
        with database.transaction() as session:
            found, cursor = cases.listing(session, **asked)
        return [case.slug for case in found], cursor

    assert listed() == (slugs[::-1], None)
    assert listed(is_open=False) == ([slugs[0]], None)
    assert listed(is_open=True, kind=CaseKind.BILL_FEE) == ([slugs[2], slugs[1]], None)
    assert listed(number="P3") == ([slugs[3]], None)
    first, cursor = listed(limit=3)
    assert first == slugs[:0:-1]
    assert listed(limit=3, cursor=cursor) == ([slugs[0]], None)
    for wrong in ("?", "-1", "f" * 17, ""):
        with pytest.raises(CaseCursorInvalid):
            listed(cursor=wrong)
