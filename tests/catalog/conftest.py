from collections.abc import Iterator

import psycopg
import pytest

from catalog import accreditation_models, hall_models, models, seeding, target_models
from catalog.cache import Cache
from config import database

OURS = {models.__name__, accreditation_models.__name__, hall_models.__name__, target_models.__name__}
# Those that others point at come first.
TABLES = [
    mapper.local_table.name
    for mapper in sorted(
        (mapper for mapper in database.Base.registry.mappers if mapper.class_.__module__ in OURS),
        key=lambda mapper: database.Base.metadata.sorted_tables.index(mapper.local_table),
    )
]
_seed: dict[str, bytes] = {}


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """No answer of one test is handed out in another, whose database is a different one."""
    Cache.forget_all()
    yield
    Cache.forget_all()


@pytest.fixture
def seeded(db: None) -> None:
    """The catalog as `flask seed` leaves it: seeded once a process, copied back for each test."""
    if not _seed:
        seeding.seed(lambda what, done, total: None)
    with psycopg.connect(database.plain_url(), autocommit=True) as connection, connection.cursor() as cursor:
        if _seed:
            for table, rows in _seed.items():
                with cursor.copy(f"COPY {table} FROM STDIN") as into:
                    into.write(rows)
        else:
            for table in TABLES:
                with cursor.copy(f"COPY {table} TO STDOUT") as out:
                    _seed[table] = b"".join(out)
