"""After-sales as staff work on it: claims decided, goods received, big refunds approved by a second person.

Invariant: nobody decides on goods outside the scope of the role; every act is in the audit trail with its money.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import names
from config import database
from payments import stranded
from storefront import audit, claim_views, claims, proposals
from storefront.actors import Actor
from storefront.claim_errors import ClaimPhotoUnknown
from storefront.claim_lifecycle import ClaimState
from storefront.errors import ClaimNotFound, NotPermitted, ProposalNotFound
from storefront.roles import Permission
from storefront.staff import sight


def queue(
    session: Session,
    actor: Actor,
    *,
    states: Iterable[ClaimState],
    order: str | None = None,
    offset: int = 0,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Return the claims in sight that are in these states, what is due first at the top."""
    seen = sight.of(session, actor, Permission.READ_ORDERS)
    found = claim_views.queue(
        session, states=list(states), products=seen.products, order=order, offset=offset, limit=limit
    )
    for claim in found:
        lines = [line for line in claim["lines"] if seen.sees(line["product"])]
        claim["photos"] = claim["photos"] if len(lines) == len(claim["lines"]) else []
        claim["lines"] = lines
    return found


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return a claim in sight, with the address that goods of the same place last went back to.

    Raises `ClaimNotFound`, also for one that is out of sight.
    """
    claim = _in_sight(session, actor, number, Permission.READ_ORDERS)
    last = session.scalar(
        text("""
            SELECT c.return_address FROM claims c JOIN claim_lines cl ON cl.claim_id = c.id
            JOIN order_lines l ON l.order_id = c.order_id AND l.line_no = cl.line_no
            JOIN consignments p ON p.order_id = c.order_id AND p.consignment_no = l.consignment_no
            WHERE c.return_address <> '' AND p.ship_from = ANY(:places) ORDER BY c.decided_at DESC LIMIT 1
        """),
        {"places": [line["ship_from"] for line in claim["lines"]]},
    )
    called = names.warehouses(session, [line["ship_from"] for line in claim["lines"]])
    return claim | {"last_address": last or "", "warehouse": "、".join(sorted(called.values()))}


def require_photo(session: Session, actor: Actor, *, number: str, photo: str) -> None:
    """Raise `ClaimNotFound` or `ClaimPhotoUnknown` unless `photo` is shown with a claim all of which is in sight."""
    if photo not in _in_sight(session, actor, number, Permission.READ_ORDERS)["photos"]:
        raise ClaimPhotoUnknown


def approve(
    session: Session,
    actor: Actor,
    *,
    number: str,
    answer: str,
    lines: Mapping[int, int] | None = None,
    freight_fen: int | None = None,
    return_address: str = "",
    now: datetime,
) -> dict[str, Any]:
    """Agree to a claim, wholly or in part, and return it. Raises what `claims.approve` does, and `NotPermitted`."""
    _mine(session, actor, number, Permission.REFUND_ORDERS)
    asked = claims.approve(
        session,
        number=number,
        by=actor.username or "",
        answer=answer,
        lines=lines,
        freight_fen=freight_fen,
        return_address=return_address,
        now=now,
    )
    view = claim_views.staff_find(session, number=number)
    details = {"amount_fen": view["amount_fen"], "freight_fen": view["freight_fen"], "order": view["order"]}
    _record(session, actor, "claim.approved", number, details, asked, now)
    return view


def refuse(session: Session, actor: Actor, *, number: str, answer: str, now: datetime) -> dict[str, Any]:
    """Refuse a claim with a reason, and return it. Raises what `claims.refuse` does, and `NotPermitted`."""
    _mine(session, actor, number, Permission.REFUND_ORDERS)
    claims.refuse(session, number=number, by=actor.username or "", answer=answer, now=now)
    audit.record(session, actor, "claim.refused", number, {"reason": answer}, now=now)
    return claim_views.staff_find(session, number=number)


def take_back(session: Session, actor: Actor, *, number: str, is_restocked: bool, now: datetime) -> dict[str, Any]:
    """Note that goods came back, and return the claim. Raises what `claims.take_back` does, and `NotPermitted`."""
    _mine(session, actor, number, Permission.SHIP_ORDERS)
    asked = claims.take_back(session, number=number, by=actor.username or "", is_restocked=is_restocked, now=now)
    _record(session, actor, "claim.goods_received", number, {"restocked": is_restocked}, asked, now)
    return claim_views.staff_find(session, number=number)


def waiting(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the refunds in sight that wait for a second person; `is_own` marks those the actor asked for."""
    seen = sight.of(session, actor, Permission.REFUND_ORDERS)
    return [
        each | {"is_own": each["asked_by"] == actor.username, "asked_at": each["asked_at"].isoformat()}
        for each in proposals.listing(session)
        if seen.covers(line["product"] for line in each["lines"])
    ]


