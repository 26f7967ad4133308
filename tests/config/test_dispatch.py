"""Dispatching: without a job, by threads of each queue's own, whatever is killed, doubled or told to stop."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from config import clock, database, dispatch, facts, jobs
from tests.shop import ROOT
from tests.waits import wait_until

ASKED = facts.declare("tests.asked", "Something happened that money waits for.")
LATER = facts.declare("tests.later", "Something happened from which nothing follows for money.", queue=jobs.DEFAULT)


@pytest.fixture
def seen(db: None) -> Iterator[list[str]]:
    """The keys that the reactions of money have seen; `bad` fails. Two others are for other queues."""
    keys: list[str] = []

    def settle(session: Session, occurrence: facts.Occurrence) -> None:
        keys.append(occurrence.key)
        if occurrence.key == "bad":
            raise RuntimeError("this one never works")

    def note(session: Session, occurrence: facts.Occurrence) -> None:
        keys.append(f"note {occurrence.key}")

    def call(occurrence: facts.Occurrence) -> None:
        keys.append(f"call {occurrence.key}")

    facts.on(ASKED, queue=jobs.MONEY)(settle)
    facts.on(ASKED)(note)
    facts.on_outside(ASKED)(call)
    facts.on(LATER)(note)
    yield keys
    facts._reactions.pop(ASKED.name)
    facts._reactions.pop(LATER.name)


def publish(key: str, fact: facts.Fact = ASKED) -> int:
    """Publish a fact and return its number."""
    with database.transaction() as session:
        assert facts.publish(session, fact, key=key, values={})
    [(fact_id,)] = database.statement("SELECT id FROM facts WHERE name = %s AND key = %s", (fact.name, key))
    return int(fact_id)


def todo() -> list[tuple[int, str | None]]:
    return [(row[0], row[1]) for row in database.statement("SELECT fact_id, queue FROM open_facts ORDER BY fact_id")]


def deferred() -> list[tuple[int, str, str]]:
    """What waits in the queue: fact, reaction and queue."""
    rows = database.statement(
        "SELECT (args->>'fact_id')::bigint, args->>'reaction', queue_name FROM procrastinate_jobs ORDER BY 1, 2"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def test_a_fact_is_dispatched_without_a_job_and_the_rest_is_handed_over_once(seen: list[str]) -> None:
    fact = publish("A")
    assert (todo(), deferred()) == ([(fact, "money")], [])
    assert [dispatch.dispatch_next(jobs.MONEY), dispatch.dispatch_next(jobs.MONEY)] == [True, False]
    assert seen == ["A"]
    assert todo() == [(fact, None)]
    assert deferred() == [(fact, "call", "wire"), (fact, "note", "default")]
    assert facts.sweep(now=clock.now() + timedelta(seconds=31)) == 0, "what waits in the queue is not forgotten"


def test_a_fact_with_nothing_left_to_do_leaves_the_list(seen: list[str]) -> None:
    publish("A", LATER)
    assert dispatch.dispatch_next(jobs.MONEY) is False, "it is for others"
    assert dispatch.dispatch_next(jobs.DEFAULT)
    facts._reactions[LATER.name].clear()
    publish("B", LATER)
    assert dispatch.dispatch_next(jobs.DEFAULT)
    assert (seen, todo(), deferred()) == (["note A"], [], [])


def test_money_waits_for_nothing_that_is_done_for_other_reactions(
    seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[int] = []

    def settle_later(session: Session, occurrence: facts.Occurrence) -> None:
        waiting.append(len(seen))
        waiting.extend(database.run(session, "SELECT count(*) FROM procrastinate_jobs")[0])

    facts.on(ASKED, queue=jobs.MONEY)(settle_later)
    publish("A")
    dispatch.dispatch_next(jobs.MONEY)
    assert waiting == [1, 0]


def test_what_fails_holds_up_no_other_and_is_tried_again_by_the_queue(seen: list[str]) -> None:
    bad, good = publish("bad"), publish("good")
    assert dispatch.dispatch_next(jobs.MONEY)
    assert dispatch.dispatch_next(jobs.MONEY)
    assert dispatch.dispatch_next(jobs.MONEY) is False
    assert seen == ["bad", "good"]
    assert [job for job in deferred() if job[1] == "settle"] == [(bad, "settle", "money")]
    assert todo() == [(bad, None), (good, None)]
    with pytest.raises(RuntimeError):
        facts.react(bad, "settle")
    assert jobs.app.tasks["facts.react"].retry_strategy.__class__ is jobs.BackOff


def test_what_cannot_be_handed_over_is_left_to_the_sweep_and_holds_up_no_other(
    seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = publish("A")
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_HAND_OVER", "SELECT 1 / (%(id)s - %(id)s), %(queues)s, %(reactions)s")
        assert [dispatch.dispatch_next(jobs.MONEY), dispatch.dispatch_next(jobs.MONEY)] == [True, False]
    assert (todo(), deferred()) == ([(fact, None)], [])
    assert facts.sweep(now=clock.now() + timedelta(seconds=31)) == 2


_KILLED = """
import os, signal, sys
from config import database, dispatch, facts, jobs

