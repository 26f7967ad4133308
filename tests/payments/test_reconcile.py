"""Days against WeChat's bills: equal when they are, every difference a case once, nothing changed by doing it again."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from config import clock, database, logs
from payments import books, cases, collect, comparing, reconcile, refunds, share_returns, sharing
from payments.errors import BillBroken, BillNotReady, NothingToWriteOff
from payments.lifecycle import Channel
from payments.models import Resolution
from tests.payments.conftest import Buyer, Wechat, balances, change, found, rows, wait_until

# Each test has days of its own at the emulated WeChat, which remembers what other tests bought.
_days = itertools.count(200, 3)


@dataclass
class Calendar:
    """A day on which things are bought, and the moments at which its bill is asked for."""

    wechat: Wechat
    day: date
    frozen: list[Any] = field(default_factory=list)

    def at(self, hour: int, *, later: int = 0) -> datetime:
        return datetime.combine(self.day + timedelta(days=later), time(hour, 5), clock.SHANGHAI)

    def turn(self, instant: datetime) -> datetime:
        """Move WeChat's clock and ours."""
        self.wechat.order("/clock", offset_seconds=(instant - datetime.now(UTC)).total_seconds())
        while self.frozen:
            self.frozen.pop().__exit__(None, None, None)
        held = clock.frozen(instant)
        held.__enter__()
        self.frozen.append(held)
        return instant

    def reconcile(self, hour: int = 10) -> int:
        return reconcile.one_day(day=self.day, now=self.turn(self.at(hour, later=1)))


@pytest.fixture
def calendar(wechat: Wechat) -> Iterator[Calendar]:
    made = Calendar(wechat, datetime.now(clock.SHANGHAI).date() + timedelta(days=next(_days)))
    made.turn(made.at(15))
    yield made
    while made.frozen:
        made.frozen.pop().__exit__(None, None, None)
    wechat.order("/clock", offset_seconds=0)
    wechat.order("/terms", bill_bom=True, bill_newline="\r\n", bill_hash_over="plain", bill_wide_brackets=False,
                 empty_bill_status=400, fee_places=2)  # fmt: skip


@dataclass(frozen=True)
class Traded:
    """Two payments, the second with a coupon and half of it given back."""

    first: str
    second: str
    refund: str


@pytest.fixture
def traded(calendar: Calendar, buyer: Buyer, wechat: Wechat) -> Traded:
    now = calendar.at(15)
    first = buyer.paid("O1", now=now)
    second = buyer.open("O2", now=now, amount_fen=10_000).number
    wechat.pay(second, payer_total=9_000)
    with database.transaction() as session:
        asked = refunds.request(session, reference="O2", amount_fen=5_000, reason="坏果", key="K1", now=now)
    refunds.send(number=asked.number, now=now)
    wechat.order("/settle", out_refund_no=asked.number)
    wait_until(lambda: rows("SELECT 1 FROM payment_refunds WHERE state = 'succeeded'"))
    return Traded(first, second, asked.number)


def kept() -> list[list[dict[str, Any]]]:
    """Everything that reconciling may write."""
    tables = {"bill_days": "day", "payment_cases": "id", "ledger_entries": "source, line_no"}
    return [rows(f"SELECT * FROM {table} ORDER BY {order}") for table, order in tables.items()]


FORMS: list[dict[str, Any]] = [
    {},
    {"bill_hash_over": "gzip"},
    {"bill_bom": False, "bill_newline": "\n", "bill_wide_brackets": True},
]


@pytest.mark.parametrize("form", FORMS, ids=["plain", "packed hash", "other spellings"])
def test_an_equal_day_is_equal_in_every_form(
    calendar: Calendar, traded: Traded, wechat: Wechat, form: dict[str, Any]
) -> None:
    if form:
        wechat.order("/terms", **form)
    assert calendar.reconcile() == 0
    with database.transaction() as session:
        (day,) = reconcile.listing(session, first=calendar.day, last=calendar.day)
    assert (day.trades, day.flows, day.differences, day.open_cases) == (3, 5, 0, 0)
    assert (day.paid_fen, day.refunded_fen, day.fees_fen) == (15_990, 5_000, 36 + 60 - 30)
    assert (day.our_paid_fen, day.our_refunded_fen, day.difference_fen) == (15_990, 5_000, 0)
    assert day.is_equal
    assert found() == []
    # What the account moved by is what the ledger's receivable moved by, to the fen.
    assert balances()["wechat_receivable"] == day.net_fen == 15_990 - 5_000 - 66
    assert balances()["fees"] == 66


def test_again_changes_nothing(calendar: Calendar, traded: Traded, wechat: Wechat) -> None:
    change("DELETE FROM payment_refunds WHERE number = :n", n=traded.refund)
    assert calendar.reconcile(10) == 1
    before = kept()
    assert calendar.reconcile(12) == 1
    assert kept() == before


