"""Every act of staff that moves money is in the audit trail, and on its page."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from config import clock, database, settings
from payments import cases
from payments.models import CaseKind
from storefront import claims, proposals
from storefront.claim_lifecycle import Cause, ClaimKind
from storefront.errors import SecondPersonRequired
from storefront.guard import STAFF
from storefront.roles import Permission, Role
from storefront.staff import words
from tests.journeys.test_refund_edges import settle_at_wechat, ship
from tests.storefront.staff.conftest import Clerk, Counter, audited

MONEY = {Permission.REFUND_ORDERS, Permission.CLOSE_CASES}
# What the staff's API can do with money → what the trail calls it. Whoever adds a way writes it down here.
ACTS = {
    "staff_orders.refund": "order.refund_requested",
    "staff_aftersales.approve": "claim.approved",
    "staff_aftersales.refuse": "claim.refused",
    "staff_aftersales.approve_proposal": "refund.approved",
    "staff_aftersales.reject_proposal": "refund.rejected",
    "staff_aftersales.send_to_card": "refund.sent_to_card",
    "staff_aftersales.mark_transferred": "refund.transferred",
    "finance.take": "case.taken",
    "finance.close": "case.closed",
}
# One transfer is evidence of one refund.
_transfers = itertools.count(17)
CARD = {"bank_type": "ICBC_DEBIT", "account": "6222020000000000000", "holder": "王小明"}


@pytest.fixture
def finance(counter: Counter) -> tuple[Clerk, Clerk]:
    return counter.hire(Role.FINANCE), counter.hire(Role.FINANCE, Role.ANALYST)


@contextmanager
def limit(fen: int) -> Iterator[None]:
    """One person alone may give back so much."""
    before = settings.current()
    settings.use(replace(before, refund_second_person_fen=fen))
    yield
    settings.use(before)


def paid(counter: Counter) -> str:
    """Another order that was paid."""
    number = counter.desk.place(key=f"key-{secrets.token_hex(6)}")
    counter.desk.wechat.pay(counter.desk.open(number))
    counter.desk.drain()
    return number


def ask(who: Clerk, order: str) -> dict[str, Any]:
    body = {"lines": [{"line": 1, "amount_fen": 100}], "reason": "坏果包赔"}
    answer = who.post(f"/orders/{order}/refunds", body, **{"Idempotency-Key": f"refund-{order}"})
    assert answer.status_code == 201, answer.get_json()
    return dict(answer.get_json())


def stranded(counter: Counter, who: Clerk) -> str:
    """A refund that WeChat could not pay out."""
    order = paid(counter)
    counter.desk.wechat.fault("refund_abnormal", on="refund")
    refund = str(ask(who, order)["refund"])
    settle_at_wechat(counter.desk)
    return refund


def transfer() -> dict[str, str]:
    return {
        "bank_reference": f"20261121-{next(_transfers):06}",
        "paid_at": (clock.now() - timedelta(minutes=1)).isoformat(),
    }


def claim(counter: Counter) -> str:
    order = paid(counter)
    with database.transaction() as session:
        number, _ = claims.file(
            session, shopper_id=counter.desk.buyer.shopper_id, order=order, kind=ClaimKind.REFUND,
            lines={1: 1}, cause=Cause.DAMAGED, note="压坏了", is_sealed=False, key=f"claim-{secrets.token_hex(4)}",
            now=clock.now(),
        )  # fmt: skip
    return number


def case() -> str:
    with database.transaction() as session:
        cases.open(session, kind=CaseKind.BILL_AMOUNT, number="P1", evidence={}, difference_fen=90, now=clock.now())
    [(slug,)] = database.statement("SELECT slug FROM payment_cases WHERE number = 'P1'")
    return str(slug)


def test_every_way_to_move_money_is_known_here(counter: Counter) -> None:
    ways = {
        rule.endpoint
        for rule in counter.app.url_map.iter_rules()
        if (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        and rule.rule.startswith("/api/staff/")
        and getattr(counter.app.view_functions[rule.endpoint], "guard", None) in {(STAFF, each) for each in MONEY}
    }
    assert ways == set(ACTS)
    assert set(ACTS.values()) <= set(words.ACTS)


def test_every_move_of_money_is_in_the_trail_and_on_its_page(counter: Counter, finance: tuple[Clerk, Clerk]) -> None:
    first, second = finance
    before = paid(counter)
    assert ask(first, before)["refund"]
    with limit(0):
        for decision in ("approval", "rejection"):
            waiting = ask(first, paid(counter))["proposal"]
            assert second.post(f"/refund-proposals/{waiting}/{decision}").status_code == 200
    assert first.post(f"/aftersales/{claim(counter)}/approval", {"answer": "同意退款"}).status_code == 200
    assert first.post(f"/aftersales/{claim(counter)}/refusal", {"answer": "看不出破损"}).status_code == 200
    assert first.post(f"/stranded-refunds/{stranded(counter, first)}/card", CARD).status_code == 200
    assert first.post(f"/stranded-refunds/{stranded(counter, first)}/transfer", transfer()).status_code == 200
    slug = case()
    assert first.call("PUT", f"/finance/cases/{slug}/owner").status_code == 200
    end = {"resolution": "written_off", "reason": "小额差异，核销"}
    assert first.post(f"/finance/cases/{slug}/end", end).status_code == 200
    done = audited()
    assert set(ACTS.values()) <= {act for act, _ in done}
    assert ("case.closed", slug) in done
    assert CARD["account"] not in str(database.statement("SELECT details::text FROM staff_audit"))
    page = counter.hire(Role.ADMIN).open("/audit").get_data(as_text=True)
    for act in ACTS.values():
        assert words.ACTS[act] in page


def test_money_that_follows_goods_is_in_the_trail(counter: Counter) -> None:
    finance, store = counter.hire(Role.FINANCE), counter.hire(Role.FULFILMENT)
    order = paid(counter)
    ship(order)
    with database.transaction() as session:
        number, _ = claims.file(
            session, shopper_id=counter.desk.buyer.shopper_id, order=order, kind=ClaimKind.RETURN, lines={1: 1},
            cause=Cause.DAMAGED, note="压坏了", is_sealed=False, key=f"claim-{secrets.token_hex(4)}", now=clock.now(),
        )  # fmt: skip
    agreed = {"answer": "请寄回", "return_address": "宿州市仓储路 8 号"}
    assert finance.post(f"/aftersales/{number}/approval", agreed).status_code == 200
    with database.transaction() as session:
        claims.send_back(
            session, shopper_id=counter.desk.buyer.shopper_id, number=number, carrier="中通快递",
            tracking_number="ZT123456", now=clock.now(),
        )  # fmt: skip
    assert store.post(f"/aftersales/{number}/receipt", {"is_restocked": True}).status_code == 200
    assert ("claim.goods_received", number) in audited()


@pytest.mark.parametrize(("way", "body"), [("card", lambda: CARD), ("transfer", transfer)])
def test_who_asked_for_a_big_refund_does_not_choose_its_account(
    counter: Counter,
    finance: tuple[Clerk, Clerk],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    body: Callable[[], dict[str, str]],
) -> None:
    first, second = finance
    path = f"/stranded-refunds/{stranded(counter, first)}/{way}"
    with limit(99):
        refused = first.post(path, body())
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, SecondPersonRequired.code)
        assert database.statement("SELECT state FROM payment_refunds") == [("abnormal",)]
        assert audited()[-1][0] == "order.refund_requested"
        with monkeypatch.context() as off:
            off.setattr(proposals, "require_other", lambda session, refund, by: None)
            assert first.post(path, body()).status_code == 200, "without the guard one person does both"
    path = f"/stranded-refunds/{stranded(counter, first)}/{way}"
    with limit(99):
        assert first.post(path, body()).status_code == 409
        assert second.post(path, body()).status_code == 200


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard off"])
def test_neither_of_the_two_who_granted_a_refund_chooses_its_account(
    counter: Counter, finance: tuple[Clerk, Clerk], monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """However small it is: it needed two because of what went back before, and the limit may have risen since."""
    (first, second), third = finance, counter.hire(Role.FINANCE, Role.ADMIN)
    order = paid(counter)
    counter.desk.wechat.fault("refund_abnormal", on="refund")
    with limit(99):
        proposal = ask(first, order)["proposal"]
        refund = second.post(f"/refund-proposals/{proposal}/approval").get_json()["refund"]
    settle_at_wechat(counter.desk)
    path = f"/stranded-refunds/{refund}"
    if not guarded:
        monkeypatch.setattr(proposals, "require_other", lambda session, refund, by: None)
        assert second.post(f"{path}/transfer", transfer()).status_code == 200, "one person leads it where they like"
        return
    for one in (first, second):
        for way, body in (("card", CARD), ("transfer", transfer())):
            refused = one.post(f"{path}/{way}", body)
            assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, SecondPersonRequired.code)
    assert database.statement("SELECT state FROM payment_refunds") == [("abnormal",)]
    assert third.post(f"{path}/transfer", transfer()).status_code == 200
