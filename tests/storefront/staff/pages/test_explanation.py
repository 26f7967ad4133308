"""The explanation of an order: its answer first, what happened in order, and a file of its money."""

import csv
import io
from typing import Any

import pytest

from storefront.roles import Role
from storefront.staff import words
from storefront.staff.pages import explanation
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
