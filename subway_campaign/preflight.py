"""Looks at a finished PDF as a phone will: sharp, blurred, grainy, from the side, pale, and all of it at once.

Invariant: what is judged is the file that goes to press, rendered, never the data it was made from; the same file is
judged the same way every time. Imports what a web process must not carry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pypdfium2
import zxingcpp
from PIL import Image, ImageFilter

from subway_campaign import media

# Ten pixels a module for the file itself; a phone at the viewing distance sees about four.
_SHARP, _SEEN = 10, 4
# ISO/IEC 15415 grades a symbol A from 70 % between its lightest and its darkest.
CONTRAST = 0.70
_COLUMNS = media.MODULES + 2 * media.QUIET_ZONE

STEPS = ("size", "quiet_zone", "contrast", "sharp", "blur", "noise", "perspective", "pale", "worst")


@dataclass(frozen=True)
class Verdict:
    """What preflight found: the step that failed, or None, and the contrast that it measured."""

    failed: str | None
    contrast: float


def check(pdf: bytes, *, link: str, format_: media.Format, steps: tuple[str, ...] = STEPS) -> Verdict:
    """Take a file through `steps` and return at which it failed, if at any: its symbol must read exactly `link`."""
    sharp, width_mm = _rendered(pdf)
    symbol = sharp.crop((0, 0, sharp.width, sharp.width))
    darkest, lightest = symbol.getextrema()
    contrast = (lightest - darkest) / 255
    seen = symbol.resize((_COLUMNS * _SEEN,) * 2, Image.Resampling.BOX)
    looks: dict[str, Callable[[], bool]] = {
        # A tenth of a millimetre is what a press promises.
        "size": lambda: abs(width_mm - format_.width_mm) < 0.1,
        "quiet_zone": lambda: _is_quiet(symbol),
        "contrast": lambda: contrast >= CONTRAST,
        "sharp": lambda: _reads(symbol, link, format_.correction),
        "blur": lambda: _reads(blurred(seen), link, format_.correction),
        "noise": lambda: _reads(grainy(seen, link), link, format_.correction),
        "perspective": lambda: _reads(aslant(symbol), link, format_.correction),
        "pale": lambda: _reads(pale(seen), link, format_.correction),
        "worst": lambda: _reads(worst(symbol, link), link, format_.correction),
    }
    return Verdict(next((step for step in steps if not looks[step]()), None), contrast)


def blurred(picture: Image.Image) -> Image.Image:
    """Return what a moving phone sees: out of focus by a third of a module. At half a module nothing reads."""
    return picture.filter(ImageFilter.GaussianBlur(_SEEN * 0.35))


def grainy(picture: Image.Image, seed: str, *, share: float = 0.3) -> Image.Image:
    """Return what a phone sees in the dark: noise takes a share of every pixel."""
    noise = Image.frombytes("L", picture.size, Random(seed).randbytes(picture.width * picture.height))  # noqa: S311
    return Image.blend(picture, noise, share)


def aslant(picture: Image.Image) -> Image.Image:
    """Return what a phone sees from the side: turned by 12 degrees, and the far edge a quarter shorter."""
    turned = picture.rotate(12, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    k, (w, h) = 0.35, turned.size
    shape = (1 + k, 0.0, 0.0, h * k / (2 * w), 1 + k, -h * k / 2, k / w, 0.0)
    return turned.transform(turned.size, Image.Transform.PERSPECTIVE, shape, Image.Resampling.BICUBIC, fillcolor=255)


def pale(picture: Image.Image) -> Image.Image:
    """Return what a phone sees against the light: a quarter of the contrast is left."""
    return picture.point([round(130 + value / 4) for value in range(256)])


def worst(picture: Image.Image, seed: str) -> Image.Image:
    """Return what a phone sees at its worst that still must do: from the side, blurred, half as deep, and grainy."""
    small = aslant(picture).resize((_COLUMNS * 6,) * 2, Image.Resampling.BOX)
    flat = small.filter(ImageFilter.GaussianBlur(1)).point([round(90 + value / 2) for value in range(256)])
    return grainy(flat, seed, share=0.1)


def _rendered(pdf: bytes) -> tuple[Image.Image, float]:
    """Return the first page in grey, ten pixels a module, and its width in millimetres."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        page = document[0]
        points = page.get_width()
        picture = page.render(scale=_COLUMNS * _SHARP / points, grayscale=True).to_pil().convert("L")
    finally:
        document.close()
    return picture, points / 72 * 25.4


def _is_quiet(symbol: Image.Image) -> bool:
    side, quiet = symbol.width, media.QUIET_ZONE * _SHARP
    edges = ((0, 0, side, quiet), (0, side - quiet, side, side), (0, 0, quiet, side), (side - quiet, 0, side, side))
    # A pixel on the border of the symbol may be half dark; ink inside the zone is not.
    return all(symbol.crop(edge).reduce(_SHARP // 2).getextrema()[0] > 200 for edge in edges)


def _reads(picture: Image.Image, link: str, correction: str) -> bool:
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return [(one.text, one.ec_level) for one in found] == [(link, correction)]
