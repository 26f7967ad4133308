"""The files of bills that can be fetched at this moment, and the plans of fabricated days.

A file lives as long as its address, five minutes, and is hashed as it is written.
"""

import gzip
import hashlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from emulator.bookings import Fabrication
from emulator.journal import Journal

LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Filed:
    """One bill on disk; the hash is of the form that the terms say."""

    token: str
    path: Path
    sha1: str
    is_gzip: bool
    valid_until: datetime


class Archive:
    """What was asked for lately, and what was fabricated."""

    def __init__(self, directory: Path, journal: Journal) -> None:
        self._directory = directory
        self._journal = journal
        self._lock = threading.Lock()
        self._files: dict[str, Filed] = {}
        self.fabrications: dict[date, Fabrication] = {}
        for (kind, key), row in journal.rows.items():
            if kind == "fabrication":
                self.fabrications[date.fromisoformat(key)] = Fabrication(**row | {"day": date.fromisoformat(key)})

    def plan(self, plan: Fabrication) -> None:
        """Let a day be a fabricated one from now on."""
        with self._lock:
            self.fabrications[plan.day] = plan
            self._journal.write("fabrication", plan.day.isoformat(), plan)

    def file(
        self, lines: Iterable[str], *, newline: str, has_bom: bool, is_gzip: bool, hash_over: str, now: datetime
    ) -> Filed:
        """Write a bill and return where it is."""
        self._directory.mkdir(exist_ok=True)
        self._forget(now)
        token = secrets.token_urlsafe(48)
        path, plain = self._directory / token, hashlib.sha1(usedforsecurity=False)
        with gzip.open(path, "wb", compresslevel=1) if is_gzip else path.open("wb") as target:
            lead = "\ufeff" if has_bom else ""
            for line in lines:
                piece = f"{lead}{line}{newline}".encode()
                lead = ""
                plain.update(piece)
                target.write(piece)
        sha1 = _sha1(path) if is_gzip and hash_over == "gzip" else plain.hexdigest()
        filed = Filed(token=token, path=path, sha1=sha1, is_gzip=is_gzip, valid_until=now + LIFETIME)
        with self._lock:
            self._files[token] = filed
        return filed

    def find(self, token: str, now: datetime) -> Filed | None:
        """Return the file behind a token that is still good."""
        filed = self._files.get(token)
        return filed if filed and now <= filed.valid_until else None

    def _forget(self, now: datetime) -> None:
        with self._lock:
            for token in [each for each, filed in self._files.items() if now > filed.valid_until]:
                self._files.pop(token).path.unlink(missing_ok=True)


def _sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
