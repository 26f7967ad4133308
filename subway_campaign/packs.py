"""Packs for the press: asked for, made in the background with progress, fetched.

Invariant: one wish is one pack, however often and by however many it is asked for; its archive and its state `ready`
are committed together, so a pack that is killed half-way is made again and never seen half.
"""

import hashlib
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import codes, errors, listings, media, narrowing, posters, press
from subway_campaign.pack_models import PackState

# About two minutes of work, and 10 MB. More is another pack.
MOST = 1_000
# Whoever makes a pack tells of it every second; after this long without a word somebody else begins anew.
LEASE = timedelta(seconds=30)
_TELL_EVERY_S = 1.0
TRIES = 3

_VIEW = """number, title, state, pieces, done, refused, asked_at, ready_at, failures,
    (SELECT sha256 FROM print_archives a WHERE a.pack_id = k.id) AS sha256,
    (SELECT length(body) FROM print_archives a WHERE a.pack_id = k.id) AS size"""
_INSIDE = f"""(cast(:within AS text[]) IS NULL OR NOT EXISTS (
    SELECT FROM jsonb_array_elements(k.items) AS piece
    WHERE NOT {narrowing.lies_within("piece ->> 'placement'")}))"""


def ask(session: Session, *, title: str, pieces: Sequence[media.Piece], now: datetime) -> tuple[str, bool]:
    """Return the number of the pack of `pieces`, and whether it is new; a failed one is tried again.

    Raises `NothingToPrint`, `PackTooLarge`.
    """
    database.require_transaction(session)
    if not pieces:
        raise errors.NothingToPrint
    if len(pieces) > MOST:
        raise errors.PackTooLarge(pieces=len(pieces), most=MOST)
    wish = database.dump_json([asdict(piece) for piece in pieces])
    number = "PK" + hashlib.sha256(f"{press.EDITION} {wish}".encode()).hexdigest()[:16].upper()
    asked = session.execute(
        text("""
            INSERT INTO print_packs AS p (number, title, state, items, pieces, done, refused, tries, asked_at, failures)
            VALUES (:number, :title, 'waiting', cast(:items AS jsonb), :pieces, 0, 0, 0, :now, '[]')
            ON CONFLICT (number) DO UPDATE SET state = 'waiting', tries = 0, done = 0, refused = 0, busy_until = NULL
            WHERE p.state = 'failed' RETURNING id
        """),
        {"number": number, "title": title, "items": wish, "pieces": len(pieces), "now": now},
    )
    return number, asked.first() is not None


def pieces_at(session: Session, *, under: str | None, code: str | None, now: datetime) -> list[media.Piece]:
    """Return what hangs at or below a placement (None: everywhere), or one code, as it would be printed."""
    rows = listings.hanging(session, now=now, under=under, q=code, limit=MOST + 1)
    return [
        media.Piece(row.code, posters.link(row.code), row.placement, row.placement_name or "")
        for row in rows
        if row.code == code or (code is None and row.placement)
    ]


