"""Settlement by hand: terms, draft, another person's approval, invoice, release, bank, and what the supplier sees."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from catalog import payees
from config import clock, database
from storefront import books
from storefront.roles import Role
from storefront.staff.pages import settlement
from tests.storefront.conftest import Buyer
from tests.storefront.settling import AFTER, accounts, received, supplier_of
from tests.storefront.staff.conftest import Clerk, audited


def text(clerk: Clerk, path: str) -> str:
    answer = clerk.open(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def after(clerk: Clerk, path: str, **fields: str) -> str:
    """What a form leads to."""
    return str(clerk.send(path, **fields).headers["Location"]).split("?")[-1]


ACCOUNT = "6222021302020500001"


def transfers(clerk: Clerk) -> str:
    return clerk.open("/settlement/transfers.csv").get_data(as_text=True)


def know_account(supplier: str, *, at: datetime) -> None:
    """Enter where a supplier's money goes."""
    account = payees.Account(name="砀山果业有限公司", bank="中国工商银行", number=ACCOUNT)
    with database.transaction() as session:
        payees.enter(session, number=supplier, account=account, by="zhao", now=at)


def test_a_statement_goes_from_terms_to_the_bank(clerk: Callable[..., Clerk], buyer: Buyer, skus: list[str]) -> None:
    supplier = supplier_of(skus[0])
    received(buyer, {skus[0]: 2})
    with clock.frozen(AFTER):
        wang, li = clerk(Role.FINANCE, username="wang"), clerk(Role.FINANCE, username="li")
        seller = clerk(Role.SUPPLIER, supplier=supplier, username="seller")
        other = clerk(Role.SUPPLIER, supplier="S-other", username="other")
        page = text(wang, "/settlement")
        assert "缺少采购条款" in page
        assert skus[0] in page
        assert "还没有结算单" in page
        terms = {"supplier": supplier, "share": "80", "fee": "0.6", "freight": "ours", "from": "2026-01-01"}
        assert after(wang, "/settlement/terms", **terms | {"price": "1"}) == "fault=form.terms"
        assert after(wang, "/settlement/terms", **terms) == "done=terms_agreed"
        assert "80.0" in text(wang, "/settlement")
        assert after(wang, "/settlement/drafts", period="2026-12") == "fault=settlement.period_not_over"
        assert after(wang, "/settlement/drafts", period="12") == "fault=settlement.period_invalid"
        assert after(wang, "/settlement/drafts", period="2026-11") == "done=statements_drafted"
        assert after(wang, "/settlement/drafts", period="2026-11") == "done=statements_complete"
        found = re.search(r"/staff/settlement/(ST\w+)", text(wang, "/settlement?state=drafted"))
        assert found is not None
        number = found[1]
        assert "还没有结算单" in text(seller, "/my/statements")
        assert seller.open(f"/my/statements/{number}").status_code == 404

        assert "须由另一位同事批准" in text(wang, f"/settlement/{number}")
        seen = re.search(r'name="net" value="([\d.]+)"', text(li, f"/settlement/{number}"))
        assert seen is not None
        approve = {"do": "approve", "net": seen[1]}
        assert after(wang, f"/settlement/{number}/steps", **approve) == "fault=settlement.other_person_required"
        assert (
            after(li, f"/settlement/{number}/steps", **approve | {"net": "1"}) == "fault=settlement.statement_outdated"
        )
        assert after(li, f"/settlement/{number}/steps", **approve) == "done=statement_approved"
        assert after(li, f"/settlement/{number}/steps", do="redraft") == "fault=settlement.statement_moved"
        invoice = {"invoice_number": "26342000000012345678", "amount": seen[1]}
        path = f"/settlement/{number}/invoice"
        assert after(wang, path, **invoice | {"amount": "0.01"}) == "fault=settlement.invoice_amount_differs"
        assert after(wang, path, **invoice | {"invoice_number": "?"}) == "fault=form.invoice"
        assert after(wang, path, **invoice) == "done=invoiced"

        [payout] = payout_numbers(text(wang, "/settlement"))
        steps = f"/settlement/payouts/{payout}/steps"
        assert "您登记的发票，须由别人放款" in text(wang, "/settlement")
        assert after(wang, steps, do="release") == "fault=payout.other_person_required"
        assert after(li, steps, do="release") == "done=payout_release"
        assert payout in transfers(wang)
        assert ACCOUNT not in transfers(wang)
        know_account(supplier, at=AFTER - timedelta(days=1))
        assert ACCOUNT in transfers(wang)
        know_account(supplier, at=AFTER + timedelta(seconds=1))
        assert "收款账户在复核之后改过" in transfers(wang)
        assert ACCOUNT not in transfers(wang)
        assert ACCOUNT not in text(wang, "/settlement")
        sent = {"do": "sent", "bank_reference": "2026120200001", "amount": seen[1]}
        assert after(wang, steps, **sent | {"amount": "1"}) == "fault=payout.amount_differs"
        assert after(wang, steps, **sent) == "done=payout_sent"
        assert payout not in transfers(wang)
        page = text(seller, f"/my/statements/{number}")
        assert "已付清" in page
        assert "wang" not in page.split("</nav>")[-1]
        assert other.open(f"/my/statements/{number}").status_code == 404
        assert number in text(seller, "/my/statements")
        assert number not in text(other, "/my/statements")
        assert seen[1] in seller.open(f"/my/statements/{number}/lines.csv").get_data(as_text=True)
        assert wang.open(f"/settlement/{number}/lines.xlsx").status_code == 200
        assert after(wang, steps, do="bounced", reason="账号不存在") == "done=payout_bounced"
        assert after(wang, f"/settlement/{number}/steps", do="pay_again") == "done=payout_requested"
        [again] = payout_numbers(text(wang, "/settlement"))
        back = {"do": "call_back", "reason": "等新账号"}
        assert after(li, f"/settlement/payouts/{again}/steps", **back) == "done=payout_call_back"
        assert after(li, f"/settlement/payouts/{again}/steps", **back) == "fault=payout.moved"
        assert after(li, f"/settlement/payouts/{again}/steps", do="sent") == "fault=form.payout"
        assert books.check(now=AFTER) == []
    assert accounts()["supplier_payables"] < 0
    assert [act for act, _ in audited() if act != "payouts.listed"] == [
        "terms.agreed",
        "statement.drafted",
        "statement.approved",
        "statement.invoiced",
        "payout.released",
        "payout.sent",
        "payout.bounced",
        "payout.requested",
        "payout.withdrawn",
    ]


def payout_numbers(page: str) -> list[str]:
    return sorted(set(re.findall(r"/settlement/payouts/(T\w+)/steps", page)))


def test_what_became_of_a_commission_is_on_its_row() -> None:
    claim = {"state": "paid", "barred_for": None, "closed_for": None, "unreturned_for": None}
    claim |= {"returned_fen": 0, "returning_fen": 0, "unreturned_fen": 0}
    columns = {column.name: column for column in settlement.COMMISSIONS.columns}
    returned, reason = columns["returned_fen"], columns["barred_for"]
    assert returned.note is not None
    assert (returned.of(claim), returned.note(claim), reason.of(claim)) == (None, None, None)
    partly = claim | {"returned_fen": 100, "returning_fen": 200, "unreturned_fen": 300}
    partly |= {"unreturned_for": "BALANCE_NOT_ENOUGH"}
    assert (returned.of(partly), returned.note(partly)) == (100, "退回中 ¥2.00，未能退回 ¥3.00（收款方余额不足）")
    assert reason.of(claim | {"state": "closed", "closed_for": "ACCOUNT_ABNORMAL"}) == "收款方账户异常"
    assert reason.of(claim | {"state": "barred", "barred_for": "own_purchase"}) == "自买"
