"""Fetches WeChat Pay's bills into a file of ours, whole or not at all.

Invariant: only the configured hosts of WeChat Pay are ever called, whatever a download address says, through the same
breaker, deadline and fail-over as every call; what comes is believed only when its SHA-1 is the one that WeChat signed
for; and no bill is ever held in memory.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from config import database, logs, settings
from payments.errors import BillBroken, BillNotReady, BillUnavailable
from payments.wechatpay import answers, client

# A day of a hundred thousand payments is some 25 MB; what unpacks to more than this is no bill.
_LARGEST = 1 << 30
_PIECE = 1 << 16
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
    path = folder / f"{kind}-{day}.bill"
    with path.open("wb") as file:
        came = client.current().download(day, _ours(found.url), file)
    if isinstance(came, answers.Refused):
        raise BillUnavailable(code=came.code)
    if isinstance(came, answers.Unknown):
        raise BillUnavailable
    packed = _sha1(path.open("rb"))
    plain = _sha1(_opened(path))
    if found.sha1 not in (packed, plain):
        raise BillBroken(reason="the file is not the one that its hash is of")
    log.info("bill.fetched", kind=kind, day=day.isoformat(), hash_over="plain" if found.sha1 == plain else "packed")
    return Bill(path, plain)


def _ours(url: str) -> str:
    """Return the path, with the query, of an address of WeChat Pay's; of the host nothing is taken from it.

    Raises `BillBroken` and an alarm for any other address: signing for it would vouch for a stranger.
    """
    config = settings.current()
    parts = urlsplit(url)
    for base in filter(None, (config.wechatpay_base_url, config.wechatpay_backup_base_url)):
        own = urlsplit(base)
        # The whole authority, so that neither a user name before it nor a port after it can lead elsewhere.
        is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\#")
        if is_plain and (parts.scheme, parts.netloc) == (own.scheme, own.netloc) and parts.path.startswith("/"):
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
    logs.alarm("payments.bill_foreign_address", host=parts.netloc[:100])
    raise BillBroken(reason="the download address is not WeChat Pay's")


def _sha1(file: BinaryIO | gzip.GzipFile) -> str:
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with file:
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
