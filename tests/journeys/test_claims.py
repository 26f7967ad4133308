"""After-sales from the claim to the money: decided, sent back, in time or not, and never without a second person."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from config import clock, database, settings
from storefront import aftersales, claimable, claims, errors, orders, proposals, purging, shipping
from storefront import books as shop_books
from storefront.claim_lifecycle import Cause, ClaimKind
from tests.journeys.conftest import Desk
from tests.journeys.test_refund_edges import paid, settle_at_wechat, ship
from tests.storefront.conftest import stock_of

REFUND, RETURN = ClaimKind.REFUND, ClaimKind.RETURN
ADDRESS = "安徽省宿州市埇桥区仓储路 8 号 退货组"


def file(
    desk: Desk,
    order: str,
    lines: dict[int, int],
    *,
    kind: ClaimKind = REFUND,
    cause: Cause = Cause.NO_REASON,
    key: str = "claim-0001",
    now: datetime | None = None,
    **more: Any,
) -> str:
    values = {"note": "", "is_sealed": True, **more}
    with database.transaction() as session:
        number, _ = claims.file(
            session,
            shopper_id=desk.buyer.shopper_id,
            order=order,
            kind=kind,
            lines=lines,
            cause=cause,
            key=key,
            now=now or clock.now(),
            **values,
        )
    return number


def do(verb: Callable[..., Any], **told: Any) -> Any:
    with database.transaction() as session:
        return verb(session, **{"now": clock.now(), **told})


def approve(claim: str, **told: Any) -> Any:
    return do(claims.approve, number=claim, **{"by": "li", "return_address": ADDRESS, **told})


def send_back(desk: Desk, claim: str, **told: Any) -> None:
    values = {"carrier": "中通快递", "tracking_number": "ZT123456", **told}
    do(claims.send_back, shopper_id=desk.buyer.shopper_id, number=claim, **values)


def claim_row(number: str) -> dict[str, Any]:
    columns = "state, turn, freight_fen, due_at, escalated_at, is_restocked"
    [row] = database.statement(f"SELECT {columns} FROM claims WHERE number = %s", (number,))
    return dict(zip(columns.split(", "), row, strict=True))


def amounts(order: str) -> list[tuple[Any, ...]]:
    return database.statement(
        "SELECT r.amount_fen, r.freight_fen FROM order_refunds r JOIN orders o ON o.id = r.order_id"
        " WHERE o.number = %s AND r.failed_at IS NULL ORDER BY r.id",
        (order,),
    )


def story(claim: str) -> list[str]:
    found = database.statement("SELECT name FROM facts WHERE key LIKE %s ORDER BY id", (f"{claim}/%",))
    return [name for (name,) in found]


@pytest.fixture
def no_gap(desk: Desk) -> Any:
    """WeChat takes refunds without a pause: the pause is not what these are about."""
    desk.wechat.order("/terms", refund_gap_seconds=0)
    yield
    desk.wechat.order("/terms", refund_gap_seconds=60)


@pytest.mark.usefixtures("no_gap")
def test_pieces_that_never_left_go_back_one_by_one_with_their_freight_until_nothing_is_left(desk: Desk) -> None:
    sku = desk.skus[0]
    before, _ = stock_of(sku)
    order = paid(desk, {sku: 2})
    whole = desk.order(order)
    for turn in range(2):
        claim = file(desk, order, {1: 1}, key=f"claim-000{turn}")
        assert claim_row(claim)["state"] == "filed"
        asked = approve(claim)
        assert asked.refund is not None
        settle_at_wechat(desk)
        assert claim_row(claim)["state"] == "refunded"
        assert stock_of(sku)[0] == before - 1 + turn
        assert story(claim) == ["claim.filed", "claim.approved"]
    assert sum(amount for amount, _ in amounts(order)) == whole["payable_fen"]
    assert sum(freight for _, freight in amounts(order)) == whole["freight_fen"] > 0
    assert desk.order(order)["state"] == "refunded"
    with database.transaction() as session:
        assert shop_books.differences(session) == []
    with pytest.raises(errors.OrderNotPaid):
        file(desk, order, {1: 1}, key="claim-more")


def test_a_return_waits_for_the_goods_and_the_shelf_gets_them_once(desk: Desk) -> None:
    sku = desk.skus[0]
    before, _ = stock_of(sku)
    database.statement("UPDATE products SET return_class = 'allowed' RETURNING id")
    order = paid(desk, {sku: 2})
    ship(order)
    with pytest.raises(errors.ReturnRequired):
        file(desk, order, {1: 1})
    claim = file(desk, order, {1: 1}, kind=RETURN)
    with pytest.raises(errors.QuantityClaimed):
        file(desk, order, {1: 2}, kind=RETURN, key="claim-0002")
    with pytest.raises(errors.AddressMissing):
        approve(claim, return_address="")
    assert approve(claim) is None
    with pytest.raises(errors.ClaimMoved):
        do(claims.take_back, number=claim, by="wang", is_restocked=True)
    send_back(desk, claim)
    send_back(desk, claim, tracking_number="ZT654321")
    do(claims.take_back, number=claim, by="wang", is_restocked=True)
    with pytest.raises(errors.ClaimMoved):
        do(claims.take_back, number=claim, by="wang", is_restocked=True)
    settle_at_wechat(desk)
    assert claim_row(claim)["state"] == "refunded"
    assert stock_of(sku)[0] == before - 1
    [(price_fen,)] = database.statement("SELECT price_fen FROM order_lines")
    # Without a reason the goods' price goes back, and no freight.
    assert amounts(order) == [(price_fen, 0)]
    assert story(claim) == ["claim.filed", "claim.approved", "claim.goods_sent", "claim.goods_received"]


def test_goods_that_cannot_be_sold_again_stay_off_the_shelf_and_a_fault_brings_the_freight_back(desk: Desk) -> None:
    sku = desk.skus[0]
    before, _ = stock_of(sku)
    order = paid(desk, {sku: 1})
    ship(order)
    claim = file(desk, order, {1: 1}, kind=RETURN, cause=Cause.DAMAGED)
    approve(claim)
    send_back(desk, claim)
    do(claims.take_back, number=claim, by="wang", is_restocked=False)
    settle_at_wechat(desk)
    assert stock_of(sku)[0] == before - 1
    assert amounts(order) == [(desk.order(order)["payable_fen"], desk.order(order)["freight_fen"])]


def test_staff_agree_to_less_but_never_to_more(desk: Desk) -> None:
    order = paid(desk, {desk.skus[0]: 2})
    ship(order)
    claim = file(desk, order, {1: 1}, cause=Cause.QUALITY)
    [(asked_fen,)] = database.statement("SELECT asked_fen FROM claim_lines")
    for wrong in ({"lines": {1: asked_fen + 1}}, {"lines": {2: 1}}, {"lines": {1: 0}, "freight_fen": 0}):
        with pytest.raises(errors.LinesInvalid):
            approve(claim, **wrong)
    with pytest.raises(errors.LinesInvalid):
        approve(claim, freight_fen=claim_row(claim)["freight_fen"] + 1)
    approve(claim, lines={1: asked_fen // 2}, freight_fen=0, answer="部分果子完好")
    settle_at_wechat(desk)
    assert amounts(order) == [(asked_fen // 2, 0)]
    with pytest.raises(errors.ClaimMoved):
        do(claims.refuse, number=claim, by="li", answer="太晚")


@pytest.mark.usefixtures("no_gap")
def test_claims_side_by_side_never_ask_for_the_same_fen(desk: Desk) -> None:
    order = paid(desk, {desk.skus[0]: 2})
    # An odd freight: one of two pieces carries the fen more.
    database.statement("UPDATE consignments SET freight_fen = 799 RETURNING order_id")
    database.statement("UPDATE orders SET freight_fen = 799, payable_fen = goods_fen + 799 RETURNING id")
    both = [file(desk, order, {1: 1}, key=f"claim-000{turn}") for turn in range(2)]
    assert [claim_row(claim)["freight_fen"] for claim in both] == [400, 399]
    for claim in both:
        approve(claim)
    assert sum(amount for amount, _ in amounts(order)) == desk.order(order)["payable_fen"]


def test_a_refused_or_withdrawn_claim_gives_its_pieces_free(desk: Desk) -> None:
    order = paid(desk)
    first = file(desk, order, {1: 1})
    assert file(desk, order, {1: 1}) == first
    with pytest.raises(errors.IdempotencyMismatch):
        file(desk, order, {1: 1}, cause=Cause.DAMAGED)
    with pytest.raises(errors.ClaimNotFound):
        do(claims.withdraw, shopper_id=desk.buyer.shopper_id + 1, number=first)
    do(claims.withdraw, shopper_id=desk.buyer.shopper_id, number=first)
    second = file(desk, order, {1: 1}, key="claim-0002")
    do(claims.refuse, number=second, by="li", answer="已在途中")
    assert file(desk, order, {1: 1}, key="claim-0003")
    assert story(first) == ["claim.filed", "claim.ended"]
    assert story(second) == ["claim.filed", "claim.refused"]


def test_deadlines_are_kept_for_both_sides(desk: Desk) -> None:
    order = paid(desk, dict.fromkeys(desk.skus[:2], 1))
    ship(order)
    now = clock.now()
    waiting = file(desk, order, {1: 1}, cause=Cause.DAMAGED)
    sent = file(desk, order, {2: 1}, kind=RETURN, cause=Cause.DAMAGED, key="claim-0002")
    approve(sent)
    assert claims.expire_due(now=now + timedelta(hours=47)) == 0
    with capture_logs() as lines:
        assert claims.expire_due(now=now + timedelta(hours=49)) == 1
        assert claims.expire_due(now=now + timedelta(hours=50)) == 0
    assert [line["claim"] for line in lines if line.get("alarm") == "aftersales.overdue"] == [waiting]
    assert (claim_row(waiting)["state"], claim_row(sent)["state"]) == ("filed", "approved")
    claims.expire_due(now=now + timedelta(days=7, minutes=1))
    assert claim_row(sent)["state"] == "lapsed"
    with pytest.raises(errors.ClaimMoved):
        send_back(desk, sent)
    assert story(sent)[-1] == "claim.ended"


@pytest.mark.usefixtures("no_gap")
def test_a_refund_that_wechat_closed_comes_back_to_staff(desk: Desk) -> None:
    order = paid(desk)
    claim = file(desk, order, {1: 1})
    desk.wechat.fault("refund_closed", times=1)
    approve(claim)
    settle_at_wechat(desk)
    assert (claim_row(claim)["state"], claim_row(claim)["turn"]) == ("filed", 1)
    assert claim_row(claim)["due_at"] is not None
    approve(claim)
    settle_at_wechat(desk)
    assert claim_row(claim)["state"] == "refunded"
    assert desk.order(order)["state"] == "refunded"


@pytest.fixture
def limit(desk: Desk) -> Any:
    """One person alone may give back 10 yuan."""
    before = settings.current()
    settings.use(replace(before, refund_second_person_fen=1000))
    yield
    settings.use(before)


def ask(order: str, fen: int, *, key: str = "refund-0001", by: str = "li") -> proposals.Asked:
    return do(proposals.ask, number=order, lines={1: fen}, reason="坏果包赔", key=key, asked_by=by)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("limit", "no_gap")
class TestSecondPerson:
    """Above the limit one account asks and another approves."""

    def test_nobody_approves_what_they_asked_for(self, desk: Desk) -> None:
        order = paid(desk)
        asked = ask(order, 1001)
        assert (asked.refund, asked.is_new) == (None, True)
        assert ask(order, 1001) == replace(asked, is_new=False)
        assert database.statement("SELECT count(*) FROM payment_refunds") == [(0,)]
        with pytest.raises(errors.SecondPersonRequired):
            do(proposals.approve, number=asked.proposal, by="li")
        with pytest.raises(errors.SecondPersonRequired):
            do(proposals.reject, number=asked.proposal, by="li")
        refund = do(proposals.approve, number=asked.proposal, by="zhao")
        assert ask(order, 1001).refund == refund
        with pytest.raises(errors.ProposalDecided):
            do(proposals.approve, number=asked.proposal, by="zhao")
        settle_at_wechat(desk)
        assert amounts(order) == [(1001, 0)]
        with database.transaction() as session:
            assert proposals.listing(session) == []
            assert shop_books.differences(session) == []

    def test_parting_a_refund_does_not_get_around_the_limit(self, desk: Desk) -> None:
        order = paid(desk)
        assert ask(order, 600).refund
        assert ask(order, 401, key="refund-0002").proposal
        assert ask(order, 400, key="refund-0003").refund

    def test_what_waits_is_promised_and_free_again_once_rejected(self, desk: Desk) -> None:
        order = paid(desk)
        goods_fen = desk.order(order)["goods_fen"]
        waiting = ask(order, goods_fen)
        with pytest.raises(errors.RefundExceedsLine):
            ask(order, 1, key="refund-0002")
        with pytest.raises(errors.ClaimNotFound):
            do(claims.withdraw, shopper_id=desk.buyer.shopper_id, number="Anone")
        do(proposals.reject, number=waiting.proposal, by="zhao")
        with database.transaction() as session:
            left, _ = aftersales.remaining(session, orders.lock(session, order).id)
        assert left == {1: goods_fen}

    def test_a_claim_waits_for_the_second_person_and_is_decided_anew_after_a_no(self, desk: Desk) -> None:
        order = paid(desk)
        claim = file(desk, order, {1: 1})
        asked = approve(claim)
        assert claim_row(claim)["state"] == "refunding"
        do(proposals.reject, number=asked.proposal, by="zhao")
        desk.drain()
        assert (claim_row(claim)["state"], claim_row(claim)["turn"]) == ("filed", 1)
        do(proposals.approve, number=approve(claim).proposal, by="zhao")
        settle_at_wechat(desk)
        assert claim_row(claim)["state"] == "refunded"


@pytest.mark.usefixtures("limit", "no_gap")
class TestDecidingAtOnce:
    """One approves and one rejects the same refund, or two approve it, at the same moment."""

    @staticmethod
    def race(desk: Desk, decisions: Sequence[Callable[..., Any]]) -> list[str]:
        """Let each decide as another person; returns how each ended."""
        asked = ask(paid(desk), 1001)

        def decide(person: int) -> str:
            try:
                do(decisions[person], number=asked.proposal, by=f"person-{person}")
            except errors.ProposalDecided:
                return "decided before"
            return decisions[person].__name__

        with ThreadPoolExecutor(len(decisions)) as pool:
            return sorted(pool.map(decide, range(len(decisions))))

    def test_without_the_lock_both_have_decided(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """The guard off: both have looked before either has decided, every time.

        Of a yes and a no the table's own check would still stop the one that comes second, sometimes by a crash.
        """
        decisions = (proposals.approve,) * 2
        together = Barrier(2, timeout=60)

        def unlocked(session: Any, number: str, by: str) -> tuple[Any, str]:
            found = session.execute(
                text("""
                    SELECT p.*, o.number AS "order" FROM refund_proposals p JOIN orders o ON o.id = p.order_id
                    WHERE p.number = :number
                """),
                {"number": number},
            ).one()
            together.wait()
            return found, found.order

        monkeypatch.setattr(proposals, "_lock", unlocked)
        assert self.race(desk, decisions) == sorted(each.__name__ for each in decisions)

    @pytest.mark.parametrize("decisions", [(proposals.approve, proposals.reject), (proposals.approve,) * 4])
    def test_only_the_first_decides(self, desk: Desk, decisions: Sequence[Callable[..., Any]]) -> None:
        ends = self.race(desk, decisions)
        assert ends.count("decided before") == len(decisions) - 1
        [(state, refunds)] = database.statement(
            "SELECT state, (SELECT count(*) FROM payment_refunds) FROM refund_proposals"
        )
        assert (state, refunds) in (("approved", 1), ("rejected", 0))


class TestRace:
    """Four claims for the one piece of an order, at the same moment."""

    @staticmethod
    def race(desk: Desk, order: str) -> int:
        def one(number: int) -> bool:
            try:
                file(desk, order, {1: 1}, key=f"claim-000{number}")
            except errors.QuantityClaimed:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(one, range(4)))

    def test_without_the_lock_each_is_filed(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """The guard off: all have looked before any has written, every time."""
        order = paid(desk)
        together, look = Barrier(4), claimable.require_pieces

        def look_together(*told: Any) -> None:
            look(*told)
            together.wait()

        def read(session: Any, number: str) -> orders.Standing:
            return orders.find(session, shopper_id=desk.buyer.shopper_id, number=number)

        monkeypatch.setattr(claims.orders, "lock", read)
        monkeypatch.setattr(claimable, "require_pieces", look_together)
        assert self.race(desk, order) == 4

    def test_only_one_is_filed(self, desk: Desk) -> None:
        assert self.race(desk, paid(desk)) == 1


def test_pieces_that_are_given_back_before_they_leave_are_not_sent(desk: Desk) -> None:
    sku = desk.skus[0]
    before, _ = stock_of(sku)
    order = paid(desk, {sku: 3})
    approve(file(desk, order, {1: 1}))
    with database.transaction() as session:
        assert shipping.waiting(session, number=order) == {1: {1}}
        assert aftersales.standing(session, orders.lock(session, order).id)[1].kept_back == 1
    ship(order)
    settle_at_wechat(desk)
    assert stock_of(sku)[0] == before - 2


def test_three_years_after_its_end_a_claim_is_without_words(desk: Desk) -> None:
    claim = file(desk, paid(desk), {1: 1}, note="门牌写错了")
    do(claims.refuse, number=claim, by="li", answer="已改地址")

    def words() -> list[tuple[Any, ...]]:
        return database.statement("SELECT note, answer FROM claims")

    purging.purge(now=clock.now() + timedelta(days=3 * 365 - 1))
    assert words() == [("门牌写错了", "已改地址")]
    purging.purge(now=clock.now() + timedelta(days=3 * 366 + 1))
    assert words() == [("", "")]
