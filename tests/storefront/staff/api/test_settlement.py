"""Settlement as programs do it: the same steps by JSON, each refusal with its code, and a supplier's own statements."""

from collections.abc import Callable

from config import clock
from storefront import books
from storefront.roles import Role
from tests.storefront.conftest import Buyer
from tests.storefront.settling import AFTER, agree, received
from tests.storefront.staff.conftest import Clerk


def test_a_statement_goes_to_the_bank_by_json(clerk: Callable[..., Clerk], buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    received(buyer, {skus[0]: 1})
    with clock.frozen(AFTER):
        wang, li = clerk(Role.FINANCE, username="wang"), clerk(Role.FINANCE, username="li")
        own = clerk(Role.SUPPLIER, username="own", supplier=supplier)

        def refused(caller: Clerk, path: str, json: object = None) -> str:
            answer = caller.post(f"/settlement{path}", json)
            assert answer.status_code >= 400
            return str(answer.get_json()["error"]["code"])

        assert refused(wang, "/statements", {"period": "2026-13"}) == "settlement.period_invalid"
        [drafted] = wang.post("/settlement/statements", {"period": "2026-11"}).get_json()["items"]
        number = drafted["number"]
        assert own.get("/my/statements").get_json() == {"items": []}
        whole = wang.get(f"/settlement/statements/{number}").get_json()
        net, path = {"net_fen": whole["net_fen"]}, f"/statements/{number}"
        assert sum(line["net_fen"] for line in whole["lines"]) == whole["net_fen"]
        assert wang.post(f"/settlement{path}/redraft").status_code == 200
        assert refused(wang, f"{path}/approval", net) == "settlement.other_person_required"
        assert li.post(f"/settlement{path}/approval", net).status_code == 200
        invoice = {"invoice_number": "26342000000012345678", "amount_fen": whole["net_fen"]}
        assert refused(wang, f"{path}/payout") == "settlement.statement_moved"
        payout = wang.post(f"/settlement{path}/invoice", invoice).get_json()["number"]
        assert refused(wang, f"/payouts/{payout}/release") == "payout.other_person_required"
        assert li.post(f"/settlement/payouts/{payout}/release").status_code == 200
        sent = {"amount_fen": whole["net_fen"], "bank_reference": "2026120200001"}
        assert wang.post(f"/settlement/payouts/{payout}/sent", sent).status_code == 200
        assert wang.post(f"/settlement/payouts/{payout}/bounced", {"reason": "账号不存在"}).status_code == 200
        again = wang.post(f"/settlement{path}/payout").get_json()["number"]
        assert wang.post(f"/settlement/payouts/{again}/withdrawal", {"reason": "等新账号"}).status_code == 200
        [listed] = own.get("/my/statements").get_json()["items"]
        assert (listed["number"], listed["state"]) == (number, "approved")
        assert own.get(f"/my/statements/{number}").get_json()["payouts"] == [payout, again]
        [listed] = wang.get("/settlement/statements?state=approved").get_json()["items"]
        assert listed["number"] == number
        assert books.check(now=AFTER) == []
