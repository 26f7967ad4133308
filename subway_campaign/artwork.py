"""The printed piece: symbol, quiet zone and label, drawn once and written as SVG and as vector PDF.

Invariant: both files have the same shapes in the same millimetres, in one black; the label is outlines, so that no
press needs our font and no text is set in another. Imports what a web process must not carry.
"""

import io
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont
from reportlab.lib.units import mm
from reportlab.pdfgen import canvas

from subway_campaign import media

_FONT = resources.files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf"
# Below the quiet zone, in modules: the name, the code, the placement's number.
LABEL_ROOM = 8.0
_LINES = ((1.9, 2.4), (4.6, 2.2), (6.6, 1.2))
_COLUMNS = media.MODULES + 2 * media.QUIET_ZONE

# A path is a list of (operator, points): M, L, C and Z, in modules, y downwards.
Path = list[tuple[str, tuple[tuple[float, float], ...]]]


@dataclass(frozen=True)
class Drawing:
    """The shapes of a piece, in modules, and how large they are printed."""

    piece: media.Piece
    format: media.Format
    modules: tuple[tuple[bool, ...], ...]
    label: Path

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the piece."""
        return self.format.width_mm, (_COLUMNS + LABEL_ROOM) * self.format.module_mm


def draw(piece: media.Piece) -> Drawing:
    """Return the shapes of a piece.

    Raises `ValueError` when version 2 does not hold its link, `LookupError` with the symbol that our font lacks.
    """
    format_ = media.plan(piece.link, placement=piece.placement)
    _, modules = media.symbol(piece.link, wanted=format_.correction)
    label: Path = []
    for (baseline, size), words in zip(_LINES, (piece.name, piece.code, piece.placement or ""), strict=True):
        label += _written(words, _COLUMNS + baseline, size)
    return Drawing(piece, format_, modules, label)


def svg(drawing: Drawing) -> bytes:
    """Return the drawing as SVG, in millimetres, without a font."""
    width, height = drawing.size_mm
    symbol = "".join(f"M{x} {y}h{run}v1h-{run}z" for x, y, run in _runs(drawing.modules))
    label = "".join(
        "Z" if operator == "Z" else operator + " ".join(f"{x:.3f} {y:.3f}" for x, y in points)
        for operator, points in drawing.label
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {_COLUMNS} {_COLUMNS + LABEL_ROOM:g}">'
        f"<title>{escape(drawing.piece.name)} {drawing.piece.code}</title>"
        f'<path d="M0 0h{_COLUMNS}v{_COLUMNS + LABEL_ROOM:g}h-{_COLUMNS}z" fill="#fff"/>'
        f'<path d="{symbol}" fill="#000" shape-rendering="crispEdges"/><path d="{label}" fill="#000"/></svg>'
    ).encode()


def pdf(drawing: Drawing) -> bytes:
    """Return the drawing as a one-page PDF of its own size: paths only, in black ink alone."""
    width, height = drawing.size_mm
    out = io.BytesIO()
    # Equal drawings are equal files: no date, no random identity.
    page = canvas.Canvas(out, pagesize=(width * mm, height * mm), invariant=1, pageCompression=1)
    page.setTitle(f"{drawing.piece.name} {drawing.piece.code}")
    page.setAuthor("")
    page.setFillColorCMYK(0, 0, 0, 0)
    page.rect(0, 0, width * mm, height * mm, stroke=0, fill=1)
    page.setFillColorCMYK(0, 0, 0, 1)
    unit = drawing.format.module_mm * mm
    page.transform(unit, 0, 0, -unit, 0, height * mm)
    symbol = page.beginPath()
    for x, y, run in _runs(drawing.modules):
        symbol.rect(x, y, run, 1)
    page.drawPath(symbol, stroke=0, fill=1)
    _ink(page, drawing.label)
    page.save()
    return out.getvalue()


def _ink(page: Any, path: Path) -> None:
    outline = page.beginPath()
    for operator, points in path:
        if operator == "M":
            outline.moveTo(*points[0])
        elif operator == "L":
            outline.lineTo(*points[0])
        elif operator == "C":
            outline.curveTo(*points[0], *points[1], *points[2])
        else:
            outline.close()
    # Non-zero winding, as SVG fills: an even-odd rule would open the strokes that overlap in a character.
    page.drawPath(outline, stroke=0, fill=1, fillMode=1)


def _runs(modules: tuple[tuple[bool, ...], ...]) -> list[tuple[int, int, int]]:
    """Return the dark modules as (x, y, length): one bar a run, so that no hairline shows between neighbours."""
    found = []
    for y, row in enumerate(modules):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                found.append((start + media.QUIET_ZONE, y + media.QUIET_ZONE, x - start))
            x += 1
    return found


@cache
def _font() -> tuple[Any, dict[int, str], float]:
    font = TTFont(str(_FONT), lazy=True)
    return font.getGlyphSet(), font.getBestCmap(), font["head"].unitsPerEm


@cache
def _glyph(symbol: str) -> tuple[tuple[tuple[str, Any], ...], float]:
    """Return the outline of one symbol and its advance. Raises `LookupError` when the font has none."""
    glyphs, names, _ = _font()
    if ord(symbol) not in names:
        raise LookupError(symbol)
    glyph = glyphs[names[ord(symbol)]]
    pen = DecomposingRecordingPen(glyphs)
    glyph.draw(pen)
    bounds = BoundsPen(glyphs)
    glyph.draw(bounds)
    if bounds.bounds is None and not symbol.isspace():
        raise LookupError(symbol)
    return tuple(pen.value), glyph.width


def _written(words: str, baseline: float, size: float) -> Path:
    """Return `words` in the middle of the piece, smaller when they are too long for it."""
    if not words:
        return []
    glyphs = [_glyph(symbol) for symbol in words]
    advance = sum(width for _, width in glyphs)
    scale = min(size / _font()[2], (_COLUMNS - 2) / advance)
    left = (_COLUMNS - advance * scale) / 2
    path: Path = []
    for strokes, width in glyphs:
        for operator, points in strokes:
            placed = tuple((left + x * scale, baseline - y * scale) for x, y in points)
            path.append(({"moveTo": "M", "lineTo": "L", "curveTo": "C", "closePath": "Z"}[operator], placed))
        left += width * scale
    return path
