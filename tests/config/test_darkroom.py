"""Hostile and honest files: what a picture must survive to be one, and what never survives of it."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
import segno
from PIL import Image, ImageDraw

from config import darkroom
from config.darkroom import Refused

HERE = {1: "N", 2: (31.0, 51.0, 41.0), 3: "E", 4: (117.0, 16.0, 59.0)}


def scene(width: int = 640, height: int = 480) -> Image.Image:
    """Red above, blue below: one sees which side is up."""
    picture = Image.new("RGB", (width, height), "red")
    ImageDraw.Draw(picture).rectangle((0, height // 2, width, height), fill="blue")
    return picture


def saved(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_, **options)
    return out.getvalue()


def photo() -> bytes:
    """What a phone sends: turned, and with the place, the time and the camera in it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9003] = 6, "A phone", "2026:11-22 08:00:00"
    exif.get_ifd(0x8825).update(HERE)
    return saved(scene(), exif=exif, comment=b"taken at home")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def refusal(upload: bytes) -> str:
    with pytest.raises(Refused) as refused:
        darkroom.draw(upload)
    return refused.value.reason


def test_a_photo_becomes_three_sizes_of_three_kinds_in_a_process_of_its_own() -> None:
    prints = darkroom.develop(saved(scene(2000, 1500))).prints
    assert [(one.size, one.suffix, one.width, one.height) for one in prints] == [
        (size, suffix, size, size * 3 // 4) for size in darkroom.SIZES for suffix in ("avif", "webp", "jpg")
    ]
    for one, kind in zip(prints, ("AVIF", "WEBP", "JPEG") * 3, strict=True):
        with Image.open(io.BytesIO(one.body)) as made:
            assert (made.format, made.size) == (kind, (one.width, one.height))


def test_nothing_but_pixels_survives_and_they_stand_upright() -> None:
    with Image.open(io.BytesIO(photo())) as came:
        assert came.getexif().get_ifd(0x8825)[2] == HERE[2]
    prints = darkroom.draw(photo()).prints
    assert len(prints) == 9
    for one in prints:
        with Image.open(io.BytesIO(one.body)) as made:
            assert made.size == (one.width, one.height)
            assert one.height > one.width
            assert not made.getexif()
            assert not {"exif", "xmp", "comment", "icc_profile"} & set(made.info)
            left, right = (made.convert("RGB").getpixel((x, one.height // 2)) for x in (4, one.width - 5))
            assert left[2] > 200
            assert right[0] > 200
        assert b"A phone" not in one.body
        assert b"taken at home" not in one.body


def test_a_small_picture_is_not_made_larger() -> None:
    assert {(one.width, one.height) for one in darkroom.draw(saved(scene(64, 48))).prints} == {(64, 48)}


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    for upload in (saved(clear, "PNG"), saved(clear, "WEBP"), saved(clear.convert("P"), "PNG", transparency=0)):
        with Image.open(io.BytesIO(darkroom.draw(upload).prints[-1].body)) as made:
            assert made.mode == "RGB"
            assert min(made.getpixel((32, 32))) > 250


@pytest.mark.parametrize("mode", ["L", "CMYK", "1", "I;16", "P"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    format_ = "JPEG" if mode in {"L", "CMYK"} else "PNG"
    picture = Image.new(mode, (64, 64)) if mode == "I;16" else scene(64, 64).convert(mode)
    with Image.open(io.BytesIO(darkroom.draw(saved(picture, format_)).prints[0].body)) as made:
        assert made.convert("RGB").size == (64, 64)


def gif() -> bytes:
    return saved(scene(64, 64), "GIF")


def moving(format_: str) -> Callable[[], bytes]:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue")]
    return lambda: saved(frames[0], format_, save_all=True, append_images=frames[1:], duration=100)


def with_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", "<script>alert(1)</script>")
    return saved(scene()) + out.getvalue()


def truncated(format_: str) -> Callable[[], bytes]:
    def cut() -> bytes:
        whole = saved(Image.effect_noise((300, 300), 90).convert("RGB"), format_)
        return whole[: len(whole) * 2 // 3]

    return cut


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty", lambda: b""),
    "text that is called a picture": ("not_a_picture", lambda: b"hello, I am photo.jpg"),
    "svg": ("not_a_picture", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "gif": ("not_a_picture", gif),
    "a sound in the same wrapping as WebP": ("not_a_picture", lambda: b"RIFF\x24\x00\x00\x00WAVEfmt "),
    "too many bytes": ("too_large", lambda: saved(scene()) + bytes(darkroom.LARGEST_BYTES)),
    "moving png": ("animated", moving("PNG")),
    "moving webp": ("animated", moving("WEBP")),
    "a page behind a picture": ("polyglot", lambda: saved(scene()) + b"<html><script>alert(1)</script></html>"),
    "a program in a comment": ("polyglot", lambda: saved(scene(), comment=b"<?php system('id'); ?>")),
    "an archive behind a picture": ("polyglot", with_zip),
    "bytes behind the end of a png": ("polyglot", lambda: saved(scene(), "PNG") + b"MZ\x90\x00"),
    "a pdf in a png": ("polyglot", lambda: png(64, 64, zlib.compress(bytes(64 * 193)), chunk(b"tEXt", b"a\0%PDF-1.7"))),
    "a png of 25 billion pixels": ("too_many_pixels", lambda: png(160_000, 160_000, zlib.compress(b"\0"))),
    "a long thin png": ("too_many_pixels", lambda: png(1_000_000, 32, zlib.compress(b"\0"))),
    "one pixel": ("too_small", lambda: saved(scene(1, 1), "PNG")),
    "half a jpeg": ("broken", truncated("JPEG")),
    "half a png": ("broken", truncated("PNG")),
    "half a webp": ("broken", truncated("WEBP")),
    "a png that unpacks to 64 megabytes": ("", lambda: png(64, 64, zlib.compress(bytes(1 << 26), 9))),
    "a text that unpacks to 64 megabytes": (
        "broken",
        lambda: png(
            64, 64, zlib.compress(bytes(64 * 193)), chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(1 << 26), 9))
        ),
    ),
    "a colour profile that is none": ("", lambda: saved(scene(), icc_profile=b"\0" * 200)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_name_or_harmless(name: str) -> None:
    reason, make = HOSTILE[name]
    if reason:
        assert refusal(make()) == reason
    else:
        for one in darkroom.draw(make()).prints:
            assert max(one.width, one.height) <= darkroom.SIZES[0]


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(darkroom, "_upright", lambda *_: pytest.fail("decoded"))
    assert refusal(HOSTILE["a png of 25 billion pixels"][1]()) == "too_many_pixels"
    assert refusal(moving("WEBP")()) == "animated"


def test_the_child_says_why_it_refuses_and_its_death_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="broken"):
        darkroom.develop(truncated("PNG")())
    monkeypatch.setattr(darkroom.sys, "executable", "/bin/false")
    with pytest.raises(Refused, match="too_heavy"):
        darkroom.develop(saved(scene()))


def test_the_codes_in_a_photo_are_read_when_asked() -> None:
    photo = Image.new("RGB", (1200, 900), "grey")
    for text, at in (("HTTPS://HALL.EXAMPLE/S/7K3M9X2P", (80, 90)), ("HTTPS://HALL.EXAMPLE/S/0123456A", (700, 400))):
        out = io.BytesIO()
        segno.make_qr(text).save(out, kind="png", scale=9)
        photo.paste(Image.open(out).convert("RGB").rotate(4, fillcolor="white"), at)
    assert darkroom.draw(saved(photo, quality=70)).texts == []
    assert darkroom.develop(saved(photo, quality=70), is_read=True).texts == [
        "HTTPS://HALL.EXAMPLE/S/0123456A",
        "HTTPS://HALL.EXAMPLE/S/7K3M9X2P",
    ]
