"""What staff sends to press: one code as a PDF, or packs of a train, a line or a medium.

Invariant: everything printed has passed preflight; who asked for a pack stands in the audit trail.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from config import database
from storefront import audit
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.staff import sight
from subway_campaign import listings, packs
from subway_campaign.errors import UnknownPlacement

_EVERYTHING = "全部点位"


def ask(session: Session, actor: Actor, *, under: str | None, now: datetime) -> tuple[dict[str, Any], bool]:
    """Have everything at or below `under` (None: everything that hangs) packed; return the pack and whether it is new.

    Raises `UnknownPlacement`, `NothingToPrint`, `PackTooLarge`.
    """
    sight.require_whole(actor, Permission.WRITE_CODES)
    title = _EVERYTHING
    if under is not None:
        named = listings.names(session, numbers=[under])
        if under not in named:
            raise UnknownPlacement(placement=under)
        title = named[under]
    wanted = packs.pieces_at(session, under=under, code=None, now=now)
    number, is_new = packs.ask(session, title=title, pieces=wanted, now=now)
    if is_new:
        details = {"placement": under or "", "count": len(wanted)}
        audit.record(session, actor, "pack.asked", number, details, now=now)
    return packs.find(session, number=number), is_new


def listing(session: Session, actor: Actor, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the packs, newest first."""
    sight.require_whole(actor, Permission.READ_PLACEMENTS)
    return packs.listing(session, limit=limit)


def shelf(session: Session, actor: Actor) -> dict[str, Any]:
    """Return the `packs`, and the `branches` of which one can be made."""
    return {"packs": listing(session, actor), "branches": listings.printable(session)}


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one pack with what it refused. Raises `UnknownPack`."""
    sight.require_whole(actor, Permission.READ_PLACEMENTS)
    return packs.find(session, number=number)


def archive(session: Session, actor: Actor, *, number: str) -> bytes:
    """Return the ZIP of a pack. Raises `UnknownPack`, `PackNotReady`."""
    sight.require_whole(actor, Permission.READ_PLACEMENTS)
    return packs.archive(session, number=number)


def proof(actor: Actor, *, code: str, now: datetime) -> bytes:
    """Return one code as a PDF for the press. Raises `UnknownCode`, and `NotPrintable` with the step that it failed at.

    Drawn by a process of its own, so no transaction is open meanwhile.
    """
    sight.require_whole(actor, Permission.READ_PLACEMENTS)
    with database.transaction() as session:
        piece = packs.single(session, code=code, now=now)
    return packs.proof(piece)
