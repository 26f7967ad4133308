"""The tables of a test process between its tests: emptied after each, and the catalog laid out anew where one needs it.

Invariant: both are one call to a function of one connection's own, whose plans PostgreSQL keeps, so neither is parsed
and planned for each of thousands of tests. Triggers and foreign keys rest meanwhile: the rows are what they had let
pass before. Nothing of this is to be seen in the database itself: functions and copies are temporary.
"""

import psycopg

from catalog import seeding
from config import database

_OURS = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname NOT IN ('alembic_version', 'procrastinate_version')
"""
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class _Sweeper:
    """One connection to the database of this process, and the functions that it was taught."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET session_replication_role = replica")
        self.tables = [name for (name,) in self.connection.execute(_OURS)]
        self._teach("empty_tables", [f'DELETE FROM public."{name}"' for name in self.tables])
        self.is_stocked = False

    def _teach(self, name: str, statements: list[str]) -> None:
        body = "; ".join(statements)
        self.connection.execute(
            f"CREATE FUNCTION pg_temp.{name}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"
        )

    def empty(self) -> None:
        self.connection.execute("SELECT pg_temp.empty_tables()")

    def stock(self) -> None:
        if self.is_stocked:
            self.connection.execute("SELECT pg_temp.lay_out_the_catalog()")
            return
        seeding.seed(lambda what, done, total: None)
        statements = []
        for name in self.tables:
            if self.connection.execute(f'SELECT 1 FROM public."{name}" LIMIT 1').fetchone():
                [(columns,)] = self.connection.execute(_COLUMNS, (f'public."{name}"',))
                self.connection.execute(f'CREATE TEMP TABLE "seeded_{name}" AS SELECT {columns} FROM public."{name}"')
                statements.append(
                    f'INSERT INTO public."{name}" ({columns}) OVERRIDING SYSTEM VALUE'
                    f' SELECT {columns} FROM pg_temp."seeded_{name}"'
                )
        self._teach("lay_out_the_catalog", statements)
        self.is_stocked = True


_sweepers: dict[str, _Sweeper] = {}


def _sweeper() -> _Sweeper:
    url = database.plain_url()
    held = _sweepers.get(url)
    if held is None or held.connection.closed:
        held = _sweepers[url] = _Sweeper(url)
    return held


def empty() -> None:
    """Delete every row of every table of ours, without asking in which order."""
    _sweeper().empty()


def stock() -> None:
    """Lay out the catalog in empty tables as `flask seed` leaves it: seeded once a process, then copied back."""
    _sweeper().stock()
