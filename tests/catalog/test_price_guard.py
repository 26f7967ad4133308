"""The guard over prices: the rule by examples, and one decision of two that come at once."""

import threading
from typing import Any

import pytest
from sqlalchemy import text

from catalog import errors, price_guard, products
from catalog.accreditation_views import Reach
from catalog.price_guard import Price
from catalog.price_models import Basis, ReviewAct, ReviewState
from config import database
from tests.catalog.accrediting import NOW, PEARS

SKU = "AH001A"
ALL = [Reach(None, None)]


@pytest.mark.parametrize(
    ("spec", "grams"),
    [
        ("净重5斤(8-9枚)", 2500),
        ("净重5斤(8-9枚) 双份装", 5000),
        ("425克×6罐", 2550),
        ("300克/瓶", 300),
        ("400克/罐", 400),
        ("约2.5千克/只", 2500),
        ("500克(250克×2)", 500),
        ("1kg x 2", 2000),
        ("8两", 400),
        ("8只(公3.5两母2.5两)", None),
        ("500毫升×2", None),
        ("30×180厘米", None),
        ("500克茶叶加200克蜂蜜", None),
        ("0克", None),
        ("", None),
    ],
)
def test_a_spec_names_its_net_weight_or_none(spec: str, grams: int | None) -> None:
    assert price_guard.net_weight_g(spec) == grams


def prices(*fen: int, county: str = "341321", spec: str = "500克") -> list[Price]:
    return [Price(f"S{county}-{n}", f"p{county}-{n}", "fruit", county, spec, each) for n, each in enumerate(fen)]


@pytest.mark.parametrize(
    ("last_fen", "is_far"), [(1000, False), (2999, False), (3000, True), (334, False), (333, True), (1, True)]
)
def test_thrice_or_a_third_of_the_median_is_far(last_fen: int, is_far: bool) -> None:
    found = price_guard.outliers(prices(1000, 1000, 1000, 1000, last_fen))
    assert [each.sku for each in found] == ["S341321-4"] * is_far
    for each in found:
        assert (each.median_fen, each.peers, each.basis, each.unit_fen) == (1000, 5, Basis.COUNTY, last_fen)


def test_fewer_than_five_in_the_county_are_compared_with_the_province_and_fewer_still_with_nothing() -> None:
    here = prices(1000, 1000, 1000, 9000)
    assert price_guard.outliers(here) == []
    [found] = price_guard.outliers([*here, *prices(1000, 1000, county="340102")])
    assert (found.sku, found.basis, found.peers) == ("S341321-3", Basis.PROVINCE, 6)


def test_what_is_dear_everywhere_but_usual_in_its_county_is_not_far() -> None:
    here = prices(9000, 9000, 9000, 9000, 9000)
    elsewhere = prices(*[1000] * 20, county="340102")
    assert price_guard.outliers([*here, *elsewhere]) == []


def test_another_pack_of_the_same_product_is_no_peer() -> None:
    packs = [Price(f"S{n}", "one", "fruit", "341321", "500克", 1000 + n) for n in range(9)]
    assert price_guard.outliers(packs) == []


def test_what_names_no_weight_is_not_judged() -> None:
    assert price_guard.outliers([*prices(1000, 1000, 1000, 1000, 1000), *prices(99000, spec="1件")]) == []


def reprice(price_fen: int) -> None:
    with database.transaction() as session:
        products.reprice(session, sku=SKU, price_fen=price_fen, now=NOW)


def reviews(*states: ReviewState) -> list[dict[str, Any]]:
    with database.transaction() as session:
        found = price_guard.queue(session, reaches=ALL, states=states or list(ReviewState))
        return [each for each in found if each["sku"] == SKU]


def opened() -> str:
    reprice(99_900)
    price_guard.review_due(now=NOW)
    [review] = reviews(ReviewState.OPEN)
    return str(review["number"])


