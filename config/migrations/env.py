"""Alembic's entry: runs migrations on the connection it is handed.

Invariant: migrations run in one transaction under an advisory lock, so two deploys cannot migrate at once. The
metadata to compare with comes from the caller, because the ground does not know the packages above it.
"""

from typing import Any

from alembic import context
from sqlalchemy import text

MIGRATION_LOCK = 7_302_020


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Leave procrastinate's tables and the monthly partitions out of comparisons: models do not describe them."""
    return not (kind == "table" and name and (name.startswith("procrastinate_") or "_p_" in name))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes.get("metadata"),
    include_name=include_name,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    context.run_migrations()
