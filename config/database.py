"""The truth: one PostgreSQL, one metadata, one transaction boundary.

Invariant: `transaction()` is the only place that commits. The network is never touched while one is open
(`refuse_transaction`), and verbs that need one can assert it (`require_transaction`).
"""

import enum
import math
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import set_json_loads
from sqlalchemy import BigInteger, DateTime, Engine, Enum, Identity, MetaData, Uuid, create_engine, event, exc
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

from config import straight

Id = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Fen = Annotated[int, mapped_column(BigInteger)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]

# A checkout holds rows for milliseconds; whoever waits longer than this is told to try again instead of queueing.
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000
# A connection that worked this recently is not asked whether it lives: asking costs a tenth of a short transaction.
BELIEVED_FOR_S = 1.0

set_json_loads(orjson.loads)


class Base(DeclarativeBase):
    """Every table of the shop; packages own their tables and point foreign keys downwards only."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        enum.Enum: Enum(
            enum.Enum, native_enum=False, create_constraint=True, values_callable=lambda e: [m.value for m in e]
        ),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        UUID: Uuid,
        datetime: DateTime(timezone=True),
    }


_engine: Engine | None = None
_sessions: sessionmaker[Session] | None = None
_open: ContextVar[Session | None] = ContextVar("open_transaction", default=None)
_thread = threading.local()
_generation = 0


def configure(url: str, *, pool_size: int = 8) -> Engine:
    """Connect this process to `url` (any PostgreSQL URL). A later call replaces the earlier one."""
    global _engine, _sessions, _generation
    if _engine is not None:
        _engine.dispose()
    _engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        # An error's text ends up in the log, and parameters hold names and addresses.
        hide_parameters=True,
        connect_args={"options": _OPTIONS},
    )
    event.listen(_engine, "checkin", _note_use)
    event.listen(_engine, "checkout", _refuse_dead)
    _sessions = sessionmaker(_engine, expire_on_commit=False)
    _generation += 1
    return _engine


def _note_use(connection: psycopg.Connection | None, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _refuse_dead(connection: psycopg.Connection, record: Any, proxy: Any) -> None:
    """Ask a connection that has lain idle whether it still lives; the pool then takes another instead."""
    if time.monotonic() - record.info.get("used_at", -math.inf) < BELIEVED_FOR_S and not connection.closed:
        return
    try:
        engine().dialect.do_ping(connection)  # type: ignore[arg-type]
    except psycopg.OperationalError:
        raise exc.DisconnectionError from None


# A machine that vanishes says no goodbye: the server ends its sessions, and gives their locks back, within 15 s.
_ALIVE = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2"
_OPTIONS = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC {_ALIVE}"
# The hot statements are asked in the same shape for ever, and one plan fits all their parameters; left to itself
# PostgreSQL plans some of them anew at each call: the list of a category took thrice as long.
_HOT_OPTIONS = f"{_OPTIONS} -c plan_cache_mode=force_generic_plan"


def engine() -> Engine:
    """Return the engine of this process. Raises `RuntimeError` before `configure`."""
    if _engine is None:
        raise RuntimeError("database.configure() has not been called")
    return _engine


def plain_url() -> str:
    """Return the URL as libpq and procrastinate read it, without SQLAlchemy's driver name."""
    return engine().url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def transaction() -> Generator[Session]:
    """Open one transaction and commit it when the block ends well, else roll it back.

    Raises `RuntimeError` when one is already open here: a verb that takes a session must use the one it was given.
    """
    if _open.get() is not None:
        raise RuntimeError("a transaction is already open: pass its session on instead of opening another")
    if _sessions is None:
        raise RuntimeError("database.configure() has not been called")
    session = _sessions()
    mark = _open.set(session)
    try:
        with session.begin():
            yield session
    finally:
        _open.reset(mark)
        session.close()


def require_transaction(session: Session) -> None:
    """Assert that `session` belongs to the transaction that is open here."""
    if _open.get() is not session:
        raise AssertionError("this verb must run inside database.transaction()")


def refuse_transaction() -> None:
    """Assert that no transaction is open here. Every wire calls it before it touches the network."""
    if _open.get() is not None:
        raise AssertionError("the network must not be touched inside a transaction")


def statement(sql: str, params: Mapping[str, Any] | Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run ONE prepared statement, committed by itself, and return its rows (none for a statement without rows).

    The hot paths use it: one connection a thread, no ORM, no transaction round trips. When the connection proves
    dead (the database was restarted) the statement is sent once more, so a statement that writes must carry its own
    unique key.
    """
    refuse_transaction()
    for attempt in (1, 2):
        connection = _own_connection()
        try:
            return connection.run(sql, params)
        except psycopg.OperationalError:
            if not connection.is_dead:
                raise
            # Found out by using it: to ask each time before would cost more than one try too many after a restart.
            _thread.held = None
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


def run(session: Session | None, sql: str, params: Mapping[str, Any] | Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run ONE prepared statement in the transaction of `session`, or as `statement` does for None; return its rows."""
    if session is None:
        return statement(sql, params)
    cursor = driver_connection(session).execute(sql, params, prepare=True)
    return cursor.fetchall() if cursor.description else []


class Question(NamedTuple):
    """A SELECT of one column of JSON, a value a row, with its parameters: asked by itself, or along with another."""

    sql: str
    params: Mapping[str, Any]

    def ask(self, session: Session | None) -> list[Any]:
        """Return the values, as `run` finds them."""
        return [value for [value] in run(session, self.sql, self.params)]

    def ask_along(self, other: "Question") -> tuple[list[Any], list[Any]]:
        """Return the values of both, asked as one statement. Raises `ValueError` for a parameter's name in both."""
        if not self.params.keys().isdisjoint(other.params):
            raise ValueError("two questions have parameters of the same name")
        both = statement(_along(self.sql, other.sql), {**self.params, **other.params})
        return [value for is_mine, value in both if is_mine], [value for is_mine, value in both if not is_mine]


@cache
def _along(one: str, other: str) -> str:
    return f"SELECT true, a.value FROM ({one}) AS a (value) UNION ALL SELECT false, b.value FROM ({other}) AS b (value)"


def _own_connection() -> straight.Connection:
    """Return this thread's connection for hot statements, which is closed when the thread ends: its locals die."""
    held: tuple[int, straight.Connection] | None = getattr(_thread, "held", None)
    if held is None or held[0] != _generation:
        held = _thread.held = (_generation, straight.Connection(plain_url(), options=_HOT_OPTIONS))
    return held[1]


def dump_json(value: Any) -> str:
    """Return `value` as JSON text for a `cast(:x AS jsonb)` parameter."""
    return orjson.dumps(value).decode()


def dump_array(values: Iterable[str | int]) -> str:
    """Return words or numbers as the text of an array, for a parameter cast to one: `%(x)s::text[]`.

    psycopg would look into each list anew for what it holds and how that is written.
    """
    words = [str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(words) + '"}' if words else "{}"


def driver_connection(session: Session) -> psycopg.Connection:
    """Return the psycopg connection under `session`, for hot statements and for libraries that write within it."""
    known = session.info.get("driver")
    if known is None:
        # A session lives as long as its one transaction, so its connection stays the same.
        known = session.info["driver"] = session.connection().connection.driver_connection
    assert isinstance(known, psycopg.Connection)
    return known
