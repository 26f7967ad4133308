"""Hurried facts are dispatched straight from the to-do list, by threads of each queue's own.

Invariant: a fact whose `open_facts.queue` is set has not been handed over yet, and that is undone by the statement that
defers jobs for what it still lacks; so whoever dies in between leaves it for the next, which runs only what is lacking.
Two that dispatch one fact at once are kept apart by a lock of their connections, which a process that dies gives back.
It saves work and guards nothing else: the claim of each reaction makes that happen once, the flag each deferring.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from config import database, facts, jobs, logs

# The class of the advisory locks of facts that somebody has in hand; their second key is the fact.
_IN_HAND = 75
# So many of the facts that are due first are tried: more than threads of all processes can have in hand.
_TRIED = 100

_log = logs.get(__name__)

_LOCK = f"{_IN_HAND}, mod(%s, 2147483648)::int"
# The lock is tried row by row until one is free: nothing below the LIMIT needs them all.
_TAKE = f"""
    WITH due AS MATERIALIZED (
        SELECT fact_id FROM open_facts WHERE queue = %(queue)s ORDER BY fact_id LIMIT {_TRIED}
    ), taken AS MATERIALIZED (
        SELECT fact_id FROM due WHERE pg_try_advisory_lock({_LOCK % "fact_id"}) LIMIT 1
    )
    SELECT f.id, f.name, array(SELECT reaction FROM reactions_done d WHERE d.fact_id = f.id)
    FROM taken JOIN facts f ON f.id = taken.fact_id
"""
_GIVE_BACK = f"SELECT pg_advisory_unlock({_LOCK % '%(id)s'})"
# The function is procrastinate's own, with the columns of its job type in their order (0003).
_HAND_OVER = """
    WITH handed AS (
        UPDATE open_facts SET queue = NULL WHERE fact_id = %(id)s AND queue IS NOT NULL RETURNING fact_id
    )
    SELECT procrastinate_defer_jobs_v1(array_agg(ROW(
        rest.queue, 'facts.react', 0, NULL, NULL,
        jsonb_build_object('fact_id', handed.fact_id, 'reaction', rest.reaction), NULL
    )::procrastinate_job_to_defer_v1))
    FROM handed, unnest(%(queues)s::text[], %(reactions)s::text[]) AS rest (queue, reaction) GROUP BY handed.fact_id
"""
_LEAVE_TO_SWEEP = "UPDATE open_facts SET queue = NULL WHERE fact_id = %(id)s"


def dispatch_next(queue: str) -> bool:
    """Dispatch the first fact of a queue that nobody has in hand; returns False when there is none.

    Raises what the database raises when it is away. A fact that cannot be handed over though it is there is left to
    the sweep, so that it holds up no other.
    """
    found = database.statement(_TAKE, {"queue": queue})
    if not found:
        return False
    [(fact_id, name, done)] = found
    try:
        _dispatch(fact_id, name, done)
    except Exception:  # noqa: BLE001 - whatever it was, the others go on
        _log.warning("fact.left", fact=fact_id, exc_info=True)
        database.statement(_LEAVE_TO_SWEEP, {"id": fact_id})
    finally:
        database.statement(_GIVE_BACK, {"id": fact_id})
    return True


def _dispatch(fact_id: int, name: str, done: list[str]) -> None:
    """Run at once the reactions of the fact's own queue that it still lacks, then defer a job for each other one.

    Money waits for no job, and for nothing that is done for the others. A reaction that fails goes to the queue like
    them, which tries it again with growing pauses.
    """
    lacking = [reaction for reaction in facts.reactions_to(name) if reaction.name not in done]
    rest = [reaction for reaction in lacking if not (reaction.is_at_once and facts.attempt(fact_id, reaction.name))]
    if rest:
        queues, reactions = (reaction.queue for reaction in rest), (reaction.name for reaction in rest)
        told = {"queues": database.dump_array(queues), "reactions": database.dump_array(reactions)}
        database.statement(_HAND_OVER, {"id": fact_id, **told})
    elif not lacking:
        facts.missing(None, fact_ids=[fact_id])


class Dispatcher:
    """Dispatches the facts of one queue, as many at once as it has threads, whenever it is told that one is due.

    It ends when it is told to, or with the reason when the database goes away; in both cases its threads finish the
    facts that they have in hand.
    """

    def __init__(self, queue: str, threads: int) -> None:
        self._queue, self._threads = queue, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"{queue}-facts")
        self._busy: set[asyncio.Future[None]] = set()
        self._is_over = asyncio.Event()
        self._is_told = threading.Event()
        self._failure: BaseException | None = None

    def wake(self) -> None:
        """Set one more thread to work, if one is idle: another is set to it when something is still due then."""
        if len(self._busy) < self._threads and not self._is_over.is_set():
            turn = asyncio.get_running_loop().run_in_executor(self._pool, self._work)
            self._busy.add(turn)
            turn.add_done_callback(self._note_end)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_over.set()

    async def run(self) -> None:
        """Be there to be woken, until stopped or cancelled. Raises what a thread raised."""
        try:
            await self._is_over.wait()
        finally:
            self._is_over.set()
            self._is_told.set()
            if self._busy:
                await asyncio.wait(set(self._busy), timeout=jobs.GRACE_S)
            self._pool.shutdown(wait=False)
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while not self._is_told.is_set() and dispatch_next(self._queue):
            pass

    def _note_end(self, turn: asyncio.Future[None]) -> None:
        self._busy.discard(turn)
        if turn.exception() is not None:
            self._failure = turn.exception()
            self._is_over.set()


def dispatchers() -> dict[str, jobs.Runner]:
    """Return a new dispatcher for each queue that has any, by the name with which the look-out wakes it."""
    return {f"facts.{queue}": Dispatcher(queue, threads) for queue, threads in jobs.DISPATCHERS.items()}


@jobs.task("facts.dispatch", queue=jobs.MONEY)
def hurry(fact_id: int) -> None:
    """Hurry a fact that a web process from before 0068 published with a job: such ones run on while we upgrade."""
    [(name,)] = database.statement("SELECT name FROM facts WHERE id = %s", (fact_id,))
    queue = facts.declared()[name].queue
    database.statement("UPDATE open_facts SET queue = %s WHERE fact_id = %s", (queue, fact_id))
