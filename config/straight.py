"""Prepared statements straight through libpq: what the hot paths of one thread speak to PostgreSQL with.

Invariant: each text is prepared once a connection for the types of its parameters, which psycopg's adapters write and
whose answers they read, so values mean what they mean on any other connection of psycopg; only the way there is
shorter. Waiting for the answer lets other threads run, and ends with the server's `statement_timeout`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int4

# Filters and page sizes make many texts of a list; a server forgets all rather than keep the plan of each for ever.
MAX_PREPARED = 200

_INT4 = 2**31
_PLACE = re.compile(r"%(?:\((\w+)\)s|(s)|%)")


class Connection:
    """An autocommitting connection that knows prepared statements only. Closed when nobody holds it any more."""

    def __init__(self, url: str, *, options: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options=options)
        self._adapted = Transformer(self._connection)
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def __del__(self) -> None:
        if "_connection" in vars(self):
            self._connection.close()

    @property
    def is_dead(self) -> bool:
        """Whether the server has hung up, as far as is known here."""
        return self._connection.closed

    def run(self, sql: str, params: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement with `%s` or `%(name)s` parameters and return its rows, none for one without rows.

        Raises what psycopg raises: `OperationalError` for a connection that died, else the error of the SQLSTATE.
        """
        wire, adapted = self._connection.pgconn, self._adapted
        command, names = _numbered(sql)
        given = [params[name] for name in names] if isinstance(params, Mapping) else params
        # Written so that a value's type does not depend on its size, where psycopg has one for each of three: an order
        # has three amounts, and the same text would be planned for each combination of theirs.
        values = [Int4(one) if type(one) is int and -_INT4 <= one < _INT4 else one for one in given]
        written = adapted.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types = tuple(adapted.types or ())
        name = self._prepared.get((sql, types))
        if name is None:
            if len(self._prepared) >= MAX_PREPARED:
                self._checked(wire.exec_(b"DEALLOCATE ALL"))
                self._prepared.clear()
            name = b"straight_%d" % len(self._prepared)
            self._checked(wire.prepare(name, command, types))
            self._prepared[sql, types] = name
        result = self._checked(wire.exec_prepared(name, written, adapted.formats))  # type: ignore[arg-type]
        if result.status != ExecStatus.TUPLES_OK:
            return []
        adapted.set_pgresult(result)
        return adapted.load_rows(0, result.ntuples, tuple)

    def _checked(self, result: PGresult) -> PGresult:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if self._connection.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection to the database was lost")
        raise error_from_result(result)


@lru_cache(1024)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with `$1`, `$2` … for its places, and the names that go there; none for nameless places."""
    names: list[str] = []
    nameless = 0

    def number(place: re.Match[str]) -> str:
        nonlocal nameless
        if place[1]:
            if place[1] not in names:
                names.append(place[1])
            return f"${names.index(place[1]) + 1}"
        if place[2]:
            nameless += 1
            return f"${nameless}"
        return "%"

    return _PLACE.sub(number, sql).encode(), tuple(names)
