"""Fetches WeChat Pay's bills into a file of ours, whole or not at all.

Invariant: only the configured addresses of WeChat Pay are ever called, whatever a download address says; what comes is
believed only when its SHA-1 is the one that WeChat signed for; and no bill is ever held in memory.
"""

import gzip
import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from config import database, logs, settings
from payments.errors import BillBroken, BillNotReady, BillUnavailable
from payments.wechatpay import answers, client, transport

# A day of a hundred thousand payments is some 25 MB; what is larger than this is no bill.
_LARGEST = 1 << 30
_PIECE = 1 << 16
_TIMEOUT_S = (3.0, 30.0)
_LONGEST_DOWNLOAD_S = 300
_GZIP = b"\x1f\x8b"
# The day had no transactions; the status that comes with it is 400 or 404.
_EMPTY = "NO_STATEMENT_EXIST"
_NOT_READY = frozenset({"STATEMENT_CREATING", "INVALID_REQUEST"})

log = logs.get(__name__)


class BillKind(StrEnum):
    """Which bill: what was traded, or what moved the merchant's account."""

    TRADE = "trade"
    FUND_FLOW = "fund_flow"


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill in a file, proven by its hash over the plain text or over the packed file."""

    path: Path
    sha1: str

    def lines(self) -> Iterator[str]:
        """Yield its lines. Raises `BillBroken` for what is no UTF-8."""
        with _opened(self.path) as file:
            try:
                for line in file:
                    yield line.decode()
            except UnicodeDecodeError:
                raise BillBroken(reason="the bill is not UTF-8") from None


def fetch(kind: BillKind, day: date, *, folder: Path) -> Bill | None:
    """Ask for a day's bill and download it into `folder`; None for a day without transactions.

    Raises `BillNotReady`, `BillUnavailable` and `BillBroken`.
    """
    database.refuse_transaction()
    found = client.current().bill(kind.value, day)
    if isinstance(found, answers.Refused):
        if found.code == _EMPTY:
            return None
        raise BillNotReady(code=found.code) if found.code in _NOT_READY else BillUnavailable(code=found.code)
    if isinstance(found, answers.Unknown):
        raise BillUnavailable
    base, target = _ours(found.url)
    path = folder / f"{kind}-{day}.bill"
    packed = _download(base, target, path)
    plain = _plain_sha1(path)
    if found.sha1 not in (packed, plain):
        raise BillBroken(reason="the file is not the one that its hash is of")
    log.info("bill.fetched", kind=kind, day=day.isoformat(), hash_over="plain" if found.sha1 == plain else "packed")
    return Bill(path, plain)


def _ours(url: str) -> tuple[str, str]:
    """Return the address of WeChat Pay's that `url` lies at, and its path with the query.

    Raises `BillBroken` and an alarm for any other address: signing for it would hand our signature to a stranger.
    """
    config = settings.current()
    parts = urlsplit(url)
    for base in filter(None, (config.wechatpay_base_url, config.wechatpay_backup_base_url)):
        own = urlsplit(base)
        # The whole authority, so that neither a user name before it nor a port after it can lead elsewhere.
        is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\#")
        if is_plain and (parts.scheme, parts.netloc) == (own.scheme, own.netloc) and parts.path.startswith("/"):
            return base, f"{parts.path}?{parts.query}" if parts.query else parts.path
    logs.alarm("payments.bill_foreign_address", host=parts.netloc[:100])
    raise BillBroken(reason="the download address is not WeChat Pay's")


def _download(base: str, target: str, path: Path) -> str:
    """Write the file to `path` as it comes, and return its SHA-1. The answer itself is not signed."""
    headers = client.current().download_headers(target)
    until, digest, size = time.monotonic() + _LONGEST_DOWNLOAD_S, hashlib.sha1(usedforsecurity=False), 0
    try:
        with (
            requests.get(
                base + target,
                headers=headers,
                auth=transport.as_signed,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as response,
            path.open("wb") as file,
        ):
            if response.status_code != 200:
                raise BillUnavailable(status=response.status_code)
            # As it is on the wire: a packed file must not be unpacked on the way because of its Content-Encoding.
            for piece in response.raw.stream(_PIECE, decode_content=False):
                size += len(piece)
                if size > _LARGEST or time.monotonic() > until:
                    raise BillBroken(reason="the bill is too large or too slow")
                digest.update(piece)
                file.write(piece)
    except (requests.RequestException, HTTPError, OSError) as error:
        log.warning("bill.no_answer", error=type(error).__name__)
        raise BillUnavailable from None
    return digest.hexdigest()


def _plain_sha1(path: Path) -> str:
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with _opened(path) as file:
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > _LARGEST:
                    raise BillBroken(reason="the bill is too large")
                digest.update(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BillBroken(reason="the packed bill cannot be unpacked") from None
    return digest.hexdigest()


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if is_packed else path.open("rb")
