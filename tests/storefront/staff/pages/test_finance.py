"""Finance on pages: figures beside each other, a form that asks for a reason, and states for when there is nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from config import clock, database
from storefront.roles import Role
from tests.storefront.conftest import Buyer
from tests.storefront.settling import received
from tests.storefront.staff.conftest import Clerk, audited
from tests.storefront.staff.test_finance import DAY, NOON, open_case, reconciled, take_money

PERIOD = f"from={DAY}&to={DAY}"


def text(clerk: Clerk, path: str) -> str:
    answer = clerk.open(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def test_nothing_yet_is_said_in_words(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    assert "还没有核对过" in text(li, "/finance")
    assert "没有待处理的事项" in text(li, "/finance/cases")
    assert "没有符合条件的事项" in text(li, "/finance/cases?state=closed")
    assert "借贷平衡" in text(li, "/finance/ledger")
    assert "这段时间没有变动" in text(li, "/finance/ledger?account=fees")


def test_an_equal_day_and_one_that_differs(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    reconciled()
    assert "账实相符" in text(li, f"/finance?{PERIOD}")
    open_case()
    reconciled(date(2026, 11, 19), paid_fen=6080, differences=1)
    page = text(li, "/finance?from=2026-11-18&to=2026-11-20")
    for words in ("有差异", "微信比本店多 ¥0.90", "1 处不同", "1 件待办", "cases?day=2026-11-20"):
        assert words in page


def test_a_case_is_taken_and_ended_on_its_page(clerk: Callable[..., Clerk]) -> None:
    li, slug = clerk(Role.FINANCE, username="li"), open_case()
    assert slug in text(li, "/finance/cases")
    page = text(li, f"/finance/cases/{slug}")
    assert "¥59.90" in page
    assert "微信多 ¥0.90" in page
    assert "核销差额会在总账记一笔：应收微信 +0.90 元" in page
    assert li.send(f"/finance/cases/{slug}/owner").headers["Location"].endswith("?done=taken")
    assert "由我负责" not in text(li, f"/finance/cases/{slug}")
    assert "fault=form.resolution" in li.send(f"/finance/cases/{slug}/end", resolution="explained").headers["Location"]
    end = {"resolution": "written_off", "reason": "<b>小额</b> 差异"}
    assert li.send(f"/finance/cases/{slug}/end", **end).headers["Location"].endswith("?done=closed")
    page = text(li, f"/finance/cases/{slug}")
    assert "&lt;b&gt;小额&lt;/b&gt; 差异" in page
    assert '<form method="post" action="/staff/finance' not in page
    again = li.send(f"/finance/cases/{slug}/end", **end).headers["Location"]
    assert again.endswith("?fault=payment.case_closed")
    assert [act for act, _ in audited()] == ["case.taken", "case.closed"]


def test_an_account_is_read_down_to_its_entries(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    take_money()
    page = text(li, f"/finance/ledger?{PERIOD}&account=wechat_receivable&day={DAY}")
    for words in ("应收微信", "借贷平衡", "59.90", "收款 P1", "2026-11-20 12:00:00"):
        assert words in page
    assert "这一天没有分录" in text(li, f"/finance/ledger?{PERIOD}&account=wechat_receivable&day=2026-11-19")
    assert "点一个科目" in text(li, f"/finance/ledger?{PERIOD}&account=other")


def test_the_ledger_is_read_up_to_today_and_bills_up_to_yesterday(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    with clock.frozen(datetime(2026, 11, 20, 6, tzinfo=UTC)):
        take_money()
        page = text(li, "/finance/ledger?account=wechat_receivable")
        assert "截至 2026-11-20" in page
        assert page.count("59.90") > 1
        assert 'value="2026-11-19"' in text(li, "/finance")


def test_an_account_and_its_entries_are_files(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    take_money("P1", 5990)
    take_money("P2", 10)
    account = "account=wechat_receivable"
    days = text(li, f"/finance/ledger/account.csv?{PERIOD}&{account}").splitlines()
    assert f"{DAY},2,60.00,0.00,60.00" in days
    assert "期末余额（元）,60.00" in days
    moved = text(li, f"/finance/ledger/entries.csv?{account}&day={DAY}")
    assert "收款 P1,59.90," in moved
    assert "合计,,60.00,0.00" in moved
    assert "收款" not in text(li, f"/finance/ledger/entries.csv?{account}&day=2026-11-19")
    page = text(li, f"/finance/ledger?{PERIOD}&{account}&day={DAY}")
    for file in ("account", "entries"):
        assert f"/staff/finance/ledger/{file}.xlsx?" in page
        assert li.open(f"/finance/ledger/{file}.xlsx?{PERIOD}&{account}&day={DAY}").get_data().startswith(b"PK")


def test_the_excel_file(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    reconciled()
    open_case()
    answer = li.open(f"/finance.xlsx?{PERIOD}")
    assert answer.mimetype.endswith("spreadsheetml.sheet")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="finance-2026-11-20-2026-11-20.xlsx"'
    assert answer.get_data().startswith(b"PK")


@pytest.mark.parametrize(
    "query", ["from=x&to=y", "from=2030-01-01&to=2020-01-01", "from=1800-01-01", "from=2000-01-01"]
)
def test_any_period_is_some_period(clerk: Callable[..., Clerk], query: str) -> None:
    li = clerk(Role.FINANCE)
    for page in ("/finance", "/finance/ledger"):
        text(li, f"{page}?{query}")
    assert clock.now().year >= 2026


@pytest.fixture
def begun(seeded: None, buyer: Buyer, skus: list[str]) -> str:
    """An order that was paid for on the day that was reconciled: its number."""
    number = received(buyer, {skus[0]: 1})
    database.statement("UPDATE payments SET succeeded_at = %s, mchid = '1900000001' RETURNING 1", (NOON,))
    return number


def test_a_day_without_its_bill_says_why_and_what_comes_of_it(begun: str, clerk: Callable[..., Clerk]) -> None:
    reconciled()
    for at, why in (
        (datetime(2026, 11, 21, 21, 0, tzinfo=UTC), "账单 2026-11-22 10 点以后才有，到时自动核对"),
        (datetime(2026, 11, 22, 3, 0, tzinfo=UTC), "还没有取到账单，每小时自动再取"),
        (datetime(2026, 12, 20, 3, 0, tzinfo=UTC), "两周没有核对成，不再自动重试，请联系运维补核对"),
    ):
        with clock.frozen(at):
            page = text(clerk(Role.FINANCE, username=f"li{at.month}{at.day}"), "/finance?from=2026-11-01&to=2026-11-21")
        assert f"2026-11-21</dt><dd>{why}</dd>" in page
        assert "2026-11-20</dt>" not in page
        assert "2026-11-19</dt>" not in page


def test_the_cases_of_one_day_are_found(clerk: Callable[..., Clerk]) -> None:
    li, slug = clerk(Role.FINANCE), open_case()
    assert slug in text(li, f"/finance/cases?day={DAY}")
    assert slug not in text(li, "/finance/cases?day=2026-11-18")
    assert "没有符合条件的事项" in text(li, "/finance/cases?day=2026-11-18")
    assert slug in text(li, "/finance/cases?day=yesterday")
    assert "账单日" in text(li, f"/finance/cases.csv?day={DAY}")


def test_a_case_leads_to_the_order_that_it_is_about(begun: str, clerk: Callable[..., Clerk]) -> None:
    admin, slug = clerk(Role.ADMIN), open_case()
    assert begun not in text(admin, f"/finance/cases/{slug}")
    database.statement("UPDATE payment_cases SET payment_id = (SELECT max(id) FROM payments) RETURNING 1")
    assert f'href="/staff/orders/{begun}"' in text(admin, f"/finance/cases/{slug}")
