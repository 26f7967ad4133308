"""The ledger balances, is written once and never changed: by its verbs, and against whoever goes round them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from threading import Barrier, Thread

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc, text

from config import database
from payments import ledger
from payments.ledger import Entry
from tests.payments.conftest import change, rows

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
ACCOUNTS = ("wechat_receivable", "order_clearing", "refunds", "fees", "payables", "commission", "adjustments")


def post(source: str, *entries: tuple[str, int], at: datetime = NOON) -> bool:
    with database.transaction() as session:
        return ledger.post(session, [Entry(*entry) for entry in entries], source=source, at=at)


def balances() -> dict[str, int]:
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session)}


def test_a_movement_is_posted_once(db: None) -> None:
    assert post("s/1", ("a", 5990), ("b", -5000), ("c", -990)) is True
    assert post("s/1", ("a", 5990), ("b", -5000), ("c", -990)) is False
    assert balances() == {"a": 5990, "b": -5000, "c": -990}


def test_the_same_source_with_other_entries_is_refused(db: None) -> None:
    post("s/1", ("a", 1), ("b", -1))
    for others in ([("a", 2), ("b", -2)], [("a", 1), ("b", -2), ("c", 1)], [("a", 1), ("c", -1)]):
        with pytest.raises((ValueError, exc.IntegrityError, psycopg.IntegrityError)):
            post("s/1", *others)
    assert balances() == {"a": 1, "b": -1}


@pytest.mark.parametrize("entries", [[("a", 1), ("b", -2)], [("a", 1)], []])
def test_what_does_not_balance_is_refused(db: None, entries: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match="balance"):
        post("s/1", *entries)
    assert rows("SELECT 1 FROM ledger_entries") == []


INSERT = "INSERT INTO ledger_entries (source, line_no, account, amount_fen, occurred_at) VALUES "


@pytest.mark.parametrize(
    "sql",
    [
        INSERT + "('x/1', 1, 'a', 1, now())",
        INSERT + "('x/1', 1, 'a', 1, now()), ('x/2', 1, 'b', -1, now())",
        # One entry more to a movement that balances.
        INSERT + "('s/1', 3, 'a', 1, now())",
        "UPDATE ledger_entries SET account = 'c' WHERE line_no = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
    ],
)
def test_the_database_itself_refuses(db: None, sql: str) -> None:
    post("s/1", ("a", 1), ("b", -1))
    with pytest.raises(exc.IntegrityError, match=r"balance|never changed"):
        change(sql)
    assert balances() == {"a": 1, "b": -1}


def test_without_its_guard_the_database_would_take_a_lone_entry(db: None) -> None:
    """What the trigger is there for: switched off in one transaction, which is then rolled back."""
    with database.transaction() as session, session.begin_nested() as savepoint:
        session.execute(text("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_must_balance"))
        session.execute(text(INSERT + "('x/1', 1, 'a', 1, now())"))
        assert sum(each.balance_fen for each in ledger.trial_balance(session)) == 1
        savepoint.rollback()
    assert balances() == {}


def test_a_movement_killed_half_way_was_never_there(db: None) -> None:
    with pytest.raises(RuntimeError, match="killed"), database.transaction() as session:
        ledger.post(session, [Entry("a", 1), Entry("b", -1)], source="s/1", at=NOON)
        assert sum(each.balance_fen for each in ledger.trial_balance(session)) == 0
        raise RuntimeError("killed")
    assert balances() == {}
    assert post("s/1", ("a", 1), ("b", -1)) is True


def race(function: Callable[[], object], times: int) -> list[object]:
    """Run `function` in as many threads at once and return what each returned or raised."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(function())
        except Exception as error:  # noqa: BLE001 - the result of a race
            found.append(type(error))

    threads = [Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_rivals_with_one_source_one_posts(db: None) -> None:
    barrier = Barrier(4, timeout=60)

    def unguarded() -> None:
        """Look first, then write under a name of one's own: what the unique source is there for."""
        with database.transaction() as session:
            assert ledger.movement(session, source="s/1") == []
            barrier.wait(10)
            ledger.post(session, [Entry("a", 1), Entry("b", -1)], source=f"s/1/{id(session)}", at=NOON)

    race(unguarded, 4)
    assert balances() == {"a": 4, "b": -4}, "without the key each of them posts"
    assert sorted(map(str, race(lambda: post("s/1", ("a", 1), ("b", -1)), 4))) == ["False"] * 3 + ["True"]
    assert balances() == {"a": 5, "b": -5}


MOVEMENTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(-(10**11), 10**11)), min_size=1, max_size=4),
        st.booleans(),
    ),
    max_size=8,
)


