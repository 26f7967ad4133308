"""Tests that switch placements on by turns, as campaign staff plan, start and read them.

Invariant: one form is one plan; planning, starting and withdrawing stand in the audit trail with the seed. Whose role
is narrowed to branches has the tests whose every unit hangs there.
"""

import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storefront import audit
from storefront.actors import Actor
from storefront.errors import IdempotencyMismatch
from storefront.roles import Permission
from storefront.staff import sight
from subway_campaign import designs, listings, returns, trials
from subway_campaign.lifecycle import Level
from subway_campaign.trials import MOST_UNITS, Trial, Wanted

_SEEDS = 2**31


def plan(session: Session, actor: Actor, *, wanted: Wanted, key: str, now: datetime) -> tuple[dict[str, Any], bool]:
    """Draw a schedule and keep it once per `key`; return the plan and whether it is new.

    Raises `IdempotencyMismatch` when the key was used for another, and what `trials.plan` does.
    """
    sight.require_places(actor, Permission.WRITE_COSTS, *wanted.units)
    seed = secrets.randbelow(_SEEDS)
    trial, is_new = trials.plan(session, wanted=wanted, seed=seed, by=actor.username or "", key=key, now=now)
    if trial.wanted != Wanted(**(vars(wanted) | {"units": tuple(sorted(set(wanted.units)))})):
        raise IdempotencyMismatch
    if is_new:
        audit.record(session, actor, "trial.planned", trial.number, {"name": wanted.name, "seed": seed}, now=now)
    return _view(session, trial, now), is_new


def start(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Start a plan, which only runs from then on. Raises `UnknownTrial`, `TrialFixed`."""
    _in_sight(session, actor, number, Permission.WRITE_COSTS)
    trial = trials.start(session, number=number, by=actor.username or "", now=now)
    audit.record(session, actor, "trial.started", number, {"name": trial.wanted.name, "seed": trial.seed}, now=now)
    return _view(session, trial, now)


def withdraw(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Give a plan up before it starts. Raises `UnknownTrial`, `TrialFixed`."""
    _in_sight(session, actor, number, Permission.WRITE_COSTS)
    trial = trials.withdraw(session, number=number, now=now)
    audit.record(session, actor, "trial.withdrawn", number, {"name": trial.wanted.name, "seed": trial.seed}, now=now)
    return _view(session, trial, now)


def find(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Return a plan with its schedule and what it shows so far. Raises `UnknownTrial`."""
    return _view(session, _in_sight(session, actor, number, Permission.READ_REPORTS), now)


def listing(session: Session, actor: Actor, *, now: datetime) -> list[dict[str, Any]]:
    """Return the latest hundred plans, newest first."""
    within = sight.branches(actor, Permission.READ_REPORTS)
    return [_view(session, trial, now) for trial in trials.listing(session, within=within)]


def shelf(session: Session, actor: Actor, *, under: str | None, level: Level | None, now: datetime) -> dict[str, Any]:
    """Return the `trials`, the `branches` that a new one may be made of, and the nodes `found` of one at a `level`.

    One more than a test may have, so that a reader can be told to narrow it down. Raises `OutsideArea`.
    """
    within = sight.branches(actor, Permission.READ_REPORTS)
    branches = sight.offered(session, within, listings.printable(session))
    found: list[dict[str, Any]] = []
    if level is not None:
        for part in sight.narrowed(within, under):
            found += listings.at(session, level=level, under=part, limit=MOST_UNITS + 1 - len(found))
    return {"trials": listing(session, actor, now=now), "branches": branches, "found": found}


def _in_sight(session: Session, actor: Actor, number: str, permission: Permission) -> Trial:
    """Return a test of which every unit is in one of `actor`'s branches. Raises `UnknownTrial`, `OutsideArea`."""
    trial = trials.find(session, number=number)
    sight.require_places(actor, permission, *trial.wanted.units)
    return trial


def _view(session: Session, trial: Trial, now: datetime) -> dict[str, Any]:
    found = trials.finding(session, trial=trial, now=now)
    own = {name: value for name, value in vars(trial).items() if name not in {"wanted", "pairs", "baseline"}}
    plan_ = {name: value for name, value in vars(trial.wanted).items() if name != "units"}
    return (
        own
        | plan_
        | {
            "units": list(trial.wanted.units),
            "hold_weeks": designs.hold(trial.wanted.weeks),
            "pairs": [asdict(pair) for pair in trial.pairs],
            "weeks_over": found.weeks_over,
            "difference": asdict(found.difference) if found.difference else None,
            "caveat": returns.CAVEAT,
        }
    )
