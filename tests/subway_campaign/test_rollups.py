"""Rollups against an independent recount of the log, under late rows, races, kills, reversals and erasure."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from config import database
from subway_campaign import (
    counting,
    erasure,
    exclusions,
    hours,
    narrowing,
    reports,
    retention,
    rollups,
    visitors,
    visits,
    ways,
)
from subway_campaign.lifecycle import Exclusion, Level, Model, View
from subway_campaign.narrowing import Narrowing
from tests.subway_campaign.conftest import World, beijing
from tests.subway_campaign.recounting import narrowed as recounted_narrowed
from tests.subway_campaign.recounting import paid_journeys, recount, recount_hours, rows

MARCH = (date(2026, 3, 1), date(2026, 4, 1))
TABLES = (*rollups.TABLES, "rollup_marks")


# Nobody sells more: all goods together are no narrowing.
GOODS = ("tea", "pear", "plum")
NARROWED = (narrowing.ALL, Narrowing(products=("tea",)), Narrowing(products=("plum", "pear")))


def report(first: date = MARCH[0], last: date = MARCH[1], **asked: Any) -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(session, from_day=first, to_day=last, **asked)


def every_report() -> list[dict[str, Any]]:
    return [
        report(*days, level=level, model=model, view=view, narrowed=narrowed)
        for days in (MARCH, (date(2026, 3, 2), date(2026, 3, 3)))
        for level, model, view in (
            (Level.POSITION, Model.LAST, View.COHORT),
            (Level.LINE, Model.DECAY, View.CASH),
            (Level.MEDIUM, Model.FIRST, View.COHORT),
        )
        for narrowed in NARROWED
    ]


def told_of_orders(narrowed: Narrowing) -> list[Any]:
    """Everything that a narrowed answer says of orders and money: reports, hours and ways."""
    with database.transaction() as session:
        found = [
            reports.placements(session, from_day=MARCH[0], to_day=MARCH[1], model=model, view=view, narrowed=narrowed)
            for model, view in zip(Model, itertools.cycle(View), strict=False)
        ]
        period = {"from_day": MARCH[0], "to_day": MARCH[1], "narrowed": narrowed}
        by_hour, by_way = hours.of_period(session, **period), ways.of_period(session, level=Level.POSITION, **period)
    names = ("orders", "paid_orders", "gross_fen", "refunded_fen", "net_fen", "conversion")
    told = [[{name: row[name] for name in ("placement", *names)} for row in each["rows"]] for each in found]
    others = [[each[name] for name in ("unattributed", "undecided", "outside")] for each in found]
    excluded = [[line for line in each["excluded"] if line["orders"] or line["net_fen"]] for each in found]
    return [told, others, excluded, by_hour, by_way]


def forget_all() -> None:
    """Leave posters only: each example of a property begins without riders, rollups or marks."""
    with database.transaction() as session:
        session.execute(
            text(f"""
                TRUNCATE touches, touch_keys, touch_confirmations, conversions, conversion_lines, conversion_refunds,
                         attribution_decisions, attribution_weights, credits, journey_stages, excluded_identities,
                         visitor_links, visitor_identities, {", ".join(TABLES)}
            """)
        )


def reported(first: date, last: date) -> dict[str, dict[str, int]]:
    names = ("scans", "visitors", "orders", "paid_orders", "gross_fen", "refunded_fen")
    return {
        row["placement"]: {
            name: n for name, n in [*((name, row[name]) for name in names), *list(row["conversion"].items())[-2:]] if n
        }
        for row in report(first, last)["rows"]
    }


def by_hour(first: date, last: date) -> dict[tuple[str, int], dict[str, int]]:
    with database.transaction() as session:
        found = hours.of_period(session, from_day=first, to_day=last)
    names = ("scans", "journeys", "paid_orders", "paid_journeys", "gross_fen", "refunded_fen")
    return {(hour.placement, hour.hour): {name: n for name in names if (n := getattr(hour, name))} for hour in found}


def assert_right() -> None:
    """The report equals the recount and the shop's money whatever is rolled up; rolled up, it says the same."""
    spans = [MARCH, *((date(2026, 3, day), date(2026, 3, day + 1)) for day in range(1, 5))]
    before, hours_before = every_report(), by_hour(*MARCH)
    for span in spans:
        assert reported(*span) == recount(*span)
        assert by_hour(*span) == recount_hours(*span)
    assert rollups.verify()[0] == []
    assert_goods_add_up()
    rollups.roll_up()
    assert rows("SELECT * FROM rollup_marks") == []
    assert rollups.verify() == ([], 0)
    assert every_report() == before
    assert by_hour(*MARCH) == hours_before
    assert_goods_add_up()


