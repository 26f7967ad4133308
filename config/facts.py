"""Facts are rows; whoever hurries them along may forget.

A fact is something that happened ("payment.succeeded"), written once in the transaction that made it true. Reactions
are what follows from it; each runs in its own transaction and leaves a `reactions_done` row together with its effect.

Invariant: a committed fact gets every one of its reactions exactly once, whatever is killed and whenever. It holds
because (name, key) is unique, because the claim row of a reaction and its effect commit together, because a hurried
fact stays in its queue until `config.dispatch` has handed it over, and because `sweep` defers again whatever the jobs
forgot: the table is the guarantee, not the queue.

A fact that nobody waits for is not hurried: it is in no queue, and `catch_up` runs its reactions every few seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from config import database, jobs, logs

# A reaction normally runs within milliseconds; a fact still open after this long was forgotten by the queue.
FORGOTTEN_AFTER = timedelta(seconds=30)
# The sweep goes through all open facts, so many at a time: facts whose reactions keep failing must not hide others.
SWEEP_PAGE = 1000
# So many facts that are not hurried are caught up with at most before the next tick may begin: seconds of work.
CATCH_UP_PAGE = 500
# The advisory lock of the one process that is catching up.
_CATCHING_UP = 74

_log = logs.get(__name__)


class FactRow(database.Base):
    """One thing that happened; never changed, never deleted."""

    __tablename__ = "facts"
    __table_args__ = (UniqueConstraint("name", "key"),)

    id: Mapped[database.Id]
    name: Mapped[str]
    key: Mapped[str]
    values: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OpenFact(database.Base):
    """A fact that may still lack reactions: a short to-do list, emptied as reactions finish.

    `queue` says whose threads are to dispatch it; none when that is done, or when nobody hurries it. It has no foreign
    key: the statement that writes a fact writes this, and each payment would pay for the check.
    """

    __tablename__ = "open_facts"
    __table_args__ = (Index(None, "queue", "fact_id", postgresql_where=text("queue IS NOT NULL")),)

    fact_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str | None]
    since: Mapped[datetime] = mapped_column(server_default=func.now())


class ReactionDone(database.Base):
    """Proof that one reaction to one fact has taken effect."""

    __tablename__ = "reactions_done"

    fact_id: Mapped[int] = mapped_column(ForeignKey("facts.id"), primary_key=True)
    reaction: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True)
class Fact:
    """The name of a kind of fact and what it means, in one sentence; nobody waits for one that is not hurried.

    `queue` is where it is dispatched, and whose reactions need no job of their own.
    """

    name: str
    meaning: str
    is_hurried: bool = True
    queue: str = jobs.MONEY


@dataclass(frozen=True)
class Occurrence:
    """One fact as its reactions see it."""

    id: int
    name: str
    key: str
    values: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Reaction:
    """A function that follows from a fact; `outside` ones talk to the network and get no session.

    One of its fact's own queue runs `is_at_once`: with the dispatch, without a job of its own.
    """

    name: str
    function: Callable[..., None]
    queue: str
    outside: bool
    is_at_once: bool


_declared: dict[str, Fact] = {}
_reactions: dict[str, list[Reaction]] = {}


def declare(name: str, meaning: str, *, is_hurried: bool = True, queue: str = jobs.MONEY) -> Fact:
    """Register a kind of fact. Raises `ValueError` when the name is taken, or nobody dispatches facts in `queue`.

    What money waits for is dispatched in its queue; a fact from which only other things follow goes to theirs.
    One that is not hurried is in no queue when it is published; what follows from it follows within
    seconds, and whatever depends on that must not take it for done.
    """
    if name in _declared:
        raise ValueError(f"fact {name} is declared twice")
    if queue not in jobs.DISPATCHERS:
        raise ValueError(f"no fact is dispatched in {queue}")
    _declared[name] = Fact(name, meaning, is_hurried, queue)
    return _declared[name]


def declared() -> dict[str, Fact]:
    """Return every kind of fact by name."""
    return dict(_declared)


def reactions_to(name: str) -> list[Reaction]:
    """Return the reactions registered for a fact's name."""
    return list(_reactions.get(name, ()))


def on(fact: Fact, *, queue: str = jobs.DEFAULT) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register `function(session, occurrence)` to run in its own transaction after each such fact."""
    return _register(fact, queue, outside=False)


def on_outside(fact: Fact) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register `function(occurrence)`, which calls the network: idempotent by itself, in slots of its own.

    Raises `ValueError` for a fact that is not hurried: one call that hangs would keep all the others waiting.
    """
    if not fact.is_hurried:
        raise ValueError(f"{fact.name} is not hurried: nothing outside may follow from it")
    return _register(fact, jobs.WIRE, outside=True)


