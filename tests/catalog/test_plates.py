"""Plates: small, honest about being drawings, and free of anything that runs or loads."""

from xml.etree import ElementTree as ET

import pytest

from catalog import errors, plates

SAFE = {"svg", "rect", "ellipse", "circle", "path", "text", "g"}


@pytest.mark.parametrize("name", sorted(plates.names()))
def test_a_plate_is_small_honest_and_inert(name: str) -> None:
    document = plates.find(name)
    assert len(document) <= plates.MAX_BYTES
    root = ET.fromstring(document)
    assert {element.tag.split("}")[1] for element in root.iter()} <= SAFE
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")] == ["示意图"]
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on") or "href" in key]


@pytest.mark.parametrize("name", ["", "nothing", "../products.csv", "fruit.svg", "\x00", "/etc/passwd"])
def test_an_unknown_plate_is_not_found(name: str) -> None:
    with pytest.raises(errors.PlateUnknown):
        plates.find(name)
