"""Orders as staff work on them: found, sent, refunded, explained.

Invariant: nobody sees or touches goods outside the scope of the role; names and telephones are whole only for those
who ship, and whoever reads or changes something of a person leaves an entry in the audit trail with it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import batches as production
from catalog import names
from storefront import aftersales, audit, frozen_money, order_marks, order_views, proposals, roles, shipping
from storefront.actors import Actor
from storefront.errors import NotPermitted, OrderNotFound, OrderNotShipped
from storefront.order_lifecycle import OrderState
from storefront.roles import Permission
from storefront.staff import accounts, sight
from subway_campaign import conversions, decisions, listings, visitors
from subway_campaign.errors import UnknownMerge


def listing(
    session: Session,
    actor: Actor,
    *,
    state: OrderState | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> dict[str, Any]:
    """Return a page of the orders in sight, newest first, without anybody's name, address or remark."""
    seen = sight.of(session, actor, Permission.READ_ORDERS)
    page = order_views.staff_listing(session, state=state, q=q, cursor=cursor, limit=limit, products=seen.products)
    for order in page["items"]:
        _narrow(order, seen)
        order |= {"address": _coarse(order["address"]), "remark": ""}
    return page


def to_ship(session: Session, actor: Actor) -> int:
    """Return how many paid orders in sight wait to be shipped."""
    seen = sight.of(session, actor, Permission.READ_ORDERS)
    return order_views.count(session, state=OrderState.PAID, products=seen.products)


def find(session: Session, actor: Actor, *, number: str, now: datetime, with_address: bool = True) -> dict[str, Any]:
    """Return one order in sight, with what is left to refund of each line.

    Name, telephone, street and remark are shown to those who may ship it, which is written down; others, and pages
    that do not need them, see them masked or not at all.
    Raises `OrderNotFound`, also for an order that is out of sight.
    """
    order = _in_sight(session, actor, number, Permission.READ_ORDERS, now)
    if with_address and _ships(session, actor, order):
        audit.record(session, actor, "order.address_seen", number, {}, now=now)
    else:
        order |= {"address": _masked(order["address"]), "remark": ""}
    return order