def test_a_day_without_transactions_is_a_result(calendar: Calendar, wechat: Wechat) -> None:
    for status in (400, 404):
        wechat.order("/terms", empty_bill_status=status)
        assert calendar.reconcile() == 0
    with database.transaction() as session:
        (day,) = reconcile.listing(session, first=calendar.day, last=calendar.day)
    assert (day.has_bill, day.trades, day.net_fen, day.balance_fen, day.is_equal) == (False, 0, 0, None, True)
    assert balances() == {}


def test_nothing_is_asked_for_before_ten_or_after_three_months(calendar: Calendar, wechat: Wechat) -> None:
    heard = len(wechat.calls())
    for now in (calendar.at(9, later=1), calendar.at(23), calendar.at(11, later=92)):
        with pytest.raises(BillNotReady):
            reconcile.one_day(day=calendar.day, now=now)
    assert len(wechat.calls()) == heard


def delete_payment(traded: Traded) -> None:
    change("DELETE FROM payments WHERE number = :n", n=traded.first)


def lose_the_news(traded: Traded) -> None:
    change(
        "UPDATE payments SET state = 'closed', succeeded_at = NULL, transaction_id = NULL WHERE number = :n",
        n=traded.first,
    )


def pay_what_nobody_paid(traded: Traded) -> None:
    change(
        """
        INSERT INTO payments (number, reference, channel, mchid, appid, amount_fen, state, request, pay_until,
                              opened_at, succeeded_at, transaction_id)
        SELECT 'PNOBODY', 'O9', channel, mchid, appid, 77, state, request, pay_until, opened_at, succeeded_at, '42009'
        FROM payments WHERE number = :n
        """,
        n=traded.first,
    )


def set_payment(**values: Any) -> Callable[[Traded], None]:
    def mend(traded: Traded) -> None:
        for column, value in values.items():
            change(f"UPDATE payments SET {column} = {value} WHERE number = :n", n=traded.first)

    return mend


def set_refund(**values: Any) -> Callable[[Traded], None]:
    def mend(traded: Traded) -> None:
        setting = ", ".join(f"{column} = {value}" for column, value in values.items())
        change(f"UPDATE payment_refunds SET {setting} WHERE number = :n", n=traded.refund)

    return mend


@pytest.mark.parametrize(
    ("spoil", "kind", "which", "difference_fen"),
    [
        (delete_payment, "bill_missing_here", "first", 5_990),
        (lose_the_news, "bill_state", "first", 5_990),
        (pay_what_nobody_paid, "bill_missing_there", None, -77),
        (set_payment(amount_fen=5_900), "bill_amount", "first", 90),
        (set_payment(transaction_id="'4299'"), "bill_state", "first", 0),
        (set_refund(amount_fen=4_000), "bill_amount", "refund", -1_000),
        (set_refund(state="'processing'", succeeded_at="NULL"), "bill_state", "refund", -5_000),
        (set_refund(number="'RANOTHER'"), "bill_missing_here", "refund", -5_000),
    ],
)
def test_each_difference_on_our_side_is_a_case(
    calendar: Calendar,
    traded: Traded,
    spoil: Callable[[Traded], None],
    kind: str,
    which: str | None,
    difference_fen: int,
) -> None:
    spoil(traded)
    calendar.reconcile()
    number = getattr(traded, which) if which else "PNOBODY"
    assert (kind, number, difference_fen) in found()
    assert {each[1] for each in found()} <= {number, "RANOTHER"}, "nothing else differs"
    (case,) = rows("SELECT evidence FROM payment_cases WHERE number = :n AND kind = :k", n=number, k=kind)
    assert case["evidence"]["day"] == calendar.day.isoformat()


def test_a_payment_on_the_wrong_side_of_midnight(calendar: Calendar, traded: Traded) -> None:
    change("UPDATE payments SET succeeded_at = succeeded_at - interval '15 hours 6 minutes' WHERE number = :n",
           n=traded.first)  # fmt: skip
    calendar.reconcile()
    assert found() == [("bill_day", traded.first, 0)]


@pytest.mark.parametrize(
    ("fault", "on", "options", "kind", "difference_fen"),
    [
        ("row_missing", "tradebill", {}, "bill_missing_there", -5_990),
        ("row_missing", "fundflowbill", {}, "bill_missing_there", -5_990),
        ("row_amount", "tradebill", {"amount_fen": 5_991}, "bill_amount", 1),
        ("row_amount", "fundflowbill", {"amount_fen": 5_991}, "bill_amount", 1),
        ("row_doubled", "tradebill", {}, "bill_doubled", 5_990),
        ("row_doubled", "fundflowbill", {}, "bill_amount", 5_990),
    ],
)
def test_each_difference_on_wechats_side_is_a_case(
    calendar: Calendar,
    traded: Traded,
    wechat: Wechat,
    fault: str,
    on: str,
    options: dict[str, Any],
    kind: str,
    difference_fen: int,
) -> None:
    wechat.fault(fault, on=on, match=traded.first, options=options)
    calendar.reconcile()
    assert (kind, traded.first, difference_fen) in found()
    assert {number for _, number, _ in found()} == {traded.first}