database.configure(sys.argv[1])
asked = facts.declare("tests.asked", "The same.")

def settle(session, occurrence):
    pass

def settle_too(session, occurrence):
    raise AssertionError("it is dead by now")

facts.on(asked, queue=jobs.MONEY)(settle)
facts.on(asked, queue=jobs.MONEY)(settle_too)
attempt = facts.attempt

def attempt_and_die(*reaction):
    assert attempt(*reaction)
    os.kill(os.getpid(), signal.SIGKILL)

facts.attempt = attempt_and_die
dispatch.dispatch_next(jobs.MONEY)
"""


def test_killed_between_the_first_reaction_and_the_deferring_it_is_dispatched_again(seen: list[str]) -> None:
    def settle_too(session: Session, occurrence: facts.Occurrence) -> None:
        seen.append(f"too {occurrence.key}")

    facts.on(ASKED, queue=jobs.MONEY)(settle_too)
    fact = publish("A")
    killed = subprocess.run([sys.executable, "-c", _KILLED, database.plain_url()], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = "SELECT reaction FROM reactions_done WHERE fact_id = %s ORDER BY 1"
    assert database.statement(done, (fact,)) == [("settle",)]
    assert (todo(), deferred()) == ([(fact, "money")], [])
    wait_until(lambda: dispatch.dispatch_next(jobs.MONEY), what="the lock of the dead given back")
    assert seen == ["too A"], "only what was lacking"
    assert database.statement(done, (fact,)) == [("settle",), ("settle_too",)]
    assert [job[1] for job in deferred()] == ["call", "note"]


def twice_at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let two threads take the next fact before either has begun with it, if both get one; returns what each did."""
    had: list[str] = []
    both_asked = threading.Barrier(2, timeout=60)
    take, real = database.statement, dispatch._dispatch

    def take_and_meet(sql: str, *told: object) -> list[tuple[object, ...]]:
        rows = take(sql, *told)  # type: ignore[arg-type]
        if sql == dispatch._TAKE:
            both_asked.wait()
        return rows

    def note(fact_id: int, name: str, done: list[str]) -> None:
        had.append(name)
        real(fact_id, name, done)

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as threads:
        patch.setattr(database, "statement", take_and_meet)
        patch.setattr(dispatch, "_dispatch", note)
        list(threads.map(dispatch.dispatch_next, [jobs.MONEY] * 2))
    return had