def assert_goods_add_up() -> None:
    """All goods together are all that was sold, and each of several is what the raw rows say of it."""
    assert told_of_orders(Narrowing(products=GOODS)) == told_of_orders(narrowing.ALL)
    for products in (("tea",), ("plum", "pear"), ("tea", "pear", "cloth")):
        names = ("orders", "paid_orders", "gross_fen", "refunded_fen")
        found = report(narrowed=Narrowing(products=products))
        lines = [found["outside"], *found["unattributed"], *found["excluded"]]
        told = {row["placement"]: row for row in found["rows"]} | {
            None: {name: sum(line[name] for line in lines) for name in names}
        }
        right = recounted_narrowed(*MARCH, products=products)
        journeys = paid_journeys(*MARCH, products=products)
        for number in {*told, *right}:
            row, wanted = told.get(number, {}), right.get(number, {})
            assert [row.get(name, 0) for name in names] == [wanted.get(name, 0) for name in names], (products, number)
            if number is not None and number in told:
                opened = row["conversion"]["journeys"]
                assert row["conversion"]["paid"] == min(opened, journeys.get(number, 0)), (products, number)


@dataclass
class Life:
    """Three riders and what they did so far."""

    world: World
    riders: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(3)])
    persons: dict[UUID, UUID] = field(default_factory=dict)
    open_visits: list[visits.Opened] = field(default_factory=list)
    paid: dict[str, int] = field(default_factory=dict)
    unpaid: dict[str, tuple[int, ...]] = field(default_factory=dict)
    done: int = 0

    def act(self, what: str, place: str, who: int, at: datetime, fen: int) -> None:
        self.done += 1
        getattr(self, what)(place, self.riders[who], at, fen)

    def scan(self, place: str, rider: UUID, at: datetime, _fen: int) -> None:
        self.world.scan(place, at, rider)

    def glance(self, place: str, rider: UUID, at: datetime, _fen: int) -> None:
        self.open_visits.append(self.world.scan(place, at, rider, confirm=False))

    def confirm(self, _place: str, _rider: UUID, at: datetime, _fen: int) -> None:
        for opened in self.open_visits:
            visits.confirm(token=opened.token, visitor=opened.visitor, now=at)
        self.open_visits.clear()

    def order(self, _place: str, rider: UUID, at: datetime, fen: int) -> None:
        """One to three lines of up to three goods, of which two may be the same."""
        fens = (fen, fen // 3 + 1, 700)[: 1 + fen % 3]
        goods = GOODS[fen % 2 :]
        self.world.order(f"N{self.done}", rider, at, *fens, pay=False, freight_fen=fen // 7, products=goods)
        self.unpaid[f"N{self.done}"] = fens

    def pay(self, _place: str, _rider: UUID, at: datetime, _fen: int) -> None:
        for number, fens in self.unpaid.items():
            self.world.pay(number, at, *fens)
            self.paid[number] = fens[0]
        self.unpaid.clear()

    def refund(self, _place: str, _rider: UUID, at: datetime, fen: int) -> None:
        for number in list(self.paid)[:1]:
            back = min(fen, self.paid[number])
            self.world.refund(number, f"R{self.done}", at, {1: back})
            self.paid[number] -= back
            self.paid = {number: fen for number, fen in self.paid.items() if fen}

    def log_in(self, _place: str, rider: UUID, at: datetime, _fen: int) -> None:
        person = self.persons.setdefault(rider, uuid4())
        with database.transaction() as session:
            visitors.bind(session, visitor=rider, person=person, now=at)

    def turn_out_staff(self, _place: str, rider: UUID, at: datetime, fen: int) -> None:
        who = {"person": self.persons[rider]} if rider in self.persons else {"visitor": rider}
        with database.transaction() as session:
            exclusions.exclude(session, reason=Exclusion.STAFF, valid_from=at - timedelta(minutes=fen % 2_000), **who)

    def leave_staff(self, _place: str, rider: UUID, at: datetime, _fen: int) -> None:
        who = {"person": self.persons[rider]} if rider in self.persons else {"visitor": rider}
        with database.transaction() as session:
            exclusions.end(session, at=at, **who)

    def erase(self, _place: str, rider: UUID, _at: datetime, _fen: int) -> None:
        with database.transaction() as session:
            erasure.erase(session, person=self.persons.pop(rider, uuid4()))

    def forget(self, _place: str, _rider: UUID, at: datetime, _fen: int) -> None:
        retention.forget_visitors(before=at)

    def roll_up(self, _place: str, _rider: UUID, _at: datetime, _fen: int) -> None:
        rollups.roll_up()


ACTS = ["scan"] * 5 + [
    "glance",
    "confirm",
    "order",
    "pay",
    "refund",
    "log_in",
    "turn_out_staff",
    "leave_staff",
    "erase",
    "forget",
    *["roll_up"] * 3,
]
# In any order: half of what happens is written down after the rollups of its day were made.
LOG = st.lists(
    st.tuples(
        st.sampled_from(ACTS),
        st.sampled_from("AB"),
        st.integers(0, 2),
        st.integers(0, 3 * 24 * 6),
        st.integers(1, 20_000),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=LOG)
def test_i07_rollups_equal_the_recount_of_any_log(world: World, log: list[tuple[str, str, int, int, int]]) -> None:
    forget_all()
    life = Life(world)
    for what, place, who, ten_minutes, fen in log:
        life.act(what, place, who, beijing(3, 1, 0) + timedelta(minutes=10 * ten_minutes), fen)
    assert_right()
    before = every_report()
    rollups.rebuild()
    assert every_report() == before
    assert rollups.verify() == ([], 0)


def a_few_days(world: World) -> Life:
    life = Life(world)
    for day in (1, 2, 3):
        for who, rider in enumerate(life.riders):
            for minute in (0, 20, 40, 59):
                world.scan("AB"[who % 2], beijing(3, day, 23 if who else 8, minute), rider)
    for who, rider in enumerate(life.riders):
        world.order(f"O{who}", rider, beijing(3, 2, 9), 9_990, 500, freight_fen=800, products=GOODS[who:])
    world.refund("O1", "R1", beijing(3, 3), {1: 3_330})
    return life


def test_an_empty_log_has_no_rows_and_no_drift(db: None) -> None:
    assert rollups.roll_up() == 0
    assert rollups.rebuild() == 0
    assert rollups.verify() == ([], 0)
    assert report()["rows"] == []


def test_days_are_shanghais_whatever_the_summer_elsewhere(world: World) -> None:
    """The first and last instant of a day, on days when clocks change in Europe and America."""
    for month, day in ((3, 8), (3, 29)):
        world.scan("A", beijing(month, day, 0, 0, 0))
        world.scan("A", beijing(month, day, 23, 59, 59))
        world.scan("A", beijing(month, day, 0) - timedelta(microseconds=1))
    rollups.roll_up()
    found = {tuple(row) for row in rows("SELECT day, scans FROM scan_days")}
    assert found == {(date(2026, 3, day), n) for day, n in ((7, 1), (8, 2), (28, 1), (29, 2))}


def test_rolled_up_days_are_not_counted_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_few_days(world)
    rollups.roll_up()
    before = every_report()

    def never(*_args: object, **_asked: object) -> counting.Counted:
        raise AssertionError("a whole day was read")

    monkeypatch.setattr(counting, "whole", never)
    assert every_report() == before
    world.scan("A", beijing(3, 2))
    assert rollups.roll_up() == 0
    assert rollups.roll_up() == 0


def test_a_late_confirmation_and_a_late_scan_change_the_days_they_belong_to(world: World) -> None:
    def scans() -> list[int]:
        return [report(date(2026, 3, d), date(2026, 3, d + 1))["rows"][0]["scans"] for d in (1, 2)]

    rider = world.scan("A", beijing(3, 1, 23, 50)).visitor
    glance = world.scan("A", beijing(3, 2, 0, 15), rider, confirm=False)
    world.scan("A", beijing(3, 2, 0, 25), rider)
    world.scan("A", beijing(3, 2, 0, 50), rider)
    rollups.roll_up()
    assert scans() == [1, 1]
    visits.confirm(token=glance.token, visitor=rider, now=beijing(3, 2, 0, 40))
    # One run from 23:50 on, which counts again at 00:25.
    assert scans() == [1, 1]
    world.scan("A", beijing(3, 1, 23, 30), rider)
    # From 23:30 on, again at 00:15 and at 00:50.
    assert scans() == [1, 2]
    assert_right()


@pytest.fixture
def another(world: World) -> Iterator[psycopg.Connection]:
    """A writer with a transaction of its own."""
    with psycopg.connect(database.plain_url()) as connection:
        yield connection


def slow_scan(world: World, connection: psycopg.Connection, at: datetime) -> None:
    """Write a confirmed scan that is not committed yet."""
    [(code, binding, placement)] = rows(
        f"SELECT code_id, b.id, placement_id FROM code_bindings b JOIN codes c ON c.id = code_id"
        f" WHERE slug = '{world.codes['A']}'"
    )
    touch = uuid4()
    connection.execute(
        "INSERT INTO touches (id, occurred_at, received_at, kind, surface, clock, visitor_id, code_id, binding_id,"
        " placement_id) VALUES (%s, %s, %s, 'scan', 'h5', 'server', %s, %s, %s, %s)",
        (touch, at, at, uuid4(), code, binding, placement),
    )
    connection.execute("INSERT INTO touch_confirmations VALUES (%s, %s)", (touch, at))


def test_a_writer_who_commits_an_old_instant_after_the_run_is_not_lost(
    world: World, another: psycopg.Connection
) -> None:
    slow_scan(world, another, beijing(3, 1))
    world.scan("A", beijing(3, 1, 9))
    world.scan("A", beijing(3, 2, 9))
    rollups.roll_up()
    assert report()["total"]["scans"] == 2
    another.commit()
    assert report()["total"]["scans"] == 3
    assert_right()


def test_a_writer_who_commits_between_the_runs_two_halves_is_not_counted_twice(
    world: World, another: psycopg.Connection
) -> None:
    a_few_days(world)
    slow_scan(world, another, beijing(3, 2))
    with database.transaction() as session:
        session.execute(text("INSERT INTO rollup_marks (kind, day) VALUES ('scans', '2026-03-02')"))
    before = report()["total"]["scans"]
    redo = rollups._redo

    def late(*args: Any) -> None:
        another.commit()
        redo(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rollups, "_redo", late)
        rollups.roll_up()
    assert report()["total"]["scans"] == before + 1
    assert_right()


def racing(act: Callable[[], object], count: int) -> list[BaseException]:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failed


def test_two_runs_at_once_count_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen the same marks before either writes; without the lock that is twice as many scans."""
    fold = rollups._fold
    with monkeypatch.context() as unguarded:
        gate = threading.Barrier(2, timeout=20)

        def together(*args: Any) -> None:
            gate.wait()
            fold(*args)

        unguarded.setattr(rollups, "_fold", together)
        unguarded.setattr(rollups, "_note_days", lambda *_args: None)
        unguarded.setattr(rollups, "_alone", database.transaction)
        world.scan("A", beijing(3, 1))
        assert racing(rollups.roll_up, 2) == []
    assert rows("SELECT sum(scans) FROM scan_days") == [(2,)]
    rollups.rebuild()
    assert rows("SELECT sum(scans) FROM scan_days") == [(1,)]
    a_few_days(world)
    assert racing(rollups.roll_up, 4) == []
    assert_right()
    assert racing(rollups.rebuild, 2) == []
    assert_right()


def test_a_report_is_one_snapshot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that commits while a report is being read is not seen by half of it."""
    a_few_days(world)
    before = report()
    unrolled = rollups.unrolled

    def then_roll_up(*args: Any) -> rollups.Unrolled:
        known = unrolled(*args)
        monkeypatch.setattr(rollups, "unrolled", unrolled)
        thread = threading.Thread(target=rollups.roll_up)
        thread.start()
        thread.join(60)
        return known

    monkeypatch.setattr(rollups, "unrolled", then_roll_up)
    assert report() == before
    assert rows("SELECT * FROM rollup_marks") == []
    assert report() == before


@pytest.mark.parametrize("step", ["_fold", "_note_days", "_redo", "_insert"])
def test_killed_between_its_statements_it_leaves_every_report_right(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    a_few_days(world)
    before = every_report()
    for alive in range(3):
        calls = iter(range(100))
        real = getattr(rollups, step)

        def dies(
            *args: Any, calls: Iterator[int] = calls, alive: int = alive, real: Callable[..., None] = real
        ) -> None:
            real(*args)
            if next(calls) == alive:
                raise SystemExit

        with monkeypatch.context() as patched:
            patched.setattr(rollups, step, dies)
            try:
                rollups.rebuild()
            except SystemExit:
                assert every_report() == before
    assert_right()


def test_more_marks_than_can_be_counted_one_by_one_become_days(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MARKS_AT_ONCE", 3)
    a_few_days(world)
    before = every_report()
    assert rollups.roll_up() == 4
    assert every_report() == before
    assert_right()


def test_drift_is_named_row_by_row_and_rebuilt_away(world: World) -> None:
    a_few_days(world)
    rollups.roll_up()
    right = every_report()
    with database.transaction() as session:
        session.execute(text("UPDATE scan_days SET scans = scans + 1 WHERE day = '2026-03-02'"))
        session.execute(text("DELETE FROM credit_days WHERE day = '2026-03-02' AND model = 'last'"))
        session.execute(text("INSERT INTO kept_out_days VALUES ('2026-03-09', 'head', 4)"))
    found, waiting = rollups.verify()
    assert waiting == 0
    assert {drift.table for drift in found} == {"scan_days", "credit_days", "kept_out_days"}
    [invented] = [drift for drift in found if drift.table == "kept_out_days"]
    assert (invented.key["day"], invented.stored, invented.counted) == (date(2026, 3, 9), {"scans": 4}, None)
    rollups.rebuild()
    assert rollups.verify() == ([], 0)
    assert every_report() == right


def test_credits_that_supersede_others_move_the_money_of_their_day(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.order("N1", rider, beijing(3, 1, 9), 5_000)
    rollups.roll_up()
    with database.transaction() as session:
        session.execute(
            text("""
                INSERT INTO credits (decision_id, model, line_no, touch_id, placement_id, entry, source, fen,
                                     occurred_at, cohort_at)
                SELECT k.decision_id, k.model, k.line_no, v.touch_id, v.placement_id, 'supersede', 'v2', v.fen,
                       k.occurred_at, k.cohort_at
                FROM credits k,
                     LATERAL (VALUES (k.touch_id, k.placement_id, -k.fen),
                                     (NULL::uuid, NULL::bigint, k.fen)) v (touch_id, placement_id, fen)
            """)
        )
    assert report()["total"]["net_fen"] == 5_000
    assert [row["net_fen"] for row in report()["rows"]] == [0]
    rollups.roll_up()
    assert rollups.verify() == ([], 0)
    assert [row["net_fen"] for row in report()["rows"]] == [0]


def test_rollups_and_marks_name_nobody_once_they_are_rolled_up(world: World) -> None:
    life = a_few_days(world)
    rollups.roll_up()
    for table in TABLES:
        for row in rows(f"SELECT * FROM {table}"):
            assert not set(life.riders) & set(row)
