"""Stock: every verb alone, repeated, refused and in a race."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from catalog import errors, stock
from config import database
from tests.waits import IN_A_QUEUE, wait_until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PEAR, TEA, HONEY = "AH001A", "AH034A", "AH003A"
# How many wait for their turn with a SKU.
IN_THE_QUEUE = f"{IN_A_QUEUE} AND classid = %s AND objid = %s"


def hold(reference: str, lines: dict[str, int]) -> None:
    with database.transaction() as session:
        stock.hold(session, reference=reference, lines=lines, now=NOW)


def commit(reference: str) -> None:
    with database.transaction() as session:
        stock.commit(session, reference=reference)


def release(reference: str) -> None:
    with database.transaction() as session:
        stock.release(session, reference=reference)


def restore(reference: str, lines: dict[str, int], key: str) -> None:
    with database.transaction() as session:
        stock.restore(session, reference=reference, lines=lines, key=key)


def level(sku: str) -> tuple[int, int]:
    sql = "SELECT on_hand, reserved FROM stock_levels l JOIN skus s ON s.id = l.sku_id WHERE s.number = %s"
    return database.statement(sql, (sku,))[0]  # type: ignore[return-value]


def books_balance() -> bool:
    """Levels equal the ledger, and what is reserved equals the held reservations."""
    wrong = database.statement("""
        SELECT l.sku_id FROM stock_levels l
        LEFT JOIN (SELECT sku_id, sum(on_hand_delta) on_hand, sum(reserved_delta) reserved
                   FROM stock_moves GROUP BY sku_id) m ON m.sku_id = l.sku_id
        LEFT JOIN (SELECT sku_id, sum(quantity) held FROM reservations WHERE state = 'held' GROUP BY sku_id) r
               ON r.sku_id = l.sku_id
        WHERE (l.on_hand, l.reserved, l.reserved) IS DISTINCT FROM (m.on_hand, m.reserved, coalesce(r.held, 0))
    """)
    return not wrong


def leave(sku: str, quantity: int) -> None:
    """Leave `quantity` of a SKU free, through the front door."""
    on_hand, reserved = level(sku)
    hold("the others", {sku: on_hand - reserved - quantity})


def race(work: Callable[[int], None], rivals: int = 8) -> list[BaseException | None]:
    """Run `work(0..)` on real threads that start together; returns what each raised."""
    barrier = threading.Barrier(rivals, timeout=60)

    def run(number: int) -> BaseException | None:
        barrier.wait()
        try:
            work(number)
        except (errors.OutOfStock, errors.StockMoved, psycopg.Error) as refusal:
            return refusal
        return None

    with ThreadPoolExecutor(rivals) as pool:
        return list(pool.map(run, range(rivals)))


def test_a_hold_reserves_and_a_commit_takes(seeded: None) -> None:
    hold("O1", {PEAR: 3, TEA: 1})
    assert (level(PEAR), level(TEA)) == ((200, 3), (200, 1))
    commit("O1")
    assert (level(PEAR), level(TEA)) == ((197, 0), (199, 0))
    assert books_balance()


def test_a_release_gives_back(seeded: None) -> None:
    hold("O1", {PEAR: 3})
    release("O1")
    assert level(PEAR) == (200, 0)
    assert books_balance()


def test_every_verb_may_be_repeated(seeded: None) -> None:
    for _ in range(3):
        hold("O1", {PEAR: 2})
    for _ in range(3):
        commit("O1")
    for _ in range(3):
        restore("O1", {PEAR: 1}, key="R1")
    hold("O2", {PEAR: 2})
    for _ in range(3):
        release("O2")
    assert level(PEAR) == (199, 0)
    assert books_balance()


def test_a_short_line_refuses_all_and_says_what_is_left(seeded: None) -> None:
    leave(PEAR, 2)
    with pytest.raises(errors.OutOfStock) as refusal:
        hold("O1", {TEA: 1, PEAR: 3, "NONE": 1})
    assert refusal.value.details == {"lines": [{"sku": "AH001A", "available": 2}, {"sku": "NONE", "available": 0}]}
    assert level(TEA) == (200, 0)
    assert books_balance()


def test_a_refused_hold_changes_nothing_even_when_the_caller_carries_on(seeded: None) -> None:
    leave(PEAR, 2)
    with database.transaction() as session:
        with pytest.raises(errors.OutOfStock):
            stock.hold(session, reference="O1", lines={TEA: 1, PEAR: 3}, now=NOW)
        stock.hold(session, reference="O1", lines={TEA: 1, PEAR: 2}, now=NOW)
    assert (level(TEA), level(PEAR)) == ((200, 1), (200, 200))


@pytest.mark.parametrize("quantity", [0, -1, stock.MAX_QUANTITY + 1, 2**70])
def test_impossible_quantities_are_refused(seeded: None, quantity: int) -> None:
    with pytest.raises(errors.QuantityInvalid):
        hold("O1", {PEAR: quantity})


def test_an_order_without_lines_is_refused(seeded: None) -> None:
    with pytest.raises(errors.QuantityInvalid):
        hold("O1", {})


def test_what_was_released_cannot_be_committed_but_a_new_reference_can_hold_again(seeded: None) -> None:
    hold("O1", {PEAR: 1})
    release("O1")
    with pytest.raises(errors.ReservationReleased):
        commit("O1")
    hold("O1/2", {PEAR: 1})
    commit("O1/2")
    assert level(PEAR) == (199, 0)


def test_what_was_committed_cannot_be_released(seeded: None) -> None:
    hold("O1", {PEAR: 1})
    commit("O1")
    with pytest.raises(errors.ReservationCommitted):
        release("O1")
    assert level(PEAR) == (199, 0)


def test_an_unknown_reference_commits_nothing_and_releases_nothing(seeded: None) -> None:
    with pytest.raises(errors.ReservationUnknown):
        commit("nobody")
    release("nobody")
    assert books_balance()


def test_no_more_comes_back_than_went_out(seeded: None) -> None:
    hold("O1", {PEAR: 3, TEA: 1})
    commit("O1")
    restore("O1", {PEAR: 2}, key="R1")
    with pytest.raises(errors.ReturnTooLarge) as refusal:
        restore("O1", {PEAR: 2, TEA: 1}, key="R2")
    assert refusal.value.details == {"lines": [{"sku": PEAR, "returnable": 1}]}
    assert (level(PEAR), level(TEA)) == ((199, 0), (199, 0))
    restore("O1", {PEAR: 1, TEA: 1}, key="R2")
    assert (level(PEAR), level(TEA)) == ((200, 0), (200, 0))
    assert books_balance()


def test_only_committed_goods_come_back(seeded: None) -> None:
    hold("O1", {PEAR: 3})
    with pytest.raises(errors.ReturnTooLarge):
        restore("O1", {PEAR: 1}, key="R1")


def test_a_delivery_is_received_once(seeded: None) -> None:
    for _ in range(2):
        with database.transaction() as session:
            stock.receive(session, lines={PEAR: 5}, key="D1")
    assert level(PEAR) == (205, 0)
    with database.transaction() as session, pytest.raises(errors.SkuUnknown):
        stock.receive(session, lines={PEAR: 5, "NONE": 1}, key="D2")
    with database.transaction() as session, pytest.raises(ValueError, match="at least one"):
        stock.receive(session, lines={PEAR: 0}, key="D2")
    assert level(PEAR) == (205, 0)


def test_goods_are_counted_once_and_never_below_what_is_spoken_for(seeded: None) -> None:
    def count(lines: dict[str, int], key: str) -> None:
        with database.transaction() as session:
            stock.count(session, lines=lines, key=key)

    hold("O1", {PEAR: 3})
    count({PEAR: 9, TEA: 0}, "C1")
    assert (level(PEAR), level(TEA)) == ((9, 3), (0, 0))
    count({PEAR: 5}, "C1")
    assert level(PEAR) == (9, 3)
    with pytest.raises(errors.CountTooLow) as low:
        count({PEAR: 2, TEA: 7}, "C2")
    assert low.value.details == {"lines": [{"sku": PEAR, "reserved": 3}]}
    with pytest.raises(errors.SkuUnknown):
        count({"NOPE": 1, TEA: 7}, "C3")
    assert level(TEA) == (0, 0)
    assert books_balance()


def test_whoever_counted_while_it_was_sold_is_told(seeded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(key: str, quantity: int, seen: int) -> None:
        with database.transaction() as session:
            stock.count(session, lines={PEAR: quantity}, seen={PEAR: seen}, key=key)

    def two_at_once(first: str, second: str, seen: int) -> list[str]:
        """Both read the same number, as two people before one page do, before either writes."""
        return sorted(
            type(outcome).__name__
            for outcome in race(lambda number: count([first, second][number], [seen - 10, seen - 5][number], seen), 2)
        )

    # Without the comparison what was sold in between is back on the shelf, and of two counts the later one stands.
    with monkeypatch.context() as off:
        off.setattr(stock, "_COUNT", stock._COUNT.replace("w.seen NOT IN (-1, l.on_hand)", "false"))
        hold("O1", {PEAR: 3})
        commit("O1")
        count("C1", 200, seen=200)
        assert level(PEAR) == (200, 0)
        assert two_at_once("C2", "C3", seen=200) == ["NoneType", "NoneType"]
    there = level(PEAR)[0]
    hold("O2", {PEAR: 3})
    commit("O2")
    with pytest.raises(errors.StockMoved) as moved:
        count("C4", there, seen=there)
    assert moved.value.details == {"lines": [{"sku": PEAR, "seen": there, "on_hand": there - 3}]}
    assert two_at_once("C5", "C6", seen=there - 3) == ["NoneType", "StockMoved"]
    left = level(PEAR)[0]
    count("C7", left - 1, seen=left)
    count("C7", left - 1, seen=left)
    assert level(PEAR) == (left - 1, 0)
    assert books_balance()


def test_the_database_itself_refuses_to_oversell(seeded: None) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        database.statement("UPDATE stock_levels SET reserved = on_hand + 1")


def test_verbs_want_a_transaction(seeded: None) -> None:
    with database.transaction() as session:
        pass
    with pytest.raises(AssertionError):
        stock.hold(session, reference="O1", lines={PEAR: 1}, now=NOW)


def grasp_together(rivals: int = 8) -> list[BaseException | None]:
    """Hold one pear for each rival, after all of them saw at a glance what is free; returns what each raised."""

    def take(number: int) -> None:
        with database.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = 0"))
            stock.hold(session, reference=f"O{number}", lines={PEAR: 1}, now=NOW)

    with ThreadPoolExecutor(1) as other, psycopg.connect(database.plain_url(), autocommit=True) as keeper:
        [(sku_id,)] = database.statement("SELECT id FROM skus WHERE number = %s", (PEAR,))
        keeper.execute("SELECT pg_advisory_lock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
        racing = other.submit(race, take, rivals)
        wait_until(
            lambda: keeper.execute(IN_THE_QUEUE, (stock.SKU_QUEUE, sku_id)).fetchone() == (rivals,),
            what="everybody in the queue",
        )
        keeper.execute("SELECT pg_advisory_unlock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
        return racing.result()


def test_the_last_item_is_oversold_without_the_check(seeded: None) -> None:
    """The race is real: the glance alone sells it to everybody who glanced in time."""
    leave(PEAR, 1)
    database.statement("ALTER TABLE stock_levels DROP CONSTRAINT ck_stock_levels_never_oversold")
    try:
        assert grasp_together() == [None] * 8
        on_hand, reserved = level(PEAR)
        assert reserved == on_hand + 7
    finally:
        database.statement("DELETE FROM stock_levels WHERE reserved > on_hand")
        database.statement(
            "ALTER TABLE stock_levels ADD CONSTRAINT ck_stock_levels_never_oversold"
            " CHECK (0 <= reserved AND reserved <= on_hand)"
        )


def test_of_many_who_saw_the_last_item_one_gets_it(seeded: None) -> None:
    leave(PEAR, 1)
    outcomes = grasp_together()
    assert outcomes.count(None) == 1
    told = [outcome.details for outcome in outcomes if isinstance(outcome, errors.OutOfStock)]
    assert told == [{"lines": [{"sku": PEAR, "available": 0}]}] * 7, "a new glance says what is left"
    assert level(PEAR) == (200, 200)
    assert books_balance()


def test_another_check_than_stocks_is_no_race_that_was_lost(seeded: None) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        stock.take(None, "UPDATE skus SET price_fen = -1", {})


@pytest.mark.parametrize("rivals", [8, 32])
def test_the_last_item_is_sold_once(seeded: None, rivals: int) -> None:
    leave(PEAR, 1)
    refusals = race(lambda number: hold(f"O{number}", {PEAR: 1}), rivals)
    assert refusals.count(None) == 1
    assert all(isinstance(refusal, errors.OutOfStock) for refusal in refusals if refusal is not None)
    assert level(PEAR) == (200, 200)
    assert books_balance()


def test_rivals_with_crossed_lines_neither_deadlock_nor_oversell(seeded: None) -> None:
    leave(PEAR, 20)
    leave_tea = {TEA: level(TEA)[0] - 20}
    hold("other tea", leave_tea)

    def work(number: int) -> None:
        for turn in range(10):
            lines = {PEAR: 1, TEA: 1, HONEY: 1} if (number + turn) % 2 else {HONEY: 1, TEA: 1, PEAR: 1}
            try:
                hold(f"O{number}-{turn}", lines)
                commit(f"O{number}-{turn}")
            except errors.OutOfStock:
                pass

    assert race(work) == [None] * 8
    assert level(PEAR)[0] - level(PEAR)[1] == 0
    assert level(HONEY) == (180, 0)
    assert books_balance()


def test_rivals_that_repeat_one_verb_move_stock_once(seeded: None) -> None:
    assert race(lambda number: hold("O1", {PEAR: 2, TEA: 1})) == [None] * 8
    assert level(PEAR) == (200, 2)
    assert race(lambda number: commit("O1")) == [None] * 8
    assert level(PEAR) == (198, 0)
    assert race(lambda number: restore("O1", {PEAR: 2}, key="R1")) == [None] * 8
    assert level(PEAR) == (200, 0)
    assert books_balance()


def test_returns_under_different_keys_at_once_never_exceed_the_sale(seeded: None) -> None:
    hold("O1", {PEAR: 3})
    commit("O1")

    def work(number: int) -> None:
        with contextlib.suppress(errors.ReturnTooLarge):
            restore("O1", {PEAR: 1}, key=f"R{number}")

    race(work)
    assert level(PEAR) == (200, 0)
    assert books_balance()


class Shop(RuleBasedStateMachine):
    """Any mix of verbs keeps every pack accounted for: on the shelf, spoken for, or gone."""

    def __init__(self) -> None:
        super().__init__()
        Shop.runs += 1
        self.run = f"run{Shop.runs}"
        self.shelf = {PEAR: level(PEAR), TEA: level(TEA)}
        self.free = {sku: on_hand - reserved for sku, (on_hand, reserved) in self.shelf.items()}
        self.held: dict[str, dict[str, int]] = {}
        self.gone: dict[str, dict[str, int]] = {}
        self.orders = 0

    runs = 0

    @rule(lines=st.dictionaries(st.sampled_from([PEAR, TEA]), st.integers(1, 120), min_size=1))
    def hold(self, lines: dict[str, int]) -> None:
        self.orders += 1
        reference = f"{self.run}-{self.orders}"
        if any(self.free[sku] < quantity for sku, quantity in lines.items()):
            with pytest.raises(errors.OutOfStock):
                hold(reference, lines)
            return
        hold(reference, lines)
        self.held[reference] = lines
        for sku, quantity in lines.items():
            self.free[sku] -= quantity

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        reference = data.draw(st.sampled_from(sorted(self.held)))
        release(reference)
        for sku, quantity in self.held.pop(reference).items():
            self.free[sku] += quantity

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        reference = data.draw(st.sampled_from(sorted(self.held)))
        commit(reference)
        self.gone[reference] = self.held.pop(reference)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        reference = data.draw(st.sampled_from(sorted(self.gone)))
        lines = self.gone.pop(reference)
        restore(reference, lines, key=f"R-{reference}")
        for sku, quantity in lines.items():
            self.free[sku] += quantity

    @invariant()
    def every_pack_is_accounted_for(self) -> None:
        for sku, free in self.free.items():
            on_hand, reserved = level(sku)
            held = sum(lines.get(sku, 0) for lines in self.held.values()) + self.shelf[sku][1]
            assert (on_hand - reserved, reserved) == (free, held)
        assert books_balance()


def test_no_mix_of_verbs_loses_or_makes_a_pack(seeded: None) -> None:
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@given(st.dictionaries(st.text(max_size=8), st.integers(-1, 1001), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_no_line_whatsoever_is_more_than_a_refusal(seeded: None, lines: dict[str, int]) -> None:
    with pytest.raises((errors.OutOfStock, errors.SkuUnknown, errors.QuantityInvalid)):
        hold("O1", lines)
