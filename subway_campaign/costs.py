"""What placements cost: contracts, production, installation, day by day and to the fen.

Invariant: entries are append-only, and a mistake is reversed, never edited. The fen of an entry are dealt out one by
one, in the order of its days and, where they are allocated, leaf after leaf; so any parts of a period sum to the
period, the leaves sum to their parent (I8), two leaves differ by at most one fen, and an entry and its reversal are
zero on every single day.
"""

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors, narrowing
from subway_campaign.cost_models import CostKind

# A thousand million yuan, above any contract of a city's metro; more is a slip of the keyboard.
MOST_FEN = 10**11
# Ten years and their leap days; a contract that runs longer is entered year by year.
LONGEST = timedelta(days=3653)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was spent: `amount_fen` over the Shanghai days from `from_day` up to, not including, `to_day`."""

    campaign: str
    placement: str
    kind: CostKind
    amount_fen: int
    from_day: date
    to_day: date
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cost as it stands in the books. `reverses` is the entry that this one takes back, `reversal` what took it back.

    The amount of a reversal is negative.
    """

    number: str
    cost: Cost
    placement_name: str
    entered_by: str
    entered_at: datetime
    reverses: str | None
    reversal: str | None


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Which entries a list is of: those of a campaign, and those of which a day lies in `from_day` up to `to_day`."""

    campaign: str | None = None
    from_day: date | None = None
    to_day: date | None = None


EVERY = Sought()


@dataclass(frozen=True)
class PeriodCosts:
    """The fen of a period by placement number: `booked` where the entry stands, `allocated` to the leaves below it."""

    booked: dict[str, int]
    allocated: dict[str, int]


_ENTRIES = """
    SELECT e.id, e.number, g.number AS campaign, p.number AS placement, p.name AS placement_name, e.kind, e.amount_fen,
           e.from_day, e.to_day, e.note, e.entered_by, e.entered_at, old.number AS reverses, back.number AS reversal
    FROM cost_entries e JOIN campaigns g ON g.id = e.campaign_id JOIN placements p ON p.id = e.placement_id
    LEFT JOIN cost_entries old ON old.id = e.reverses_id LEFT JOIN cost_entries back ON back.reverses_id = e.id
"""
_INSERT = text("""
    INSERT INTO cost_entries (number, campaign_id, placement_id, kind, amount_fen, from_day, to_day, note,
                              entered_by, entered_at, reverses_id)
    SELECT :number, g.id, p.id, :kind, :amount_fen, :from_day, :to_day, :note, :by, :now,
           (SELECT id FROM cost_entries WHERE number = :reverses)
    FROM campaigns g, placements p WHERE g.number = :campaign AND p.number = :placement
    ON CONFLICT (number) DO NOTHING RETURNING id
