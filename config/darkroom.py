"""Turns an uploaded picture into ours, in a process of its own: proved, turned upright, stripped, made in three sizes.

Invariant: what comes out was drawn anew from pixels, so nothing of the file that came in survives: no position, no
camera, no comment, no second file behind the first. A file is refused by its header before a pixel of it is decoded;
what decodes runs with no secret, little memory and little time, and dies alone.
"""

import io
import json
import os
import resource
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_BYTES = 12 * 1024 * 1024
# A phone's best camera, as it writes JPEG, which is decoded at a fraction; other formats are decoded whole.
MOST_PIXELS = {"JPEG": 110_000_000, "PNG": 26_000_000, "WEBP": 26_000_000}
LEAST_SIDE, MOST_SIDE = 32, 16_384
# The longest side of what pages show: whole screen, half of one, a row of a list.
SIZES = (1600, 800, 320)
QUALITY = {"avif": 55, "webp": 78, "jpg": 80}
_MEMORY_BYTES, _CPU_S, _WAIT_S = 1_500 * 1024 * 1024, 20, 40
_HEADS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
# What a browser or a reader would open as something else, however the file is called.
_MARKUP = (b"<script", b"<html", b"<svg", b"<?php", b"<!doctype", b"%pdf-", b"<?xml-stylesheet")
_ROOT = Path(__file__).parent.parent
# Two cores: more at once only take longer.
_turn = threading.BoundedSemaphore(2)


class Refused(Exception):
    """The file is not a picture that we take; `reason` says why in one word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Print:
    """One of the files that a picture becomes."""

    size: int
    suffix: str
    width: int
    height: int
    body: bytes


@dataclass(frozen=True)
class Developed:
    """A picture's files, the largest first, and what the QR codes in it say when that was asked for."""

    prints: list[Print]
    texts: list[str]


def develop(upload: bytes, *, is_read: bool = False) -> Developed:
    """Return the picture in `upload` in three sizes and three formats, never larger than it came.

    `is_read` has its QR codes read, too.

    Raises `Refused`: `empty`, `too_large`, `not_a_picture`, `polyglot`, `animated`, `too_many_pixels`, `too_small`,
    `broken`, `too_heavy`.
    """
    inspect(upload)
    with _turn:
        try:
            done = subprocess.run(  # noqa: S603 - this very module, by the interpreter that runs us
                [sys.executable, "-m", "config.darkroom", *(["read"] if is_read else [])],
                cwd=_ROOT,
                input=upload,
                capture_output=True,
                timeout=_WAIT_S,
                check=False,
                # It needs none of the shop's secrets.
                env={"PATH": os.environ.get("PATH", "")},
            )
        except subprocess.TimeoutExpired as slow:
            raise Refused("too_heavy") from slow
    head, _, bodies = done.stdout.partition(b"\n")
    if done.returncode != 0 or not head:
        raise Refused("too_heavy")
    said = json.loads(head)
    if "refused" in said:
        raise Refused(said["refused"])
    return Developed(list(_cut(said["prints"], bodies)), said["texts"])


def inspect(upload: bytes) -> str:
    """Return the format that `upload` begins as. Raises `Refused` for what need not be decoded to be refused."""
    if not upload:
        raise Refused("empty")
    if len(upload) > LARGEST_BYTES:
        raise Refused("too_large")
    format_ = next((name for head, name in _HEADS.items() if upload.startswith(head)), None)
    if format_ is None or (format_ == "WEBP" and upload[8:12] != b"WEBP"):
        raise Refused("not_a_picture")
    ends = (upload[:1024] + upload[-1024:]).lower()
    if any(word in ends for word in _MARKUP) or zipfile.is_zipfile(io.BytesIO(upload)):
        raise Refused("polyglot")
    if format_ == "PNG" and _behind_png(upload):
        raise Refused("polyglot")
    return format_


