"""The rollups by goods: an order counts once for any set of goods, money is each product's own, at every moment."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from config import database
from subway_campaign import conversions, erasure, hours, reports, rollups, visitors, ways
from subway_campaign.lifecycle import Level, Model, View
from subway_campaign.narrowing import Narrowing
from tests.subway_campaign.conftest import World, beijing
from tests.subway_campaign.recounting import rows
from tests.subway_campaign.test_reviews import tell_late
from tests.subway_campaign.test_rollups import GOODS, MARCH, assert_goods_add_up, forget_all

SETS = (("tea",), ("pear",), ("plum",), ("tea", "pear"), ("pear", "plum"), GOODS, ("cloth",), ())


def told(*products: str, **asked: Any) -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(
            session, from_day=MARCH[0], to_day=MARCH[1], narrowed=Narrowing(products=products), **asked
        )


def net(*products: str, **asked: Any) -> dict[str, int]:
    """Net fen by the placement's number, of those with any."""
    return {row["placement"]: row["net_fen"] for row in told(*products, **asked)["rows"] if row["net_fen"]}


def paid(*products: str) -> list[int]:
    return [row["paid_orders"] for row in told(*products)["rows"] if row["paid_orders"]]


def everything() -> list[Any]:
    period: dict[str, Any] = {"from_day": MARCH[0], "to_day": MARCH[1]}
    found: list[Any] = [told(*goods, model=model, view=view) for goods in SETS for model in Model for view in View]
    with database.transaction() as session:
        for goods in SETS:
            narrowed = Narrowing(products=goods)
            found.append(hours.of_period(session, narrowed=narrowed, **period))
            found.append(ways.of_period(session, narrowed=narrowed, level=Level.POSITION, **period))
    return found


def assert_the_same_rolled_up() -> None:
    """Answers are those of the log, of the rollups and of rollups counted anew; and all goods are everything."""
    before = everything()
    assert_goods_add_up()
    rollups.roll_up()
    assert rollups.verify() == ([], 0)
    assert everything() == before
    rollups.rebuild()
    assert rollups.verify() == ([], 0)
    assert everything() == before
    assert_goods_add_up()


def test_an_order_of_several_goods_counts_once_for_any_of_them(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 500, 300, 200, 100, products=("tea", "pear", "plum", "tea"))
    world.order("N2", rider, beijing(3, 4, 10), 50, products=("plum",))
    for _ in range(2):
        assert [paid(*goods) for goods in SETS] == [[1], [1], [2], [1], [2], [2], [], []]
        assert [sum(net(*goods).values()) for goods in SETS] == [600, 300, 250, 900, 550, 1_150, 0, 0]
        assert [row["conversion"]["paid"] for row in told("pear", "tea")["rows"]] == [1]
        rollups.roll_up()
    before = rows("SELECT product, before, paid_orders FROM goods_order_days ORDER BY product, before")
    assert [tuple(row) for row in before] == [("pear", "", 1), ("plum", "", 1), ("plum", "pear", 1),
                                              ("tea", "pear plum", 1)]  # fmt: skip
    assert_the_same_rolled_up()


def test_a_journey_with_two_orders_is_one_of_any_of_their_goods(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 500, products=("tea",))
    world.order("N2", rider, beijing(3, 5, 9), 300, products=("pear",))
    for _ in range(2):
        for goods in (("tea",), ("pear",), ("pear", "tea")):
            assert [row["conversion"]["paid"] for row in told(*goods)["rows"]] == [1]
        rollups.roll_up()
    assert_the_same_rolled_up()


