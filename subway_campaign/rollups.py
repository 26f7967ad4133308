"""Daily rollups: what the placement report reads instead of every touch, and the job that keeps them.

Invariant: rollups are a function of the log alone. At every instant, what they hold is the count of all rows that no
mark in `rollup_marks` names, so that a report which adds what the marks name is as fresh as the log itself.

Why that holds while others write: triggers leave a mark in the very transaction that changes a counted row, so a
snapshot shows both or neither; no clock and no sequence is trusted, and a row that is committed late, with an old
instant or a low id, still brings its mark. The job works in one snapshot, taken once it is alone: it adds what the
marks that it sees bring and deletes exactly those. Killed half-way it leaves the marks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from operator import sub
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import counting, earnings, reviews
from subway_campaign.rollup_models import MarkKind
from subway_campaign.sold import Table

Progress = Callable[[int, int], None]
# Beyond this many it is cheaper to count whole days again than visitor by visitor.
MARKS_AT_ONCE = 5_000
# What tells a rollup's rows apart, and what they say.
SCANS, VISITORS, KEPT_OUT, SCAN_HOURS = _OF_SCANS = ("scan_days", "visitor_days", "kept_out_days", "scan_hours")
ORDERS, CREDITS, TOTALS, SALE_HOURS, PATHS, GOODS_ORDERS, GOODS_CREDITS, GOODS_PATHS = _OF_ORDERS = (
    "order_days",
    "credit_days",
    "total_days",
    "sale_hours",
    "path_days",
    "goods_order_days",
    "goods_credit_days",
    "goods_path_days",
)
TABLES = (*_OF_SCANS, *_OF_ORDERS)
KEYS = {
    SCANS: ("day", "placement_id", "binding_id"),
    VISITORS: ("day", "level", "placement_id"),
    KEPT_OUT: ("day", "reason"),
    ORDERS: ("day", "placement_id", "binding_id", "outcome", "reason"),
    CREDITS: ("model", "day", "placement_id", "binding_id", "outcome", "reason"),
    TOTALS: ("day",),
    SCAN_HOURS: ("day", "hour", "placement_id", "binding_id"),
    SALE_HOURS: ("day", "hour", "placement_id", "binding_id"),
    PATHS: ("day", "path", "bindings"),
    GOODS_ORDERS: ("day", "product", "before", "placement_id", "binding_id", "hour", "outcome", "reason"),
    GOODS_CREDITS: ("day", "product", "model", "placement_id", "binding_id", "hour", "outcome", "reason"),
    GOODS_PATHS: ("day", "product", "before", "path", "bindings"),
}
FIGURES = {
    SCANS: ("scans", "album_scans", "journeys"),
    VISITORS: ("visitors",),
    KEPT_OUT: ("scans",),
    ORDERS: ("carts", "orders", "paid_orders", "paid_journeys", "earned_fen"),
    CREDITS: ("cohort_gross_fen", "cohort_refunded_fen", "cash_gross_fen", "cash_refunded_fen"),
    TOTALS: (
        "freight_fen",
        "cohort_freight_refunded_fen",
        "cash_freight_refunded_fen",
        "undecided_orders",
        "undecided_fen",
    ),
    SCAN_HOURS: ("scans", "journeys"),
    SALE_HOURS: ("paid_orders", "paid_journeys", "gross_fen", "refunded_fen"),
    PATHS: ("orders", "journeys", "paid_fen"),
    GOODS_ORDERS: ("orders", "paid_orders", "paid_journeys", "undecided_orders", "undecided_fen"),
    GOODS_CREDITS: ("cohort_gross_fen", "cohort_refunded_fen", "cash_gross_fen", "cash_refunded_fen"),
    GOODS_PATHS: ("orders", "journeys", "paid_fen"),
}
Rows = dict[str, Table]


@dataclass(frozen=True)
class Unrolled:
    """What the rollups do not hold: touches that wait, and days whose scans or orders must be counted anew."""

    waiting: counting.Waiting
    scan_days: frozenset[date]
    order_days: frozenset[date]


@dataclass(frozen=True)
class Drift:
    """A row of a rollup that is not what the log says; None where one side has no such row."""

    table: str
    key: dict[str, Any]
    stored: dict[str, int] | None
    counted: dict[str, int] | None


_MARKS = text("SELECT kind, ref, day FROM rollup_marks LIMIT :at_most")
_AS_ARRAYS = """
    SELECT * FROM unnest(cast(:kinds AS text[]), cast(:refs AS uuid[]), cast(:days AS date[])) AS mark (kind, ref, day)
