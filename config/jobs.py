"""The queue that hurries facts along: procrastinate, over our own transactions.

Invariant: a job carries ids only and may be lost or run twice without harm; whoever defers one has already written
the row that says the work is due. The web never opens the queue: it inserts jobs through the session's connection.
"""

import asyncio
import logging
import math
import signal
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, cast

import procrastinate
import psycopg
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, logs

# What talks to WeChat has slots of its own: a call may hang for 12 s, and neither money nor credit waits for it.
# What goes to press takes minutes, and nothing else waits for it either; nor does anybody's sheet wait for it.
# What partners are told goes to their hosts, which may hang: with three slots a turn of sending begins every few
# seconds whatever the turns before it wait for.
MONEY, DEFAULT, WIRE, PRESS, SHEETS, HOOKS = "money", "default", "wire", "press", "sheets", "hooks"
SLOTS = {MONEY: 2, DEFAULT: 2, WIRE: 3, PRESS: 1, SHEETS: 1, HOOKS: 3}
# Facts are dispatched by threads of their own: they wait for no job, and jobs not for them.
DISPATCHERS = {MONEY: 2, DEFAULT: 2}
ALARM_AFTER_TRIES = 10
# A worker shows a heartbeat this often. One that has shown none for so long is dead, and its jobs are put back: a
# commuter who has paid waits for it. One that was only slow finds its job done by another, as any job may be.
HEARTBEAT_S = 5.0
DEAD_AFTER_S = 15
# Whoever is told to stop has so long for what it has in hand.
GRACE_S = 20.0
# Whether jobs or facts are due is looked at this often, by one cheap question for all queues: a commuter who has paid
# waits for it. A notice of each would make commits wait for each other (0002). Where some have just come, more are to
# be expected; where none have, the question is most of what an idle worker does.
LOOK_S, LOOK_AGAIN_S = 0.03, 0.01
BUSY_FOR_S = 1.0
# A queue in which no job was seen to be due is looked into all the same.
POLL_S = 5.0
_DUE = f"""
    SELECT DISTINCT queue_name::text FROM procrastinate_jobs
    WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
    UNION ALL
    SELECT 'facts.' || queue FROM unnest('{{{",".join(DISPATCHERS)}}}'::text[]) AS known (queue)
    WHERE EXISTS (SELECT FROM open_facts o WHERE o.queue = known.queue)
"""

_manager = JobManager(procrastinate.SyncPsycopgConnector())
app = procrastinate.App(connector=procrastinate.PsycopgConnector())
_log = logs.get(__name__)


class BackOff(BaseRetryStrategy):
    """Try for ever, 2, 4, 8 … seconds apart up to five minutes; raise an alarm at the tenth failure."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Return when to run `job` again, and say what went wrong."""
        _log.warning("job.failed", job=job.id, task=job.task_name, args=job.task_kwargs, exc_info=exception)
        if job.attempts + 1 == ALARM_AFTER_TRIES:
            logs.alarm("jobs.keeps_failing", job=job.id, task=job.task_name, args=job.task_kwargs)
        delay_s = min(2 ** min(job.attempts + 1, 9), 300)
        return RetryDecision(retry_in={"seconds": delay_s})


def defer(session: Session, *jobs: tuple[str, str, dict[str, Any]]) -> None:
    """Insert jobs, each (task name, queue, arguments), as part of the caller's transaction."""
    rows = [
        Job(id=None, task_name=task, queue=queue, task_kwargs=arguments, lock=None, queueing_lock=None)
        for task, queue, arguments in jobs
    ]
    _manager.batch_defer_jobs(rows, connection=database.driver_connection(session))


def task(name: str, *, queue: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the task `name`; it is retried with `BackOff` until it succeeds."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.task(name=name, queue=queue, retry=BackOff())(function)
        return function

    return register


def every(cron: str, *, name: str, queue: str = DEFAULT) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run `function(now=)` on a cron schedule (six fields: seconds last).

    A missed tick is skipped, not caught up: the function must do whatever is due, not whatever happened at that
    tick. A failure is logged and waits for the next tick. It goes before other jobs of its queue, of which it may do
    many at once.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def tick(timestamp: int) -> None:
            try:
                function(now=clock.now())
            except Exception:
                _log.exception("tick.failed", task=name)
                raise

        app.periodic(cron=cron)(app.task(name=name, queue=queue, queueing_lock=name, priority=1)(tick))
        return function

    return register


@app.periodic(cron="* * * * * */5")
@app.task(name="jobs.revive", queue=MONEY, queueing_lock="jobs.revive")
async def revive(timestamp: int) -> None:
    """Put back the jobs of workers that died, and forget those workers.

    A tick is dropped: the next one does whatever is due, and two of them may not wait at once.
    """
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_S):
        if job.queueing_lock is None:
            await app.job_manager.retry_job(job)
        else:
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
    await app.job_manager.prune_stalled_workers(DEAD_AFTER_S)