def decide(number: str, act: ReviewAct, seen: ReviewState, reason: str = "比同类贵太多") -> ReviewState:
    with database.transaction() as session:
        return price_guard.decide(session, number=number, act=act, seen=seen, reason=reason, by="dangshan", now=NOW)


@pytest.mark.usefixtures("seeded")
def test_a_far_price_is_reviewed_once_and_again_when_it_changes() -> None:
    number = opened()
    price_guard.review_due(now=NOW)
    [review] = reviews()
    assert (review["number"], review["unit_fen"], review["basis"]) == (number, 19980, "province")
    reprice(2990)
    price_guard.review_due(now=NOW)
    assert [each["state"] for each in reviews()] == ["superseded"]
    reprice(99_900)
    price_guard.review_due(now=NOW)
    assert [each["state"] for each in reviews()] == ["open", "superseded"]


@pytest.mark.usefixtures("seeded")
def test_the_sale_goes_on_until_the_county_stops_it_and_again_when_it_accepts() -> None:
    number = opened()
    assert products.is_on_sale(PEARS)
    assert decide(number, ReviewAct.ASK, ReviewState.OPEN) is ReviewState.ASKED
    assert decide(number, ReviewAct.HOLD, ReviewState.ASKED) is ReviewState.HELD
    [(is_on_sale,)] = database.statement("SELECT is_on_sale FROM products WHERE slug = %s", (PEARS,))
    assert not is_on_sale
    reprice(2990)
    price_guard.review_due(now=NOW)
    assert [each["state"] for each in reviews()] == ["held"]
    assert decide(number, ReviewAct.ACCEPT, ReviewState.HELD, reason="") is ReviewState.ACCEPTED
    [(is_on_sale,)] = database.statement("SELECT is_on_sale FROM products WHERE slug = %s", (PEARS,))
    assert is_on_sale


@pytest.mark.usefixtures("seeded")
def test_a_decision_against_somebody_needs_a_reason_and_the_state_that_was_seen() -> None:
    number = opened()
    with pytest.raises(errors.ReviewReasonMissing):
        decide(number, ReviewAct.ASK, ReviewState.OPEN, reason=" ")
    decide(number, ReviewAct.ACCEPT, ReviewState.OPEN, reason="")
    for act, seen in ((ReviewAct.HOLD, ReviewState.OPEN), (ReviewAct.HOLD, ReviewState.ACCEPTED)):
        with pytest.raises(errors.ReviewMoved) as moved:
            decide(number, act, seen)
        assert moved.value.details == {"state": "accepted"}
    with pytest.raises(errors.ReviewUnknown):
        decide("V0", ReviewAct.ASK, ReviewState.OPEN)


def decided_by_two(number: str) -> int:
    """How many of two clerks, who both saw it open, had their decision taken."""
    both_saw, taken = threading.Barrier(2), []

    def clerk(act: ReviewAct) -> None:
        with database.transaction() as session:
            seen = ReviewState(price_guard.find(session, number=number)["state"])
            both_saw.wait(10)
            try:
                price_guard.decide(
                    session, number=number, act=act, seen=seen, reason="比同类贵太多", by=act.value, now=NOW
                )
            except errors.ReviewMoved:
                return
        taken.append(act)

    threads = [threading.Thread(target=clerk, args=(act,)) for act in (ReviewAct.ASK, ReviewAct.ACCEPT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(taken)


@pytest.mark.usefixtures("seeded")
def test_of_two_clerks_one_is_told_that_the_other_was_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    number = opened()
    with monkeypatch.context() as without_guard:
        unguarded = str(price_guard._DECIDE.text).replace("AND state = :seen", "AND :seen = :seen")
        without_guard.setattr(price_guard, "_DECIDE", text(unguarded))
        assert decided_by_two(number) == 2
    database.statement("UPDATE price_reviews SET state = 'open'")
    assert decided_by_two(number) == 1