def draw(upload: bytes, *, is_read: bool = False) -> Developed:
    """Do what `develop` does, in this process. Imports what a web process must not carry."""
    from PIL import Image

    format_ = inspect(upload)
    # Ours are the limits of pixels; a warning of the library's own is none.
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")
    try:
        picture = Image.open(io.BytesIO(upload), formats=[format_])
    except Exception as fault:
        raise Refused("broken") from fault
    width, height = picture.size
    if width * height > MOST_PIXELS[format_] or max(width, height) > MOST_SIDE:
        raise Refused("too_many_pixels")
    if min(width, height) < LEAST_SIDE:
        raise Refused("too_small")
    # A phone's JPEG may carry a second picture for bright screens; only the first is taken. Others move.
    if format_ != "JPEG" and getattr(picture, "n_frames", 1) > 1:
        raise Refused("animated")
    try:
        upright = _upright(picture, format_)
    except MemoryError as fault:
        raise Refused("too_heavy") from fault
    except Exception as fault:
        raise Refused("broken") from fault
    return Developed(list(_prints(upright)), _texts(upright) if is_read else [])


def _upright(picture: Any, format_: str) -> Any:
    """Decode, turn upright, lay over white, and bring to the colours that every screen knows."""
    from PIL import Image, ImageCms, ImageOps

    if format_ == "JPEG":
        picture.draft("RGB", (SIZES[0], SIZES[0]))
    profile = picture.info.get("icc_profile")
    picture.load()
    picture.thumbnail((SIZES[0], SIZES[0]), Image.Resampling.LANCZOS)
    ImageOps.exif_transpose(picture, in_place=True)
    if "A" in picture.getbands() or "transparency" in picture.info:
        over = picture.convert("RGBA")
        picture = Image.new("RGB", over.size, "white")
        picture.paste(over, mask=over.getchannel("A"))
    elif profile and picture.mode in {"RGB", "CMYK"}:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            # A profile that cannot be read says nothing about the pixels.
            picture.info.pop("icc_profile")
    # A new picture of the pixels alone: whatever the old one had about it stays behind.
    plain = picture.convert("RGB")
    return Image.frombytes("RGB", plain.size, plain.tobytes())


def _prints(upright: Any) -> Iterator[Print]:
    for size in SIZES:
        copy = upright.copy()
        copy.thumbnail((size, size), reducing_gap=3.0)
        for suffix, options in (
            ("avif", {"format": "AVIF", "speed": 8, "max_threads": 1}),
            ("webp", {"format": "WEBP", "method": 4}),
            ("jpg", {"format": "JPEG", "optimize": True, "progressive": True}),
        ):
            out = io.BytesIO()
            copy.save(out, quality=QUALITY[suffix], **options)
            yield Print(size, suffix, copy.width, copy.height, out.getvalue())


def _texts(upright: Any) -> list[str]:
    """Return what the QR codes in a picture say, each once."""
    import zxingcpp

    found = zxingcpp.read_barcodes(upright, formats=zxingcpp.BarcodeFormat.QRCode)
    return sorted({one.text for one in found})


def _behind_png(upload: bytes) -> bool:
    """Tell whether a PNG has anything behind its end; one without an end is broken, which decoding finds."""
    at = 8
    while at + 12 <= len(upload):
        length, kind = int.from_bytes(upload[at : at + 4], "big"), upload[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND":
            return at < len(upload)
    return False


def _cut(said: list[dict[str, Any]], bodies: bytes) -> Iterator[Print]:
    at = 0
    for one in said:
        yield Print(one["size"], one["suffix"], one["width"], one["height"], bodies[at : at + one["bytes"]])
        at += one["bytes"]


def _main() -> None:
    # Orders and money are not to wait for pictures, and a bomb is not to take the machine with it.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = sys.stdout.buffer
    try:
        made = draw(sys.stdin.buffer.read(), is_read="read" in sys.argv)
    except Refused as refused:
        out.write(json.dumps({"refused": refused.reason}).encode() + b"\n")
        return
    said = [
        {"size": one.size, "suffix": one.suffix, "width": one.width, "height": one.height, "bytes": len(one.body)}
        for one in made.prints
    ]
    out.write(json.dumps({"prints": said, "texts": made.texts}).encode() + b"\n")
    for one in made.prints:
        out.write(one.body)


if __name__ == "__main__":
    _main()
