"""Tests that switch placements on by turns: planned from our own report, started, and read when their weeks are over.

Invariant: seed, schedule and baseline are stored with the plan and never change; what a test found is computed from
them and from the credits of its weeks, so anybody can compute it again. Sales are those credited to a unit and all
below it: a unit where no code hangs at all has none, so units should be lines or stations that always have some.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import clock, database
from subway_campaign import designs, errors, listings, narrowing
from subway_campaign.designs import Difference, Pair
from subway_campaign.lifecycle import Model

MOST_UNITS = 200
MOST_WEEKS = 52
_WEEK = 7
# A plan further ahead would be matched by sales that nobody remembers.
_FARTHEST = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to test: `units` are placements of which none lies in another; week 0 begins at `starts_on`."""

    name: str
    units: tuple[str, ...]
    weeks: int
    starts_on: date
    baseline_weeks: int = 8


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A plan as it stands; `state` is planned, started or withdrawn. `spare` is the unit that found no partner."""

    number: str
    state: str
    wanted: Wanted
    seed: int
    baseline_from: date
    pairs: tuple[Pair, ...]
    names: dict[str, str]
    baseline: dict[str, list[int]]
    detectable_fen: int
    planned_by: str
    planned_at: datetime
    started_by: str | None
    started_at: datetime | None
    spare: str | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a test shows so far: whole weeks that are over, and the difference, None while too few pairs are through."""

    weeks_over: int
    difference: Difference | None


def plan(session: Session, *, wanted: Wanted, seed: int, by: str, key: str, now: datetime) -> tuple[Trial, bool]:
    """Draw a schedule and keep it, once per `by` and `key`; return the plan of that key and whether it is new.

    A replay gives the first plan, which the caller compares with what was asked. The baseline is the whole weeks up to
    today. Raises `UnknownPlacement`, and `TrialImpossible` for fewer than four units or more than `MOST_UNITS`, units
    within each other, weeks out of range, or a first day that is not ahead.
    """
    database.require_transaction(session)
    today = now.astimezone(clock.SHANGHAI).date()
    units = sorted(set(wanted.units))
    _require_possible(wanted, units, today)
    known = listings.names(session, numbers=units)
    for unit in units:
        if unit not in known:
            raise errors.UnknownPlacement(placement=unit)
    since = today - timedelta(days=_WEEK * wanted.baseline_weeks)
    baseline = weekly(session, units=units, since=since, weeks=wanted.baseline_weeks)
    pairs = designs.draw(baseline, weeks=wanted.weeks, seed=seed)
    number = "ST" + hashlib.sha256(f"{by}\n{key}".encode()).hexdigest()[:16].upper()
    written = session.execute(
        text("""
            INSERT INTO switch_trials (number, name, seed, weeks, starts_on, baseline_from, baseline_weeks, baseline,
                                       pairs, detectable_fen, planned_by, planned_at)
            VALUES (:number, :name, :seed, :weeks, :starts_on, :since, :baseline_weeks, cast(:baseline AS jsonb),
                    cast(:pairs AS jsonb), :detectable_fen, :by, :now)
            ON CONFLICT (number) DO NOTHING RETURNING id
        """),
        {
            "number": number,
            "name": wanted.name,
            "seed": seed,
            "weeks": wanted.weeks,
            "starts_on": wanted.starts_on,
            "since": since,
            "baseline_weeks": wanted.baseline_weeks,
            "baseline": database.dump_json(baseline),
            "pairs": database.dump_json([asdict(pair) for pair in pairs]),
            "detectable_fen": round(designs.detectable_fen(baseline, pairs, weeks=wanted.weeks)),
            "by": by,
            "now": now,
        },
    )
    return find(session, number=number), written.first() is not None


def start(session: Session, *, number: str, by: str, now: datetime) -> Trial:
    """Start a plan, until its first day is over; from then on it only runs.

    Raises `UnknownTrial`, and `TrialFixed` when it is not waiting any more.
    """
    database.require_transaction(session)
    started = session.execute(
        text("""
            UPDATE switch_trials SET started_at = :now, started_by = :by
            WHERE number = :number AND started_at IS NULL AND withdrawn_at IS NULL AND starts_on >= :today RETURNING id
        """),
        {"number": number, "by": by, "now": now, "today": now.astimezone(clock.SHANGHAI).date()},
    )
    return _moved(session, number, is_moved=started.first() is not None)


def withdraw(session: Session, *, number: str, now: datetime) -> Trial:
    """Give a plan up that has not started. Raises `UnknownTrial`, `TrialFixed`."""
    database.require_transaction(session)
    withdrawn = session.execute(
        text("""
            UPDATE switch_trials SET withdrawn_at = :now
            WHERE number = :number AND started_at IS NULL AND withdrawn_at IS NULL RETURNING id
        """),
        {"number": number, "now": now},
    )
    return _moved(session, number, is_moved=withdrawn.first() is not None)