def test_without_the_lock_two_dispatch_a_fact_and_each_effect_comes_once_all_the_same(
    seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("A")
    unlocked = dispatch._TAKE.replace("pg_try_advisory_lock", "0 <= ALL (ARRAY[0]) OR pg_try_advisory_lock")
    monkeypatch.setattr(dispatch, "_TAKE", unlocked)
    assert twice_at_once(monkeypatch) == ["tests.asked"] * 2
    assert seen == ["A"]
    assert [job[1] for job in deferred()] == ["call", "note"]


def test_with_the_lock_one_of_two_dispatches_a_fact(seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    publish("A")
    assert twice_at_once(monkeypatch) == ["tests.asked"]
    assert seen == ["A"]


def test_two_at_once_take_two_facts(seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    publish("A")
    publish("B")
    assert twice_at_once(monkeypatch) == ["tests.asked"] * 2
    assert sorted(seen) == ["A", "B"]


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run dispatchers and what a test does beside them."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def blocking(fact: facts.Fact, queue: str) -> tuple[threading.Semaphore, threading.Event]:
    """Let a reaction to `fact` stand still; returns what counts those that do, and what lets them go on."""
    entered, released = threading.Semaphore(0), threading.Event()

    def stand_still(session: Session, occurrence: facts.Occurrence) -> None:
        entered.release()
        assert released.wait(60)

    facts.on(fact, queue=queue)(stand_still)
    return entered, released


def test_whoever_is_told_to_stop_finishes_what_it_has_in_hand_and_begins_nothing(seen: list[str]) -> None:
    first, second = publish("A"), publish("B")
    entered, released = blocking(ASKED, jobs.MONEY)

    async def work() -> None:
        dispatcher = dispatch.Dispatcher(jobs.MONEY, 1)
        running = asyncio.create_task(dispatcher.run())
        dispatcher.wake()
        assert await asyncio.to_thread(entered.acquire, timeout=60)
        await asyncio.sleep(0)
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=0.1)
        assert not done, "it waits for what it has in hand"
        dispatcher.wake()
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(work)
    assert seen == ["A"]
    assert todo() == [(first, None), (second, "money")]


def test_facts_of_others_do_not_delay_money(seen: list[str]) -> None:
    for key in "ABC":
        publish(key, LATER)
    entered, released = blocking(LATER, jobs.DEFAULT)

    def act() -> None:
        try:
            for _ in range(jobs.DISPATCHERS[jobs.DEFAULT]):
                assert entered.acquire(timeout=60)
            publish("paid")
            wait_until(lambda: "paid" in seen, what="money's own threads")
        finally:
            released.set()
        wait_until(lambda: [queue for _, queue in todo() if queue] == [], what="the others")

    async def work() -> None:
        running = asyncio.create_task(jobs._together(dispatch.dispatchers()))
        await asyncio.to_thread(act)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(work)
    assert sorted(key for key in seen if key.startswith("note")) == ["note A", "note B", "note C"]


def test_a_restarted_database_is_waited_for_and_nothing_lost(seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is cut while a fact is in hand; the threads end, come back and end when they are told to."""
    monkeypatch.setattr(jobs, "SLOTS", {})
    started: list[int] = []
    entered, released = blocking(ASKED, jobs.MONEY)
    cut = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE '%pg_temp.%'
    """

    def act() -> None:
        fact = publish("A")
        assert entered.acquire(timeout=60)
        database.statement(cut)
        released.set()
        wait_until(lambda: len(started) > 1, what="another start")
        done = "SELECT count(*) FROM reactions_done WHERE fact_id = %s AND reaction = 'settle'"
        wait_until(lambda: database.statement(done, (fact,)) == [(1,)], what="the first reaction")
        wait_until(lambda: todo() == [(fact, None)], what="what was in hand handed over")
        other = facts.publish_params(ASKED, key="B", values={})
        database.statement(facts._publication(ASKED), other)
        wait_until(lambda: "B" in seen, what="another fact dispatched")

    async def work() -> None:
        running = asyncio.create_task(jobs._work_until_told(lambda: started.append(1), dispatch.dispatchers))
        try:
            await asyncio.to_thread(act)
        finally:
            released.set()
            os.kill(os.getpid(), signal.SIGTERM)
            await running

    try:
        run(work)
    finally:
        # What was cut and used a moment ago is believed to live.
        database.engine().dispose()


def test_a_fact_that_was_published_with_a_job_is_hurried_in_its_own_queue(seen: list[str]) -> None:
    """Web processes from before the upgrade go on publishing while the worker is new already."""
    asked, later = publish("A"), publish("B", LATER)
    database.statement("UPDATE open_facts SET queue = NULL")
    jobs.app.tasks["facts.dispatch"](fact_id=asked)
    jobs.app.tasks["facts.dispatch"](fact_id=later)
    assert todo() == [(asked, "money"), (later, "default")]