def _register(fact: Fact, queue: str, *, outside: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(function: Callable[..., None]) -> Callable[..., None]:
        known = _reactions.setdefault(fact.name, [])
        if any(reaction.name == function.__name__ for reaction in known):
            raise ValueError(f"{function.__name__} already reacts to {fact.name}")
        known.append(Reaction(function.__name__, function, queue, outside, is_at_once=queue == fact.queue))
        return function

    return register


def publishing(fact: Fact, condition: str, values: str = "%(fact_values)s::jsonb") -> str:
    """Return the CTEs that publish a fact on a condition, for a statement that makes it true; pass `publish_params`.

    Row and to-do entry together, because a hot path's budget has no room for two statements. The statement must read
    `published`, which has one row when the fact is new; `values` may be an expression over its other CTEs.
    """
    queue = f"'{fact.queue}'" if fact.is_hurried else "NULL"
    return f"""fact AS (
    INSERT INTO facts (name, key, values) SELECT %(fact)s, %(fact_key)s, {values} WHERE {condition}
    ON CONFLICT (name, key) DO NOTHING RETURNING id
), published AS (
    INSERT INTO open_facts (fact_id, queue) SELECT id, {queue} FROM fact RETURNING fact_id
)"""


@cache
def _publication(fact: Fact) -> str:
    return f"WITH {publishing(fact, 'true')} SELECT 1 FROM published"


def publish_params(fact: Fact, *, key: str, values: dict[str, Any]) -> dict[str, str]:
    """Return what `publishing` needs. Raises `KeyError` for a fact that was never declared."""
    if _declared[fact.name] is not fact:
        raise KeyError(fact.name)
    return {"fact": fact.name, "fact_key": key, "fact_values": database.dump_json(values)}


def publish(session: Session, fact: Fact, *, key: str, values: dict[str, Any]) -> bool:
    """Write that `fact` happened to `key`, in the caller's transaction; if it is hurried, its dispatch is due then.

    Returns False, and does nothing, when this fact was already written for this key. `values` must be JSON.
    Raises `KeyError` for a fact that was never declared.
    """
    database.require_transaction(session)
    parameters = publish_params(fact, key=key, values=values)
    return (
        database.driver_connection(session).execute(_publication(fact), parameters, prepare=True).fetchone() is not None
    )


@jobs.task("facts.react", queue=jobs.DEFAULT)
def react(fact_id: int, reaction: str) -> None:
    """Run one reaction to one fact, once.

    A reaction with a session claims its `reactions_done` row first: a rival waits on that row's key and then finds it
    taken. A reaction that talks outside is marked afterwards, so it may run twice and must be idempotent.
    """
    with database.transaction() as session:
        occurrence, todo = _load(session, fact_id, reaction)
        if todo is None:
            return
        if not todo.outside:
            if _claim(session, fact_id, reaction):
                todo.function(session, occurrence)
            _close_if_complete(session, occurrence)
            return
    todo.function(occurrence)
    with database.transaction() as session:
        _claim(session, fact_id, reaction)
        _close_if_complete(session, occurrence)


def attempt(fact_id: int, reaction: str) -> bool:
    """Run one reaction as `react` does; returns False, and says why in the log, when it fails."""
    try:
        react(fact_id, reaction)
    except Exception:  # noqa: BLE001 - whatever it was, the others go on
        _log.warning("fact.deferred", fact=fact_id, reaction=reaction, exc_info=True)
        return False
    return True


_LOAD = """
    SELECT f.id, f.name, f.key, f.values, f.created_at,
           EXISTS (SELECT FROM reactions_done d WHERE d.fact_id = f.id AND d.reaction = %(reaction)s)
    FROM facts f WHERE f.id = %(id)s
"""
_CLAIM = """
    INSERT INTO reactions_done (fact_id, reaction) VALUES (%(id)s, %(reaction)s)
    ON CONFLICT DO NOTHING RETURNING fact_id
"""
_CLOSE = """
    DELETE FROM open_facts WHERE fact_id = %(id)s AND %(n)s <= (
        SELECT count(*) FROM reactions_done WHERE fact_id = %(id)s AND reaction = ANY(%(expected)s::text[]))
"""
_AWAIT = "SELECT FROM open_facts WHERE fact_id = %(id)s FOR UPDATE"


def _load(session: Session, fact_id: int, reaction: str) -> tuple[Occurrence, Reaction | None]:
    [row] = database.run(session, _LOAD, {"id": fact_id, "reaction": reaction})
    todo = next((known for known in reactions_to(row[1]) if known.name == reaction), None)
    return Occurrence(*row[:5]), None if row[5] else todo


def _claim(session: Session, fact_id: int, reaction: str) -> bool:
    return bool(database.run(session, _CLAIM, {"id": fact_id, "reaction": reaction}))


def _close_if_complete(session: Session, occurrence: Occurrence) -> None:
    """Take the fact off the to-do list after the last of its reactions, which is whoever gets the entry last."""
    expected = [reaction.name for reaction in reactions_to(occurrence.name)]
    if len(expected) > 1:
        _await_turn(session, occurrence.id)
    known = {"id": occurrence.id, "n": len(expected), "expected": database.dump_array(expected)}
    database.run(session, _CLOSE, known)


def _await_turn(session: Session, fact_id: int) -> None:
    """Wait until a reaction that ends at the same moment has committed: two that did not see each other close nothing.

    Nothing is waited for between this and the commit, so that reactions cannot wait for each other in a circle.
    """
    database.run(session, _AWAIT, {"id": fact_id})


_DONE = """
    SELECT f.id, f.name, array(SELECT reaction FROM reactions_done d WHERE d.fact_id = f.id)
    FROM facts f WHERE f.id = ANY(%(ids)s::bigint[]) ORDER BY f.id
"""
_FINISHED = "DELETE FROM open_facts WHERE fact_id = ANY(%(ids)s::bigint[])"


def missing(session: Session | None, *, fact_ids: list[int]) -> list[tuple[int, Reaction]]:
    """Return (fact id, reaction) for every reaction that these facts still lack, and close those that lack none.

    Without a session each of the two is a transaction of its own.
    """
    rows = database.run(session, _DONE, {"ids": database.dump_array(fact_ids)})
    lacking = [(row[0], known) for row in rows for known in reactions_to(row[1]) if known.name not in row[2]]
    complete = {row[0] for row in rows} - {fact_id for fact_id, _ in lacking}
    if complete:
        database.run(session, _FINISHED, {"ids": database.dump_array(complete)})
    return lacking


def _defer_missing(session: Session, fact_ids: list[int]) -> int:
    return _defer(session, missing(session, fact_ids=fact_ids))


def _defer(session: Session, lacking: list[tuple[int, Reaction]]) -> int:
    """Defer reactions, but not what already waits in the queue: a reaction that backs off is not forgotten."""
    if not lacking:
        return 0
    waiting = session.execute(
        text("""
            SELECT (args->>'fact_id')::bigint, args->>'reaction' FROM procrastinate_jobs
            WHERE task_name = 'facts.react' AND status = 'todo' AND (args->>'fact_id')::bigint = ANY(:ids)
        """),
        {"ids": [fact_id for fact_id, _ in lacking]},
    ).all()
    queued = {(row[0], row[1]) for row in waiting}
    todo = [(i, r) for i, r in lacking if (i, r.name) not in queued]
    if todo:
        jobs.defer(session, *(("facts.react", r.queue, {"fact_id": i, "reaction": r.name}) for i, r in todo))
    return len(todo)


def _forgotten(session: Session, *, since_before: datetime, after: int) -> list[int]:
    """Return up to `SWEEP_PAGE` ids above `after` of facts opened before an instant that wait for no dispatch.

    The others are late: jobs for their reactions besides would make a queue that lags lag more.
    """
    rows = session.execute(
        text("""
            SELECT fact_id FROM open_facts WHERE queue IS NULL AND since < :before AND fact_id > :after
            ORDER BY fact_id LIMIT :limit
        """),
        {"before": since_before, "after": after, "limit": SWEEP_PAGE},
    )
    return list(rows.scalars())


def sweep(*, now: datetime) -> int:
    """Defer again what the queue forgot; returns how many reactions. Runs every minute and when a worker starts."""
    deferred, after = 0, 0
    while True:
        with database.transaction() as session:
            ids = _forgotten(session, since_before=now - FORGOTTEN_AFTER, after=after)
            deferred += _defer_missing(session, ids)
        if len(ids) < SWEEP_PAGE:
            return deferred
        after = ids[-1]


_UNHURRIED = text("""
    SELECT o.fact_id FROM open_facts o JOIN facts f ON f.id = o.fact_id
    WHERE f.name = ANY(:names) AND o.since < :now AND NOT EXISTS (
        SELECT FROM procrastinate_jobs j WHERE j.task_name = 'facts.react' AND j.status IN ('todo', 'doing')
        AND (j.args->>'fact_id')::bigint = o.fact_id)
    ORDER BY o.fact_id LIMIT :limit
""")


def catch_up(*, now: datetime) -> int:
    """Run what follows from the facts that are not hurried, in their order; returns how many reactions were tried.

    Runs every three seconds, one at a time over all processes. A reaction that fails goes to the queue, which tries it
    again with growing pauses, so that it does not hold up the others.
    """
    names = [fact.name for fact in _declared.values() if not fact.is_hurried]
    # The lock is the connection's, not a transaction's: a process that dies gives it back.
    [(is_ours,)] = database.statement("SELECT pg_try_advisory_lock(%s)", (_CATCHING_UP,))
    if not is_ours:
        return 0
    try:
        with database.transaction() as session:
            ids = session.execute(_UNHURRIED, {"names": names, "now": now, "limit": CATCH_UP_PAGE}).scalars()
            todo = missing(session, fact_ids=list(ids))
        for fact_id, reaction in todo:
            if not attempt(fact_id, reaction.name):
                with database.transaction() as session:
                    _defer_missing(session, [fact_id])
    finally:
        database.statement("SELECT pg_advisory_unlock(%s)", (_CATCHING_UP,))
    return len(todo)
