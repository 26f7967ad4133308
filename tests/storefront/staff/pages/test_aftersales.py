"""After-sales on the staff's pages: the queue, the decision, the second person, and what WeChat cannot pay out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import clock, database, settings
from storefront import claims, proposals
from storefront.claim_lifecycle import Cause, ClaimKind
from storefront.roles import Grant, Role, Scope
from tests.journeys.conftest import Desk
from tests.journeys.test_refund_edges import paid, settle_at_wechat, ship
from tests.storefront.staff.conftest import Counter, hire


def file(desk: Desk, order: str, *, kind: ClaimKind = ClaimKind.REFUND) -> str:
    with database.transaction() as session:
        number, _ = claims.file(
            session,
            shopper_id=desk.buyer.shopper_id,
            order=order,
            kind=kind,
            lines={1: 1},
            cause=Cause.DAMAGED,
            note="压坏了两个",
            is_sealed=False,
            key="claim-0001",
            now=clock.now(),
        )
    return number


def text(answer: object) -> str:
    return answer.get_data(as_text=True)  # type: ignore[attr-defined,no-any-return]


def state_of(claim: str) -> str:
    [(state,)] = database.statement("SELECT state FROM claims WHERE number = %s", (claim,))
    return str(state)


def test_a_return_passes_from_hand_to_hand(counter: Counter) -> None:
    finance, store = counter.hire(Role.FINANCE), counter.hire(Role.FULFILMENT)
    assert "没有等待处理的售后" in text(finance.open("/aftersales"))
    order = paid(counter.desk)
    ship(order)
    claim = file(counter.desk, order, kind=ClaimKind.RETURN)
    listed = text(finance.open("/aftersales"))
    assert claim in listed
    assert "待处理" in listed
    shown = text(finance.open(f"/aftersales/{claim}"))
    assert "压坏了两个" in shown
    assert "退货地址" in shown
    price = database.statement("SELECT to_char(asked_fen / 100.0, 'FM999990.00') FROM claim_lines")[0][0]
    freight = database.statement("SELECT to_char(freight_fen / 100.0, 'FM999990.00') FROM claims")[0][0]
    path = f"/aftersales/{claim}/approval"
    assert "form.amount" in finance.send(path, line1="很多", freight=freight).headers["Location"]
    assert "address_missing" in finance.send(path, line1=price, freight=freight).headers["Location"]
    assert store.send(path, line1=price).status_code == 403
    done = finance.send(path, line1=price, freight=freight, return_address="宿州市仓储路 8 号")
    assert "claim_approved" in done.headers["Location"]
    with database.transaction() as session:
        claims.send_back(
            session,
            shopper_id=counter.desk.buyer.shopper_id,
            number=claim,
            carrier="中通快递",
            tracking_number="ZT123456",
            now=clock.now(),
        )
    assert "ZT123456" in text(store.open(f"/aftersales/{claim}"))
    assert "goods_received" in store.send(f"/aftersales/{claim}/receipt", restocked="yes").headers["Location"]
    settle_at_wechat(counter.desk)
    assert state_of(claim) == "refunded"
    assert claim in text(finance.open("/aftersales?tab=over"))
    acts = [act for (act,) in database.statement("SELECT act FROM staff_audit ORDER BY id")]
    assert acts == ["claim.approved", "claim.goods_received"]


def test_a_refusal_needs_its_reason(counter: Counter) -> None:
    finance, claim = counter.hire(Role.FINANCE), file(counter.desk, paid(counter.desk))
    assert "form.reason" in finance.send(f"/aftersales/{claim}/refusal").headers["Location"]
    finance.send(f"/aftersales/{claim}/refusal", answer="照片看不出破损")
    assert state_of(claim) == "refused"
    assert "aftersales.moved" in finance.send(f"/aftersales/{claim}/refusal", answer="再次").headers["Location"]


def test_goods_out_of_sight_have_no_claims(counter: Counter) -> None:
    claim = file(counter.desk, paid(counter.desk))
    elsewhere = hire(counter.app, Grant(role=Role.FINANCE, scope=Scope(area="99")), username="elsewhere")
    assert claim not in text(elsewhere.open("/aftersales"))
    assert elsewhere.open(f"/aftersales/{claim}").status_code == 404
    assert elsewhere.send(f"/aftersales/{claim}/refusal", answer="不").status_code == 404


@pytest.fixture
def limit(counter: Counter) -> Iterator[None]:
    """One person alone may give back nothing."""
    before = settings.current()
    settings.use(replace(before, refund_second_person_fen=0))
    yield
    settings.use(before)


@pytest.mark.usefixtures("limit")
def test_a_second_person_approves_what_the_first_asked_for(counter: Counter) -> None:
    first, second = counter.hire(Role.FINANCE), counter.hire(Role.FINANCE, Role.ANALYST)
    order = paid(counter.desk)
    asked = first.send(f"/orders/{order}/refunds", line1="1.00", reason="坏果包赔", key="refund-0001")
    assert "refund_waits" in asked.headers["Location"]
    with database.transaction() as session:
        [waiting] = proposals.listing(session)
    number = waiting["number"]
    assert "须由别人批准" in text(first.open("/approvals"))
    path = f"/approvals/{number}/decision"
    assert "second_person_required" in first.send(path, do="approve").headers["Location"]
    assert "批准" in text(second.open("/approvals"))
    assert "refund_approved" in second.send(path, do="approve").headers["Location"]
    assert "proposal_decided" in second.send(path, do="reject").headers["Location"]
    assert "没有等待批准的退款" in text(second.open("/approvals"))
    assert database.statement("SELECT amount_fen FROM payment_refunds") == [(100,)]


def test_what_wechat_cannot_pay_out_is_paid_by_hand(counter: Counter) -> None:
    finance = counter.hire(Role.FINANCE)
    order = paid(counter.desk)
    assert "没有异常退款" in text(finance.open("/approvals"))
    counter.desk.wechat.fault("refund_abnormal", on="refund")
    finance.send(f"/orders/{order}/refunds", line1="1.00", reason="坏果包赔", key="refund-0001")
    settle_at_wechat(counter.desk)
    [(number,)] = database.statement("SELECT number FROM payment_refunds WHERE state = 'abnormal'")
    assert number in text(finance.open("/approvals"))
    assert "form.card" in finance.send(f"/approvals/{number}/card", account="1").headers["Location"]
    today = clock.now().astimezone(clock.SHANGHAI).date().isoformat()
    bad = finance.send(f"/approvals/{number}/transfer", bank_reference="1", paid_on=today)
    assert "form.transfer" in bad.headers["Location"]
    done = finance.send(f"/approvals/{number}/transfer", bank_reference="2026-000017", paid_on=today)
    assert "transferred" in done.headers["Location"]
    counter.desk.drain()
    [(refunded,)] = database.statement("SELECT refunded_at IS NOT NULL FROM order_refunds")
    assert refunded