"""
_DAYS_OF_MARKS = """
    WITH marks AS MATERIALIZED ({marks}), visitors AS (
        SELECT ref AS visitor_id FROM marks WHERE kind = 'visitor'
        UNION
        SELECT l.visitor_id FROM marks JOIN visitor_links l ON l.person_id = marks.ref WHERE kind = 'person'
        UNION
        SELECT ref FROM marks WHERE kind = 'linked' AND EXISTS (
            SELECT FROM visitor_links l JOIN excluded_identities e USING (person_id) WHERE l.visitor_id = marks.ref)
    )
    SELECT kind, day FROM marks WHERE day IS NOT NULL
    UNION
    SELECT 'scans', shanghai_day(t.occurred_at) FROM visitors JOIN touches t USING (visitor_id)
    UNION
    SELECT 'scans', shanghai_day(t.occurred_at) FROM marks JOIN touches t ON t.id = marks.ref
    WHERE marks.kind = 'confirmation' AND t.visitor_id IS NULL
    UNION
    SELECT 'orders', shanghai_day(t.occurred_at) FROM marks JOIN touches t ON t.id = marks.ref
    WHERE marks.kind = 'journey'
"""
_TOO_MANY = """
    UNION
    SELECT 'scans', shanghai_day(t.occurred_at) + ahead
    FROM marks JOIN touches t ON t.id = marks.ref CROSS JOIN generate_series(0, 1) AS ahead
    WHERE marks.kind IN ('touch', 'confirmation')
"""
_DAYS_OF_FEW = text(_DAYS_OF_MARKS.format(marks=_AS_ARRAYS))
_DAYS_OF_MANY = text(_DAYS_OF_MARKS.format(marks="SELECT kind, ref, day FROM rollup_marks") + _TOO_MANY)


def unrolled(session: Session) -> Unrolled:
    """Return what a reader of the rollups must count by itself; its transaction must keep to one snapshot."""
    marks = session.execute(_MARKS, {"at_most": MARKS_AT_ONCE + 1}).all()
    if len(marks) > MARKS_AT_ONCE:
        return _with_days(counting.NOTHING, session.execute(_DAYS_OF_MANY))
    refs: dict[str, list[UUID]] = defaultdict(list)
    for kind, ref, _day in marks:
        refs[kind].append(ref)
    waiting = counting.Waiting(tuple(refs[MarkKind.TOUCH]), tuple(refs[MarkKind.CONFIRMATION]))
    # Touches are counted visitor by visitor; all other marks mean days.
    others = [mark for mark in marks if mark.kind != MarkKind.TOUCH]
    if not others:
        return _with_days(waiting, ())
    names = ("kinds", "refs", "days")
    columns = {name: list(column) for name, column in zip(names, zip(*others, strict=True), strict=True)}
    return _with_days(waiting, session.execute(_DAYS_OF_FEW, columns))


def _with_days(waiting: counting.Waiting, days: Iterable[Any]) -> Unrolled:
    found: dict[str, set[date]] = defaultdict(set)
    for kind, day in days:
        found[kind].add(day)
    return Unrolled(waiting, frozenset(found[MarkKind.SCANS]), frozenset(found[MarkKind.ORDERS]))


def roll_up(*, now: datetime | None = None, progress: Progress | None = None) -> int:
    """Take up into the rollups whatever the log has that they do not hold; returns how many days were counted anew.

    Adds what waiting touches change; then counts marked days, each in a transaction of its own, and tells `progress`
    how many are done of how many. Two at once, or one that is killed, do no harm. Opens its own transactions.
    """
    with database.transaction() as session:
        if session.execute(text("SELECT 1 FROM rollup_marks LIMIT 1")).first() is None:
            return 0
    with _alone() as session:
        known = unrolled(session)
        _fold(session, known)
        # What is counted differently may be credited differently, too (R21).
        reviews.hand_on(session, too_many=known.waiting is counting.NOTHING)
        _note_days(session, known)
    days = sorted(known.scan_days | known.order_days)
    for done, day in enumerate(days, start=1):
        with _alone() as session:
            _redo(session, day)
        if progress is not None:
            progress(done, len(days))
    return len(days)


_ALL_DAYS = (
    " UNION ".join(f"SELECT day FROM {table}" for table in TABLES)
    + """
    UNION SELECT shanghai_day(occurred_at) FROM touches
    UNION SELECT shanghai_day(reached_at) FROM journey_stages
    UNION SELECT shanghai_day(unnest(ARRAY[placed_at, paid_at])) FROM conversions
    UNION SELECT shanghai_day(unnest(ARRAY[occurred_at, cohort_at])) FROM credits
    UNION SELECT shanghai_day(refunded_at) FROM conversion_refunds