def explain(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Return why an order was credited to whom (`explained`), with the `names` of placements and `titles` of lines.

    `explained` has the `merges` that joined its buyer to other phones, browsers or logins. It says where somebody
    scanned, so that it was read is written down. Raises `OrderNotFound` when the order is out of sight (for whom is
    narrowed to branches of the placements: when nothing of it happened there), `UnknownConversion` before the campaign
    has heard of it.
    """
    order, explained = _explained(session, actor, number)
    explained |= {"merges": visitors.merges(session, order=number)}
    audit.record(session, actor, "order.attribution_seen", number, {}, now=now)
    placed = _places(explained)
    return {
        "explained": explained,
        "names": listings.names(session, numbers=[*placed, explained.get("earned_via")]),
        "titles": {line["line"]: line["title"] for line in order["lines"]},
    }


def decide_again(session: Session, actor: Actor, *, number: str, reason: str, now: datetime) -> dict[str, Any]:
    """Credit an order by everything that is known now, because of `reason`, and return what `explain` does (R21).

    Raises as `explain` does, and `NotDecided` and `BuyerForgotten`.
    """
    _explained(session, actor, number)
    changed = conversions.override(session, order=number, reason=reason, now=now)
    audit.record(
        session, actor, "order.attribution_overridden", number, {"reason": reason, "changed": changed}, now=now
    )
    return explain(session, actor, number=number, now=now)


def part(session: Session, actor: Actor, *, number: str, merge: str, reason: str, now: datetime) -> dict[str, Any]:
    """Undo a merge that joined the buyer of an order to somebody else, because of `reason`; return what `explain` does.

    Orders of the last 72 hours are decided again within seconds. Raises as `explain` does, and `UnknownMerge` for one
    that has nothing to do with this order or was undone before.
    """
    _explained(session, actor, number)
    if merge not in {each["number"] for each in visitors.merges(session, order=number)}:
        raise UnknownMerge(merge=merge)
    visitors.undo(session, merge=merge, now=now)
    audit.record(session, actor, "order.buyer_parted", number, {"merge": merge, "reason": reason}, now=now)
    return explain(session, actor, number=number, now=now)


def ship(
    session: Session,
    actor: Actor,
    *,
    number: str,
    carrier: str,
    tracking_number: str,
    lines: Sequence[int] | None = None,
    consignment: int | None = None,
    batches: Mapping[int, str] | None = None,
    now: datetime,
) -> tuple[dict[str, Any], bool]:
    """Send one `consignment`, or those that hold `lines` (None: all that are left and in sight).

    Returns the order, and whether anything left now and not before under the same tracking number. Raises
    `OrderNotFound`, `NotPermitted` when a consignment holds goods out of sight, and what `shipping.ship` does.
    """
    order, seen = _seen(session, actor, number, Permission.SHIP_ORDERS)
    if consignment is not None:
        lines = [line["line"] for line in order["lines"] if line["consignment"] == consignment]
    sent = _sent(session, order, seen, lines)
    left = shipping.ship(
        session,
        number=number,
        carrier=carrier,
        tracking_number=tracking_number,
        lines=sent,
        batches=batches,
        now=now,
    )
    if left:
        details = {"carrier": carrier, "tracking_number": tracking_number, "lines": sent, "batches": batches or {}}
        audit.record(session, actor, "order.shipped", number, details, now=now)
    return _in_sight(session, actor, number, Permission.SHIP_ORDERS, now), left > 0


def correct(
    session: Session,
    actor: Actor,
    *,
    number: str,
    consignment: int,
    carrier: str,
    tracking_number: str,
    now: datetime,
) -> dict[str, Any]:
    """Put right how a consignment that left travels; return the order.

    Raises `OrderNotFound`, `NotPermitted` when the consignment holds goods out of sight, and what `shipping.correct`
    does.
    """
    order, seen = _seen(session, actor, number, Permission.SHIP_ORDERS)
    if not seen.covers(line["product"] for line in order["lines"] if line["consignment"] == consignment):
        raise NotPermitted(permission=Permission.SHIP_ORDERS)
    sent = {"carrier": carrier, "tracking_number": tracking_number}
    if shipping.correct(session, number=number, consignment=consignment, **sent, now=now):
        audit.record(session, actor, "order.shipment_corrected", number, {"consignment": consignment, **sent}, now=now)
    return _in_sight(session, actor, number, Permission.SHIP_ORDERS, now)


def slip(session: Session, actor: Actor, *, number: str, consignment: int, now: datetime) -> dict[str, Any]:
    """Return what lies in a parcel that left: its lines with pieces and batches, from where, and how it travels.

    Of the buyer it says nothing: the courier's label does. Raises `OrderNotFound`, also for a consignment that is not
    of this order or out of sight, `NotPermitted` when it holds goods out of sight, and `OrderNotShipped`.
    """
    order, seen = _seen(session, actor, number, Permission.SHIP_ORDERS)
    inside = [line["product"] for line in order["lines"] if line["consignment"] == consignment]
    if not any(seen.sees(product) for product in inside):
        raise OrderNotFound
    if not seen.covers(inside):
        raise NotPermitted(permission=Permission.SHIP_ORDERS)
    order = _in_sight(session, actor, number, Permission.SHIP_ORDERS, now)
    [sent] = [one for one in order["consignments"] if one["consignment"] == consignment]
    if not sent["shipped_at"]:
        raise OrderNotShipped
    lines = [
        {"title": line["title"], "spec": line["spec"], "quantity": line["quantity"] - line["staying"]}
        | {"batch": line["batch"]}
        for line in order["lines"]
        if line["consignment"] == consignment and line["quantity"] > line["staying"]
    ]
    kept = ("consignment", "warehouse", "carrier", "tracking_number", "shipped_at")
    return {name: sent[name] for name in kept} | {"number": number, "lines": lines}


def refund(
    session: Session,
    actor: Actor,
    *,
    number: str,
    lines: Mapping[int, int | None],
    pieces: Mapping[int, int] | None = None,
    freight_fen: int,
    reason: str,
    key: str,
    now: datetime,
) -> proposals.Asked:
    """Ask for money of `lines` (number → fen) and of the freight to go back, once per `key`.

    `pieces` says how many pieces of a line it is for, when it is; None for its fen is then what they cost. Above the
    limit it waits for a second person.
    Raises `OrderNotFound`, `NotPermitted` for goods (or a freight shared with goods) out of sight, and what
    `proposals.ask` does.
    """
    order, seen = _seen(session, actor, number, Permission.REFUND_ORDERS)
    touched = [line["product"] for line in order["lines"] if line["line"] in lines or freight_fen]
    if not seen.covers(touched):
        raise NotPermitted(permission=Permission.REFUND_ORDERS)
    asked = proposals.ask(
        session,
        number=number,
        lines=aftersales.priced(session, number=number, key=key, lines=lines, pieces=pieces or {}),
        pieces=pieces,
        freight_fen=freight_fen,
        reason=reason,
        key=key,
        asked_by=actor.username or "",
        now=now,
    )
    if asked.is_new:
        audit.record(
            session,
            actor,
            "order.refund_requested",
            number,
            {
                "refund": asked.refund,
                "proposal": asked.proposal,
                "amount_fen": asked.amount_fen,
                "freight_fen": freight_fen,
                "reason": reason,
            },
            now=now,
        )
    return asked


def _seen(session: Session, actor: Actor, number: str, permission: Permission) -> tuple[dict[str, Any], sight.Sight]:
    """Return a whole order of which at least one line is in sight, and what is. Raises `OrderNotFound`."""
    seen = sight.of(session, actor, permission)
    order = order_views.staff_find(session, number=number)
    if not any(seen.sees(line["product"]) for line in order["lines"]):
        raise OrderNotFound
    return order, seen


def _explained(session: Session, actor: Actor, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an order in sight and its explanation, which is whole or not at all: no part of it says why.

    Who is narrowed to branches sees the orders that were touched or credited there.
    """
    within = roles.branches(actor.grants, Permission.READ_ATTRIBUTION)
    if not within:
        order, _ = _seen(session, actor, number, Permission.READ_ATTRIBUTION)
        return order, decisions.explain(session, order=number)
    order, explained = order_views.staff_find(session, number=number), decisions.explain(session, order=number)
    if not any(place and roles.lies_in(place, within) for place in _places(explained)):
        raise OrderNotFound
    return order, explained


def _places(explained: dict[str, Any]) -> list[str | None]:
    return [entry["placement"] for kind in ("touches", "ledger") for entry in explained.get(kind, ())]


def _in_sight(session: Session, actor: Actor, number: str, permission: Permission, now: datetime) -> dict[str, Any]:
    """Return the part of an order that is in sight: what may be refunded, where it ships from, who has its money."""
    order, seen = _seen(session, actor, number, permission)
    order["money"] = frozen_money.of_order(session, number=number, now=now)
    marks = order_marks.of(session, numbers=[number]).get(number, [])
    order["batches"] = production.sendable(session, products={line["product"] for line in order["lines"]})
    order["marks"] = [mark for mark in marks if seen.sees(mark["product"])]
    _narrow(order, seen)
    order_id = session.execute(text("SELECT id FROM orders WHERE number = :number"), {"number": number}).scalar_one()
    left = aftersales.standing(session, order_id)
    _, order["freight_refundable_fen"] = aftersales.remaining(session, order_id)
    for line in order["lines"]:
        line |= {"refundable_fen": left[line["line"]].fen, "staying": left[line["line"]].kept_back}
    called = names.warehouses(session, [one["ship_from"] for one in order["consignments"]])
    for one in order["consignments"]:
        one["warehouse"] = called.get(one["ship_from"], one["ship_from"])
    return order


def _ships(session: Session, actor: Actor, order: dict[str, Any]) -> bool:
    """Tell whether it is the actor's work to send something of this order."""
    if not accounts.allowed(actor, Permission.SHIP_ORDERS):
        return False
    mine = sight.of(session, actor, Permission.SHIP_ORDERS)
    return any(mine.sees(line["product"]) for line in order["lines"])


def _narrow(order: dict[str, Any], seen: sight.Sight) -> None:
    """Take the goods that are out of sight out of an order, and say whether there were any."""
    lines = [line for line in order["lines"] if seen.sees(line["product"])]
    order["is_partial"] = len(lines) < len(order["lines"])
    order["lines"] = lines
    held = {line["consignment"] for line in lines}
    order["consignments"] = [one for one in order["consignments"] if one["consignment"] in held]


def _sent(session: Session, order: dict[str, Any], seen: sight.Sight, lines: Sequence[int] | None) -> list[int] | None:
    """Return the lines to send, None for all that are left; whoever sends part of a consignment must see all of it."""
    if lines is None:
        if seen.covers(line["product"] for line in order["lines"]):
            return None
        waiting = shipping.waiting(session, number=order["number"])
        lines = [
            line["line"] for line in order["lines"] if line["consignment"] in waiting and seen.sees(line["product"])
        ]
    meant = {line["consignment"] for line in order["lines"] if line["line"] in lines}
    if not seen.covers(line["product"] for line in order["lines"] if line["consignment"] in meant):
        raise NotPermitted(permission=Permission.SHIP_ORDERS)
    return list(lines)


def _coarse(address: Mapping[str, Any]) -> dict[str, Any]:
    nobody = dict.fromkeys(("name", "phone", "detail"))
    return nobody | {"region_code": address["region_code"], "region": address.get("region", "")}


def _masked(address: Mapping[str, Any]) -> dict[str, Any]:
    name, phone = str(address.get("name", "")), str(address.get("phone", ""))
    return _coarse(address) | {
        "name": name[:1] + "**",
        "phone": f"{phone[:3]}****{phone[-4:]}" if len(phone) > 7 else "****",
        "detail": "****",
    }