@pytest.fixture
def shared(calendar: Calendar, buyer: Buyer, wechat: Wechat) -> Iterator[tuple[str, str]]:
    """A payment of 100 yuan of which a seller got 20, and gave 5 back: the numbers of the share and of the return."""
    wechat.order("/clock", speed=1e9)
    now = calendar.at(15)
    payment = buyer.paid("O3", now=now, channel=Channel.NATIVE, amount_fen=10_000, is_shared=True)
    seller = sharing.Receiver(kind=sharing.MERCHANT, account="1900000109", name="砀山果业有限公司")
    assert sharing.admit(receiver=seller, appid=wechat.settings.wechat_official_appid)
    part = sharing.Part(payee="S1", receiver=seller, amount_fen=2_000)
    with database.transaction() as session:
        share = sharing.request(session, payment=payment, parts=[part], account="commission", now=now)
    later = now + timedelta(minutes=1)
    sharing.check_due(now=later)
    with database.transaction() as session:
        [got] = sharing.parts_of(session, reference="O3")
        back = share_returns.request(session, part_id=got.id, amount_fen=500, key="R1", now=later)
    share_returns.check_due(now=later)
    share_returns.check_due(now=later + timedelta(minutes=5))
    assert rows("SELECT state FROM payment_share_returns") == [{"state": "succeeded"}]
    yield share, back
    wechat.order("/clock", speed=1)


def test_what_was_shared_and_came_back_is_equal(calendar: Calendar, shared: tuple[str, str]) -> None:
    assert calendar.reconcile() == 0
    assert found() == []
    with database.transaction() as session:
        [day] = reconcile.listing(session, first=calendar.day, last=calendar.day)
    assert (day.paid_fen, day.shared_fen, day.other_fen, day.fees_fen) == (10_000, 1_500, 0, 60)
    assert balances()["wechat_receivable"] == day.net_fen == 10_000 - 60 - 1_500
    assert balances()["commission"] == 1_500


@pytest.mark.parametrize(
    ("spoil", "kind", "which", "difference_fen"),
    [
        ("UPDATE payment_share_parts SET state = 'pending', ended_at = NULL", "bill_state", 0, -2_000),
        ("UPDATE payment_share_parts SET amount_fen = 1900", "bill_amount", 0, -100),
        ("UPDATE payment_share_parts SET ended_at = ended_at - interval '1 day'", "bill_day", 0, 0),
        ("UPDATE payment_shares SET number = 'DANOTHER'", "bill_missing_here", 0, -2_000),
        ("UPDATE payment_share_returns SET state = 'pending', ended_at = NULL", "bill_state", 1, 500),
        ("UPDATE payment_share_returns SET number = 'GANOTHER'", "bill_missing_here", 1, 500),
    ],
)
def test_each_difference_of_a_share_on_our_side_is_a_case(
    calendar: Calendar, shared: tuple[str, str], spoil: str, kind: str, which: int, difference_fen: int
) -> None:
    change(spoil)
    calendar.reconcile()
    assert (kind, shared[which], difference_fen) in found()
    assert {each[1] for each in found()} <= {shared[which], "DANOTHER", "GANOTHER"}


@pytest.mark.parametrize(
    ("fault", "options", "kind", "which", "difference_fen"),
    [
        ("row_missing", {}, "bill_missing_there", 0, 2_000),
        ("row_missing", {}, "bill_missing_there", 1, -500),
        ("row_amount", {"amount_fen": 2_100}, "bill_amount", 0, -100),
        ("row_doubled", {}, "bill_amount", 1, 500),
    ],
)
def test_each_difference_of_a_share_on_wechats_side_is_a_case(
    calendar: Calendar,
    shared: tuple[str, str],
    wechat: Wechat,
    fault: str,
    options: dict[str, Any],
    kind: str,
    which: int,
    difference_fen: int,
) -> None:
    wechat.fault(fault, on="fundflowbill", match=shared[which], options=options)
    calendar.reconcile()
    assert found() == [(kind, shared[which], difference_fen)]


