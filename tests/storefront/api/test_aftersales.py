"""After-sales over HTTP: a claim filed once per key, decided by staff, its goods sent back, its money seen."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import clock, database
from storefront import reactions, shipping  # noqa: F401 - registers every reaction
from storefront.actors import WeChatIdentity
from storefront.roles import Grant, Role
from tests.payments.conftest import Wechat
from tests.storefront.api.conftest import Caller, code_of, log_in
from tests.storefront.staff.conftest import Clerk, hire

SKU = "AH001A"


@pytest.fixture
def payer(app: Flask, seeded: None, wechat: Wechat) -> Caller:
    """Somebody whom WeChat knows."""
    identity = WeChatIdentity(appid=wechat.settings.wechat_miniprogram_appid, openid=wechat.openid("小明"))
    return log_in(app, identity)


@pytest.fixture
def order(payer: Caller, wechat: Wechat, drain: Callable[[], int]) -> str:
    """An order of two boxes that was paid."""
    number = str(payer.place({SKU: 2}).get_json()["number"])
    opened = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"}).get_json()
    wechat.pay(opened["payment"]["number"])
    drain()
    return number


@pytest.fixture
def admin(app: Flask, payer: Caller) -> Clerk:
    """Somebody of the staff who may do everything."""
    return hire(app, Grant(role=Role.ADMIN))


def file(caller: Caller, order: str, *, key: str = "claim-000001", **body: Any) -> Any:
    values = {"kind": "refund", "lines": [{"line": 1, "quantity": 1}], "reason": "买错了", **body}
    return caller.post(f"/orders/{order}/aftersales", values, headers={"Idempotency-Key": key})


def test_a_claim_is_filed_once_per_key(payer: Caller, order: str, client: FlaskClient) -> None:
    filed = file(payer, order)
    assert filed.status_code == 201
    claim = filed.get_json()
    assert (claim["state"], claim["lines"][0]["quantity"], claim["refunded_fen"]) == ("filed", 1, 0)
    again = file(payer, order)
    assert (again.status_code, again.get_json()) == (200, claim)
    assert code_of(file(payer, order, reason="另一个理由")) == (409, "idempotency.mismatch")
    assert payer.get(f"/orders/{order}/aftersales").get_json() == {"items": [claim], "next_cursor": None}
    assert payer.post(f"/orders/{order}/aftersales", {}).status_code == 422
    assert code_of(file(payer, order, key="claim-000002", photos=["../etc/passwd"]))[0] == 422
    two = [{"line": 1, "quantity": 2}]
    assert code_of(file(payer, order, key="claim-000003", lines=two)) == (409, "aftersales.quantity_claimed")
    twice = [{"line": 1, "quantity": 1}, {"line": 1, "quantity": 1}]
    assert code_of(file(payer, order, key="claim-000004", lines=twice)) == (422, "order.lines_invalid")
    withdrawn = payer.post(f"/orders/{order}/aftersales/{claim['number']}/withdrawal")
    assert withdrawn.get_json()["state"] == "withdrawn"
    assert client.get(f"/api/v1/orders/{order}/aftersales").status_code == 401


def test_nobody_elses_order_has_claims(payer: Caller, order: str, stranger: Caller) -> None:
    claim = file(payer, order).get_json()["number"]
    assert code_of(file(stranger, order)) == (404, "order.not_found")
    for path in ("", f"/{claim}"):
        assert code_of(stranger.get(f"/orders/{order}/aftersales{path}")) == (404, "order.not_found")
    assert code_of(stranger.post(f"/orders/{order}/aftersales/{claim}/withdrawal")) == (404, "order.not_found")
    assert code_of(payer.get(f"/orders/{order}/aftersales/Anone")) == (404, "aftersales.not_found")


def test_a_return_from_the_claim_to_the_money(
    payer: Caller, order: str, admin: Clerk, wechat: Wechat, drain: Callable[[], int]
) -> None:
    with database.transaction() as session:
        shipping.ship(session, number=order, carrier="顺丰", tracking_number="SF12345", now=clock.now())
    assert code_of(file(payer, order)) == (409, "aftersales.return_required")
    claim = file(payer, order, key="claim-000002", kind="return", cause="damaged").get_json()["number"]
    path, mine = f"/aftersales/{claim}", f"/orders/{order}/aftersales/{claim}"
    [listed] = admin.get("/aftersales").get_json()["items"]
    assert (listed["number"], listed["is_overdue"]) == (claim, False)
    assert code_of(admin.post(f"{path}/approval", {})) == (422, "aftersales.address_missing")
    assert admin.post(f"{path}/approval", {"return_address": "仓储路 8 号"}).get_json()["state"] == "approved"
    assert payer.get(mine).get_json()["return_address"] == "仓储路 8 号"
    assert code_of(admin.post(f"{path}/receipt", {"is_restocked": True})) == (409, "aftersales.moved")
    parcel = {"carrier": "中通快递", "tracking_number": "ZT123456"}
    assert payer.post(f"{mine}/parcel", parcel).get_json()["state"] == "sent_back"
    assert admin.post(f"{path}/receipt", {"is_restocked": True}).get_json()["state"] == "refunding"
    drain()
    [(refund,)] = database.statement("SELECT number FROM payment_refunds")
    wechat.order("/settle", out_refund_no=refund)
    wechat.order("/redeliver", out_refund_no=refund)
    drain()
    ended = payer.get(mine).get_json()
    assert (ended["state"], ended["refunded_fen"]) == ("refunded", ended["amount_fen"])
    assert admin.get(path).get_json()["state"] == "refunded"
    assert admin.get("/aftersales").get_json()["items"] == []


def test_a_refund_by_pieces_above_the_limit_waits_for_a_second_person(
    app: Flask, payer: Caller, order: str, admin: Clerk
) -> None:
    database.statement("UPDATE order_lines SET price_fen = 60000, amount_fen = 120000 RETURNING line_no")
    body = {"lines": [{"line": 1, "quantity": 1}], "reason": "坏果包赔"}

    def ask() -> Any:
        return admin.post(f"/orders/{order}/refunds", body, **{"Idempotency-Key": "refund-000001"})

    asked = ask()
    assert (asked.status_code, ask().status_code) == (201, 200)
    assert (asked.get_json()["refund"], asked.get_json()["amount_fen"]) == (None, 60000)
    proposal = asked.get_json()["proposal"]
    [waiting] = admin.get("/refund-proposals").get_json()["items"]
    assert (waiting["number"], waiting["is_own"]) == (proposal, True)
    refused = admin.post(f"/refund-proposals/{proposal}/approval")
    assert code_of(refused) == (409, "aftersales.second_person_required")
    other = hire(app, Grant(role=Role.FINANCE))
    assert other.post(f"/refund-proposals/{proposal}/rejection").get_json()["state"] == "rejected"
    assert code_of(other.post(f"/refund-proposals/{proposal}/approval")) == (409, "aftersales.proposal_decided")
    assert other.get("/stranded-refunds").get_json()["items"] == []
    missing = other.post(
        "/stranded-refunds/Rnone123/transfer", {"bank_reference": "2026-1", "paid_at": "2026-11-21T04:00:00Z"}
    )
    assert code_of(missing) == (404, "payment.refund_not_found")
