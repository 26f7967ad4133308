"""Two bills of a day against our books: bills written by hand, with what WeChat's emulated ones never say."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from config import clock, database
from payments import books, cases, reconcile
from payments.models import Resolution
from payments.wechatpay.bills import Bill, BillKind
from tests.payments.conftest import balances, change, found, rows
from tests.payments.wechatpay.test_statements import FLOW, FLOW_SUMS, SUMS, TRADE

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 10, 5, tzinfo=clock.SHANGHAI)


def written(folder: Path, kind: BillKind, lines: list[str]) -> Bill:
    path = folder / f"{kind}.bill"
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    return Bill(path, f"{len(list(folder.iterdir())):040d}")


def compare(folder: Path, trades: list[str], flows: list[str], *, day: date = DAY) -> int:
    income = sum(int(row.split(",")[6][1:].replace(".", "")) for row in flows if "`收入" in row)
    expense = sum(int(row.split(",")[6][1:].replace(".", "")) for row in flows if "`支出" in row)
    total = sum(int(row.split(",")[24][1:].replace(".", "")) for row in trades)
    trade = [TRADE, *trades, SUMS, f"`{len(trades)},`0,`0,`0,`0,`{total / 100:.2f},`0"]
    flow = [FLOW, *flows, FLOW_SUMS, f"`{len(flows)}.0,`1,`{income / 100:.2f},`1,`{expense / 100:.2f}"]
    with database.transaction() as session:
        return reconcile._reconcile(
            session, day, written(folder, BillKind.TRADE, trade), written(folder, BillKind.FUND_FLOW, flow), NOW
        )


def movement(kind: str, direction: str, yuan: str, balance: str, *, number: int = 1, day: date = DAY) -> str:
    what = f"`4200{number},`F{number}{kind},`{kind},`{kind}"
    return f"`{day} 12:00:00,{what},`{direction},`{yuan},`{balance},`s,`,`P{number}"


def paid_row(yuan: str, fee: str, rate: str = "0.60%") -> str:
    return (
        f"`{DAY} 12:00:00,`wx,`1900000001,`0,`,`42001,`P1,`o,`JSAPI,`SUCCESS,`OTHERS,`CNY,`{yuan},`0.00,`0,`0,`0.00,"
        f"`0.00,`,`,`梨,`,`{fee},`{rate},`{yuan},`0.00,`"
    )


@pytest.fixture
def known(db: None) -> None:
    """The one payment that the bills written by hand speak of."""
    change(
        """
        INSERT INTO payments (number, reference, channel, mchid, appid, amount_fen, state, request, pay_until,
                              opened_at, succeeded_at, transaction_id)
        VALUES ('P1', 'O1', 'native', '1900000001', 'wx', 100000, 'succeeded', '{}', :at, :at, :at, '42001')
        """,
        at=datetime.combine(DAY, time(12), clock.SHANGHAI),
    )


@pytest.mark.parametrize(
    ("fee", "charged", "kinds"),
    [
        ("6.00000", "6.00", []),
        ("6.00456", "6.00", []),
        ("6.00600", "6.01", []),
        ("6.00600", "6.00", ["bill_fee"]),
        ("6.00000", "6.01", ["bill_fee"]),
        ("7.00000", "7.00", ["bill_fee"]),
    ],
)
def test_fees_are_compared_by_rate_and_by_what_was_charged(
    known: None, tmp_path: Path, fee: str, charged: str, kinds: list[str]
) -> None:
    flows = [movement("交易", "收入", "1000.00", "1000.00"), movement("扣除交易手续费", "支出", charged, "990.00")]
    compare(tmp_path, [paid_row("1000.00", fee)], flows)
    assert [kind for kind, _, _ in found()] == kinds
    assert balances()["fees"] == int(charged.replace(".", ""))


def test_a_withdrawal_goes_to_the_bank_and_the_unexplained_to_a_person(known: None, tmp_path: Path) -> None:
    flows = [
        movement("交易", "收入", "1000.00", "1000.00"),
        movement("扣除交易手续费", "支出", "6.00", "994.00"),
        movement("提现", "支出", "500.00", "494.00", number=2),
        movement("赔付", "支出", "4.00", "490.00", number=3),
    ]
    for _ in range(2):
        assert compare(tmp_path, [paid_row("1000.00", "6.00000")], flows) == 1
    assert found() == [("bill_unexplained", "F3赔付", -400)]
    assert balances()["bank"] == 50_000
    (case,) = rows("SELECT slug FROM payment_cases")
    with database.transaction() as session:
        cases.close(session, slug=case["slug"], resolution=Resolution.WRITTEN_OFF, reason="平台赔付", by="li", now=NOW)
    # The payment itself was written behind the ledger's back; all else is what the account moved by.
    assert balances()["wechat_receivable"] + 100_000 == 49_000


def test_a_withdrawal_that_is_not_what_was_posted_is_a_case(known: None, tmp_path: Path) -> None:
    """Else the day could never be compared again."""
    first = [movement("提现", "支出", "500.00", "494.00", number=2)]
    other = [movement("提现", "支出", "400.00", "594.00", number=2)]
    trades = [paid_row("1000.00", "0.00000", "0.00%")]
    paid = movement("交易", "收入", "1000.00", "1000.00")
    assert compare(tmp_path, trades, [paid, *first]) == 0
    assert compare(tmp_path, trades, [paid, *other]) == 1
    assert found() == [("bill_amount", "F2提现", 10_000)]
    assert balances()["bank"] == 50_000


def test_the_account_begins_with_what_it_ended_with(known: None, tmp_path: Path) -> None:
    flows = [movement("交易", "收入", "1000.00", "1000.00"), movement("扣除交易手续费", "支出", "6.00", "994.00")]
    compare(tmp_path, [paid_row("1000.00", "6.00000")], flows)
    after = DAY + timedelta(days=1)
    compare(tmp_path, [], [movement("提现", "支出", "4.00", "989.00", number=2, day=after)], day=after)
    assert found() == [("bill_unexplained", f"balance/1900000001/{after}", -100)]


def test_a_bill_that_is_not_what_was_posted_is_a_case(known: None, tmp_path: Path) -> None:
    paid, fee = movement("交易", "收入", "1000.00", "1000.00"), movement("扣除交易手续费", "支出", "6.00", "994.00")
    compare(tmp_path, [paid_row("1000.00", "6.00000")], [paid, fee])
    compare(tmp_path, [paid_row("1000.00", "6.00000")], [paid])
    assert ("bill_fee", f"bill/1900000001/{DAY}", 600) in found()
    assert balances()["fees"] == 600


class TestRace:
    """Two runs of a day at the same moment, WeChat having corrected its bill between their downloads."""

    @staticmethod
    def race(tmp_path: Path) -> list[BaseException | None]:
        paid, fee = movement("交易", "收入", "1000.00", "1000.00"), movement("扣除交易手续费", "支出", "6.00", "994.00")
        folders = [tmp_path / name for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        with ThreadPoolExecutor(2) as threads:
            runs = [
                threads.submit(compare, folder, [paid_row("1000.00", "6.00000")], flows)
                for folder, flows in zip(folders, ([paid, fee], [paid, fee.replace("6.00", "7.00")]), strict=True)
            ]
        return [run.exception() for run in runs]

    def test_without_the_turn_one_finds_other_fees_posted_than_it_meant_to(
        self, known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard off: both look before either has posted, every time; one dies, and its differences with it."""
        look, together = books.fees_of, Barrier(2, timeout=60)

        def look_together(session: Any, **of: Any) -> int | None:
            found = look(session, **of)
            together.wait()
            return found

        monkeypatch.setattr(reconcile, "_take_turn", lambda *_: None)
        monkeypatch.setattr(books, "fees_of", look_together)
        ends = self.race(tmp_path)
        assert sorted(type(end) for end in ends if end is not None) == [ValueError]

    def test_the_second_finds_what_the_first_posted_and_opens_a_case(self, known: None, tmp_path: Path) -> None:
        assert self.race(tmp_path) == [None, None]
        assert [number for kind, number, _ in found() if kind == "bill_fee"][-1] == f"bill/1900000001/{DAY}"
        assert balances()["fees"] in (600, 700)