"""
)


def rebuild(*, progress: Progress | None = None) -> int:
    """Count every day of the log anew, as `roll_up` does with a marked one; returns how many days there are.

    Reports stay right meanwhile, only slower. Killed, it goes on with the next `roll_up`.
    """
    with database.transaction() as session:
        session.execute(
            text(f"""
                INSERT INTO rollup_marks (kind, day)
                SELECT kind, day FROM ({_ALL_DAYS}) days, unnest(ARRAY['scans', 'orders']) AS kind
                WHERE day IS NOT NULL
            """)
        )
    return roll_up(progress=progress)


def verify(*, progress: Progress | None = None) -> tuple[list[Drift], int]:
    """Count every day again and return the rows that differ, and how many days wait to be counted anyway."""
    with database.transaction() as session:
        found = session.execute(text(f"SELECT day FROM ({_ALL_DAYS}) days WHERE day IS NOT NULL ORDER BY day"))
        days = list(found.scalars())
    drift: list[Drift] = []
    waiting = 0
    for done, day in enumerate(days, start=1):
        with database.transaction() as session:
            one_snapshot(session)
            known = unrolled(session)
            if day in known.scan_days | known.order_days:
                waiting += 1
            else:
                drift += _compare(session, day, known)
        if progress is not None:
            progress(done, len(days))
    return drift, waiting


def one_snapshot(session: Session) -> None:
    """Let a transaction see one state of the database only; it must not have read anything yet."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


@contextmanager
def _alone() -> Iterator[Session]:
    """Open a transaction that no other writer of rollups shares, with a snapshot taken after the wait for them."""
    with database.transaction() as session:
        one_snapshot(session)
        # LOCK takes no snapshot of its own, unlike a function that locks; readers of the table are not kept out.
        session.execute(text("LOCK TABLE scan_days IN SHARE ROW EXCLUSIVE MODE"))
        yield session


def _fold(session: Session, known: Unrolled) -> None:
    change = counting.fresh(
        session,
        waiting=known.waiting,
        from_day=date.min,
        to_day=date.max,
        but_days=known.scan_days,
        levels=counting.LEVELS,
    )
    for table, rows in scan_rows(change).items():
        _insert(session, table, rows)


def _note_days(session: Session, known: Unrolled) -> None:
    """Leave of all the marks that this snapshot shows only which days must be counted anew."""
    session.execute(text("DELETE FROM rollup_marks"))
    days = [(MarkKind.SCANS, day) for day in known.scan_days] + [(MarkKind.ORDERS, day) for day in known.order_days]
    if days:
        session.execute(
            text("INSERT INTO rollup_marks (kind, day) VALUES (:kind, :day)"),
            [{"kind": kind.value, "day": day} for kind, day in days],
        )


def _redo(session: Session, day: date) -> None:
    """Count a marked day anew and delete its marks; what else waits goes on waiting, and is not in the count."""
    gone = session.execute(text("DELETE FROM rollup_marks WHERE day = :day RETURNING kind"), {"day": day})
    kinds = set(gone.scalars())
    for kind, tables, count in (
        (MarkKind.SCANS, _OF_SCANS, _count_scans),
        (MarkKind.ORDERS, _OF_ORDERS, _count_orders),
    ):
        if kind in kinds:
            counted = count(session, day)
            for table in tables:
                _replace(session, table, day, counted[table])


def _replace(session: Session, table: str, day: date, rows: Table) -> None:
    """Let a day's rows say what was counted; only those that say anything else are written."""
    nothing = (0,) * len(FIGURES[table])
    stored = _stored(session, table, day)
    gone = {key: nothing for key in stored if key not in rows}
    changed = {}
    for key, right in (*rows.items(), *gone.items()):
        had = stored.get(key, nothing)
        if had != right:
            changed[key] = tuple(map(sub, right, had))
    _insert(session, table, changed)
    if gone:
        zeros = " AND ".join(f"{figure} = 0" for figure in FIGURES[table])
        session.execute(text(f"DELETE FROM {table} WHERE day = :day AND {zeros}"), {"day": day})


