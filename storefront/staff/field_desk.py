"""Work at the placements as staff do it: scans of the crew, its round, plans, artworks, alerts.

Invariant: every change stands in the audit trail with its doer; a photo is proved and kept before the transaction, and
a code is read from it by us, so that what was photographed is what is bound. Who has branches for an area acts and
looks within these only; artworks, which may hang anywhere, are everybody's to see and the whole campaign's to change.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from catalog import halls, names, products
from config import darkroom, database, pictures
from storefront import audit, roles
from storefront.actors import Actor
from storefront.errors import CodeUnreadable, LandingUnknown, ProductsUnknown, SeveralCodes
from storefront.roles import Permission
from storefront.staff import inventory, sight
from subway_campaign import alerts, codes, creatives, crews, listings, plans, posters, rounds, signals, watch
from subway_campaign.field_models import Act, AlertKind, AlertResolution, Finding
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Resolution

_LINK = re.compile(r"/S/([0-9A-Z]{8})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a member of the crew says with one scan; `picture` is the number of a photo that was sent before."""

    key: UUID
    act: Act
    code: str | None = None
    picture: str | None = None
    placement: str | None = None
    finding: Finding = Finding.FINE
    is_retired: bool = False
    note: str = ""


def confirm(actor: Actor, *, said: Said, upload: bytes, now: datetime) -> dict[str, Any]:
    """Take a photo in, read the code in it unless one is typed, do what is said, and return the scan as kept.

    Opens its own transaction. Raises `PictureRefused`, `CodeUnreadable`, `SeveralCodes`, `OutsideArea`, and what the
    verbs of `crews` do.
    """
    within = sight.branches(actor, Permission.WORK_FIELD)
    code, picture = said.code, said.picture
    if picture is None:
        view, texts = pictures.take_in_and_read(upload, now=now)
        picture = view.number
        code = code or _read(texts, picture)
    if code is None:
        raise CodeUnreadable(picture=picture)
    scan = crews.Scan(key=said.key, code=code, picture=picture, crew=actor.username or "", note=said.note)
    with database.transaction() as session:
        if said.act is Act.TAKEN_DOWN:
            kept = crews.take_down(session, scan=scan, now=now, is_retired=said.is_retired)
        elif said.act is Act.PUT_UP:
            kept = crews.put_up(session, scan=scan, placement=said.placement, now=now)
        else:
            kept = crews.inspect(session, scan=scan, finding=said.finding, now=now)
        # Where it was is known only now; what was done elsewhere is undone with this transaction.
        sight.require_place(within, kept["placement"])
        if kept["scanned_at"] == now:
            told = {"placement": kept["placement"], "scan": kept["number"], "finding": kept["finding"]}
            audit.record(session, actor, f"code.{said.act.value}", kept["code"], told, now=now)
    return kept


