"""Tests that switch placements on by turns, as JSON.

Invariant: a plan is drawn once per Idempotency-Key and only read once it has started.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, Pattern, Schema, Text
from storefront import errors, guard
from storefront.api.orders import Key
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import trial_desk
from storefront.staff.api.shapes import PLACEMENT, Day
from subway_campaign import errors as campaign_errors
from subway_campaign.trials import MOST_UNITS, MOST_WEEKS, Wanted

blueprint = Blueprint("trials", __name__, url_prefix="/api/staff/v1", description="Staff: tests by turns.")


class TrialWanted(Schema):
    """What to test; week 0 begins at `starts_on`, and units are matched by the weeks before today."""

    name = Text(required=True, low=1, high=80)
    units = fields.List(
        Text(high=120, validate=[Pattern(PLACEMENT)]), required=True, validate=validate.Length(min=1, max=MOST_UNITS)
    )
    weeks = Int(required=True, low=2, high=MOST_WEEKS)
    starts_on = Day(required=True)
    baseline_weeks = Int(low=4, high=MOST_WEEKS, load_default=8)


class PairShown(Answer):
    """`early` is switched on with week `on_week` (from 0), `late` `hold_weeks` after it."""

    early = fields.String()
    late = fields.String()
    on_week = fields.Integer()


class DifferenceShown(Answer):
    """What being on brought a unit in a week, in fen, with its 95 % interval, from so many pairs."""

    fen = fields.Float()
    low = fields.Float()
    high = fields.Float()
    pairs = fields.Integer()


class TrialShown(Answer):
    """A plan; the same `seed` draws the same schedule. `detectable_fen` is the least effect a week that it can find."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf(["planned", "started", "withdrawn"]))
    name = fields.String()
    units = fields.List(fields.String())
    weeks = fields.Integer()
    hold_weeks = fields.Integer()
    starts_on = fields.Date()
    baseline_from = fields.Date()
    baseline_weeks = fields.Integer()
    seed = fields.Integer()
    pairs = fields.List(fields.Nested(PairShown))
    spare = fields.String(allow_none=True)
    detectable_fen = fields.Integer()
    planned_by = fields.String()
    planned_at = Instant()
    started_by = fields.String(allow_none=True)
    started_at = Instant(allow_none=True)
    weeks_over = fields.Integer()
    difference = fields.Nested(DifferenceShown, allow_none=True)
    caveat = fields.String()


class Trials(Answer):
    """The latest hundred plans, newest first."""

    items = fields.List(fields.Nested(TrialShown))


_WANTED = {
    "name": "灯箱分批亮灯",
    "units": ["METRO.HF.L1.S01", "METRO.HF.L1.S02", "METRO.HF.L2.S01", "METRO.HF.L2.S02"],
    "weeks": 8,
    "starts_on": "2026-12-07",
    "baseline_weeks": 8,
}
_EXAMPLE = {
    **_WANTED,
    "number": "ST0123456789ABCDEF",
    "state": "planned",
    "hold_weeks": 4,
    "baseline_from": "2026-09-27",
    "seed": 1789,
    "pairs": [
        {"early": "METRO.HF.L1.S02", "late": "METRO.HF.L2.S01", "on_week": 0},
        {"early": "METRO.HF.L2.S02", "late": "METRO.HF.L1.S01", "on_week": 1},
    ],
    "spare": None,
    "detectable_fen": 81200,
    "planned_by": "li",
    "planned_at": "2026-11-22T04:00:00+00:00",
    "started_by": None,
    "started_at": None,
    "weeks_over": 0,
    "difference": None,
    "caveat": "归因结果，不代表因果",
}


@blueprint.get("/trials")
@guard.staff(Permission.READ_REPORTS)
@blueprint.alt_response(200, schema=Trials, example={"items": [_EXAMPLE]}, success=True)
def listing() -> Response:
    """List the latest hundred tests, newest first."""
    with database.transaction() as session:
        found = trial_desk.listing(session, guard.actor(), now=clock.now())
    return said({"items": [_shown(trial) for trial in found]})


@blueprint.post("/trials")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(TrialWanted, example=_WANTED)
@blueprint.alt_response(201, schema=TrialShown, example=_EXAMPLE, success=True)
@blueprint.alt_response(
    200, schema=TrialShown, example=_EXAMPLE, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    errors.OutsideArea, errors.IdempotencyMismatch, campaign_errors.UnknownPlacement, campaign_errors.TrialImpossible
)
def plan(header: dict[str, Any], given: dict[str, Any]) -> Response:
    """Draw a schedule: units matched in pairs, chance deciding who begins."""
    wanted = Wanted(**(given | {"units": tuple(given["units"])}))
    with database.transaction() as session:
        trial, is_new = trial_desk.plan(session, guard.actor(), wanted=wanted, key=header["key"], now=clock.now())
    return said(_shown(trial), 201 if is_new else 200)


@blueprint.get("/trials/<number:number>")
@guard.staff(Permission.READ_REPORTS)
@blueprint.alt_response(200, schema=TrialShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownTrial)
def find(number: str) -> Response:
    """Show a test and what it shows so far."""
    with database.transaction() as session:
        return said(_shown(trial_desk.find(session, guard.actor(), number=number, now=clock.now())))


@blueprint.post("/trials/<number:number>/start")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.alt_response(200, schema=TrialShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownTrial, campaign_errors.TrialFixed)
def start(number: str) -> Response:
    """Start a test; from then on it can only be read."""
    with database.transaction() as session:
        return said(_shown(trial_desk.start(session, guard.actor(), number=number, now=clock.now())))


@blueprint.post("/trials/<number:number>/withdrawal")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.alt_response(200, schema=TrialShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownTrial, campaign_errors.TrialFixed)
def withdraw(number: str) -> Response:
    """Give a test up before it starts."""
    with database.transaction() as session:
        return said(_shown(trial_desk.withdraw(session, guard.actor(), number=number, now=clock.now())))


def _shown(trial: dict[str, Any]) -> dict[str, Any]:
    return {name: trial[name] for name in TrialShown().fields}
