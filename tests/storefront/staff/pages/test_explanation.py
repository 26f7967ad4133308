"""The explanation of an order: its answer first, what happened in order, and a file of its money."""

import csv
import io
from typing import Any
from uuid import uuid4

import pytest

from config import clock, database
from storefront.roles import Role
from storefront.staff import words
from storefront.staff.pages import explanation
from subway_campaign import reviews, tokens, visitors, visits
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Counter, audited


def test_an_order_is_explained_from_its_answer_to_its_fen(counter: Counter, codes: dict[str, str]) -> None:
    panel, box = (next(number for number in codes if part in number) for part in (".T01.C1.P", ".S04."))
    for spot in (panel, box):
        counter.scan(codes[spot])
    number = counter.buy(key="after-scans")
    analyst = counter.hire(Role.ANALYST)
    page = analyst.open(f"/orders/{number}/attribution").get_data(as_text=True)
    story = [
        page.index(said) for said in ("全部记在这里", '<ol class="steps story">', "记在这里</span>", "<b>下单</b>")
    ]
    assert story == sorted(story)
    assert "之前还扫过 1 处" in page
    assert page.count("1/2") >= 4, "both touches, under linear and position"
    file = analyst.open(f"/orders/{number}/attribution.csv").get_data(as_text=True)
    rows = [row for row in csv.reader(io.StringIO(file)) if row]
    nets = {row[1]: row[6] for row in rows if len(row) == 7 and row[5] == "净额"}
    assert set(nets) == set(words.MODELS.values())
    assert len(set(nets.values())) == 1
    assert ("order.attribution_seen", number) in audited()


def joined(counter: Counter, code: str) -> None:
    """Somebody else scans `code` on a page and hands over to the buyer's phone."""
    opened = visits.open(slug=code, visitor=None, now=clock.now())
    assert visits.confirm(token=opened.token, visitor=opened.visitor, now=clock.now())
    token = tokens.seal_handoff(uuid4(), visitor=opened.visitor, now=clock.now())
    with database.transaction() as session:
        assert visitors.hand_off(session, token=token, visitor=counter.desk.buyer.visitor, now=clock.now())


def test_who_was_taken_for_one_is_parted_with_a_reason_and_the_order_decided_again(
    counter: Counter, codes: dict[str, str]
) -> None:
    joined(counter, codes[next(number for number in codes if ".T01.C1.P" in number)])
    number, other = counter.buy(key="joined-order"), counter.buy(key="another-order")
    manager, analyst = counter.hire(Role.CAMPAIGN), counter.hire(Role.ANALYST)
    path = f"/orders/{number}/attribution"
    [merge] = manager.get(path).get_json()["merges"]
    assert (merge["via"], merge["undone_at"]) == ("hk", None)
    assert "从网页转到小程序" in analyst.open(path).get_data(as_text=True)
    assert "不是同一人" not in analyst.open(path).get_data(as_text=True), "who only reads is offered no button"
    undo = f"/orders/{number}/merges/{merge['number']}"
    assert "form.because" in manager.send(undo, reason="错").location
    assert code_of(manager.post(f"/orders/{number}/merges/MG0/undoing", {"reason": "不存在的记录"})) == (
        404,
        "campaign.unknown_merge",
    )
    assert manager.send(undo, reason="买家来电：手机是同事的").location.endswith("done=parted")
    reviews.review_due(now=clock.now())
    for each in (number, other):
        told = manager.get(f"/orders/{each}/attribution").get_json()
        assert (told["outcome"], told["reason"], told["version"]) == ("unattributed", "no_touch", 2)
        assert told["merges"][0]["undone_at"]
    assert code_of(manager.post(undo + "/undoing", {"reason": "再来一次也没有"})) == (404, "campaign.unknown_merge")
    assert [what for what, _ in audited()].count("order.buyer_parted") == 1


def test_only_a_merge_of_the_orders_own_buyer_is_undone_from_its_page(counter: Counter, codes: dict[str, str]) -> None:
    strangers = [uuid4(), uuid4()]
    with database.transaction() as session:
        token = tokens.seal_handoff(uuid4(), visitor=strangers[0], now=clock.now())
        assert visitors.hand_off(session, token=token, visitor=strangers[1], now=clock.now())
    [(merge,)] = database.statement("SELECT number FROM visitor_merges")
    number = counter.buy()
    manager = counter.hire(Role.CAMPAIGN)
    assert manager.get(f"/orders/{number}/attribution").get_json()["merges"] == []
    assert manager.send(f"/orders/{number}/merges/{merge}", reason="与这笔订单无关").status_code == 404
    assert database.statement("SELECT undone_at FROM visitor_merges") == [(None,)]


def test_an_order_is_decided_again_from_its_page(counter: Counter, codes: dict[str, str]) -> None:
    counter.scan(codes[next(number for number in codes if ".T01." in number)])
    number = counter.buy()
    path = f"/orders/{number}/attribution"
    manager = counter.hire(Role.CAMPAIGN)
    assert 'name="reason"' in manager.open(path).get_data(as_text=True)
    assert "重新判定" not in counter.hire(Role.ANALYST).open(path).get_data(as_text=True)
    assert "form.because" in manager.send(path, reason="").location
    assert manager.send(path, reason="现场票据为证").location.endswith("done=decided_again")
    assert ("order.attribution_overridden", number) in audited()


EVENTS = {
    "placed_at": "2026-11-22T02:00:00.500000+00:00",
    "paid_at": "2026-11-22T02:00:00+00:00",
    "touches": [{"touch": "t2", "occurred_at": "2026-11-22T02:00:00.500000+00:00"},
                {"touch": "t1", "occurred_at": "2026-11-21T02:00:00+00:00"}],
    "journey": ["t1", "t2"],
    "weights": {"last": [{"touch": "t2", "numerator": 1, "denominator": 1}]},
}  # fmt: skip


def test_what_happened_stands_in_the_order_in_which_it_counts() -> None:
    back: dict[str, Any] = {"entry": "refund", "occurred_at": "2026-11-23T02:00:00+00:00", "source": "R1"}
    events = explanation._events(EVENTS, [back | {"fen": -100}, back | {"fen": -20}])
    assert [event["what"] for event in events] == ["touch", "touch", "placed", "paid", "refunded"]
    assert [event.get("is_credited") for event in events[:2]] == [False, True]
    assert events[-1]["fen"] == 120
    winner = explanation._winner(EVENTS)
    assert winner is not None
    assert winner["touch"] == "t2"
    assert explanation._winner({"touches": [], "journey": []}) is None


@pytest.mark.parametrize(
    ("share", "said"), [((1, 1), "全部"), ((2, 5), "2/5"), ((0, 1), "—"), ((333, 1000), "≈ 33.30%")]
)
def test_a_share_is_a_fraction_while_one_can_be_read(share: tuple[int, int], said: str) -> None:
    assert explanation._said(explanation.Fraction(*share)) == said