def listing(session: Session, *, limit: int, within: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the packs, newest first; `within` some branches those of which every piece hangs there."""
    rows = session.execute(
        text(f"SELECT {_VIEW} FROM print_packs k WHERE {_INSIDE} ORDER BY id DESC LIMIT :limit"),
        {"limit": limit, "within": within},
    )
    return [row._asdict() for row in rows]


def find(session: Session, *, number: str, within: Sequence[str] | None = None) -> dict[str, Any]:
    """Return how far a pack is and what it refused, each with the step.

    Raises `UnknownPack`, also for one that has a piece outside of the branches.
    """
    row = session.execute(
        text(f"SELECT {_VIEW} FROM print_packs k WHERE number = :number AND {_INSIDE}"),
        {"number": number, "within": within},
    ).first()
    if row is None:
        raise errors.UnknownPack
    return row._asdict()


def archive(session: Session, *, number: str) -> bytes:
    """Return the finished ZIP. Raises `UnknownPack`, `PackNotReady`."""
    found = session.execute(
        text("SELECT a.body FROM print_packs p LEFT JOIN print_archives a ON a.pack_id = p.id WHERE number = :number"),
        {"number": number},
    ).first()
    if found is None:
        raise errors.UnknownPack
    if found.body is None:
        raise errors.PackNotReady
    return bytes(found.body)


def build_due(*, now: datetime) -> int:
    """Make the packs that wait, one after another; returns how many were made here."""
    made = 0
    for (number,) in database.statement("SELECT number FROM print_packs WHERE state = 'waiting' ORDER BY id"):
        made += build(number=number, now=now)
    return made


def build(*, number: str, now: datetime) -> bool:
    """Make a pack unless somebody else is at it or it is done; returns whether it was made here.

    Opens its own transactions. After the third death of the press the pack has failed, which raises an alarm.
    """
    database.refuse_transaction()
    found = _claim(number, now)
    if found is None:
        return False
    started = told = time.monotonic()

    def progress(done: int, refused: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            _tell(number, done, refused, now + timedelta(seconds=told - started))

    with TemporaryDirectory(prefix="pack-") as folder:
        pack = Path(folder) / "pack.zip"
        press.run([media.Piece(**piece) for piece in found], to=pack, progress=progress)
        body = pack.read_bytes()
    _finish(number, body, now + timedelta(seconds=time.monotonic() - started))
    return True


def _claim(number: str, now: datetime) -> list[dict[str, Any]] | None:
    """Return the pieces of a pack that waits for somebody, who is now the caller; None when nobody is needed."""
    with database.transaction() as session:
        row = session.execute(
            text("""
                UPDATE print_packs SET busy_until = :until, tries = tries + 1, done = 0, refused = 0,
                    state = CASE WHEN tries >= :tries THEN 'failed' ELSE 'waiting' END
                WHERE number = :number AND state = 'waiting' AND (busy_until IS NULL OR busy_until <= :now)
                RETURNING state, items
            """),
            {"number": number, "now": now, "until": now + LEASE, "tries": TRIES},
        ).first()
    if row is None:
        return None
    if row.state == PackState.FAILED:
        logs.alarm("campaign.pack_failed", pack=number)
        return None
    found: list[dict[str, Any]] = row.items
    return found


def _tell(number: str, done: int, refused: int, now: datetime) -> None:
    database.statement(
        "UPDATE print_packs SET done = %s, refused = %s, busy_until = %s WHERE number = %s AND state = 'waiting'"
        " RETURNING id",
        (done, refused, now + LEASE, number),
    )


def _finish(number: str, body: bytes, now: datetime) -> None:
    said = press.manifest(body)
    failures = [
        {"code": item["code"], "placement": item["placement"], "name": item["name"], "step": item["failed_step"]}
        for item in said["items"]
        if item["failed_step"]
    ]
    with database.transaction() as session:
        # Of two who made it, because one was thought dead, the second changes nothing: their bytes are equal.
        session.execute(
            text("""
                WITH done AS (
                    UPDATE print_packs SET state = 'ready', done = pieces, refused = :refused, busy_until = NULL,
                        ready_at = :now, failures = cast(:failures AS jsonb)
                    WHERE number = :number AND state <> 'ready' RETURNING id)
                INSERT INTO print_archives (pack_id, body, sha256) SELECT id, :body, :sha256 FROM done
            """),
            {
                "number": number,
                "now": now,
                "refused": said["refused"],
                "failures": database.dump_json(failures),
                "body": body,
                "sha256": hashlib.sha256(body).hexdigest(),
            },
        )


def single(session: Session, *, code: str, now: datetime) -> media.Piece:
    """Return one code as it would be printed where it hangs. Raises `UnknownCode`."""
    found = pieces_at(session, under=None, code=codes.normalize(code), now=now)
    if not found:
        raise errors.UnknownCode
    return found[0]


def proof(piece: media.Piece) -> bytes:
    """Return the PDF of one piece, after preflight. Raises `NotPrintable` with the step that it failed at."""
    database.refuse_transaction()
    with TemporaryDirectory(prefix="proof-") as folder:
        pack = Path(folder) / "pack.zip"
        press.run([piece], to=pack)
        (item,) = press.manifest(pack.read_bytes())["items"]
        if item["failed_step"]:
            raise errors.NotPrintable(code=piece.code, step=item["failed_step"])
        with zipfile.ZipFile(pack) as archive_:
            return archive_.read(item["pdf"])
