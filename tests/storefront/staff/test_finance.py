"""Finance at work: who may look, who may close, and what the trail says of it."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from config import clock, database
from payments import books, cases, ledger
from payments.models import CaseKind
from storefront.roles import PERMISSIONS, TOTP_ROLES, Permission, Role
from tests.storefront.staff.conftest import Clerk, audited

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=clock.SHANGHAI)


def open_case(number: str = "P1", *, difference_fen: int | None = 90, **evidence: Any) -> str:
    """A case from a bill: its slug."""
    with database.transaction() as session:
        cases.open(
            session,
            kind=CaseKind.BILL_AMOUNT,
            number=number,
            evidence={"day": DAY.isoformat(), "amount_fen": 5990, "our_amount_fen": 5900, **evidence},
            difference_fen=difference_fen,
            now=NOON,
        )
    [(slug,)] = database.statement("SELECT slug FROM payment_cases WHERE number = %s", (number,))
    return str(slug)


def take_money(number: str = "P1", fen: int = 5990) -> None:
    with database.transaction() as session:
        ledger.transfer(
            session,
            debit=books.RECEIVABLE,
            credit=books.CLEARING,
            amount_fen=fen,
            source=f"payment.succeeded/{number}",
            at=NOON,
        )


def reconciled(day: date = DAY, **figures: int) -> None:
    """A day as reconciling leaves it."""
    values = {
        "trades": 1, "flows": 2, "paid_fen": 5990, "refunded_fen": 0, "fees_fen": 36, "withdrawn_fen": 0,
        "other_fen": 0, "net_fen": 5954, "balance_fen": 5954, "our_paid_fen": 5990, "our_refunded_fen": 0,
        "differences": 0, **figures,
    }  # fmt: skip
    database.statement(
        f"INSERT INTO bill_days (mchid, day, trade_sha1, reconciled_at, {', '.join(values)})"
        f" VALUES ('1900000001', %s, 'x', %s, {', '.join(['%s'] * len(values))})",
        (day, NOON + timedelta(days=1), *values.values()),
    )


PATHS = ["/finance/days?from=2026-11-20&to=2026-11-20", "/finance/cases", "/finance/ledger?day=2026-11-20",
         "/finance/ledger/statement?account=fees&from=2026-11-20&to=2026-11-20"]  # fmt: skip
PAGES = ["/finance", "/finance/cases", "/finance/ledger", "/finance.xlsx"]


def test_only_finance_and_admin_look_at_money(clerk: Callable[..., Clerk]) -> None:
    slug = open_case()
    for role in Role:
        who = clerk(role)
        may = role in {Role.FINANCE, Role.ADMIN}
        for path in [*PATHS, f"/finance/cases/{slug}"]:
            assert who.get(path).status_code == (200 if may else 403), (role, path)
        for page in [*PAGES[:3], f"/finance/cases/{slug}"]:
            assert who.open(page).status_code == (200 if may else 403), (role, page)
        assert ("/staff/finance" in who.open("/").get_data(as_text=True)) is may


def test_who_looks_at_money_has_a_second_factor() -> None:
    holders = {role for role, held in PERMISSIONS.items() if held & {Permission.READ_MONEY, Permission.CLOSE_CASES}}
    assert holders <= TOTP_ROLES


def test_a_narrowed_role_is_not_enough(clerk: Callable[..., Clerk]) -> None:
    narrow = clerk(Role.FINANCE, area="3413")
    slug = open_case()
    assert narrow.get("/finance/cases").status_code == 403
    assert narrow.post(f"/finance/cases/{slug}/end", {"resolution": "explained", "reason": "已核"}).status_code == 403


def test_a_case_is_taken_and_ended_once_and_the_trail_says_so(clerk: Callable[..., Clerk]) -> None:
    slug, li, wang = open_case(), clerk(Role.FINANCE, username="li"), clerk(Role.ADMIN, username="wang")
    assert li.call("PUT", f"/finance/cases/{slug}/owner").get_json()["owner"] == "li"
    assert li.call("PUT", f"/finance/cases/{slug}/owner").status_code == 200
    end = {"resolution": "written_off", "reason": "小额差异，核销"}
    ended = wang.post(f"/finance/cases/{slug}/end", end).get_json()
    assert (ended["owner"], ended["closed_by"], ended["resolution"]) == ("li", "wang", "written_off")
    again = wang.post(f"/finance/cases/{slug}/end", end)
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "payment.case_closed")
    assert audited() == [("case.taken", slug), ("case.closed", slug)]
    with database.transaction() as session:
        found = {each.account: each.balance_fen for each in ledger.trial_balance(session)}
    assert found == {"wechat_receivable": 90, "adjustments": -90}


def test_a_big_write_off_takes_two_and_the_trail_names_both(clerk: Callable[..., Clerk]) -> None:
    """Else whoever took the money could make it vanish from the books alone."""
    slug, li, wang = open_case(difference_fen=-50_001), clerk(Role.FINANCE, username="li"), clerk(Role.FINANCE)
    assert "须两人先后确认" in li.open(f"/finance/cases/{slug}").get_data(as_text=True)
    end = {"resolution": "written_off", "reason": "银行回单遗失，核销"}
    asked = li.post(f"/finance/cases/{slug}/end", end).get_json()
    assert (asked["closed_at"], asked["write_off_asked_by"], asked["takes_two"]) == (None, "li", True)
    again = li.post(f"/finance/cases/{slug}/end", end)
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "payment.write_off_needs_another")
    own, theirs = (who.open(f"/finance/cases/{slug}").get_data(as_text=True) for who in (li, wang))
    assert "银行回单遗失" in own
    assert "等待另一位同事确认" in own
    assert ('<option value="written_off"' in own, '<option value="written_off"' in theirs) == (False, True)
    done = wang.send(f"/finance/cases/{slug}/end", **end).headers["Location"]
    assert done.endswith("?done=closed")
    assert audited() == [("case.write_off_asked", slug), ("case.closed", slug)]
    with database.transaction() as session:
        found = {each.account: each.balance_fen for each in ledger.trial_balance(session)}
    assert found == {"wechat_receivable": -50_001, "adjustments": 50_001}


@pytest.mark.parametrize(
    "body",
    [
        {"resolution": "explained"},
        {"resolution": "explained", "reason": "x"},
        {"resolution": "ignored", "reason": "已核对"},
        {"resolution": "explained", "reason": "y" * 501},
    ],
)
def test_a_case_ends_with_a_reason(clerk: Callable[..., Clerk], body: dict[str, str]) -> None:
    slug = open_case()
    assert clerk(Role.FINANCE).post(f"/finance/cases/{slug}/end", body).status_code == 422
    assert audited() == []


def test_what_differs_in_no_money_cannot_be_written_off(clerk: Callable[..., Clerk]) -> None:
    slug, li = open_case(difference_fen=None), clerk(Role.FINANCE)
    refused = li.post(f"/finance/cases/{slug}/end", {"resolution": "written_off", "reason": "核销"})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, "payment.nothing_to_write_off")
    assert li.get("/finance/cases/K0").status_code == 404


def test_days_cases_and_ledger_as_json(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.FINANCE)
    reconciled(paid_fen=6080, differences=1)
    open_case()
    take_money()
    told = li.get("/finance/days?from=2026-11-19&to=2026-11-20").get_json()
    (day,) = told["items"]
    assert (day["difference_fen"], day["is_equal"], day["open_cases"]) == (90, False, 1)
    assert told["missing"] == ["2026-11-19"]
    assert (told["total"]["paid_fen"], told["open_cases"]) == (6080, 1)
    (case,) = li.get("/finance/cases?state=open&kind=bill_amount&number=P1").get_json()["items"]
    assert (case["difference_fen"], case["can_write_off"]) == (90, True)
    assert li.get("/finance/cases?state=closed").get_json()["items"] == []
    trial = li.get("/finance/ledger?day=2026-11-20").get_json()
    assert (trial["balance_fen"], trial["accounts"][0]["balance_fen"]) == (0, 5990)
    assert li.get("/finance/ledger?day=2026-11-19").get_json()["debits_fen"] == 0
    statement = li.get(f"/finance/ledger/statement?account=wechat_receivable&from={DAY}&to={DAY}").get_json()
    assert (statement["opening_fen"], statement["closing_fen"], len(statement["days"])) == (0, 5990, 1)
    for path in ("/finance/days?from=2026-01-01&to=2026-11-20", PATHS[3].replace("from=2026", "from=2025")):
        assert li.get(path).get_json()["error"]["code"] == "staff.period_too_long"
    assert li.get("/finance/cases?cursor=zz").get_json()["error"]["code"] == "payment.case_cursor_invalid"
