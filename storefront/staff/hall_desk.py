"""Halls as those who keep them see and change them: a county's clerk those of the county, an administrator all.

Invariant: what lies outside the area of the reader's role is not found; every change is in the audit trail. A place
that one can go to has one code, at a placement of its own below `HALL`, and the code leads to that hall.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import hall_lifecycle as lifecycle
from catalog import hall_views, halls, shelves
from catalog.errors import HallUnknown
from catalog.hall_lifecycle import Act, State
from catalog.hall_views import Filters
from catalog.models import HallKind, HallPresence, ZoneKind
from catalog.shelves import Shelf
from config import database, pictures
from storefront import audit, roles
from storefront.actors import Actor
from storefront.errors import HallCodeRefused, ListCursorInvalid, NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts
from subway_campaign import bindings, codes, listings, packs, placements, posters
from subway_campaign.errors import PlacementTaken
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level

# The medium of all halls and zones that one can go to.
MEDIUM, MEDIUM_NAME = "HALL", "实体馆与线下专区"


def areas(actor: Actor, permission: Permission) -> list[str]:
    """Return the beginnings of the region codes that the actor may use `permission` on."""
    return [scope.area or "" for scope in roles.scopes(actor.grants, permission) if scope.supplier is None]


def listing(
    session: Session, actor: Actor, *, filters: Filters, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Return a page of the halls in sight by region. Raises `ListCursorInvalid`."""
    within = areas(actor, Permission.READ_HALLS)
    rows = hall_views.listing(session, areas=within, filters=filters, after=_position(cursor), limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": rows[:limit], "next_cursor": f"{last['region_code']} {last['slug']}" if last else None}


def places(session: Session, actor: Actor, permission: Permission) -> list[dict[str, str]]:
    """Return the cities and counties that the actor may use `permission` on."""
    return hall_views.places(session, areas=areas(actor, permission))


def find(session: Session, actor: Actor, *, slug: str, now: datetime) -> dict[str, Any]:
    """Return a hall in sight with its `arrangement` (shelves), its `code`, and the `choices` that the actor has.

    Raises `HallUnknown`.
    """
    found = _sighted(session, actor, slug)
    may_write = accounts.allowed(actor, Permission.WRITE_HALLS, _scope(found))
    return found | {
        "arrangement": shelves.find(session, hall=slug),
        "code": _code(session, found, now),
        "choices": [act.value for act in lifecycle.choices(State(found["state"]))] if may_write else [],
        "may_write": may_write,
    }


def card(session: Session, actor: Actor, *, slug: str, now: datetime) -> dict[str, Any]:
    """Return what the page of a hall shows: the `hall`, its `picture`, `goods` for shelves, and `campaigns`."""
    found = find(session, actor, slug=slug, now=now)
    area = found["region_code"]
    number = found["picture"]
    return {
        "hall": found,
        "picture": pictures.find(session, numbers=[number]).get(number) if number else None,
        "goods": hall_views.goods(session, area=area[:4] if area.endswith("00") else area),
        "campaigns": listings.campaigns(session),
    }


def draft(
    session: Session,
    actor: Actor,
    *,
    slug: str,
    kind: HallKind,
    presence: HallPresence,
    zone_kind: ZoneKind | None,
    region_code: str,
    words: halls.Words,
    now: datetime,
) -> None:
    """Begin a hall in the actor's area. Raises `NotPermitted` for another's, and what `halls.draft` does."""
    if not accounts.allowed(actor, Permission.WRITE_HALLS, Scope(area=region_code)):
        raise NotPermitted(permission=Permission.WRITE_HALLS)
    halls.draft(
        session,
        slug=slug,
        kind=kind,
        presence=presence,
        zone_kind=zone_kind,
        region_code=region_code,
        words=words,
    )
    told = {"kind": kind.value, "presence": presence.value, "region": region_code, "name": words.name}
    audit.record(session, actor, "hall.drafted", slug, told, now=now)


def amend(
    session: Session, actor: Actor, *, slug: str, words: halls.Words, version: int, now: datetime
) -> dict[str, Any]:
    """Write what is said of a hall anew and return it. Raises `HallUnknown` and what `halls.amend` does."""
    _writable(session, actor, slug)
    halls.amend(session, slug=slug, words=words, version=version)
    audit.record(session, actor, "hall.amended", slug, {"name": words.name}, now=now)
    return find(session, actor, slug=slug, now=now)


def take(session: Session, actor: Actor, *, slug: str, act: Act, now: datetime) -> dict[str, Any]:
    """Open or close a hall and return it. Raises `HallUnknown` and what `halls.take` does."""
    _writable(session, actor, slug)
    after = halls.take(session, slug=slug, act=act)
    audit.record(session, actor, f"hall.{after.value}", slug, {}, now=now)
    return find(session, actor, slug=slug, now=now)


def arrange(
    session: Session, actor: Actor, *, slug: str, wanted: Sequence[Shelf], version: int, now: datetime
) -> dict[str, Any]:
    """Put up these shelves and return the hall. Raises `HallUnknown` and what `shelves.arrange` does."""
    _writable(session, actor, slug)
    shelves.arrange(session, hall=slug, shelves=wanted, version=version)
    told = {"shelves": [f"{one.name}（{len(one.products)}）" for one in wanted]}
    audit.record(session, actor, "hall.shelved", slug, told, now=now)
    return find(session, actor, slug=slug, now=now)


def hang(actor: Actor, *, slug: str, upload: bytes, now: datetime) -> None:
    """Prove and keep an uploaded picture, then show it in front of the hall.

    Opens its own transactions. Raises `HallUnknown`, `PictureRefused`, `StorageAway`.
    """
    with database.transaction() as session:
        _writable(session, actor, slug)
    picture = pictures.take_in(upload, is_public=True, now=now)
    with database.transaction() as session:
        _writable(session, actor, slug)
        halls.hang(session, slug=slug, picture=picture.number, now=now)
        audit.record(session, actor, "hall.picture_hung", slug, {"picture": picture.number}, now=now)


def take_down_picture(session: Session, actor: Actor, *, slug: str, now: datetime) -> None:
    """Show no picture in front of a hall any more. Raises `HallUnknown`."""
    _writable(session, actor, slug)
    halls.hang(session, slug=slug, picture=None, now=now)
    audit.record(session, actor, "hall.picture_taken_down", slug, {}, now=now)


def mint(session: Session, actor: Actor, *, slug: str, campaign: str, now: datetime) -> dict[str, Any]:
    """Give a place its code, once: a placement of its own, and a code there that leads to the hall. Returns the hall.

    Raises `HallUnknown`, `HallCodeRefused` unless it is open and one can go there, and `UnknownCampaign`.
    """
    _writable(session, actor, slug)
    held = halls.lock(session, slug)
    found = _sighted(session, actor, slug)
    if held.state is not State.OPEN or held.presence is not HallPresence.PHYSICAL:
        raise HallCodeRefused
    if _code(session, found, now) is None:
        number = _place(session, found)
        [code] = bindings.mint(session, count=1, now=now)
        bindings.bind(
            session,
            code=code,
            placement=number,
            campaign=campaign,
            landing=Landing(LandingKind.HALL, slug),
            valid_from=now,
        )
        audit.record(session, actor, "hall.code_minted", slug, {"code": code, "placement": number}, now=now)
    return find(session, actor, slug=slug, now=now)


def poster(session: Session, actor: Actor, *, slug: str, kind: str, now: datetime) -> bytes:
    """Return the code of a hall for printing, `kind` being svg or png. Raises `HallUnknown`, `HallCodeRefused`."""
    found = find(session, actor, slug=slug, now=now)
    if found["code"] is None:
        raise HallCodeRefused
    draw = posters.svg if kind == "svg" else posters.png
    return draw(code=found["code"], name=found["name"])


def proof(actor: Actor, *, slug: str, now: datetime) -> bytes:
    """Return the code of a hall as a PDF for the press. Raises `HallUnknown`, `HallCodeRefused`, `NotPrintable`.

    Drawn by a process of its own, so no transaction is open meanwhile.
    """
    with database.transaction() as session:
        found = find(session, actor, slug=slug, now=now)
        if found["code"] is None:
            raise HallCodeRefused
        piece = packs.single(session, code=codes.normalize(found["code"]), now=now)
    return packs.proof(piece)


def placement(found: dict[str, Any]) -> str:
    """Return the number of a hall's placement, which follows from its region and slug."""
    label = hashlib.blake2b(found["slug"].encode(), digest_size=5).hexdigest().upper()
    return f"{MEDIUM}.{found['region_code']}.{label}"


def _place(session: Session, found: dict[str, Any]) -> str:
    """Make sure that the hall's placement and those above it are there, and return its number."""
    number = placement(found)
    _, region, label = number.split(".")
    for parent, level, own, name in (
        (None, Level.MEDIUM, MEDIUM, MEDIUM_NAME),
        (MEDIUM, Level.NETWORK, region, found["region"]),
        (f"{MEDIUM}.{region}", Level.POSITION, label, found["name"]),
    ):
        try:
            placements.create(session, parent=parent, level=level, label=own, name=name)
        except PlacementTaken:
            continue
    return number


def _code(session: Session, found: dict[str, Any], now: datetime) -> str | None:
    if found["presence"] != HallPresence.PHYSICAL:
        return None
    rows = listings.hanging(session, now=now, under=placement(found), limit=1)
    return rows[0].code if rows else None


def _sighted(session: Session, actor: Actor, slug: str) -> dict[str, Any]:
    found = hall_views.find(session, slug=slug)
    if not accounts.allowed(actor, Permission.READ_HALLS, _scope(found)):
        raise HallUnknown
    return found


def _writable(session: Session, actor: Actor, slug: str) -> None:
    found = _sighted(session, actor, slug)
    if not accounts.allowed(actor, Permission.WRITE_HALLS, _scope(found)):
        raise NotPermitted(permission=Permission.WRITE_HALLS)


def _scope(found: dict[str, Any]) -> Scope:
    return Scope(area=found["region_code"])


def _position(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    region, space, slug = cursor.partition(" ")
    if not (region and space and slug):
        raise ListCursorInvalid
    return region, slug
