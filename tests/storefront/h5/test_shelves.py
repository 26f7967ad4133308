from typing import Any

import pytest

from storefront.h5 import shelves


def found(**changed: Any) -> dict[str, Any]:
    return {
        "slug": "dangshansuli",
        "name": "砀山酥梨",
        "hall": "dangshan-xian",
        "hall_name": "砀山县地方馆",
        "origin": "安徽省宿州市砀山县",
        "description": "",
        "image": "/plates/fruit.svg",
        "skus": [{"number": "AH001A", "spec": "5斤", "price_fen": 2990, "available": 3}],
        "accreditation": None,
        "accreditation_evidence": None,
        "geographical_indication": None,
        "label": {"spec": "5斤"},
        "label_missing": [],
        "ship_from": {"key": "suzhou", "name": "宿州示意仓", "is_illustrative": True},
        "licence_class": "farm_produce",
        "freight_note": "",
        "return_class": "excluded_perishable",
        "is_display_only": False,
        "is_illustrative": True,
        **changed,
    }


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("砀山县地方馆", "砀山"),
        ("马鞍山市", "马鞍山"),
        ("萧县地方馆", "萧县"),
        ("郊区", "郊区"),
        ("八公山区地方馆", "八公山"),
    ],
)
def test_a_seal_holds_the_place_and_no_more(name: str, characters: str) -> None:
    assert shelves.seal(name) == characters


def test_no_badge_without_evidence() -> None:
    assert shelves.product(found()).accreditation is None
    evidence = {"number": "皖认2020-1", "issuer": "砀山县", "issued_on": "2020-09-18", "valid_until": None}
    assert shelves.product(found(accreditation=evidence)).accreditation is not None


@pytest.mark.parametrize(
    ("licence_class", "words"), [("alcohol", "酒类"), ("medicinal_food", "药食两用"), ("non_food", "只作展示")]
)
def test_display_only_goods_say_why_they_are_not_sold(licence_class: str, words: str) -> None:
    shown = shelves.product(found(is_display_only=True, licence_class=licence_class))
    assert words in shown.refused_because
    assert not shown.is_available


def test_what_the_label_lacks_is_named_and_nothing_is_made_up() -> None:
    shown = shelves.product(found(label={"spec": "5斤", "storage": ""}, label_missing=["shelf_life", "ingredients"]))
    assert shown.label == (("规格", "5斤"),)
    assert shown.label_missing == ("配料", "保质期")


def test_a_badge_says_what_it_rests_on() -> None:
    badge = {"number": "341321-2026-00001", "issuer": "砀山县", "issued_on": "2026-11-30", "valid_until": "2027-11-30"}
    evidence = {
        "notice": "C1",
        "county": "安徽省宿州市砀山县",
        "batch": "2026年第一批",
        "noticed_at": "2026-11-21T04:00:00+00:00",
        "noticed_until": None,
    }
    shown = shelves.product(found(accreditation=badge, accreditation_evidence=evidence)).accreditation
    assert shown is not None
    assert (shown.batch, shown.notice, shown.noticed_until) == ("2026年第一批", "C1", None)
    assert shown.noticed_at is not None
    assert shown.noticed_at.utcoffset() is not None


def test_a_geographical_indication_says_its_kind() -> None:
    known = {"kind": "trademark", "number": "1299947", "issuer": "国家知识产权局", "issued_on": "2003-07-28"}
    shown = shelves.product(found(geographical_indication=known)).indication
    assert shown is not None
    assert (shown.kind, shown.number) == ("地理标志证明商标", "1299947")


def test_alcohol_that_is_sold_asks_for_an_adult() -> None:
    assert shelves.product(found(licence_class="alcohol")).needs_adult
    assert not shelves.product(found()).needs_adult
