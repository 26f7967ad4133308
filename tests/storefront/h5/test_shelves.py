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
        "geographical_indication": None,
        "label": {"spec": "5斤"},
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


def test_label_fields_of_prepackaged_food_are_shown_even_when_missing() -> None:
    label = dict(shelves.product(found(licence_class="prepackaged_food")).label)
    assert label["配料"] == label["保质期"] == label["生产许可证"] == ""
    assert label["规格"] == "5斤"
    assert "配料" not in dict(shelves.product(found()).label)


def test_alcohol_that_is_sold_asks_for_an_adult() -> None:
    assert shelves.product(found(licence_class="alcohol")).needs_adult
    assert not shelves.product(found()).needs_adult