def _stored(session: Session, table: str, day: date) -> Table:
    keys = KEYS[table]
    found = session.execute(
        text(f"SELECT {', '.join((*keys, *FIGURES[table]))} FROM {table} WHERE day = :day"), {"day": day}
    )
    return {tuple(row[: len(keys)]): tuple(row[len(keys) :]) for row in found}


def _count_scans(session: Session, day: date) -> Rows:
    """Count a day's scans without those that are still marked."""
    marked = session.execute(text("SELECT kind, ref FROM rollup_marks WHERE kind IN ('touch', 'confirmation')")).all()
    waiting = counting.Waiting(
        tuple(ref for kind, ref in marked if kind == MarkKind.TOUCH),
        tuple(ref for kind, ref in marked if kind == MarkKind.CONFIRMATION),
    )
    return scan_rows(counting.whole(session, day=day, levels=counting.LEVELS, without=waiting))


def _count_orders(session: Session, day: date) -> Rows:
    counted = earnings.whole(session, day=day)
    of_goods = {GOODS_ORDERS: counted.goods_orders, GOODS_CREDITS: counted.goods_credits,
                GOODS_PATHS: counted.goods_paths}  # fmt: skip
    return order_rows(counted.earned) | {SALE_HOURS: counted.hours, PATHS: counted.paths} | of_goods


def order_rows(earned: earnings.Earned) -> Rows:
    """Return what was counted as the rollups' own rows, by table and key."""
    return {ORDERS: earned.orders, CREDITS: earned.credits, TOTALS: earned.totals}


def scan_rows(counted: counting.Counted) -> Rows:
    """Return what was counted as the rollups' own rows, by table and key."""
    return {
        SCANS: {key: tuple(figures) for key, figures in counted.scans.items()},
        VISITORS: {key: (figure,) for key, figure in counted.visitors.items()},
        KEPT_OUT: {key: (figure,) for key, figure in counted.kept_out.items()},
        SCAN_HOURS: {key: tuple(figures) for key, figures in counted.hours.items()},
    }


def _insert(session: Session, table: str, rows: Table) -> None:
    """Add figures to the rows of a rollup, making those that are missing."""
    wanted = [(*key, *figures) for key, figures in rows.items() if any(figures)]
    if not wanted:
        return
    keys, figures = KEYS[table], FIGURES[table]
    names = [*keys, *figures]
    columns = ", ".join(f"cast(:{name} AS {_TYPES.get(name, 'bigint')}[])" for name in names)
    session.execute(
        text(f"""
            INSERT INTO {table} AS r ({", ".join(names)})
            SELECT * FROM unnest({columns}) ORDER BY {", ".join(str(no) for no, _ in enumerate(keys, start=1))}
            ON CONFLICT ({", ".join(keys)}) DO UPDATE
            SET {", ".join(f"{name} = r.{name} + excluded.{name}" for name in figures)}
        """),
        {name: list(column) for name, column in zip(names, zip(*wanted, strict=True), strict=True)},
    )


_TYPES = {
    "day": "date",
    "hour": "smallint",
    **dict.fromkeys(("level", "reason", "outcome", "model", "path", "bindings", "product", "before"), "text"),
}


def _compare(session: Session, day: date, known: Unrolled) -> list[Drift]:
    scans = counting.whole(session, day=day, levels=counting.LEVELS, without=known.waiting)
    counted = scan_rows(scans) | _count_orders(session, day)
    drift = []
    for table in TABLES:
        keys, figures = KEYS[table], FIGURES[table]
        stored = _stored(session, table, day)
        for key in {**stored, **counted[table]}:
            kept, right = stored.get(key), counted[table].get(key)
            # A row of zeros says the same as none.
            if any(kept or ()) | any(right or ()) and kept != right:
                drift.append(
                    Drift(
                        table,
                        dict(zip(keys, key, strict=True)),
                        None if kept is None else dict(zip(figures, kept, strict=True)),
                        None if right is None else dict(zip(figures, right, strict=True)),
                    )
                )
    return drift
