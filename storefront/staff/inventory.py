"""Placements and codes as staff change them.

Invariant: a code leads to a product or hall that exists; every change stands in the audit trail with its doer. Whose
role is narrowed to branches sees and changes what hangs there: a code is where it hung last, and one that never hung is
everybody's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import halls, names, products
from storefront import audit
from storefront.actors import Actor
from storefront.errors import LandingUnknown, ListCursorInvalid
from storefront.roles import Permission
from storefront.staff import sight
from subway_campaign import bindings, listings, media, narrowing, placements, posters
from subway_campaign.errors import UnknownPlacement
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level


@dataclass(frozen=True, kw_only=True)
class Hanging:
    """How a code is to hang: what it leads to, under which campaign, from when to when (half-open)."""

    campaign: str
    landing: Landing
    valid_from: datetime
    valid_until: datetime | None = None
    creative: str | None = None


def tree(
    session: Session, actor: Actor, *, under: str | None, cursor: str | None, limit: int, now: datetime
) -> dict[str, Any]:
    """Return a page of the inventory tree in the order of its numbers; the cursor is the last number."""
    rows: list[placements.PlacementView] = []
    for part in sight.narrowed(sight.branches(actor, Permission.READ_PLACEMENTS), under):
        # The branches stand in the order of their numbers and none lies in another, so one walk goes through them all.
        rows += placements.listing(session, now=now, under=part, after=cursor, limit=limit + 1 - len(rows))
    return {
        "items": [_node(row) for row in rows[:limit]],
        "next_cursor": rows[limit - 1].number if len(rows) > limit else None,
    }


def create(
    session: Session,
    actor: Actor,
    *,
    parent: str | None,
    level: Level,
    label: str,
    name: str,
    meta: dict[str, Any] | None = None,
    now: datetime,
) -> dict[str, Any]:
    """Add a placement and return it. Raises `UnknownPlacement`, `PlacementTaken`."""
    sight.require_places(actor, Permission.WRITE_PLACEMENTS, parent or "")
    number = placements.create(session, parent=parent, level=level, label=label, name=name, meta=meta)
    audit.record(session, actor, "placement.created", number, {"name": name, "level": level.value}, now=now)
    return _placement(session, number, now)


def rename(session: Session, actor: Actor, *, number: str, name: str, now: datetime) -> dict[str, Any]:
    """Give a placement another name and return it. Raises `UnknownPlacement`."""
    sight.require_places(actor, Permission.WRITE_PLACEMENTS, number)
    placements.rename(session, number=number, name=name)
    audit.record(session, actor, "placement.renamed", number, {"name": name}, now=now)
    return _placement(session, number, now)


def codes(
    session: Session,
    actor: Actor,
    *,
    under: str | None = None,
    campaign: str | None = None,
    creative: str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
    now: datetime,
) -> dict[str, Any]:
    """Return a page of the codes in use, by placement, with the link that each carries."""
    rows: list[listings.CodeRow] = []
    for part in sight.narrowed(sight.branches(actor, Permission.READ_PLACEMENTS), under):
        left = limit + 1 - len(rows)
        rows += listings.hanging(
            session,
            now=now,
            under=part,
            campaign=campaign,
            creative=creative,
            q=q,
            after=_position(cursor),
            limit=left,
        )
    items = [_code(row) for row in rows[:limit]]
    _name_landings(session, items)
    return {
        "items": items,
        "next_cursor": " ".join(rows[limit - 1].position) if len(rows) > limit else None,
    }


def find(session: Session, actor: Actor, *, code: str) -> dict[str, Any]:
    """Return one code with its link and everywhere it hung, newest first. Raises `UnknownCode`, `OutsideArea`."""
    view = _in_sight(session, actor, code, Permission.READ_PLACEMENTS)
    _name_landings(session, view.bindings)
    return {
        "code": view.slug,
        "url": posters.link(view.slug),
        "minted_at": view.minted_at,
        "retired_at": view.retired_at,
        "bindings": view.bindings,
    }


def shelf(
    session: Session, actor: Actor, *, asked: Mapping[str, str], cursor: str | None, limit: int, now: datetime
) -> dict[str, Any]:
    """Return a `page` of codes with the `branches`, `campaigns` and `creatives` that it can be narrowed to.

    What is `asked` of it has the names of the arguments of `codes`.
    """
    page = codes(session, actor, **asked, cursor=cursor, limit=limit, now=now)
    return {"page": page, "branches": _branches(session, actor), **narrowing.choices(session)}


def card(session: Session, actor: Actor, *, code: str, now: datetime) -> dict[str, Any]:
    """Return a `code` with the binding that is `hanging` now, if any, and the `campaigns` it could be bound under.

    `piece` is how it is printed there; its `format` is None when our address is too long for the printed version.
    """
    found = find(session, actor, code=code)
    hanging = next(
        (
            one
            for one in found["bindings"]
            if one["valid_from"] <= now and (one["valid_until"] is None or one["valid_until"] > now)
        ),
        None,
    )
    piece = _piece(found["url"], hanging["placement"] if hanging else None)
    return {"code": found, "hanging": hanging, "piece": piece, "campaigns": listings.campaigns(session)}


def poster(session: Session, actor: Actor, *, code: str, kind: str) -> bytes:
    """Return the printable code, `kind` being svg or png, with the name of where it hangs. Raises `UnknownCode`."""
    view = _in_sight(session, actor, code, Permission.READ_PLACEMENTS)
    name = view.bindings[0]["placement_name"] if view.bindings else ""
    draw = posters.svg if kind == "svg" else posters.png
    return draw(code=view.slug, name=name)


def mint(
    session: Session,
    actor: Actor,
    *,
    count: int | None = None,
    at: Sequence[str] = (),
    hanging: Hanging | None = None,
    now: datetime,
) -> list[dict[str, Any]]:
    """Make `count` codes, or one for each placement in `at`, and return them in that order.

    Codes for placements hang there at once when `hanging` is given, else when they are bound (after the crew put them
    up). Raises `UnknownPlacement`, and what `bind` does.
    """
    sight.require_places(actor, Permission.WRITE_CODES, *at)
    unknown = sorted(set(at) - listings.names(session, numbers=at).keys())
    if unknown:
        raise UnknownPlacement(placement=unknown[0])
    minted = bindings.mint(session, count=count or len(at), now=now)
    targets: list[str | None] = list(at) or [None] * len(minted)
    audit.record(
        session, actor, "codes.minted", minted[0], {"count": len(minted), "placements": list(at)[:50]}, now=now
    )
    for slug, place in zip(minted, targets, strict=True):
        if hanging is not None and place is not None:
            _bind(session, slug, place, hanging)
    return [
        {"code": slug, "url": posters.link(slug), "placement": number, "bound": hanging is not None and bool(number)}
        for slug, number in zip(minted, targets, strict=True)
    ]


def bind(
    session: Session, actor: Actor, *, code: str, placement: str, hanging: Hanging, now: datetime
) -> dict[str, Any]:
    """Hang a code somewhere for a time and return it.

    Raises `LandingUnknown`, `UnknownCode`, `UnknownPlacement`, `UnknownCampaign`, `ImpossiblePeriod`, and
    `BindingOverlaps` when it hangs elsewhere during part of that time.
    """
    sight.require_places(actor, Permission.WRITE_CODES, placement)
    _in_sight(session, actor, code, Permission.WRITE_CODES)
    _bind(session, code, placement, hanging)
    landing = {"kind": hanging.landing.kind.value, "slug": hanging.landing.slug}
    audit.record(session, actor, "code.bound", code, {"placement": placement, "landing": landing}, now=now)
    return find(session, actor, code=code)


def require_code(session: Session, actor: Actor, *, code: str, permission: Permission) -> None:
    """Raise `OutsideArea` for a code that last hung in no branch of `actor`'s, `UnknownCode` for none."""
    _in_sight(session, actor, code, permission)


