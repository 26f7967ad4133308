import io
import xml.etree.ElementTree as ET

import pytest
import zxingcpp
from PIL import Image

from subway_campaign import codes, posters

CODE = "7K3M9X2" + codes.check("7K3M9X2")


@pytest.mark.parametrize("code", [CODE, "0123456" + codes.check("0123456"), "WXYZABC" + codes.check("WXYZABC")])
def test_the_picture_decodes_to_the_upper_case_link(db: None, code: str) -> None:
    picture = Image.open(io.BytesIO(posters.png(code=code, name="主题列车1号车厢 地贴")))
    (found,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert found.text == f"HTTP://127.0.0.1:8000/S/{code}"
    assert found.ec_level == "M"
    assert picture.text["Title"] == f"主题列车1号车厢 地贴 {code}"


def test_the_picture_has_its_quiet_zone_and_a_label(db: None) -> None:
    picture = Image.open(io.BytesIO(posters.png(code=CODE, name="点位"))).convert("L")
    side, quiet = picture.width, 4 * 20
    light = {value for _, value in picture.crop((0, 0, side, quiet)).getcolors()}
    assert light == {255}
    assert {value for _, value in picture.crop((0, 0, quiet, side)).getcolors()} == {255}
    label = picture.crop((0, side, side, picture.height))
    assert 0 in {value for _, value in label.getcolors()}


def test_the_drawing_says_where_it_hangs(db: None) -> None:
    drawing = ET.fromstring(posters.svg(code=CODE, name="<点位> & 1"))
    words = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["<点位> & 1", CODE]
    assert drawing.attrib["viewBox"] == "0 0 33 39"
