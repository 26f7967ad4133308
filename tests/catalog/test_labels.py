"""Labels: what the law wants on them, of which goods."""

import pytest

from catalog import labels
from catalog.models import LicenceClass

WHOLE = {field.key: "x" for field in labels.fields()}


@pytest.mark.parametrize("licence_class", list(LicenceClass))
def test_a_whole_label_lacks_nothing(licence_class: str) -> None:
    assert labels.missing(licence_class, WHOLE) == []


def test_every_class_that_a_field_names_exists() -> None:
    assert set().union(*(field.required_of for field in labels.fields())) <= {each.value for each in LicenceClass}


@pytest.mark.parametrize(
    ("licence_class", "wanted"),
    [
        ("farm_produce", set()),
        ("non_food", set()),
        ("prepackaged_food", {"ingredients", "net_content", "producer", "producer_address", "shelf_life", "standard"}),
        ("alcohol", {"alcohol_strength", "production_licence"}),
    ],
)
def test_what_is_missing_is_named_by_class(licence_class: str, wanted: set[str]) -> None:
    lacking = set(labels.missing(licence_class, {"spec": "425克", "storage": "常温"}))
    assert wanted <= lacking
    assert bool(lacking) == bool(wanted)
    assert "storage" not in lacking


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_field_is_a_missing_one(empty: object) -> None:
    assert labels.missing("prepackaged_food", WHOLE | {"ingredients": empty}) == ["ingredients"]
