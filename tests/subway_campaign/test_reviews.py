"""What arrives within 72 hours of an order changes its credit as if it had come in time; later it does not (R21)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from config import database
from subway_campaign import (
    conversions,
    crediting,
    decisions,
    erasure,
    errors,
    exclusions,
    reports,
    reviews,
    rollups,
    touches,
    visitors,
    visits,
)
from subway_campaign.lifecycle import Exclusion, Model, View
from tests.subway_campaign.conftest import World, beijing
from tests.waits import IN_A_QUEUE, wait_until

ORDER = beijing(3, 4)
LINK = "http://127.0.0.1:8000/s/"


def rows(sql: str) -> list[Any]:
    with database.transaction() as session:
        return list(session.execute(text(sql)).all())


def versions() -> list[tuple[int, str]]:
    return [tuple(row) for row in rows("SELECT version, reason FROM attribution_decisions ORDER BY version")]


def explain(order: str = "N1") -> dict[str, Any]:
    with database.transaction() as session:
        return decisions.explain(session, order=order)


def report(model: Model = Model.LAST, view: View = View.COHORT) -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(session, from_day=date(2026, 2, 1), to_day=date(2026, 5, 1), model=model, view=view)


def figures() -> list[dict[str, Any]]:
    """All reports but for carts, which say how far a journey had come at that moment (R25)."""
    found = [report(model, view) for model in Model for view in View]
    for each in found:
        for row in (*each["rows"], each["total"]):
            row.pop("carts")
        each["rows"] = [row for row in each["rows"] if any(v for k, v in row.items() if isinstance(v, int))]
    return found


def tell_late(world: World, place: str, visitor: UUID, *, occurred: datetime, received: datetime) -> None:
    """A mini-program's launch that waited in a tunnel."""
    touches.record(
        touch=uuid4(),
        launch=touches.Launch(
            scene=1011,
            q=f"http%3A%2F%2F127.0.0.1%3A8000%2Fs%2F{world.codes[place]}",
            scancode_time=int(occurred.timestamp()),
        ),
        visitor=visitor,
        now=received,
    )


def test_r21_a_beacon_from_a_tunnel_forty_minutes_late_makes_a_second_version(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER, 6_000, 3_990)
    world.refund("N1", "R1", beijing(3, 5), {2: 1_330})
    tell_late(world, "B", rider, occurred=ORDER - timedelta(minutes=1), received=ORDER + timedelta(minutes=40))
    assert world.credits("N1") == {"A": 8_660}
    assert world.review(ORDER + timedelta(minutes=41)) == 1
    assert world.credits("N1") == {"A": 0, "B": 8_660}
    assert world.credits("N1", "linear") == {"A": 4_330, "B": 4_330}
    told = explain()
    assert (told["version"], [each["version"] for each in told["versions"]]) == (2, [1, 2])
    assert told["recomputed_equal"]
    [a, b] = report()["rows"]
    assert (a["gross_fen"], a["refunded_fen"], a["net_fen"], a["paid_orders"]) == (0, 0, 0, 0)
    assert (b["gross_fen"], b["refunded_fen"], b["net_fen"], b["paid_orders"]) == (9_990, 1_330, 8_660, 1)
    world.settle()