def kill(is_killed: bool) -> None:
    if is_killed:
        raise KeyboardInterrupt


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(movements=MOVEMENTS)
def test_whatever_is_posted_the_trial_balance_is_zero(db: None, movements: list[tuple[int, list, bool]]) -> None:
    """Posted, posted again, posted wrongly or rolled back: what stands is what was accepted, and sums to zero."""
    prefix = f"h/{rows('SELECT count(*) AS n FROM ledger_entries')[0]['n']}"
    before = balances()
    accepted: dict[str, list[tuple[str, int]]] = {}
    for source, entries, is_killed in movements:
        balanced = [*entries, ("adjustments", -sum(fen for _, fen in entries))]
        name = f"{prefix}/{source}"
        try:
            with database.transaction() as session:
                ledger.post(session, [Entry(*entry) for entry in balanced], source=name, at=NOON)
                kill(is_killed)
            accepted.setdefault(name, balanced)
        except (ValueError, KeyboardInterrupt, psycopg.IntegrityError):
            pass
    expected = dict(before)
    for entries in accepted.values():
        for account, fen in entries:
            expected[account] = expected.get(account, 0) + fen
    assert balances() == expected
    assert sum(balances().values()) == 0


def test_a_statement_is_by_shanghai_day(db: None) -> None:
    last_second = datetime(2026, 11, 20, 15, 59, 59, tzinfo=UTC)
    midnight = datetime(2026, 11, 20, 16, tzinfo=UTC)
    post("s/0", ("a", 1), ("b", -1), at=datetime(2026, 11, 1, tzinfo=UTC))
    post("s/1", ("a", 10), ("b", -10), at=last_second)
    post("s/2", ("a", 100), ("b", -100), at=midnight)
    post("s/3", ("b", 30), ("a", -30), at=NOON)
    with database.transaction() as session:
        found = ledger.statement(session, account="a", first_day=date(2026, 11, 20), last_day=date(2026, 11, 21))
        assert found.opening_fen == 1
        assert [(d.day.day, d.debits_fen, d.credits_fen, d.movements, d.closing_fen) for d in found.days] == [
            (20, 10, 0, 1, 11),
            (21, 100, 30, 2, 81),
        ]
        assert found.closing_fen == 81
        lines = ledger.lines(session, account="a", day=date(2026, 11, 21), limit=9)
        assert [(line.source, line.amount_fen) for line in lines] == [("s/2", 100), ("s/3", -30)]
        (a, _) = ledger.trial_balance(session, before=midnight)
        assert (a.debits_fen, a.credits_fen, a.balance_fen) == (11, 0, 11)
        with pytest.raises(ValueError, match="days"):
            ledger.statement(session, account="a", first_day=date(2020, 1, 1), last_day=date(2026, 1, 1))


def test_an_account_that_never_moved_has_an_empty_statement(db: None) -> None:
    with database.transaction() as session:
        found = ledger.statement(session, account="a", first_day=date(2026, 11, 20), last_day=date(2026, 11, 21))
    assert (found.opening_fen, found.days, found.closing_fen) == (0, [], 0)
