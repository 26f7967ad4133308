"""How long the riders behind touches are remembered (docs/privacy.md); who they are to the shop is `erasure`'s.

Invariant: forgetting changes no figure of any report: what two scans must share to be counted once, the visitor of a
day and of a run of scans, they go on sharing under a new random name that nobody's cookie bears.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text

from config import clock, database
from subway_campaign.attribution import SAME_SCAN
from subway_campaign.counting import LOOK_BACK

# A statement that renames this many visitors of one day takes seconds, far from the statement time-out.
VISITORS_AT_ONCE = 5_000
_DAY = timedelta(days=1)
_NOBODY = UUID(int=0)

# Cookies are random UUIDs of version 4, so version 8 tells a name that was given here.
_REMEMBERED = "substring(cast(visitor_id AS text), 15, 1) <> '8'"
_OLDEST = text(f"SELECT min(occurred_at) FROM touches WHERE occurred_at < :before AND {_REMEMBERED}")
_FORGET = text(f"""
    WITH picked AS MATERIALIZED (
        SELECT visitor_id, cast(overlay(cast(gen_random_uuid() AS text) placing '8' from 15) AS uuid) AS name
        FROM (SELECT DISTINCT visitor_id FROM touches
              WHERE occurred_at >= :day AND occurred_at < :next_day AND visitor_id > :after AND {_REMEMBERED}
              ORDER BY visitor_id LIMIT :at_most) visitors
    ), stream AS (
        SELECT t.id, t.occurred_at, t.visitor_id, name,
               occurred_at - lag(occurred_at) OVER w >= :gap
               AND cast(occurred_at AT TIME ZONE 'Asia/Shanghai' AS date)
                   <> cast(lag(occurred_at) OVER w AT TIME ZONE 'Asia/Shanghai' AS date) AS breaks
        FROM picked JOIN touches t USING (visitor_id)
        WHERE t.occurred_at >= :day AND t.occurred_at < :watched
        WINDOW w AS (PARTITION BY visitor_id ORDER BY occurred_at, t.id)
    ), counted AS (
        SELECT stream.*,
               count(*) FILTER (WHERE breaks) OVER (PARTITION BY visitor_id ORDER BY occurred_at, id) AS broken
        FROM stream
    ), run AS (
        SELECT id, occurred_at, visitor_id, name,
               min(occurred_at) OVER v AS began_at, max(occurred_at) OVER v AS ended_at
        FROM counted WHERE broken = 0 WINDOW v AS (PARTITION BY visitor_id)
    ), past AS MATERIALIZED (
        SELECT * FROM run WHERE ended_at < :before
    ), excluded AS (
        SELECT visitor_id, min(reason) AS reason, range_agg(tstzrange(valid_from, valid_until)) AS spans
        FROM (SELECT visitor_id, reason, valid_from, valid_until FROM excluded_identities WHERE visitor_id IS NOT NULL
              UNION ALL
              SELECT l.visitor_id, e.reason, e.valid_from, e.valid_until
              FROM excluded_identities e JOIN visitor_links l USING (person_id)) identities
        GROUP BY visitor_id
    ), kept_out AS (
        INSERT INTO excluded_identities (visitor_id, reason, valid_from, valid_until, recorded_at)
        SELECT name, reason, lower(span), upper(span) + interval '1 microsecond', lower(span)
        FROM (SELECT DISTINCT visitor_id, name, began_at, ended_at FROM past) once JOIN excluded USING (visitor_id),
             unnest(spans * tstzmultirange(tstzrange(began_at, ended_at, '[]'))) AS span
    ), keyed AS (
        UPDATE touch_keys k SET visitor_id = name FROM past WHERE k.touch_id = past.id
    ), renamed AS (
        UPDATE touches t SET visitor_id = name, network = NULL
        FROM past WHERE t.id = past.id AND t.occurred_at = past.occurred_at
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM renamed), (SELECT visitor_id FROM picked ORDER BY visitor_id DESC LIMIT 1)
""")


# The touches that it holds are of one day, so they go on sharing a name that leads nowhere.
_FORGET_SUSPECTS = text("""
    UPDATE fraud_signals SET visitor_id = NULL WHERE visitor_id IS NOT NULL AND opened_at < :before
""")


def forget_visitors(*, before: datetime, progress: Callable[[int, int], None] | None = None) -> int:
    """Give the touches of the Shanghai days before `before`'s a name that no cookie bears; returns how many touches.

    Each day of a visitor gets a name of its own, so that no dated track of a person is left; scans that run across
    midnight keep one, and a run that reaches `before`'s day is left for the next time. Works a day at a time, each in
    short transactions, and calls `progress` with the days done and all days.
    """
    cut = _midnight(before)
    with database.transaction() as session:
        session.execute(_FORGET_SUSPECTS, {"before": cut})
        oldest = session.execute(_OLDEST, {"before": cut}).scalar_one()
    if oldest is None:
        return 0
    first = _midnight(oldest)
    days = (cut - first) // _DAY
    forgotten = 0
    for done in range(days):
        forgotten += _forget_day(first + done * _DAY, cut)
        if progress is not None:
            progress(done + 1, days)
    return forgotten


def _forget_day(day: datetime, cut: datetime) -> int:
    forgotten, after = 0, _NOBODY
    while True:
        with database.transaction() as session:
            # Two purges at once would name the same touches twice.
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('forget visitors', 0))"))
            touches, last = session.execute(
                _FORGET,
                {
                    "day": day,
                    "next_day": day + _DAY,
                    "before": cut,
                    "watched": cut + LOOK_BACK,
                    "gap": SAME_SCAN,
                    "after": after,
                    "at_most": VISITORS_AT_ONCE,
                },
            ).one()
        if last is None:
            return forgotten
        forgotten, after = forgotten + touches, last


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(clock.SHANGHAI).date(), time(), tzinfo=clock.SHANGHAI)