def test_r21_four_days_later_the_first_version_stands(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    world.review(ORDER + timedelta(hours=1))
    visit = world.scan("B", ORDER - timedelta(minutes=5), rider, confirm=False)
    visits.confirm(token=visit.token, visitor=rider, now=ORDER + timedelta(hours=73))
    with capture_logs() as logs:
        assert world.review(ORDER + timedelta(hours=74)) == 0
    assert versions() == [(1, "eligible_touch")]
    assert [(line["event"], line["order"]) for line in logs if line["log_level"] == "info"] == [
        ("attribution.late_ignored", "N1")
    ]


def test_r21_a_worker_that_was_away_reviews_as_if_it_had_been_there(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    tell_late(world, "B", rider, occurred=ORDER - timedelta(minutes=1), received=ORDER + timedelta(hours=20))
    world.scan("C", ORDER - timedelta(minutes=2), rider, confirm=False)
    visits.seen(visitor=rider, now=ORDER + timedelta(hours=80))
    assert world.review(ORDER + timedelta(days=6)) == 1
    assert world.credits("N1", "first") == {"A": 9_900}
    assert world.credits("N1", "linear") == {"A": 4_950, "B": 4_950}


def test_r21_staff_override_with_a_reason_and_reviews_leave_it_alone(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    visit = world.scan("B", ORDER - timedelta(minutes=5), rider, confirm=False)
    visits.confirm(token=visit.token, visitor=rider, now=ORDER + timedelta(hours=90))
    late = ORDER + timedelta(hours=100)
    world.review(late)
    with database.transaction() as session:
        assert conversions.override(session, order="N1", reason="票据为证", now=late)
    assert world.credits("N1") == {"A": 0, "B": 9_900}
    told = explain()
    assert (told["versions"][-1]["because"], told["recomputed_equal"]) == ("票据为证", True)
    assert world.review(late + timedelta(hours=1)) == 0
    with database.transaction() as session:
        assert not conversions.override(session, order="N1", reason="再来一次", now=late + timedelta(hours=2))
    world.settle()


def test_r21_there_is_nothing_to_override_before_payment_or_after_erasure(world: World) -> None:
    person, rider = uuid4(), world.scan("A", beijing(3, 3)).visitor
    with database.transaction() as session:
        visitors.link(
            session, visitor=rider, kind="mp_openid", app="mini", value="o1", person=person, now=beijing(3, 3, 9)
        )
    world.order("N1", rider, ORDER, person=person, pay=False)
    refused: list[tuple[str, type[Exception]]] = [("N0", errors.UnknownConversion), ("N1", errors.NotDecided)]
    for order, refusal in refused:
        with database.transaction() as session, pytest.raises(refusal):
            conversions.override(session, order=order, reason="因为", now=ORDER)
    world.pay("N1", ORDER, 9_900)
    with database.transaction() as session:
        erasure.erase(session, person=person)
    with database.transaction() as session, pytest.raises(errors.BuyerForgotten):
        conversions.override(session, order="N1", reason="因为", now=ORDER)


def test_r21_r27_an_erased_buyers_orders_are_not_decided_again(world: World) -> None:
    person, rider = uuid4(), world.scan("A", beijing(3, 3)).visitor
    with database.transaction() as session:
        visitors.link(
            session, visitor=rider, kind="mp_openid", app="mini", value="o1", person=person, now=beijing(3, 3, 9)
        )
    world.order("N1", rider, ORDER, person=person)
    before = figures()
    with database.transaction() as session:
        erasure.erase(session, person=person)
    assert world.review(ORDER + timedelta(hours=1)) == 0
    assert figures() == before
    world.settle()


def test_r16_r21_a_staff_phone_that_is_entered_later_takes_its_orders_out(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    world.review(ORDER + timedelta(minutes=2))
    with database.transaction() as session:
        exclusions.exclude(
            session,
            visitor=rider,
            reason=Exclusion.STAFF,
            valid_from=beijing(3, 1),
            now=ORDER + timedelta(hours=5),
        )
    assert world.review(ORDER + timedelta(hours=6)) == 1
    assert world.reason("N1") == "excluded_staff"
    assert report()["total"]["net_fen"] == 9_900
    assert report()["rows"] == []
    world.settle()


def test_r11_r21_a_unionid_shown_after_the_order_joins_what_came_before(world: World) -> None:
    browser, program = uuid4(), uuid4()
    rider = world.scan("A", beijing(3, 3)).visitor
    with database.transaction() as session:
        visitors.link(session, visitor=rider, kind="oa_openid", app="oa", value="o", person=browser, now=beijing(3, 3))
    world.order("N1", uuid4(), ORDER, person=program)
    world.review(ORDER + timedelta(minutes=2))
    assert world.reason("N1") == "no_touch"
    for person in (browser, program):
        with database.transaction() as session:
            visitors.link(
                session,
                visitor=None,
                kind="unionid",
                app="",
                value="u",
                person=person,
                now=ORDER + timedelta(hours=1),
            )
    assert world.review(ORDER + timedelta(hours=2)) == 1
    assert world.credits("N1") == {None: 0, "A": 9_900}
    world.settle()


def test_r17_the_flag_follows_the_earlier_order(world: World) -> None:
    """The order of Tuesday is paid after that of Wednesday was decided."""
    rider = world.scan("A", beijing(3, 2)).visitor
    world.order("N1", rider, beijing(3, 3), pay=False)
    world.order("N2", rider, ORDER)
    world.review(ORDER + timedelta(minutes=2))
    assert explain("N2")["flags"] == []
    world.pay("N1", ORDER + timedelta(minutes=3), 9_900)
    world.review(ORDER + timedelta(minutes=4))
    assert (explain("N1")["flags"], explain("N2")["flags"]) == ([], ["repeat_no_new_scan"])
    assert world.credits("N2") == {"A": 9_900}


def test_too_many_marks_review_every_order_that_is_not_frozen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    world.review(ORDER + timedelta(minutes=2))
    tell_late(world, "B", rider, occurred=ORDER - timedelta(minutes=1), received=ORDER + timedelta(minutes=40))
    monkeypatch.setattr(rollups, "MARKS_AT_ONCE", 0)
    assert world.review(ORDER + timedelta(minutes=41)) == 1
    assert rows("SELECT count(*) FROM review_marks") == [(0,)]


@dataclass
class Month:
    """What one rider does, told in any order; each event knows when it is heard of."""

    world: World
    rider: UUID = field(default_factory=uuid4)
    person: UUID = field(default_factory=uuid4)

    def events(self) -> list[Callable[[], Any]]:
        late = ORDER + timedelta(hours=30)
        scans: list[Callable[[], Any]] = [
            partial(
                tell_late, self.world, place, self.rider, occurred=ORDER - timedelta(hours=hours), received=received
            )
            for place, hours, received in (
                ("A", 3, ORDER + timedelta(hours=20)),
                ("B", 2, ORDER),
                ("A", 1, ORDER + timedelta(hours=22)),
            )
        ]
        return [
            *scans,
            partial(self.world.order, "N1", self.rider, ORDER, 6_001, 3_990, paid_at=ORDER + timedelta(minutes=5)),
            partial(self.world.order, "N2", self.rider, ORDER + timedelta(hours=1), 5_000),
            partial(self.world.refund, "N1", "R1", ORDER + timedelta(hours=4), {1: 1_001}),
            partial(self.world.refund, "N1", "R2", ORDER + timedelta(hours=40), {1: 5_000, 2: 3_990}),
            partial(self.test_phone, late),
            partial(reviews_now, late),
            partial(reviews_now, late + timedelta(hours=20)),
        ]

    def test_phone(self, now: datetime) -> None:
        with database.transaction() as session:
            exclusions.exclude(
                session,
                visitor=self.rider,
                reason=Exclusion.TEST,
                valid_from=ORDER - timedelta(minutes=150),
                valid_until=ORDER - timedelta(minutes=90),
                now=now,
            )


def reviews_now(now: datetime) -> None:
    rollups.roll_up()
    reviews.review_due(now=now)


def clear() -> None:
    with database.transaction() as session:
        tables = ", ".join(
            row[0]
            for row in session.execute(text("SELECT relname FROM pg_class WHERE relname = ANY(:names)"), {"names": LOG})
        )
        session.execute(text(f"TRUNCATE {tables} CASCADE"))


LOG = [
    "attribution_decisions",
    "conversion_refunds",
    "conversions",
    "credits",
    "excluded_identities",
    "journey_stages",
    "review_marks",
    "rollup_marks",
    "touch_keys",
    "touches",
    *rollups.TABLES,
]
# Where the first example ended.
_IN_TIME: dict[str, Any] = {}


def total() -> list[Any]:
    """Money by model, placement, day and kind of entry, and what the orders say."""
    money = rows("""
        SELECT k.model, c.order_number, k.line_no, p.number, k.entry = 'refund', k.occurred_at, k.cohort_at, sum(k.fen)
        FROM credits k JOIN attribution_decisions d ON d.id = k.decision_id JOIN conversions c ON c.id = d.conversion_id
        LEFT JOIN placements p ON p.id = k.placement_id
        GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(k.fen) <> 0 ORDER BY 1, 2, 3, 4, 5, 6, 7
    """)
    said = rows("""
        SELECT c.order_number, c.outcome, c.reason, p.number, d.reason, d.flags
        FROM conversions c JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        LEFT JOIN placements p ON p.id = c.placement_id ORDER BY 1
    """)
    came = rows("""
        SELECT p.number, s.stage, count(*) FROM journey_stages s JOIN placements p ON p.id = s.placement_id
        GROUP BY 1, 2 ORDER BY 1, 2
    """)
    return [[tuple(row) for row in found] for found in (money, said, came)]


# Without shrinking, which would take minutes here: an example is a dozen transactions, and short as it is.
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.permutations(range(10)), st.sets(st.integers(0, 9), max_size=3))
def test_i03_i04_no_order_of_arrival_and_no_replay_changes_the_end(
    world: World, arrival: list[int], again: set[int]
) -> None:
    clear()
    month = Month(world)
    events = month.events()
    assert len(events) == 10
    for number in arrival:
        events[number]()
        # Orders, payments and refunds are told twice, as reactions may be; a review costs nothing.
        if number in again and number >= 3 and number != 7:
            events[number]()
    reviews_now(ORDER + timedelta(hours=71))
    for order in ("N1", "N2"):
        assert explain(order)["recomputed_equal"]
        with database.transaction() as session:
            assert not conversions.decide_again(session, order=order, now=ORDER + timedelta(hours=71))
    found = total()
    assert _IN_TIME.setdefault("end", found) == found
    net = rows("SELECT model, sum(fen) FROM credits GROUP BY 1")
    assert {model: int(fen) for model, fen in net} == dict.fromkeys(map(str, Model), 5_000)


class Gate:
    """Stops a decision before its commit, until the other has committed or waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        move = crediting.move

        def gated(*args: Any, **values: Any) -> None:
            move(*args, **values)
            self.reached.set()
            assert self.go.wait(60)

        monkeypatch.setattr(crediting, "move", gated)


@pytest.mark.parametrize("guarded", [True, False])
def test_race_a_refund_in_the_middle_of_a_decision(
    world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """With the order's lock the refund waits for the new version; without it, it is taken back from the old one."""
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER, 9_990)
    tell_late(world, "B", rider, occurred=ORDER - timedelta(minutes=1), received=ORDER + timedelta(minutes=40))
    gate = Gate(monkeypatch)
    if not guarded:
        monkeypatch.setattr(conversions, "lock", lambda session, order: None)
    deciding = threading.Thread(target=reviews_now, args=(ORDER + timedelta(hours=1),))
    refunding = threading.Thread(target=world.refund, args=("N1", "R1", ORDER + timedelta(hours=2), {1: 990}))
    deciding.start()
    assert gate.reached.wait(60)
    refunding.start()
    if guarded:
        wait_until(lambda: rows(IN_A_QUEUE) != [(0,)], what="the refund in the queue")
    else:
        refunding.join(60)
    gate.go.set()
    for thread in (deciding, refunding):
        thread.join(60)
    right = {"A": 0, "B": 9_000}
    assert (world.credits("N1") == right) is guarded


@pytest.mark.parametrize("at", ["store", "move"])
def test_killed_half_way_the_version_before_stands_and_the_review_is_still_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    class Killed(BaseException):
        """The process is gone."""

    def die(*args: Any, **values: Any) -> None:
        raise Killed

    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, ORDER)
    tell_late(world, "B", rider, occurred=ORDER - timedelta(minutes=1), received=ORDER + timedelta(minutes=40))
    with monkeypatch.context() as patch:
        patch.setattr({"store": decisions, "move": crediting}[at], at, die)
        with pytest.raises(Killed):
            world.review(ORDER + timedelta(hours=1))
    assert (world.credits("N1"), versions()) == ({"A": 9_900}, [(1, "eligible_touch")])
    assert world.review(ORDER + timedelta(hours=1)) == 1
    assert world.credits("N1") == {"A": 0, "B": 9_900}
