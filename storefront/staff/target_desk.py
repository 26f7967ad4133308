"""The targets and the league of counties as staff see them.

Invariant: everybody who may read halls sees every county's halls, zones and accredited products; what a county sold is
shown to those whose role covers it. A rank follows from what all may see.
"""

from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

from catalog import targets
from catalog.models import RegionLevel
from catalog.target_models import Subject
from config import database
from storefront import audit, sales
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.staff import accounts, hall_desk, sight

LEVELS = (RegionLevel.COUNTY, RegionLevel.PREFECTURE)
COUNTED = (*targets.HALLS, Subject.ACCREDITED_PRODUCTS)


def listing(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return all targets."""
    accounts.require(actor, Permission.READ_HALLS)
    return targets.listing(session)


def league(session: Session, actor: Actor, *, level: RegionLevel, now: datetime) -> list[dict[str, Any]]:
    """Return the regions of a level by rank: what stands there, `met` of `wanted` targets, `sales_fen` where seen.

    Who met more of the targets stands higher, then who has more accredited products; equal ones share a rank and stand
    in the order of their codes.
    """
    accounts.require(actor, Permission.READ_HALLS)
    wanted = targets.listing(session)
    earned = _earned(session, level)
    areas = hall_desk.areas(actor, Permission.READ_HALLS)
    rows = [
        row
        | judged(row, wanted, level)
        | {"sales_fen": earned.get(row["region_code"], 0) if row["region_code"].startswith(tuple(areas)) else None}
        for row in targets.figures(session, level=level, now=now)
    ]
    return ranked(rows)


def board(session: Session, actor: Actor, *, level: RegionLevel, now: datetime) -> dict[str, Any]:
    """Return the `league` of a level, the `targets`, `progress` of the level's, and the `province`'s own."""
    rows = league(session, actor, level=level, now=now)
    wanted = targets.listing(session)
    return {
        "league": rows,
        "targets": wanted,
        "progress": _progress(rows, wanted, level),
        "province": _province(session, actor, wanted, now),
    }


def put(
    session: Session,
    actor: Actor,
    *,
    subject: Subject,
    level: RegionLevel,
    region_code: str | None,
    amount: int,
    due_on: date | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """Set a target and return all of them. Raises `NotPermitted` within a scope, and what `targets.put` does."""
    sight.require_whole(actor, Permission.WRITE_TARGETS)
    key = targets.put(
        session,
        subject=subject,
        level=level,
        region_code=region_code,
        amount=amount,
        due_on=due_on,
        by=actor.username or "",
        now=now,
    )
    told = {"count": amount, "due_on": due_on.isoformat() if due_on else "", "region": region_code or ""}
    audit.record(session, actor, "target.set", key, told, now=now)
    return targets.listing(session)


def judged(row: dict[str, Any], wanted: list[dict[str, Any]], level: RegionLevel) -> dict[str, Any]:
    """Return how many targets of a region are `met`, of how many `wanted`, and the subjects that are `missing`."""
    mine: dict[str, int] = {}
    for target in wanted:
        if target["level"] != level or target["subject"] not in set(COUNTED):
            continue
        if target["region_code"] == row["region_code"]:
            mine[target["subject"]] = target["amount"]
        elif target["region_code"] is None:
            mine.setdefault(target["subject"], target["amount"])
    missing = [subject for subject in COUNTED if subject in mine and row[subject] < mine[subject]]
    return {"met": len(mine) - len(missing), "wanted": len(mine), "missing": [str(subject) for subject in missing]}


def ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with their `rank`, the highest first."""

    def height(row: dict[str, Any]) -> tuple[Fraction, int]:
        return Fraction(row["met"], row["wanted"] or 1), row["accredited_products"]

    ordered = sorted(rows, key=lambda row: row["region_code"])
    ordered.sort(key=height, reverse=True)
    found: list[dict[str, Any]] = []
    for place, row in enumerate(ordered, 1):
        shared = bool(found) and height(found[-1]) == height(row)
        found.append(row | {"rank": found[-1]["rank"] if shared else place})
    return found


def _progress(rows: list[dict[str, Any]], wanted: list[dict[str, Any]], level: RegionLevel) -> list[dict[str, Any]]:
    """Return of each target for every region of a level how many regions `reached` it, of how many."""
    each = [target for target in wanted if target["level"] == level and target["region_code"] is None]
    return [
        target | {"reached": sum(target["subject"] not in row["missing"] for row in rows), "regions": len(rows)}
        for target in each
        if target["subject"] in set(COUNTED)
    ]


def _province(session: Session, actor: Actor, wanted: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return the province's targets with what `stands`; None where nobody counts it, or the reader may not see it."""
    whole = accounts.allowed(actor, Permission.READ_HALLS, sight.WHOLE)
    cities = targets.figures(session, level=RegionLevel.PREFECTURE, now=now)
    stands: dict[str, int] = {"accredited_products": sum(city["accredited_products"] for city in cities)}
    if whole:
        stands["sales"] = sum(sales.of_products(session).values())
    return [
        target | {"stands": stands.get(target["subject"])}
        for target in wanted
        if target["level"] == RegionLevel.PROVINCE
    ]


def _earned(session: Session, level: RegionLevel) -> dict[str, int]:
    """Return region code → fen that its products brought, less refunds."""
    database.require_transaction(session)
    brought = sales.of_products(session)
    earned: dict[str, int] = {}
    for slug, code in targets.origins(session, slugs=list(brought)).items():
        region = code if level is RegionLevel.COUNTY else f"{code[:4]}00"
        earned[region] = earned.get(region, 0) + brought[slug]
    return earned