_PURGE = text("""
    DELETE FROM procrastinate_jobs j WHERE status IN ('failed', 'cancelled', 'aborted')
    AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at >= :before)
    RETURNING j.id
""")


def purge(session: Session, *, before: datetime) -> int:
    """Delete the jobs that ended without success before `before`; returns how many. Successful ones go at once."""
    return len(session.execute(_PURGE, {"before": before}).all())


class Runner(Protocol):
    """Whatever works for a queue, beside the others."""

    async def run(self) -> None:
        """Work until told to stop; cancelled, finish what is in hand. Raises when the database goes away."""

    def wake(self) -> None:
        """Look now, or when there is room, whether something is due."""

    def stop(self) -> None:
        """Begin nothing more, and end."""


class WakefulWorker(Worker):
    """procrastinate's worker, which can be told that a job is due."""

    def wake(self) -> None:
        """Look into the queue now, or when a slot is free."""
        self._new_job_event.set()


async def _work(first: Callable[[], object], beside: Callable[[], Mapping[str, Runner]]) -> None:
    await asyncio.to_thread(first)
    connector = procrastinate.PsycopgConnector(conninfo=database.plain_url(), min_size=1, max_size=10)
    with app.replace_connector(connector) as connected:
        async with connected.open_async():
            workers = {queue: _worker(connected, queue, slots) for queue, slots in SLOTS.items()}
            await _together({**workers, **beside()})


def _worker(connected: procrastinate.App, queue: str, slots: int) -> Runner:
    worker = WakefulWorker(
        connected,
        queues=[queue],
        concurrency=slots,
        name=f"{queue}-worker",
        fetch_job_polling_interval=POLL_S,
        listen_notify=False,
        shutdown_graceful_timeout=GRACE_S,
        update_heartbeat_interval=HEARTBEAT_S,
        stalled_worker_timeout=DEAD_AFTER_S,
        delete_jobs="successful",
        install_signal_handlers=False,
    )
    return cast(Runner, worker)


async def _together(workers: Mapping[str, Runner]) -> None:
    """Run each queue's worker until one ends, as it does when the database goes away, and then end the others.

    One that happened not to ask the database meanwhile would go on alone, and the queues of those that ended wait for
    ever. Raises what the first to end raised.
    """
    looking = asyncio.create_task(_look_out(workers))
    running = [looking, *(asyncio.create_task(worker.run()) for worker in workers.values())]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        looking.cancel()
        for worker in workers.values():
            worker.stop()
        await asyncio.wait(running)
        for task in done:
            task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _look_out(workers: Mapping[str, Runner]) -> None:
    """Wake those for whom jobs or facts are due, for ever. Raises when the database goes away."""
    seen_at = -math.inf
    async with await psycopg.AsyncConnection.connect(database.plain_url(), autocommit=True) as connection:
        while True:
            due = await connection.execute(_DUE, prepare=True)
            for (queue,) in await due.fetchall():
                seen_at = time.monotonic()
                if queue in workers:
                    workers[queue].wake()
            await asyncio.sleep(LOOK_AGAIN_S if time.monotonic() - seen_at < BUSY_FOR_S else LOOK_S)


async def _work_until_told(first: Callable[[], object], beside: Callable[[], Mapping[str, Runner]]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    pause_s = 0.5
    while not told.is_set():
        work = asyncio.create_task(_work(first, beside))
        stop = asyncio.create_task(told.wait())
        started: datetime = clock.now()
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if told.is_set():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return
        stop.cancel()
        _log.warning("worker.restarting", reason=repr(work.exception()))
        pause_s = 0.5 if (clock.now() - started).total_seconds() > 30 else min(pause_s * 2, 10)
        await asyncio.sleep(pause_s)


def work(*, first: Callable[[], object], beside: Callable[[], Mapping[str, Runner]]) -> None:
    """Run every queue, and what `beside` returns, until SIGTERM or SIGINT, calling `first` whenever they start.

    A database that goes away is waited for, with growing pauses.
    """
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    asyncio.run(_work_until_told(first, beside))