""")


def enter(session: Session, *, cost: Cost, by: str, key: str, now: datetime) -> tuple[Entry, bool]:
    """Write a cost down once per `by` and `key`; return the entry of that key and whether it is new.

    A replay gives the first entry, which the caller compares with what was asked. Periods may overlap. Raises
    `UnknownPlacement`, `UnknownCampaign`, `ImpossiblePeriod`, and `CostImplausible` for an amount that is not positive
    or beyond `MOST_FEN`, or for more days than `LONGEST`.
    """
    database.require_transaction(session)
    if cost.to_day <= cost.from_day:
        raise errors.ImpossiblePeriod
    if not 0 < cost.amount_fen <= MOST_FEN:
        raise errors.CostImplausible(amount_fen=cost.amount_fen, most_fen=MOST_FEN)
    if cost.to_day - cost.from_day > LONGEST:
        raise errors.CostImplausible(days=(cost.to_day - cost.from_day).days, most_days=LONGEST.days)
    _require_known(session, cost)
    return _write(session, cost, _number("CE", by, key), by, now, None)


def reverse(session: Session, *, number: str, note: str, by: str, now: datetime) -> tuple[Entry, bool]:
    """Take an entry back by one of the opposite amount; return that and whether it is new: nothing is reversed twice.

    Raises `UnknownCost`, and `CostIsReversal` for an entry that itself takes one back.
    """
    database.require_transaction(session)
    entry = find(session, number=number)
    if entry.reverses is not None:
        raise errors.CostIsReversal
    opposite = Cost(**(vars(entry.cost) | {"amount_fen": -entry.cost.amount_fen, "note": note}))
    return _write(session, opposite, _number("CR", number), by, now, number)


def find(session: Session, *, number: str) -> Entry:
    """Return one entry. Raises `UnknownCost`."""
    row = session.execute(text(f"{_ENTRIES} WHERE e.number = :number"), {"number": number}).first()
    if row is None:
        raise errors.UnknownCost
    return _entry(row)


def listing(
    session: Session,
    *,
    within: Sequence[str] | None = None,
    sought: Sought = EVERY,
    after: str | None = None,
    limit: int | None = None,
) -> list[Entry]:
    """Return the entries at or below some placements, newest first; `after` is the number of the last one seen."""
    rows = session.execute(
        text(f"""
            {_ENTRIES}
            WHERE {narrowing.lies_within()}
              AND (cast(:campaign AS text) IS NULL OR g.number = :campaign)
              AND (cast(:from_day AS date) IS NULL OR e.to_day > :from_day)
              AND (cast(:to_day AS date) IS NULL OR e.from_day < :to_day)
              AND (cast(:after AS text) IS NULL OR e.id < (SELECT id FROM cost_entries WHERE number = :after))
            ORDER BY e.id DESC LIMIT :limit
        """),
        {"within": within, **vars(sought), "after": after, "limit": limit},
    )
    return [_entry(row) for row in rows]


def of_period(session: Session, *, since: date, until: date) -> PeriodCosts:
    """Return what the Shanghai days from `since` up to, not including, `until` cost, by placement.

    Both sides sum to the same. Leaves are those of the tree as it stands now.
    """
    rows = session.execute(
        text("""
            SELECT p.number, e.amount_fen, e.from_day, e.to_day
            FROM cost_entries e JOIN placements p ON p.id = e.placement_id
            WHERE e.from_day < :until AND e.to_day > :since ORDER BY e.id
        """),
        {"since": since, "until": until},
    ).all()
    booked: dict[str, int] = defaultdict(int)
    allocated: dict[str, int] = defaultdict(int)
    tree = list(session.scalars(text('SELECT number FROM placements ORDER BY number COLLATE "C"'))) if rows else []
    for number, amount_fen, from_day, to_day in rows:
        first, last = (fen_until(amount_fen, from_day, to_day, day) for day in (since, until))
        booked[number] += last - first
        below = leaves(tree, number)
        for leaf, fen in zip(below, dealt(first, last, len(below)), strict=True):
            allocated[leaf] += fen
    return PeriodCosts(dict(booked), dict(allocated))


def fen_until(amount_fen: int, from_day: date, to_day: date, day: date) -> int:
    """Return how much of an entry belongs to its days before `day`; the difference of two days is what lies between."""
    days = (to_day - from_day).days
    passed = min(max((day - from_day).days, 0), days)
    # Rounded towards zero, so that a reversal mirrors its entry day by day.
    whole = abs(amount_fen) * passed // days
    return whole if amount_fen >= 0 else -whole


def dealt(first: int, last: int, count: int) -> list[int]:
    """Deal the fen from the `first` to before the `last` of an entry to `count` leaves, one by one in turn."""
    sign = 1 if last + first >= 0 else -1
    low, high = sorted((abs(first), abs(last)))
    return [sign * ((high - i + count - 1) // count - (low - i + count - 1) // count) for i in range(count)]


def leaves(tree: Sequence[str], number: str) -> list[str]:
    """Return the leaves at or below `number`; `tree` is all numbers in the order of their characters."""
    start = bisect_left(tree, number)
    # In that order a node is followed by all below it: the dot comes before every letter and digit of a label.
    end = bisect_left(tree, f"{number}/", lo=start)
    return [
        node
        for i, node in enumerate(tree[start:end], start=start)
        if i + 1 == len(tree) or not tree[i + 1].startswith(f"{node}.")
    ]


def _require_known(session: Session, cost: Cost) -> None:
    asked = {"campaign": cost.campaign, "placement": cost.placement}
    known = session.execute(
        text("""
            SELECT EXISTS (SELECT FROM campaigns WHERE number = :campaign),
                   EXISTS (SELECT FROM placements WHERE number = :placement)
        """),
        asked,
    ).one()
    if not known[0]:
        raise errors.UnknownCampaign(campaign=cost.campaign)
    if not known[1]:
        raise errors.UnknownPlacement(placement=cost.placement)


def _write(
    session: Session, cost: Cost, number: str, by: str, now: datetime, reverses: str | None
) -> tuple[Entry, bool]:
    written = session.execute(_INSERT, vars(cost) | {"number": number, "by": by, "now": now, "reverses": reverses})
    return find(session, number=number), written.first() is not None


def _number(prefix: str, *parts: str) -> str:
    return prefix + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16].upper()


def _entry(row: Row[Any]) -> Entry:
    cost = Cost(
        campaign=row.campaign,
        placement=row.placement,
        kind=CostKind(row.kind),
        amount_fen=row.amount_fen,
        from_day=row.from_day,
        to_day=row.to_day,
        note=row.note,
    )
    return Entry(
        number=row.number,
        cost=cost,
        placement_name=row.placement_name,
        entered_by=row.entered_by,
        entered_at=row.entered_at,
        reverses=row.reverses,
        reversal=row.reversal,
    )
