"""The code as it is printed: a QR of our own link, and beneath it what a person can read.

Invariant: the link is upper case, so that the QR is alphanumeric and its modules large; quiet zone 4, correction M.
"""

import struct
import zlib
from html import escape

import segno

from config import settings
from subway_campaign import codes

QUIET_ZONE = 4
# The label's line below the quiet zone, in modules.
_LABEL_ROOM = 6
# A PNG is for screens and proofs: 20 pixels a module make a version 3 symbol about 740 wide.
_PIXELS = 20
# The classic 5 x 7 letters as five columns each, lowest bit on top: a PNG needs no font on the machine that makes it.
_COLUMNS = bytes.fromhex("""
    3E5149453E 00427F4000 7249494946 2141494D33 1814127F10 2745454539 3C4A494931 4121110907 3649494936 464949291E
    7C1211127C 7F49494936 3E41414122 7F4141413E 7F49494941 7F09090901 3E41415173 7F0808087F 2040413F01 7F08142241
    7F021C027F 7F0408107F 7F09090906 3E4151215E 7F09192946 2649494932 03017F0103 1F2040201F 3F4038403F 6314081463
    0304780403 6159494D43
""")
_LETTERS = {symbol: _COLUMNS[5 * i : 5 * i + 5] for i, symbol in enumerate(codes.ALPHABET)}
_LETTER_WIDTH, _LETTER_HEIGHT = 6, 7


def link(code: str) -> str:
    """Return what the QR says: our address and the code, upper case."""
    return f"{settings.current().public_base_url}/s/{code}".upper()


def svg(*, code: str, name: str) -> bytes:
    """Return a printable drawing of any size, with the placement's name and the code beneath the symbol."""
    modules = _modules(code)
    side = len(modules) + 2 * QUIET_ZONE
    path = "".join(
        f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z"
        for y, row in enumerate(modules)
        for x, dark in enumerate(row)
        if dark
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side + _LABEL_ROOM}" role="img">'
        f"<title>{escape(name)} {code}</title>"
        f'<rect width="{side}" height="{side + _LABEL_ROOM}" fill="#fff"/>'
        f'<path d="{path}" fill="#000" shape-rendering="crispEdges"/>'
        f'<g text-anchor="middle" font-family="sans-serif" font-size="2">'
        f'<text x="{side / 2}" y="{side}">{escape(name)}</text>'
        f'<text x="{side / 2}" y="{side + 3}" font-family="monospace">{code}</text></g></svg>'
    ).encode()


def png(*, code: str, name: str) -> bytes:
    """Return a picture with the code beneath the symbol; the placement's name is in the file's `Title`.

    The name is not drawn: that takes a Chinese font, which a server need not have.
    """
    modules = _modules(code)
    side = (len(modules) + 2 * QUIET_ZONE) * _PIXELS
    rows = [bytearray(side) for _ in range(side + _LABEL_ROOM * _PIXELS)]
    for y, row in enumerate(modules):
        for x, dark in enumerate(row):
            if dark:
                _fill(rows, (x + QUIET_ZONE) * _PIXELS, (y + QUIET_ZONE) * _PIXELS, _PIXELS)
    _write(rows, code, top=side)
    return _encode(rows, title=f"{name} {code}")


def _modules(code: str) -> list[list[bool]]:
    symbol = segno.make_qr(link(code), error="m", mode="alphanumeric", boost_error=False)
    return [[bool(module) for module in row] for row in symbol.matrix]


def _fill(rows: list[bytearray], left: int, top: int, size: int) -> None:
    for y in range(top, top + size):
        rows[y][left : left + size] = b"\1" * size


def _write(rows: list[bytearray], word: str, *, top: int) -> None:
    """Draw `word` in the middle of the label's room."""
    dot = _LABEL_ROOM * _PIXELS // (2 * _LETTER_HEIGHT)
    left = (len(rows[0]) - len(word) * _LETTER_WIDTH * dot) // 2
    for position, symbol in enumerate(word):
        for x, column in enumerate(_LETTERS[symbol]):
            for y in range(_LETTER_HEIGHT):
                if column >> y & 1:
                    _fill(rows, left + (position * _LETTER_WIDTH + x) * dot, top + y * dot, dot)


def _encode(rows: list[bytearray], *, title: str) -> bytes:
    """Return a PNG of one bit a pixel, dark where a byte of `rows` is 1."""
    width, height = len(rows[0]), len(rows)
    lines = b"".join(b"\0" + _bits(row) for row in rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
            (b"iTXt", b"Title\0\0\0\0\0" + title.encode()),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _bits(row: bytearray) -> bytes:
    """Pack a row of 0 (light) and 1 (dark) into bits, where a set bit is light."""
    light = "".join("0" if dark else "1" for dark in row)
    padded = light.ljust(-(-len(light) // 8) * 8, "1")
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