def home(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return what a member of the crew has before them: plans, emptied placements, their latest scans, what is due."""
    within = sight.branches(actor, Permission.WORK_FIELD)
    crew = actor.username or ""
    return {
        "plans": planned(session, actor),
        "areas": list(listings.names(session, numbers=within or ()).values()),
        "emptied": crews.emptied(session, crew=crew, now=now),
        "scans": crews.latest(session, crew=crew),
    }


def planned(session: Session, actor: Actor, *, most: int = 50) -> list[plans.Plan]:
    """Return what is to be put up in the actor's branches, up to so many in each."""
    parts = sight.narrowed(sight.branches(actor, Permission.WORK_FIELD), None)
    return [plan for part in parts for plan in plans.open_list(session, under=part, limit=most)]


def own_scans(session: Session, actor: Actor, *, most: int) -> list[dict[str, Any]]:
    """Return the actor's own scans, the latest first."""
    sight.branches(actor, Permission.WORK_FIELD)
    return crews.latest(session, crew=actor.username or "", most=most)


def scans_of(session: Session, actor: Actor, *, code: str, most: int) -> list[dict[str, Any]]:
    """Return the scans of a code by the crew, the latest first. Raises `UnknownCode`, `OutsideArea`."""
    inventory.require_code(session, actor, code=code, permission=Permission.READ_PLACEMENTS)
    return crews.latest(session, code=code, most=most)


def scan(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one confirming scan. Raises `UnknownScan`, `OutsideArea`."""
    within = sight.branches(actor, Permission.WORK_FIELD)
    found = crews.find(session, number=number)
    sight.require_place(within, found["placement"])
    return found


def photo(actor: Actor, *, number: str) -> bytes:
    """Return the photo of a confirming scan as WebP. Raises `UnknownScan`, `UnknownPicture`, `OutsideArea`."""
    with database.transaction() as session:
        found = scan(session, actor, number=number)
    return pictures.read(number=found["picture"], size=darkroom.SIZES[0])


def spot(session: Session, actor: Actor, *, code: str | None, now: datetime) -> dict[str, Any]:
    """Return what the form of a scan shows beside its fields; a plan for elsewhere is none of this crew's."""
    within = sight.branches(actor, Permission.WORK_FIELD)
    plan = plans.of(session, code=code) if code else None
    is_ours = plan is None or within is None or roles.lies_in(plan.placement, within)
    return {"emptied": crews.emptied(session, crew=actor.username or "", now=now), "plan": plan if is_ours else None}


def round_(session: Session, actor: Actor, *, under: str | None, now: datetime) -> dict[str, Any]:
    """Return the codes that are to be looked at, in the order of the way, by train or station, and how many hang.

    Raises `OutsideArea`.
    """
    within = sight.branches(actor, Permission.WORK_FIELD)
    parts = sight.narrowed(within, under)
    due = [one for part in parts for one in rounds.due(session, now=now, under=part)]
    called = listings.names(session, numbers=[_stop(one["placement"]) for one in due])
    stops: dict[str, list[dict[str, Any]]] = {}
    for one in due:
        stops.setdefault(called.get(_stop(one["placement"]), _stop(one["placement"])), []).append(one)
    return {
        "stops": stops,
        "due": len(due),
        "hanging": sum(rounds.hanging(session, now=now, under=part) for part in parts),
        "branches": [
            node for node in listings.branches(session) if within is None or roles.lies_in(node["number"], within)
        ],
    }


def due(session: Session, actor: Actor, *, under: str | None, now: datetime) -> list[dict[str, Any]]:
    """Return the same codes as one list. Raises `OutsideArea`."""
    parts = sight.narrowed(sight.branches(actor, Permission.WORK_FIELD), under)
    return [one for part in parts for one in rounds.due(session, now=now, under=part)]


def plan(
    session: Session,
    actor: Actor,
    *,
    code: str,
    placement: str,
    campaign: str,
    landing: Landing,
    creative: str | None,
    now: datetime,
) -> None:
    """Plan that a code is put up somewhere. Raises `LandingUnknown`, and what `plans.make` does."""
    sight.require_places(actor, Permission.WRITE_CODES, placement)
    inventory.require_code(session, actor, code=code, permission=Permission.WRITE_CODES)
    shelf = products if landing.kind is LandingKind.PRODUCT else halls
    if not shelf.exists(session, slug=landing.slug):
        raise LandingUnknown(kind=landing.kind.value, slug=landing.slug)
    plans.make(
        session,
        code=code,
        placement=placement,
        campaign=campaign,
        landing=landing,
        creative=creative,
        by=actor.username or "",
        now=now,
    )
    told = {"placement": placement, "creative": creative, "landing": landing.slug}
    audit.record(session, actor, "code.planned", codes.normalize(code), told, now=now)


def withdraw(session: Session, actor: Actor, *, code: str, now: datetime) -> None:
    """Take a plan back, if there is one."""
    planned = plans.of(session, code=code)
    sight.require_places(actor, Permission.WRITE_CODES, planned.placement if planned else None)
    if plans.withdraw(session, code=code, now=now):
        audit.record(session, actor, "code.plan_withdrawn", codes.normalize(code), {}, now=now)


def planning(session: Session, actor: Actor, *, code: str) -> dict[str, Any]:
    """Return the open plan of a code, where it was seen, and what it could be planned with."""
    inventory.require_code(session, actor, code=code, permission=Permission.WRITE_CODES)
    return {
        "plan": plans.of(session, code=code),
        "scans": crews.latest(session, code=code),
        "campaigns": listings.campaigns(session),
        "creatives": creatives.listing(session),
    }


def artworks(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the artworks with the names of their products."""
    sight.branches(actor, Permission.READ_PLACEMENTS)
    found = creatives.listing(session)
    called = names.products(session, [slug for one in found for slug in one["products"]])
    return [one | {"product_names": [called.get(slug, slug) for slug in one["products"]]} for one in found]


def campaigns(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the campaigns that an artwork can belong to."""
    sight.branches(actor, Permission.READ_PLACEMENTS)
    return listings.campaigns(session)


def artwork(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one artwork. Raises `UnknownCreative`."""
    sight.branches(actor, Permission.READ_PLACEMENTS)
    return creatives.find(session, number=number)


def artwork_picture(actor: Actor, *, number: str) -> bytes:
    """Return the picture of an artwork as WebP. Raises `UnknownCreative`, `UnknownPicture`."""
    with database.transaction() as session:
        found = artwork(session, actor, number=number)
    return pictures.read(number=found["picture"] or "", size=800)


def save_artwork(
    session: Session,
    actor: Actor,
    *,
    number: str,
    campaign: str | None,
    name: str,
    shown: Sequence[str],
    picture: str | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """Add an artwork to a campaign, or without one change that with this number; without a picture it keeps its own.

    Raises `ProductsUnknown`, `UnknownPicture`, and what `creatives` does.
    """
    sight.require_whole(actor, Permission.WRITE_CODES)
    unknown = [slug for slug in shown if not products.exists(session, slug=slug)]
    if unknown:
        raise ProductsUnknown(products=unknown)
    if picture is not None:
        pictures.claim(session, number=picture, until=None, now=now)
    rest: dict[str, Any] = {"name": name, "products": shown, "valid_from": valid_from, "valid_until": valid_until}
    if campaign is not None:
        saved = creatives.create(session, number=number, campaign=campaign, picture=picture, **rest)
    else:
        before = creatives.find(session, number=number)["picture"]
        saved = creatives.change(session, number=number, picture=picture or before, **rest)
        if picture is not None and before is not None:
            pictures.release(session, number=before, now=now)
    told = {"name": name, "products": sorted(set(shown))}
    audit.record(session, actor, f"creative.{'created' if campaign else 'changed'}", number, told, now=now)
    return saved


def give_picture(actor: Actor, *, number: str, upload: bytes, now: datetime) -> dict[str, Any]:
    """Prove and keep a picture, then show it with an artwork in place of the one that it had; return the artwork.

    Opens its own transactions. Raises `UnknownCreative`, `PictureRefused`, `StorageAway`.
    """
    sight.require_whole(actor, Permission.WRITE_CODES)
    with database.transaction() as session:
        creatives.find(session, number=number)
    taken = pictures.take_in(upload, is_public=False, now=now).number
    with database.transaction() as session:
        found = creatives.find(session, number=number)
        return save_artwork(
            session,
            actor,
            number=number,
            campaign=None,
            name=found["name"],
            shown=found["products"],
            picture=taken,
            valid_from=found["valid_from"],
            valid_until=found["valid_until"],
            now=now,
        )


def alarms(
    session: Session,
    actor: Actor,
    *,
    is_open: bool,
    kind: AlertKind | None = None,
    under: str | None = None,
    offset: int = 0,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return open or closed alerts in sight, the latest first, at or below `under` only. Raises `OutsideArea`."""
    within = sight.part(actor, Permission.READ_ALERTS, under)
    return alerts.listing(session, is_open=is_open, kind=kind, within=within, offset=offset, limit=limit)


def alarm_branches(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the branches that a list of alerts can be narrowed to."""
    return sight.offered(session, sight.branches(actor, Permission.READ_ALERTS), listings.branches(session))


def open_alarms(session: Session, actor: Actor) -> int:
    """Return how many alerts wait for somebody who may end them."""
    return alerts.open_count(session, within=sight.branches(actor, Permission.CLOSE_ALERTS))


def alarm(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one alert, and the latest scans of its code. Raises `UnknownAlert`."""
    found = _alarm(session, actor, number, Permission.READ_ALERTS)
    return found | {"scans": crews.latest(session, code=found["subject"])}


def take(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Make an alert one's own. Raises `UnknownAlert`, `AlertClosed`."""
    _alarm(session, actor, number, Permission.CLOSE_ALERTS)
    taken = alerts.take(session, number=number, owner=actor.username or "", now=now)
    audit.record(session, actor, "alert.taken", number, {"code": taken["subject"]}, now=now)
    return taken


def close(
    session: Session, actor: Actor, *, number: str, resolution: AlertResolution, note: str, now: datetime
) -> dict[str, Any]:
    """End an alert, and with it the suspicion that it is about: harmless, or else confirmed.

    Raises `UnknownAlert`, `AlertClosed`, `SignalClosed`.
    """
    found = _alarm(session, actor, number, Permission.CLOSE_ALERTS)
    if found["kind"] == AlertKind.SIGNAL and found["closed_at"] is None:
        harmless = resolution is AlertResolution.HARMLESS
        signals.close(
            session,
            number=found["subject"],
            resolution=Resolution.HARMLESS if harmless else Resolution.CONFIRMED,
            by=actor.username or "",
            now=now,
        )
    ended = alerts.close(session, number=number, resolution=resolution, note=note, by=actor.username or "", now=now)
    told = {"code": ended["subject"], "resolution": resolution.value}
    audit.record(session, actor, "alert.closed", number, told, now=now)
    return ended


def watched(session: Session, actor: Actor, *, under: str | None = None, now: datetime) -> list[watch.Watched]:
    """Return what the silence of every code in sight says, and how long it takes to notice when it goes.

    Of those at or below `under` only. Raises `OutsideArea`.
    """
    within = sight.part(actor, Permission.READ_ALERTS, under)
    return [one for one in watch.look(session, now=now) if within is None or roles.lies_in(one.placement, within)]


def _alarm(session: Session, actor: Actor, number: str, permission: Permission) -> dict[str, Any]:
    """Return an alert in sight; one that is about no placement (a phone that swept through many) is the whole's."""
    found = alerts.find(session, number=number)
    sight.require_places(actor, permission, found["placement"] or "")
    return found


def _stop(placement: str) -> str:
    """Return the station or the car at which a placement is: where one walks to."""
    return placement.rpartition(".")[0] or placement


def _read(texts: Sequence[str], picture: str) -> str:
    """Return the one code of ours among what was read. Raises `CodeUnreadable`, `SeveralCodes`."""
    found = {
        match[1] for text in texts if (match := _LINK.search(text.upper())) and text.upper() == posters.link(match[1])
    }
    if not found:
        raise CodeUnreadable(picture=picture)
    if len(found) > 1:
        raise SeveralCodes(picture=picture)
    return found.pop()