def test_what_all_models_say_is_kept_once(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 500)
    other = world.scan("A", beijing(3, 4)).visitor
    world.scan("B", beijing(3, 4, 9), other)
    world.order("N2", other, beijing(3, 4, 10), 1_000)
    world.order("N3", None, beijing(3, 4, 10), 70)
    rollups.roll_up()
    models = rows("SELECT model, sum(cohort_gross_fen)::int FROM goods_credit_days GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in models] == [("", 570), *((model, 1_000) for model in sorted(Model))]
    a, b = world.numbers["A"], world.numbers["B"]
    assert net("tea") == {a: 500, b: 1_000}
    assert net("tea", model=Model.FIRST) == {a: 1_500}
    assert net("tea", model=Model.LINEAR) == {a: 1_000, b: 500}
    assert_the_same_rolled_up()


def test_a_late_decision_and_partial_refunds_move_the_money_of_their_goods(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    at = beijing(3, 4)
    world.order("N1", rider, at, 6_000, 3_990, products=("tea", "pear"))
    world.refund("N1", "R1", beijing(3, 5), {2: 1_330})
    rollups.roll_up()
    a, b = world.numbers["A"], world.numbers["B"]
    assert (net("tea"), net("pear")) == ({a: 6_000}, {a: 2_660})
    tell_late(world, "B", rider, occurred=at - timedelta(minutes=1), received=at + timedelta(minutes=40))
    assert world.review(at + timedelta(minutes=41)) == 1
    assert (net("tea"), net("pear")) == ({b: 6_000}, {b: 2_660})
    assert net("tea", model=Model.FIRST) == {a: 6_000}
    world.refund("N1", "R2", beijing(3, 6), {1: 6_000})
    assert (net("tea"), net("pear"), paid("tea")) == ({}, {b: 2_660}, [1])
    assert_the_same_rolled_up()


def test_r27_erasure_leaves_what_goods_earned(world: World) -> None:
    rider, person = world.scan("A", beijing(3, 3)).visitor, uuid4()
    with database.transaction() as session:
        visitors.bind(session, visitor=rider, person=person, now=beijing(3, 3, 9))
    world.order("N1", rider, beijing(3, 4), 600, 300, products=("tea", "pear"), person=person)
    rollups.roll_up()
    before = everything()
    with database.transaction() as session:
        assert erasure.erase(session, person=person) == 1
    assert everything() == before
    assert_the_same_rolled_up()
    assert everything() == before


def test_orders_that_nobody_decided_are_undecided_goods(world: World) -> None:
    """They are paid, counted once, and their money is that of the goods that are meant."""
    with database.transaction() as session:
        session.execute(
            text("""
                WITH placed AS (
                    INSERT INTO conversions (order_number, by_staff, placed_at, paid_at, freight_fen, outcome, reason)
                    VALUES ('N1', false, :at, :at, 800, 'unattributed', 'no_touch') RETURNING id
                )
                INSERT INTO conversion_lines (conversion_id, line_no, product, amount_fen, paid_fen)
                SELECT id, line_no, product, fen, fen
                FROM placed, (VALUES (1, 'tea', 500), (2, 'pear', 300)) lines (line_no, product, fen)
            """),
            {"at": beijing(3, 4)},
        )
    for _ in range(2):
        assert [tuple(told(*goods)["undecided"].values()) for goods in SETS[:4]] == [
            (1, 500),
            (1, 300),
            (0, 0),
            (1, 800),
        ]
        assert told("tea", "pear")["undecided"] == {"orders": 1, "gross_fen": 800}
        rollups.roll_up()
    assert_the_same_rolled_up()


def test_an_order_without_lines_is_nobodys_goods_and_still_an_order(world: World) -> None:
    world.order("N1", None, beijing(3, 4), 100)
    with database.transaction() as session:
        session.execute(text("DELETE FROM conversion_lines"))
    for _ in range(2):
        with database.transaction() as session:
            whole = reports.placements(session, from_day=MARCH[0], to_day=MARCH[1])
        assert [line["orders"] for line in whole["unattributed"]] == [1]
        assert told("tea")["unattributed"] == []
        rollups.roll_up()
    assert rollups.verify() == ([], 0)


def meanwhile(act: Callable[[], object]) -> None:
    """Let another thread act to its end."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("act", [rollups.roll_up, rollups.rebuild])
def test_race_a_refund_that_is_committed_after_the_run_is_not_lost(world: World, act: Callable[[], object]) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 300, 600, products=("tea", "pear"))
    world.order("N2", rider, beijing(3, 4, 9), 50)
    a = world.numbers["A"]
    with database.transaction() as session:
        conversions.refunded(session, order="N1", refund="R1", lines={1: 200}, refunded_at=beijing(3, 6))
        meanwhile(act)
    assert (net("tea"), net("pear")) == ({a: 150}, {a: 600})
    assert_the_same_rolled_up()


def test_a_refund_between_the_halves_of_a_run_is_taken_back_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 300, 600, products=("tea", "pear"))
    redo = rollups._redo

    def late(*args: Any) -> None:
        meanwhile(lambda: world.refund("N1", "R1", beijing(3, 6), {1: 200}))
        redo(*args)

    monkeypatch.setattr(rollups, "_redo", late)
    rollups.roll_up()
    assert net("tea") == {world.numbers["A"]: 100}
    monkeypatch.undo()
    assert_the_same_rolled_up()


def test_a_run_writes_only_the_rows_that_change(world: World) -> None:
    """A refund of one order leaves the thousands of rows of its day alone."""
    for n in range(5):
        world.order(f"N{n}", world.scan("A", beijing(3, 4, 8, n)).visitor, beijing(3, 4, 9, n), 500 + n)
        world.order(f"M{n}", None, beijing(3, 4, 9, n), 500, products=("pear",))
    rollups.roll_up()
    tables = [table for table in rollups.TABLES if table.startswith("goods_")]
    written = {table: rows(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1") for table in tables}
    world.refund("N2", "R1", beijing(3, 4, 12), {1: 100})
    assert rollups.roll_up() == 1
    for table in tables:
        now = rows(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1")
        assert len(set(now) - set(written[table])) == (1 if table == "goods_credit_days" else 0), table
    assert_the_same_rolled_up()


@pytest.mark.parametrize("pay", [True, False])
def test_lines_that_change_are_counted_again(world: World, *, pay: bool) -> None:
    """Nobody changes the goods of an order; who does so by hand is found on all its days."""
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 300, 600, products=("tea", "pear"), pay=pay, paid_at=beijing(3, 6))
    rollups.roll_up()
    with database.transaction() as session:
        session.execute(text("UPDATE conversion_lines SET product = 'plum' WHERE product = 'tea'"))
    assert_the_same_rolled_up()
    with database.transaction() as session:
        whole = reports.placements(session, from_day=MARCH[0], to_day=MARCH[1])
        session.execute(text("DELETE FROM conversion_lines"))
    rollups.roll_up()
    assert rollups.verify() == ([], 0)
    with database.transaction() as session:
        assert reports.placements(session, from_day=MARCH[0], to_day=MARCH[1]) == whole


def test_rows_that_the_log_has_no_more_are_gone(world: World) -> None:
    world.order("N1", world.scan("A", beijing(3, 4)).visitor, beijing(3, 4, 9), 500)
    rollups.roll_up()
    assert rows("SELECT count(*) FROM goods_order_days") == [(1,)]
    marks = "INSERT INTO rollup_marks (kind, day) SELECT 'orders', day FROM goods_order_days"
    with database.transaction() as session:
        session.execute(text(marks))
        session.execute(text("UPDATE goods_order_days SET product = 'cloth', orders = 7"))
    rollups.roll_up()
    assert [tuple(row) for row in rows("SELECT day, product, orders FROM goods_order_days")] == [
        (date(2026, 3, 4), "tea", 1)
    ]
    assert told("cloth")["rows"] == told()["rows"]
    forget_all()
    assert everything()[0]["rows"] == []
