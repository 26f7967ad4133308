"""The queue: what a dead worker left behind is put back, and nothing fails in silence."""

import asyncio
import importlib
from datetime import datetime, timedelta

import procrastinate
import psycopg
import pytest
from procrastinate.jobs import Job
from structlog.testing import capture_logs

from config import clock, database, facts, jobs
from tests.waits import wait_until


def leave_behind(task: str, *, status: str, queueing_lock: str | None = None) -> None:
    """Write a job as a worker that died ten minutes ago left it."""
    database.statement(
        """
        WITH dead AS (
            INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '10 minutes') RETURNING id
        )
        INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, queueing_lock, worker_id)
        SELECT 'money', %s, '{}', %s::procrastinate_job_status, %s, CASE WHEN %s = 'doing' THEN id END FROM dead
        """,
        (task, status, queueing_lock, status),
    )


async def revive() -> None:
    connector = procrastinate.PsycopgConnector(conninfo=database.plain_url(), min_size=1, max_size=2)
    with jobs.app.replace_connector(connector) as connected:
        async with connected.open_async():
            await jobs.revive(timestamp=0)


def left(task: str) -> list[str]:
    rows = database.statement("SELECT status::text FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", (task,))
    return [status for (status,) in rows]


@pytest.mark.usefixtures("db")
def test_a_dead_workers_jobs_are_put_back_and_it_is_forgotten() -> None:
    leave_behind("facts.react", status="doing")
    asyncio.run(revive())
    assert left("facts.react") == ["todo"]
    assert database.statement("SELECT count(*) FROM procrastinate_workers") == [(0,)]


@pytest.mark.usefixtures("db")
def test_a_dead_tick_whose_successor_already_waits_holds_up_no_other_job() -> None:
    leave_behind("payments.check_due", status="doing", queueing_lock="payments.check_due")
    leave_behind("payments.check_due", status="todo", queueing_lock="payments.check_due")
    leave_behind("facts.react", status="doing")
    asyncio.run(revive())
    assert left("facts.react") == ["todo"]
    assert left("payments.check_due") == ["todo"]
    assert database.statement("SELECT count(*) FROM procrastinate_workers") == [(0,)]


def test_what_talks_to_wechat_shares_no_slot_with_money() -> None:
    importlib.import_module("storefront.schedule")
    importlib.import_module("storefront.reactions")
    outside = {
        "commissions.ask_due",
        "share_returns.check_due",
        "sharing.check_due",
        "orders.expire_due",
        "payments.check_due",
        "payments.reconcile",
        "refunds.check_due",
        "shipping.report_due",
    }
    assert {name for name, task in jobs.app.tasks.items() if task.queue == jobs.WIRE} == outside
    queues = {reaction.queue for name in facts.declared() for reaction in facts.reactions_to(name) if reaction.outside}
    assert queues == {jobs.WIRE}


def test_a_tick_that_fails_is_said_aloud() -> None:
    def burst(*, now: datetime) -> None:
        raise ZeroDivisionError(now)

    jobs.every("0 0 1 1 *", name="tests.burst")(burst)
    try:
        with capture_logs() as lines, pytest.raises(ZeroDivisionError):
            jobs.app.tasks["tests.burst"](timestamp=0)
    finally:
        del jobs.app.tasks["tests.burst"]
        jobs.app.periodic_registry.periodic_tasks.pop(("tests.burst", ""))
    assert [(line["event"], line["task"]) for line in lines] == [("tick.failed", "tests.burst")]


def test_a_reaction_that_fails_is_said_aloud_and_alarms_at_the_tenth_try() -> None:
    job = Job(
        id=1,
        queue="money",
        lock=None,
        queueing_lock=None,
        task_name="facts.react",
        task_kwargs={"fact_id": 7},
        attempts=9,
    )
    with capture_logs() as lines:
        decision = jobs.BackOff().get_retry_decision(exception=ZeroDivisionError(), job=job)
    assert [line["event"] for line in lines] == ["job.failed", "alarm"]
    assert decision.retry_at is not None


def test_a_job_makes_no_commit_wait_and_says_only_of_a_bad_end_when_it_was(db: None) -> None:
    with psycopg.connect(database.plain_url(), autocommit=True) as listener:
        listener.execute("LISTEN procrastinate_any_queue_v1")
        with database.transaction() as session:
            jobs.defer(session, ("facts.react", jobs.MONEY, {}), ("facts.react", jobs.MONEY, {}))
        well, badly = (row[0] for row in database.statement("SELECT id FROM procrastinate_jobs ORDER BY id"))
        for job, status in ((well, "doing"), (well, "succeeded"), (badly, "doing"), (badly, "failed")):
            database.statement(
                "UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status WHERE id = %s", (status, job)
            )
        assert list(listener.notifies(timeout=0.2)) == []
    assert database.statement("SELECT job_id, type::text FROM procrastinate_events") == [(badly, "failed")]


class Ending:
    """A worker that ends by itself when it is woken so often, or when it is told to."""

    def __init__(self, *, after: int) -> None:
        self.left = after
        self.is_over = asyncio.Event()

    async def run(self) -> None:
        await self.is_over.wait()

    def wake(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.is_over.set()

    def stop(self) -> None:
        self.is_over.set()


def test_a_queue_is_woken_when_a_job_is_due_and_none_goes_on_when_another_has_ended(db: None) -> None:
    """The library's worker ends in silence when its heartbeat finds no database; its queue would wait for ever."""
    with database.transaction() as session:
        jobs.defer(session, ("facts.react", jobs.MONEY, {}))
    later = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at) VALUES ('wire', 'x', '{}', %s)"
    database.statement(later, [clock.now() + timedelta(hours=1)])
    workers = {jobs.MONEY: Ending(after=3), jobs.DEFAULT: Ending(after=1), jobs.WIRE: Ending(after=1)}
    asyncio.run(asyncio.wait_for(jobs._together(workers), timeout=20))
    assert [worker.left for worker in workers.values()] == [0, 1, 1]
    assert all(worker.is_over.is_set() for worker in workers.values())


def test_a_fact_that_is_due_wakes_the_threads_of_its_queue_and_no_worker(db: None) -> None:
    database.statement("INSERT INTO open_facts (fact_id, queue) VALUES (1, 'default'), (2, NULL)")
    workers = {name: Ending(after=1) for name in (jobs.MONEY, jobs.DEFAULT, "facts.money", "facts.default")}
    asyncio.run(asyncio.wait_for(jobs._together(workers), timeout=20))
    assert [name for name, worker in workers.items() if worker.left == 0] == ["facts.default"]


def test_a_database_that_goes_away_ends_every_queue_with_its_reason(db: None) -> None:
    worker = Ending(after=1)
    lookout = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%SELECT DISTINCT queue_name%' AND pid <> pg_backend_pid()
    """

    async def work() -> None:
        cut = asyncio.to_thread(wait_until, lambda: database.statement(lookout), what="the look-out's connection")
        await asyncio.gather(jobs._together({jobs.DEFAULT: worker}), cut)

    with pytest.raises(psycopg.OperationalError):
        asyncio.run(asyncio.wait_for(work(), timeout=20))
    assert worker.is_over.is_set()
