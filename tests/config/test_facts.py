"""Facts: written once, reacted to once, whatever is killed or doubled."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, facts, jobs

HAPPENED = facts.declare("tests.happened", "Something happened in a test.")
UNHURRIED = facts.declare("tests.unhurried", "Something happened that nobody waits for.", is_hurried=False)


@pytest.fixture
def effects(db: None) -> Iterator[list[str]]:
    """The effects of two reactions, one inside and one outside a transaction."""
    seen: list[str] = []

    def note(session: Session, occurrence: facts.Occurrence) -> None:
        database.require_transaction(session)
        seen.append(f"in {occurrence.key}")

    def call(occurrence: facts.Occurrence) -> None:
        database.refuse_transaction()
        seen.append(f"out {occurrence.key}")

    facts.on(HAPPENED)(note)
    facts.on_outside(HAPPENED)(call)
    yield seen
    facts._reactions.pop(HAPPENED.name)


def publish(key: str) -> bool:
    with database.transaction() as session:
        return facts.publish(session, HAPPENED, key=key, values={"n": 1})


def forget() -> None:
    """Let the facts have been dispatched, and their jobs have been lost."""
    database.statement("UPDATE open_facts SET queue = NULL")


def test_a_fact_is_written_once_however_often_it_is_published(effects: list[str], drain: Callable[[], int]) -> None:
    assert [publish("A"), publish("A"), publish("B")] == [True, False, True]
    assert drain() == 4
    assert sorted(effects) == ["in A", "in B", "out A", "out B"]
    assert drain() == 0


def test_a_fact_of_a_rolled_back_transaction_never_happened(effects: list[str], drain: Callable[[], int]) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as session:
        facts.publish(session, HAPPENED, key="A", values={})
        1 / 0  # noqa: B018
    assert drain() == 0
    assert database.statement("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_the_sweep_defers_again_what_the_queue_forgot_and_nothing_that_still_waits(effects: list[str]) -> None:
    publish("A")
    forget()
    assert facts.sweep(now=clock.now()) == 0, "a fact younger than 30 s is not forgotten"
    later = clock.now() + timedelta(seconds=31)
    assert facts.sweep(now=later) == 2
    assert facts.sweep(now=later) == 0, "both reactions already wait in the queue"


def test_the_sweep_adds_nothing_to_a_queue_that_lags(effects: list[str]) -> None:
    publish("A")
    assert facts.sweep(now=clock.now() + timedelta(minutes=10)) == 0, "its dispatch is late, not forgotten"
    assert database.statement("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_the_sweep_reaches_every_fact_however_many_keep_failing(
    effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "SWEEP_PAGE", 2)
    for key in "ABCDE":
        publish(key)
    forget()
    assert facts.sweep(now=clock.now() + timedelta(seconds=31)) == 10


def _rivals(fact_id: int) -> None:
    barrier = Barrier(8, timeout=60)

    def react(_: int) -> None:
        barrier.wait()
        facts.react(fact_id, "note")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(react, range(8)))


def test_eight_rivals_run_a_reaction_eight_times_without_the_claim(
    effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("A")
    monkeypatch.setattr(facts, "_claim", lambda *_: True)
    _rivals(database.statement("SELECT id FROM facts")[0][0])
    assert effects.count("in A") == 8


def test_eight_rivals_run_a_reaction_once_with_the_claim(effects: list[str]) -> None:
    publish("A")
    _rivals(database.statement("SELECT id FROM facts")[0][0])
    assert effects.count("in A") == 1


def _both_end_together(fact_id: int) -> int:
    """Run the reactions `call` and `note` at once; returns how many entries of the to-do list are left."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: facts.react(fact_id, name), ("call", "note")))
    return int(database.statement("SELECT count(*) FROM open_facts")[0][0])


