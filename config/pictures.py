"""Pictures that people upload: kept as we drew them, known by number, forgotten when their time is over.

Invariant: a file in the storage has a row that names it, because the row is committed first; a row that nobody
claims is gone after a day, and its files with it. The file that was uploaded is never kept.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from config import darkroom, database, errors, storage

# Long enough for a form that failed to be sent again with the picture that it already sent.
UNCLAIMED_LIVE = timedelta(days=1)
# Whoever claimed a picture in its last moment has committed by then.
_GRACE = timedelta(hours=1)
REASONS = {
    "empty": "没有选择照片",
    "too_large": "照片不能超过 12 MB",
    "not_a_picture": "只接受 JPEG、PNG 或 WebP 照片",
    "polyglot": "这个文件里除了照片还有别的内容",
    "animated": "不接受动图，请换一张照片",
    "too_many_pixels": "照片尺寸太大，请换小一点的",
    "too_small": "照片太小，看不清",
    "broken": "照片不完整或已损坏，请重新拍一张",
    "too_heavy": "这张照片处理不了，请换一张",
}


class PictureRefused(errors.Invalid):
    """The uploaded file is not a picture that is taken; `details.reason` is a word of `REASONS`."""

    code = "picture.refused"
    message = "这张照片不能用"


class UnknownPicture(errors.NotFound):
    """There is no such picture, or its time is over."""

    code = "picture.unknown"
    message = "没有这张照片"


class Picture(database.Base):
    """One picture: its size as shown at the largest, and the names of its files by size and kind ("1600.webp")."""

    __tablename__ = "pictures"
    __table_args__ = (Index(None, "kept_until"),)

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    is_public: Mapped[bool]
    width: Mapped[int]
    height: Mapped[int]
    files: Mapped[dict[str, Any]]
    taken_in_at: Mapped[database.Instant]
    kept_until: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """A picture as pages need it; `files` are names for `storage`, by "1600.webp" and so on."""

    number: str
    is_public: bool
    width: int
    height: int
    files: dict[str, str]


def take_in(upload: bytes, *, is_public: bool, now: datetime) -> PictureView:
    """Prove an uploaded file, draw it anew, keep the files, and return the picture, which is unclaimed.

    Opens its own transaction. Raises `PictureRefused`, `StorageAway`.
    """
    return _keep(_develop(upload, is_read=False).prints, is_public=is_public, now=now)


def take_in_and_read(upload: bytes, *, now: datetime) -> tuple[PictureView, list[str]]:
    """Do the same with a private picture, and also return what the QR codes in it say.

    Opens its own transaction. Raises `PictureRefused`, `StorageAway`.
    """
    made = _develop(upload, is_read=True)
    return _keep(made.prints, is_public=False, now=now), made.texts


def _develop(upload: bytes, *, is_read: bool) -> darkroom.Developed:
    database.refuse_transaction()
    try:
        return darkroom.develop(upload, is_read=is_read)
    except darkroom.Refused as refused:
        raise PictureRefused(REASONS[refused.reason], reason=refused.reason) from refused


def _keep(prints: list[darkroom.Print], *, is_public: bool, now: datetime) -> PictureView:
    number = f"PIC{secrets.token_hex(8).upper()}"
    named = {
        f"{one.size}.{one.suffix}": storage.name_of(one.body, owner=number, suffix=one.suffix, is_public=is_public)
        for one in prints
    }
    view = PictureView(number=number, is_public=is_public, width=prints[0].width, height=prints[0].height, files=named)
    database.statement(
        """
            INSERT INTO pictures (number, is_public, width, height, files, taken_in_at, kept_until)
            VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)
        """,
        (number, is_public, view.width, view.height, database.dump_json(named), now, now + UNCLAIMED_LIVE),
    )
    for one in prints:
        storage.put(named[f"{one.size}.{one.suffix}"], one.body)
    return view


def claim(session: Session, *, number: str, until: datetime | None, now: datetime) -> None:
    """Keep a picture until `until` (None: until `release`), because something shows it.

    Raises `UnknownPicture`, also for one whose time is over.
    """
    database.require_transaction(session)
    claimed = session.execute(
        text("""
            UPDATE pictures SET kept_until = :until
            WHERE number = :number AND (kept_until IS NULL OR kept_until > :now) RETURNING id
        """),
        {"number": number, "until": until, "now": now},
    )
    if claimed.first() is None:
        raise UnknownPicture


def release(session: Session, *, number: str, now: datetime) -> None:
    """Let the next purge forget a picture, because nothing shows it any more."""
    database.require_transaction(session)
    session.execute(
        text("UPDATE pictures SET kept_until = :now WHERE number = :number"), {"number": number, "now": now}
    )


def find(session: Session, *, numbers: list[str]) -> dict[str, PictureView]:
    """Return number → picture of those that exist."""
    rows = session.execute(
        text("SELECT number, is_public, width, height, files FROM pictures WHERE number = ANY(:numbers)"),
        {"numbers": numbers},
    )
    return {row.number: PictureView(**row._asdict()) for row in rows}


def read(*, number: str, size: int = darkroom.SIZES[1], suffix: str = "webp") -> bytes:
    """Return the file of a picture, for a view that has asked who is calling.

    Raises `UnknownPicture`, `FileMissing`, `StorageAway`.
    """
    rows = database.statement(
        "SELECT files ->> %(file)s::text FROM pictures WHERE number = %(number)s",
        {"number": number, "file": f"{size}.{suffix}"},
    )
    if not rows or rows[0][0] is None:
        raise UnknownPicture
    return storage.get(rows[0][0])


def purge(*, now: datetime, at_most: int = 500) -> int:
    """Forget the pictures whose time is over, files first; returns how many. Opens its own transactions.

    Raises `StorageAway`, after which the rest waits for the next call.
    """
    forgotten = 0
    rows = database.statement(
        "SELECT number, files FROM pictures WHERE kept_until <= %(now)s ORDER BY kept_until LIMIT %(at_most)s",
        {"now": now - _GRACE, "at_most": at_most},
    )
    for number, files in rows:
        for name in files.values():
            storage.delete(name)
        forgotten += len(
            database.statement(
                "DELETE FROM pictures WHERE number = %(number)s RETURNING id",
                {"number": number},
            )
        )
    return forgotten
