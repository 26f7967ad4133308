"""Statements straight through libpq mean what they mean through psycopg."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from config import database, straight
from tests.waits import IN_A_QUEUE, wait_until

NOW = datetime(2020, 11, 22, 8, 30, 15, 123456, tzinfo=UTC)
VALUES = {
    "words": "砀山酥梨 100% 'quoted' \\ \"",
    "none": None,
    "small": 5,
    "large": 6 * 10**11,
    "flag": True,
    "at": NOW,
    "id": UUID("0176e3c5-0000-7000-8000-000000000001"),
    "bytes": b"\x00\xff",
    "exact": Decimal("0.10"),
    "list": ["a", "b,c"],
}


@pytest.fixture
def connection(db: None) -> straight.Connection:
    return straight.Connection(database.plain_url(), options="")


def test_every_kind_of_value_comes_back_as_it_does_from_psycopg(connection: straight.Connection) -> None:
    sql = "SELECT " + ", ".join(f"%({name})s" for name in VALUES) + ", '[1]'::jsonb, 100 %% 7, now() - now()"
    with psycopg.connect(database.plain_url(), autocommit=True) as other:
        assert connection.run(sql, VALUES) == other.execute(sql, VALUES).fetchall()


def test_places_have_names_or_none_and_a_name_may_stand_twice(connection: straight.Connection) -> None:
    assert connection.run("SELECT %(a)s::int + %(b)s::int * %(a)s::int", {"b": 3, "a": 2, "unused": 1}) == [(8,)]
    assert connection.run("SELECT %s::int - %s::int", (5, 3)) == [(2,)]
    assert connection.run("SELECT 1 WHERE false", ()) == []
    assert connection.run("SET statement_timeout = 1000", ()) == []


def test_the_same_text_for_other_types_is_prepared_again(connection: straight.Connection) -> None:
    for value in (1, 10**6, 10**12, None, 1):
        assert connection.run("SELECT %s::bigint", (value,)) == [(value,)]
    # One for each type and not for each size of a number, this question included.
    assert connection.run("SELECT count(*) FROM pg_prepared_statements", ()) == [(4,)]


def test_a_server_is_not_left_with_the_plan_of_every_text_for_ever(
    connection: straight.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(straight, "MAX_PREPARED", 3)
    for number in range(10):
        assert connection.run(f"SELECT {number} + %s", (1,)) == [(number + 1,)]
    [(kept,)] = connection.run("SELECT count(*) FROM pg_prepared_statements", ())
    assert kept <= 3


def test_a_refusal_has_its_class_and_names_its_constraint(connection: straight.Connection) -> None:
    connection.run("CREATE TEMP TABLE few (n int CONSTRAINT at_most_one CHECK (n <= 1))", ())
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.run("INSERT INTO few VALUES (%s)", (2,))
    assert refused.value.diag.constraint_name == "at_most_one"
    assert connection.run("INSERT INTO few VALUES (%s) RETURNING n", (1,)) == [(1,)], "it goes on after a refusal"


def test_a_connection_that_was_cut_is_known_to_be_dead(connection: straight.Connection) -> None:
    [(pid,)] = connection.run("SELECT pg_backend_pid()", ())
    database.statement("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(psycopg.OperationalError):
        while True:
            connection.run("SELECT 1", ())
    assert connection.is_dead


def test_a_statement_whose_connection_was_cut_is_sent_once_more(db: None) -> None:
    [(pid,)] = database.statement("SELECT pg_backend_pid()")
    with psycopg.connect(database.plain_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).rowcount:
            pass
    [(again,)] = database.statement("SELECT pg_backend_pid()")
    assert again != pid


def test_other_threads_run_while_one_waits_for_its_answer(connection: straight.Connection) -> None:
    with psycopg.connect(database.plain_url(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(4711)")
        waiting = threading.Thread(target=connection.run, args=("SELECT pg_advisory_lock(%s)", (4711,)))
        waiting.start()
        wait_until(lambda: other.execute(IN_A_QUEUE).fetchone() == (1,), what="the other thread in the queue")
        other.execute("SELECT pg_advisory_unlock(4711)")
        waiting.join(10)
        assert not waiting.is_alive()


def test_an_array_is_written_as_postgresql_reads_it(db: None) -> None:
    words = ["plain", "a,b", '"quoted"', "back\\slash", "{}", "", "null", " ", "砀山"]
    assert database.statement("SELECT %s::text[]", (database.dump_array(words),)) == [(words,)]
    assert database.statement("SELECT %s::int[]", (database.dump_array([1, 20]),)) == [([1, 20],)]
    assert database.statement("SELECT %s::text[]", (database.dump_array([]),)) == [([],)]