def find(session: Session, *, number: str) -> Trial:
    """Return one plan. Raises `UnknownTrial`."""
    row = session.execute(text("SELECT * FROM switch_trials WHERE number = :number"), {"number": number}).first()
    if row is None:
        raise errors.UnknownTrial
    return _trial(session, row)


def listing(session: Session, *, within: Sequence[str] | None = None, limit: int = 100) -> list[Trial]:
    """Return the plans, newest first; `within` some branches those of which every unit hangs there."""
    rows = session.execute(
        text(f"""
            SELECT * FROM switch_trials t WHERE NOT EXISTS (
                SELECT FROM jsonb_object_keys(t.baseline) AS p (number) WHERE NOT {narrowing.lies_within()})
            ORDER BY id DESC LIMIT :limit
        """),
        {"within": within, "limit": limit},
    )
    return [_trial(session, row) for row in rows.all()]


def finding(session: Session, *, trial: Trial, now: datetime) -> Finding:
    """Return what a started test shows of the whole weeks that are over."""
    passed = (now.astimezone(clock.SHANGHAI).date() - trial.wanted.starts_on).days // _WEEK
    over = min(max(passed, 0), trial.wanted.weeks) if trial.state == "started" else 0
    if over == 0:
        return Finding(weeks_over=0, difference=None)
    during = weekly(session, units=list(trial.baseline), since=trial.wanted.starts_on, weeks=over)
    found = designs.difference(trial.baseline, during, trial.pairs, weeks=trial.wanted.weeks)
    return Finding(weeks_over=over, difference=found)


def weekly(session: Session, *, units: Sequence[str], since: date, weeks: int) -> dict[str, list[int]]:
    """Return the net sales of each unit and all below it by week from `since`, in fen, refunds on their sale's day."""
    rows = session.execute(
        text("""
            SELECT u.number, (shanghai_day(k.cohort_at) - cast(:since AS date)) / 7 AS week, sum(k.fen)::bigint AS fen
            FROM credits k JOIN placements p ON p.id = k.placement_id
            JOIN unnest(cast(:units AS text[])) AS u (number)
                ON p.number = u.number OR starts_with(p.number, u.number || '.')
            WHERE k.model = :model
              AND k.cohort_at >= cast(cast(:since AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
              AND k.cohort_at < cast(cast(:until AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
            GROUP BY 1, 2
        """),
        {
            "units": list(units),
            "since": since,
            "until": since + timedelta(days=_WEEK * weeks),
            "model": Model.LAST.value,
        },
    )
    sales = {unit: [0] * weeks for unit in units}
    for unit, week, fen in rows:
        sales[unit][week] = fen
    return sales


def _require_possible(wanted: Wanted, units: Sequence[str], today: date) -> None:
    if not 2 * designs.FEWEST_PAIRS <= len(units) <= MOST_UNITS:
        raise errors.TrialImpossible(units=len(units), fewest=2 * designs.FEWEST_PAIRS, most=MOST_UNITS)
    inside = [unit for unit in units if any(unit.startswith(f"{other}.") for other in units)]
    if inside:
        raise errors.TrialImpossible(inside=inside)
    if not 2 <= wanted.weeks <= MOST_WEEKS:
        raise errors.TrialImpossible(weeks=wanted.weeks)
    if not designs.FEWEST_BASELINE_WEEKS <= wanted.baseline_weeks <= MOST_WEEKS:
        raise errors.TrialImpossible(baseline_weeks=wanted.baseline_weeks)
    if not today < wanted.starts_on <= today + _FARTHEST:
        raise errors.TrialImpossible(starts_on=wanted.starts_on.isoformat())


def _moved(session: Session, number: str, *, is_moved: bool) -> Trial:
    trial = find(session, number=number)
    if not is_moved:
        raise errors.TrialFixed(state=trial.state)
    return trial


def _trial(session: Session, row: Row[Any]) -> Trial:
    pairs = tuple(Pair(**pair) for pair in row.pairs)
    paired = {unit for pair in pairs for unit in (pair.early, pair.late)}
    return Trial(
        number=row.number,
        state="started" if row.started_at else "withdrawn" if row.withdrawn_at else "planned",
        wanted=Wanted(
            name=row.name,
            units=tuple(sorted(row.baseline)),
            weeks=row.weeks,
            starts_on=row.starts_on,
            baseline_weeks=row.baseline_weeks,
        ),
        seed=row.seed,
        baseline_from=row.baseline_from,
        pairs=pairs,
        names=listings.names(session, numbers=row.baseline),
        baseline=row.baseline,
        detectable_fen=row.detectable_fen,
        planned_by=row.planned_by,
        planned_at=row.planned_at,
        started_by=row.started_by,
        started_at=row.started_at,
        spare=next(iter(set(row.baseline) - paired), None),
    )
