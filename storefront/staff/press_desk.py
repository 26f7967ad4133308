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
from storefront.staff import inventory, sight
from subway_campaign import listings, packs
from subway_campaign.errors import UnknownPlacement

_EVERYTHING = "全部点位"
# Of the names of several branches together.
_TITLE = 80


def ask(session: Session, actor: Actor, *, under: str | None, now: datetime) -> tuple[dict[str, Any], bool]:
    """Have everything at or below `under` (None: everything in sight) packed; return the pack and whether it is new.

    Raises `OutsideArea`, `UnknownPlacement`, `NothingToPrint`, `PackTooLarge`.
    """
    parts = sight.part(actor, Permission.WRITE_CODES, under)
    title = _EVERYTHING
    if parts is not None:
        named = listings.names(session, numbers=parts)
        if unknown := [part for part in parts if part not in named]:
            raise UnknownPlacement(placement=unknown[0])
        title = "、".join(named[part] for part in parts)[:_TITLE]
    everywhere: list[str | None] = list(parts) if parts is not None else [None]
    wanted = [piece for part in everywhere for piece in packs.pieces_at(session, under=part, code=None, now=now)]
    number, is_new = packs.ask(session, title=title, pieces=wanted, now=now)
    if is_new:
        details = {"placement": under or "", "count": len(wanted)}
        audit.record(session, actor, "pack.asked", number, details, now=now)
    return packs.find(session, number=number), is_new


def listing(session: Session, actor: Actor, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the packs, newest first."""
    return packs.listing(session, limit=limit, within=sight.branches(actor, Permission.READ_PLACEMENTS))


def shelf(session: Session, actor: Actor) -> dict[str, Any]:
    """Return the `packs`, and the `branches` of which one can be made."""
    within = sight.branches(actor, Permission.READ_PLACEMENTS)
    return {"packs": listing(session, actor), "branches": sight.offered(session, within, listings.printable(session))}


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one pack with what it refused. Raises `UnknownPack`."""
    return packs.find(session, number=number, within=sight.branches(actor, Permission.READ_PLACEMENTS))


def archive(session: Session, actor: Actor, *, number: str) -> bytes:
    """Return the ZIP of a pack. Raises `UnknownPack`, `PackNotReady`."""
    find(session, actor, number=number)
    return packs.archive(session, number=number)


def proof(actor: Actor, *, code: str, now: datetime) -> bytes:
    """Return one code as a PDF for the press. Raises `UnknownCode`, and `NotPrintable` with the step that it failed at.

    Drawn by a process of its own, so no transaction is open meanwhile.
    """
    with database.transaction() as session:
        inventory.require_code(session, actor, code=code, permission=Permission.READ_PLACEMENTS)
        piece = packs.single(session, code=code, now=now)
    return packs.proof(piece)
