"""The queue: what a dead worker left behind is put back, and nothing fails in silence."""

import asyncio
import importlib
from datetime import datetime

import procrastinate
import pytest
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from structlog.testing import capture_logs

from config import database, facts, jobs


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


class Queue:
    """A queue in which a job appears, and is told of, while a worker looks and just misses it."""

    worker: Worker
    looks = 0

    async def fetch_job(self, *, queues: list[str], worker_id: int) -> None:
        self.looks += 1
        if self.looks == 1:
            await self.worker._handle_notification(channel="any", notification={"type": "job_inserted", "job_id": 1})


@pytest.mark.parametrize(("kind", "looks"), [(Worker, 1), (jobs.AttentiveWorker, 2)])
def test_a_job_that_comes_while_the_worker_looks_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch, kind: type[Worker], looks: int
) -> None:
    async def look() -> tuple[int, bool]:
        queue.worker = kind(jobs.app, queues=[jobs.MONEY])
        queue.worker.worker_id = 1
        await queue.worker._fetch_and_process_jobs()
        return queue.looks, queue.worker._new_job_event.is_set()

    queue = Queue()
    monkeypatch.setattr(jobs.app, "job_manager", queue)
    assert asyncio.run(look()) == (looks, False)
