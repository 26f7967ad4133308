"""Alembic migrations, one file per package and step.

Invariant: upgrade → downgrade → upgrade leaves the same schema, and the schema equals the models (both are tests).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData


def config(connection: Connection, metadata: MetaData | None = None) -> Config:
    """Return an Alembic configuration that works on `connection`, without any ini file."""
    alembic = Config()
    alembic.set_main_option("script_location", str(Path(__file__).parent))
    alembic.attributes["connection"] = connection
    alembic.attributes["metadata"] = metadata
    return alembic


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to `revision`, all or nothing."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        command.upgrade(config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to `revision` (`base` for nothing), all or nothing."""
    with engine.begin() as connection:
        command.downgrade(config(connection), revision)
