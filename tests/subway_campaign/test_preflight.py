from dataclasses import replace
from random import Random

import pytest

from subway_campaign import artwork, codes, media, preflight


def piece(seed: int = 1, placement: str = "METRO.HF.L1.T01.C1.DL1") -> media.Piece:
    code = codes.mint(Random(seed))
    return media.Piece(code, f"HTTPS://HALL.EXAMPLE/S/{code}", placement, "主题列车1号车厢 左侧1号车门")


def judged(drawing: artwork.Drawing, steps: tuple[str, ...] = preflight.STEPS) -> str | None:
    return preflight.check(artwork.pdf(drawing), link=drawing.piece.link, format_=drawing.format, steps=steps).failed


def dirty(drawing: artwork.Drawing, share: float, seed: int = 7) -> artwork.Drawing:
    rng = Random(seed)
    modules = tuple(tuple(dark != (rng.random() < share) for dark in row) for row in drawing.modules)
    return replace(drawing, modules=modules)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("placement", ["METRO.HF.L1.T01.C1.DL1", "METRO.HF.L1.S04.LB1", "SERVICE.AH.R01.A001.P1"])
def test_what_we_draw_passes_every_step(seed: int, placement: str) -> None:
    drawing = artwork.draw(piece(seed, placement))
    found = preflight.check(artwork.pdf(drawing), link=drawing.piece.link, format_=drawing.format)
    assert found.failed is None
    assert found.contrast > preflight.CONTRAST


def test_the_steps_are_what_refuses_a_damaged_symbol() -> None:
    """Without them the file is let through; with them it is named where it first fails."""
    spoiled = dirty(artwork.draw(piece()), 0.2)
    assert judged(spoiled, steps=("size", "quiet_zone", "contrast")) is None
    assert judged(spoiled) == "sharp"


@pytest.mark.parametrize(("loss", "failed"), [(0.2, None), (0.6, "blur"), (0.75, "sharp")])
def test_thin_ink_is_refused_though_a_sharp_eye_still_reads_it(
    loss: float, failed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars that come out thinner than drawn: without the distortions the file would go to press."""
    drawn = artwork._runs
    monkeypatch.setattr(artwork, "_runs", lambda rows: [(x + loss / 2, y, run - loss) for x, y, run in drawn(rows)])
    drawing = artwork.draw(piece())
    assert judged(drawing) == failed
    assert (judged(drawing, steps=("size", "quiet_zone", "contrast", "sharp")) is None) == (failed != "sharp")


def test_a_symbol_that_says_something_else_is_refused() -> None:
    drawing = artwork.draw(piece(1))
    swapped = replace(drawing, modules=artwork.draw(piece(2)).modules)
    assert judged(swapped) == "sharp"


def test_ink_in_the_quiet_zone_is_refused() -> None:
    drawing = artwork.draw(piece())
    box = (("M", ((5.0, 2.0),)), ("L", ((9.0, 2.0),)), ("L", ((9.0, 3.0),)), ("L", ((5.0, 3.0),)), ("Z", ()))
    assert judged(replace(drawing, label=[*drawing.label, *box])) == "quiet_zone"


def test_another_size_is_refused() -> None:
    drawing = artwork.draw(piece())
    planned = replace(drawing.format, side_mm=drawing.format.side_mm + 1)
    pdf = artwork.pdf(drawing)
    assert preflight.check(pdf, link=drawing.piece.link, format_=planned).failed == "size"


def test_pale_ink_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, ink = artwork.draw(piece()), artwork.canvas.Canvas.setFillColorCMYK
    monkeypatch.setattr(artwork.canvas.Canvas, "setFillColorCMYK", lambda page, c, m, y, k: ink(page, c, m, y, k / 2))
    pdf = artwork.pdf(drawing)
    assert preflight.check(pdf, link=drawing.piece.link, format_=drawing.format).failed == "contrast"
