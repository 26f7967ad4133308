"""The monthly partitions of the touches: a default for whatever fits nowhere, and three months always ready.

Invariant: a scan finds a partition on the first of every month, and rows that waited in the default one move along.
"""

from datetime import UTC, datetime

from sqlalchemy import text

from config import database

MONTHS_AHEAD = 3


def ensure(*, now: datetime) -> list[str]:
    """Make the partitions of this month and the next three that are missing, and return their names."""
    made = []
    for ahead in range(MONTHS_AHEAD + 1):
        name, first, following = _month(now, ahead)
        with database.transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('touch partitions', 0))"))
            if session.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is not None:
                continue
            bounds = f"occurred_at >= '{first}' AND occurred_at < '{following}'"
            # Rows that the default partition took in meanwhile would forbid the new one: they move first.
            session.execute(text(f"CREATE TABLE {name} (LIKE touches INCLUDING ALL)"))
            session.execute(
                text(f"""
                    WITH moved AS (DELETE FROM touches_p_default WHERE {bounds} RETURNING *)
                    INSERT INTO {name} SELECT * FROM moved
                """)
            )
            session.execute(
                text(f"ALTER TABLE touches ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{following}')")
            )
        made.append(name)
    return made


def _month(now: datetime, ahead: int) -> tuple[str, str, str]:
    """Return the name of a month's partition and its bounds, as the migration also writes them: UTC months."""
    months = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 + ahead
    first, following = (datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in (months, months + 1))
    return f"touches_p_{first:%Y_%m}", first.isoformat(), following.isoformat()
