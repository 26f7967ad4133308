import re
import xml.etree.ElementTree as ET

import pypdfium2
import pytest

from subway_campaign import artwork, media

PIECE = media.Piece("7K3M9X2P", "HTTPS://HALL.EXAMPLE/S/7K3M9X2P", "METRO.HF.L1.S04.LB1", "1号线<合肥>火车站 灯箱1")


def test_the_pdf_is_vectors_in_black_ink_of_the_planned_size() -> None:
    pdf = artwork.pdf(artwork.draw(PIECE))
    page = pypdfium2.PdfDocument(pdf)[0]
    assert page.get_width() / 72 * 25.4 == pytest.approx(330, abs=0.05)
    assert page.get_height() / 72 * 25.4 == pytest.approx(410, abs=0.05)
    kinds = {one.type for one in page.get_objects()}
    assert kinds == {pypdfium2.raw.FPDF_PAGEOBJ_PATH}
    assert b"/FontFile" not in pdf
    assert b"/Image" not in pdf.replace(b"/ImageB", b"").replace(b"/ImageC", b"").replace(b"/ImageI", b"")


def test_the_drawing_has_the_same_size_and_needs_no_font() -> None:
    drawing = ET.fromstring(artwork.svg(artwork.draw(PIECE)))
    assert (drawing.attrib["width"], drawing.attrib["height"]) == ("330mm", "410mm")
    assert drawing.attrib["viewBox"] == "0 0 33 41"
    assert {element.tag.rpartition("}")[2] for element in drawing.iter()} == {"svg", "title", "path"}
    symbol = drawing.findall("{http://www.w3.org/2000/svg}path")[1].attrib["d"]
    bars = [tuple(map(int, bar)) for bar in re.findall(r"M(\d+) (\d+)h(\d+)", symbol)]
    assert min(x for x, _, _ in bars) == min(y for _, y, _ in bars) == media.QUIET_ZONE
    assert max(x + run for x, _, run in bars) == max(y + 1 for _, y, _ in bars) == 33 - media.QUIET_ZONE


def test_equal_pieces_are_equal_files() -> None:
    assert artwork.pdf(artwork.draw(PIECE)) == artwork.pdf(artwork.draw(PIECE))


def test_a_long_name_stays_on_the_piece() -> None:
    long = media.Piece(PIECE.code, PIECE.link, PIECE.placement, "很长的点位名" * 12)
    points = [x for _, stroke in artwork.draw(long).label for x, _ in stroke]
    assert min(points) > 0
    assert max(points) < 33


@pytest.mark.parametrize("name", ["灯箱\U0001f600", "灯\ue000箱"])
def test_a_name_that_the_font_cannot_write_is_refused(name: str) -> None:
    with pytest.raises(LookupError):
        artwork.draw(media.Piece(PIECE.code, PIECE.link, None, name))