def decide(session: Session, actor: Actor, *, number: str, is_approved: bool, now: datetime) -> str | None:
    """Approve or reject a refund as the second person; returns the refund's number when approved.

    Raises `ProposalNotFound`, also for goods out of sight, `SecondPersonRequired`, `ProposalDecided`, and what
    `proposals.approve` does.
    """
    seen = sight.of(session, actor, Permission.REFUND_ORDERS)
    found = proposals.listing(session, number=number)
    if found and not seen.covers(line["product"] for line in found[0]["lines"]):
        raise ProposalNotFound
    by = actor.username or ""
    refund = None
    if is_approved:
        refund = proposals.approve(session, number=number, by=by, now=now)
    else:
        proposals.reject(session, number=number, by=by, now=now)
    act = "refund.approved" if is_approved else "refund.rejected"
    values = {"amount_fen": found[0]["amount_fen"], "order": found[0]["order"], "refund": refund}
    audit.record(session, actor, act, number, values, now=now)
    return refund


def abnormal(session: Session, actor: Actor) -> list[stranded.Stranded]:
    """Return the refunds that WeChat could not pay out. Raises `NotPermitted` without the whole shop in sight."""
    sight.require_whole(actor, Permission.READ_MONEY)
    return list(stranded.listing(session))


def send_to_card(actor: Actor, *, number: str, bank_type: str, account: str, holder: str, now: datetime) -> str:
    """Have WeChat send an abnormal refund to the payer's card; returns how it then stands.

    Neither card nor holder is written down. Raises `NotPermitted`, `SecondPersonRequired` and what
    `stranded.send_to_card` does.
    """
    sight.require_whole(actor, Permission.REFUND_ORDERS)
    with database.transaction() as session:
        proposals.require_other(session, refund=number, by=actor.username or "")
        audit.record(session, actor, "refund.sent_to_card", number, {}, now=now)
    state = stranded.send_to_card(number=number, bank_type=bank_type, account=account, holder=holder, now=now)
    return state.value


def mark_transferred(
    session: Session, actor: Actor, *, number: str, bank_reference: str, note: str, paid_at: datetime, now: datetime
) -> None:
    """Write that an abnormal refund was paid out by transfer, with its evidence.

    Raises `NotPermitted`, `SecondPersonRequired` and what `stranded.mark_transferred` does.
    """
    sight.require_whole(actor, Permission.REFUND_ORDERS)
    proposals.require_other(session, refund=number, by=actor.username or "")
    is_new = stranded.mark_transferred(
        session,
        number=number,
        bank_reference=bank_reference,
        note=note,
        paid_by=actor.username or "",
        paid_at=paid_at,
        now=now,
    )
    if is_new:
        audit.record(
            session, actor, "refund.transferred", number, {"bank_reference": bank_reference, "note": note}, now=now
        )


def _record(
    session: Session,
    actor: Actor,
    act: str,
    number: str,
    details: Mapping[str, Any],
    asked: proposals.Asked | None,
    now: datetime,
) -> None:
    came_of_it = {} if asked is None else {"refund": asked.refund, "proposal": asked.proposal}
    audit.record(session, actor, act, number, {**details, **came_of_it}, now=now)


def _in_sight(session: Session, actor: Actor, number: str, permission: Permission) -> dict[str, Any]:
    seen = sight.of(session, actor, permission)
    claim = claim_views.staff_find(session, number=number)
    lines = [line for line in claim["lines"] if seen.sees(line["product"])]
    if not lines:
        raise ClaimNotFound
    is_partial = len(lines) < len(claim["lines"])
    # A photo may show goods that are out of sight.
    return claim | {"lines": lines, "photos": [] if is_partial else claim["photos"], "is_partial": is_partial}


def _mine(session: Session, actor: Actor, number: str, permission: Permission) -> None:
    """Raise unless everything that a claim is about is in the actor's scope."""
    if _in_sight(session, actor, number, permission)["is_partial"]:
        raise NotPermitted(permission=permission)