def _in_sight(session: Session, actor: Actor, code: str, permission: Permission) -> bindings.CodeView:
    """Return a code that never hung, or hung last in one of `actor`'s branches."""
    view = bindings.find(session, code=code)
    sight.require_places(actor, permission, view.bindings[0]["placement"] if view.bindings else None)
    return view


def _branches(session: Session, actor: Actor) -> list[dict[str, Any]]:
    return sight.offered(session, sight.branches(actor, Permission.READ_PLACEMENTS), listings.branches(session))


def _bind(session: Session, code: str, placement: str, hanging: Hanging) -> None:
    landing = hanging.landing
    shelf = products if landing.kind is LandingKind.PRODUCT else halls
    if not shelf.exists(session, slug=landing.slug):
        raise LandingUnknown(kind=landing.kind.value, slug=landing.slug)
    bindings.bind(
        session,
        code=code,
        placement=placement,
        campaign=hanging.campaign,
        landing=landing,
        valid_from=hanging.valid_from,
        valid_until=hanging.valid_until,
        creative=hanging.creative,
    )


def _piece(link: str, placement: str | None) -> dict[str, Any]:
    try:
        format_ = media.plan(link, placement=placement)
    except ValueError:
        format_ = None
    return {"medium": media.of(placement), "format": format_}


def _name_landings(session: Session, items: Sequence[dict[str, Any]]) -> None:
    """Give every landing, which knows its slug only, the `name` that people call it by."""
    landings = [item["landing"] for item in items if item["landing"]]
    for kind, called in ((LandingKind.PRODUCT, names.products), (LandingKind.HALL, names.halls)):
        of_kind = [landing for landing in landings if landing["kind"] == kind]
        found = called(session, [landing["slug"] for landing in of_kind])
        for landing in of_kind:
            landing["name"] = found.get(landing["slug"])


def _position(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    number, space, code = cursor.partition(" ")
    if not (number and space and code):
        raise ListCursorInvalid
    return number, code


def _placement(session: Session, number: str, now: datetime) -> dict[str, Any]:
    return _node(placements.listing(session, now=now, under=number, limit=1)[0])


def _node(view: placements.PlacementView) -> dict[str, Any]:
    return {
        "number": view.number,
        "parent": view.parent,
        "level": view.level.value,
        "name": view.name,
        "meta": view.meta,
        "codes": view.codes,
    }


def _code(row: listings.CodeRow) -> dict[str, Any]:
    return {
        "code": row.code,
        "url": posters.link(row.code),
        "placement": row.placement,
        "placement_name": row.placement_name,
        "level": row.level,
        "campaign": row.campaign,
        "landing": row.landing,
        "valid_from": row.valid_from,
        "valid_until": row.valid_until,
    }