def test_a_share_whose_end_was_lost_is_asked_about(calendar: Calendar, shared: tuple[str, str]) -> None:
    change("UPDATE payment_share_parts SET state = 'pending', ended_at = NULL")
    change("UPDATE payment_shares SET state = 'processing', ended_at = NULL, next_check_at = NULL")
    change("UPDATE payment_share_returns SET state = 'pending', ended_at = NULL, next_check_at = NULL")
    calendar.reconcile()
    assert (sharing.check_due(now=clock.now()), share_returns.check_due(now=clock.now())) == (1, 1)
    assert calendar.reconcile(12) == 0


def test_news_that_was_lost_is_asked_for(calendar: Calendar, traded: Traded) -> None:
    lose_the_news(traded)
    calendar.reconcile()
    assert collect.check_due(now=clock.now()) == 1
    (row,) = rows("SELECT state FROM payments WHERE number = :n", n=traded.first)
    assert row["state"] == "succeeded"
    assert calendar.reconcile(12) == 0
    assert rows("SELECT kind, resolution, closed_by FROM payment_cases") == [
        {"kind": "bill_state", "resolution": "repaired", "closed_by": "微信支付"}
    ]


@pytest.fixture
def unheard(calendar: Calendar, buyer: Buyer, wechat: Wechat) -> str:
    """A payment of whose money we never heard, and the case that a day's bill opened about it."""
    wechat.fault("lost", on="payment")
    buyer.paid("O9", now=calendar.at(15))
    calendar.reconcile()
    (case,) = rows("SELECT slug, kind FROM payment_cases")
    assert case["kind"] == "bill_state"
    return str(case["slug"])


def write_off(slug: str) -> None:
    with database.transaction() as session:
        cases.close(session, slug=slug, resolution=Resolution.WRITTEN_OFF, reason="核销", by="li", now=clock.now())


def differing() -> list[str]:
    with database.transaction() as session:
        return [each.name for each in books.differences(session)]


def test_money_that_reached_our_books_meanwhile_is_not_written_off_as_well(calendar: Calendar, unheard: str) -> None:
    assert collect.check_due(now=clock.now()) == 1
    before = balances()["wechat_receivable"]
    with pytest.raises(NothingToWriteOff):
        write_off(unheard)
    assert balances()["wechat_receivable"] == before
    assert calendar.reconcile(12) == 0
    assert rows("SELECT 1 FROM payment_cases WHERE closed_at IS NULL") == []


def test_money_that_reaches_our_books_after_it_was_written_off_is_told(calendar: Calendar, unheard: str) -> None:
    write_off(unheard)
    assert differing() == []
    assert collect.check_due(now=clock.now()) == 1
    assert differing() == ["written_off_and_recorded"]


@pytest.mark.parametrize("spoiled", [{"fault": "wrong_hash"}, {"fault": "bill_creating"}, {"fault": "foreign_url"}])
def test_a_bill_that_cannot_be_believed_changes_nothing(
    calendar: Calendar, traded: Traded, wechat: Wechat, spoiled: dict[str, Any]
) -> None:
    before = kept()
    wechat.fault(**spoiled, on="fundflowbill")
    with pytest.raises((BillBroken, BillNotReady)):
        calendar.reconcile()
    assert kept() == before
    assert calendar.reconcile() == 0


def test_two_runs_at_once_are_one(calendar: Calendar, traded: Traded) -> None:
    delete_payment(traded)
    now = calendar.turn(calendar.at(10, later=1))
    with ThreadPoolExecutor(3) as threads:
        ran = [threads.submit(reconcile.one_day, day=calendar.day, now=now) for _ in range(3)]
    assert [each.result() for each in ran] == [1, 1, 1]
    assert len(rows("SELECT 1 FROM bill_days")) == len(found()) == 1
    assert balances()["fees"] == 66


def test_a_run_killed_half_way_leaves_nothing(
    calendar: Calendar, traded: Traded, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept()

    def die(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "open_cases", die)
    with pytest.raises(KeyboardInterrupt):
        calendar.reconcile()
    assert kept() == before
    monkeypatch.undo()
    assert calendar.reconcile() == 0


def test_what_is_due_is_reconciled_once(calendar: Calendar, traded: Traded) -> None:
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(9, later=1))) == 0
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(10, later=1))) == 1
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(11, later=1))) == 0
    # The day after brings nothing, and is a result as well.
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(10, later=2))) == 1
    assert [row["trades"] for row in rows("SELECT trades FROM bill_days ORDER BY day")] == [3, 0]


def test_a_broken_bill_raises_an_alarm_and_stays_due(
    calendar: Calendar, traded: Traded, wechat: Wechat, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
    wechat.fault("wrong_hash", on="tradebill")
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(10, later=1))) == 0
    assert alarms == ["payments.bill_broken", "payments.case"]
    assert reconcile.reconcile_due(now=calendar.turn(calendar.at(11, later=1))) == 1


# What the emulated WeChat never does stands in bills written by hand.