def test_two_reactions_that_end_together_leave_the_fact_open_when_none_waits(
    effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("A")
    close, both = facts._close_if_complete, Barrier(2, timeout=60)

    def close_and_meet(session: Session, occurrence: facts.Occurrence) -> None:
        close(session, occurrence)
        both.wait()

    monkeypatch.setattr(facts, "_await_turn", lambda *_: None)
    monkeypatch.setattr(facts, "_close_if_complete", close_and_meet)
    assert _both_end_together(database.statement("SELECT id FROM facts")[0][0]) == 1


def test_of_two_reactions_that_end_together_the_second_closes_the_fact(
    effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("A")
    close, both = facts._close_if_complete, Barrier(2, timeout=60)

    def meet_and_close(session: Session, occurrence: facts.Occurrence) -> None:
        both.wait()
        close(session, occurrence)

    monkeypatch.setattr(facts, "_close_if_complete", meet_and_close)
    assert _both_end_together(database.statement("SELECT id FROM facts")[0][0]) == 0


def test_a_reaction_that_fails_leaves_no_trace_and_runs_again(db: None, drain: Callable[[], int]) -> None:
    tries: list[int] = []

    def fail_once(session: Session, occurrence: facts.Occurrence) -> None:
        session.execute(
            text("INSERT INTO facts (name, key, values) VALUES ('effect', :k, '{}')"), {"k": occurrence.key}
        )
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("the database went away")

    facts.on(HAPPENED)(fail_once)
    try:
        publish("A")
        with pytest.raises(RuntimeError):
            drain()
        assert database.statement("SELECT count(*) FROM facts WHERE name = 'effect'") == [(0,)]
        assert drain() == 1
        assert database.statement("SELECT count(*) FROM facts WHERE name = 'effect'") == [(1,)]
    finally:
        facts._reactions.pop(HAPPENED.name)


def test_a_fact_is_declared_only_for_a_queue_whose_threads_dispatch_facts() -> None:
    with pytest.raises(ValueError, match="no fact is dispatched in wire"):
        facts.declare("tests.nowhere", "Something happened that nobody would dispatch.", queue=jobs.WIRE)


def test_an_undeclared_fact_cannot_be_published(db: None) -> None:
    with database.transaction() as session, pytest.raises(KeyError):
        facts.publish(session, facts.Fact("tests.unknown", ""), key="A", values={})


@pytest.fixture
def caught_up(db: None) -> Iterator[list[str]]:
    """The keys that a reaction to what nobody waits for has seen; it fails for `bad`."""
    seen: list[str] = []

    def note(session: Session, occurrence: facts.Occurrence) -> None:
        seen.append(occurrence.key)
        if occurrence.key == "bad":
            raise RuntimeError("this one never works")

    facts.on(UNHURRIED)(note)
    yield seen
    facts._reactions.pop(UNHURRIED.name)


def publish_unhurried(*keys: str) -> datetime:
    """Publish in order, and return an instant after it."""
    with database.transaction() as session:
        assert [facts.publish(session, UNHURRIED, key=key, values={}) for key in keys] == [True] * len(keys)
        assert facts.publish(session, UNHURRIED, key=keys[0], values={}) is False
    return clock.now() + timedelta(seconds=1)


def test_what_is_not_hurried_costs_no_job_and_is_caught_up_with_in_order(caught_up: list[str]) -> None:
    now = publish_unhurried("A", "B", "C")
    assert database.statement("SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    assert [facts.catch_up(now=now), facts.catch_up(now=now)] == [3, 0]
    assert caught_up == ["A", "B", "C"]
    assert database.statement("SELECT count(*) FROM open_facts") == [(0,)]


def test_catching_up_leaves_alone_what_is_hurried(effects: list[str]) -> None:
    publish("A")
    assert facts.catch_up(now=clock.now() + timedelta(seconds=1)) == 0
    assert effects == []


def test_what_fails_while_catching_up_goes_to_the_queue_and_holds_up_nobody(caught_up: list[str]) -> None:
    now = publish_unhurried("bad", "good")
    assert [facts.catch_up(now=now), facts.catch_up(now=now)] == [2, 0]
    assert caught_up == ["bad", "good"]
    assert database.statement("SELECT task_name, args->>'reaction' FROM procrastinate_jobs") == [
        ("facts.react", "note")
    ]


def test_the_sweep_takes_what_nobody_caught_up_with(caught_up: list[str]) -> None:
    publish_unhurried("A")
    assert facts.sweep(now=clock.now() + timedelta(seconds=31)) == 1


def test_only_one_process_catches_up_at_a_time(caught_up: list[str]) -> None:
    now = publish_unhurried("A")
    with psycopg.connect(database.plain_url(), autocommit=True) as rival:
        rival.execute("SELECT pg_advisory_lock(%s)", (facts._CATCHING_UP,))
        assert facts.catch_up(now=now) == 0
        rival.execute("SELECT pg_advisory_unlock(%s)", (facts._CATCHING_UP,))
    assert facts.catch_up(now=now) == 1


def test_nothing_outside_follows_from_what_is_not_hurried() -> None:
    with pytest.raises(ValueError, match="not hurried"):
        facts.on_outside(UNHURRIED)
