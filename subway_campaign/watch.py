"""Codes that are dead, moved or pasted over: found by their silence beside siblings that are scanned.

Invariant: a sticker sends no event, so only absence shows; what is compared are counts of days, never persons. An
alert needs a silence that a healthy code would show once in 1,000 codes (once in all codes, when there are more).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, logs
from subway_campaign import alerts, signals
from subway_campaign.field_models import AlertKind
from subway_campaign.sellers import IS_PAPER

# With 1,000 codes watched, at most one false alarm is expected: e^-6.9 (attribution.md, 3.5).
AT_LEAST = 1_000
SUSPECT = 0.01
# Fewer siblings than this say little: the next wider part of the tree is looked at.
SIBLINGS = 5
# Codes of different lines or media are no siblings: medium, network, line.
_LINE = 3
# A code's own share is believed once it has some scans; until then it is an equal part, as if of 20 scans.
PRIOR_SCANS = 20
# Of a hundred codes that fall silent without a reason in their counts, one is taken to be really gone before looking.
PRIOR_GONE = 0.01
LOOK_BACK_DAYS = 90
RATE_DAYS = 28
# A touch may arrive a day late (R20).
_ORPHANS_SINCE = timedelta(hours=26)
_log = logs.get(__name__)


@dataclass(frozen=True)
class Hung:
    """A code that hangs: its first whole day there, since when it is believed to be well, and its scans by day."""

    code: str
    placement: str
    name: str
    begun: date
    believed: date
    days: dict[date, int]

    def scans(self, first: date, last: date) -> int:
        """Return its scans from `first` to `last`, both included; each is compared with hundreds of siblings."""
        days, sums = self._running
        return sums[bisect_right(days, last)] - sums[bisect_left(days, first)] if first <= last else 0

    def first_day(self, since: date) -> date | None:
        """Return the first day with scans from `since` on."""
        days, _ = self._running
        place = bisect_left(days, since)
        return days[place] if place < len(days) else None

    @cached_property
    def _running(self) -> tuple[list[date], list[int]]:
        days = sorted(self.days)
        return days, list(accumulate((self.days[day] for day in days), initial=0))


@dataclass(frozen=True)
class Watched:
    """What its silence says about a code.

    `chance` is how likely a healthy code is silent as long, None when there is nothing to compare with; `gone` how
    likely it is gone; `detection_days` how long it takes to notice when it goes, None when nobody scans its siblings.
    """

    code: str
    placement: str
    name: str
    group: str
    siblings: int
    silent_days: int
    others: int
    share: float
    chance: float | None
    gone: float | None
    detection_days: float | None
    level: str


def chance_of_silence(share: float, others: int) -> float:
    """Return how likely a code with `share` of the scans of its group has none while the others have `others`."""
    return (1 - share) ** others


def others_needed(share: float, watched: int) -> float:
    """Return how many scans of its siblings a code must be silent for, to be alarming among `watched` codes."""
    return math.log(max(AT_LEAST, watched)) / -math.log(1 - share)


def judge(hung: Sequence[Hung], *, today: date) -> list[Watched]:
    """Return what the silence of each code says, the most alarming first."""
    groups: dict[str, list[Hung]] = {}
    for one in hung:
        labels = one.placement.split(".")
        for depth in range(_LINE, len(labels)):
            groups.setdefault(".".join(labels[:depth]), []).append(one)
    found = [_judge(one, groups, len(hung), today) for one in hung]
    return sorted(found, key=lambda one: (2.0 if one.chance is None else one.chance, one.placement, one.code))


def _judge(one: Hung, groups: dict[str, list[Hung]], watched: int, today: date) -> Watched:
    labels = one.placement.split(".")
    above = [".".join(labels[:depth]) for depth in range(len(labels) - 1, _LINE - 1, -1)]
    group = next((number for number in above if len(groups[number]) > SIBLINGS), above[-1] if above else one.placement)
    scanned = [day for day, scans in one.days.items() if scans]
    start = max([one.believed, *(day + timedelta(days=1) for day in scanned)])
    siblings = [other for other in groups.get(group, ()) if other is not one]
    others = sum(other.scans(max(start, other.believed), today) for other in siblings)
    # Shares are compared over days on which all of them hung.
    base = max([one.begun, *(other.begun for other in siblings)])
    own = one.scans(base, start - timedelta(days=1))
    beside = sum(other.scans(base, start - timedelta(days=1)) for other in siblings)
    share = (own + PRIOR_SCANS / (len(siblings) + 1)) / (own + beside + PRIOR_SCANS)
    chance = chance_of_silence(share, others) if siblings else None
    lately = [day for other in siblings if (day := other.first_day(today - timedelta(days=RATE_DAYS - 1))) is not None]
    since = min(lately, default=today)
    rate = sum(other.scans(since, today) for other in siblings) / ((today - since).days + 1)
    alarming = 1 / max(AT_LEAST, watched)
    level = "unknown" if chance is None else "fine"
    if chance is not None and chance <= SUSPECT:
        level = "alert" if chance <= alarming else "suspect"
    return Watched(
        code=one.code,
        placement=one.placement,
        name=one.name,
        group=group,
        siblings=len(siblings),
        silent_days=max(0, (today - start).days + 1),
        others=others,
        share=share,
        chance=chance,
        gone=None if chance is None else PRIOR_GONE / (PRIOR_GONE + (1 - PRIOR_GONE) * chance),
        detection_days=others_needed(share, watched) / rate if rate else None,
        level=level,
    )


# A fine inspection or a closed alert says that the code was there: its silence begins anew.
_HUNG = text(f"""
    SELECT c.slug, p.number, p.name, b.id, b.valid_from, greatest(b.valid_from, i.at, a.at) AS believed_at
    FROM codes c
    JOIN code_bindings b ON b.code_id = c.id AND b.valid_from <= :now
         AND (b.valid_until IS NULL OR b.valid_until > :now)
    JOIN placements p ON p.id = b.placement_id
    LEFT JOIN LATERAL (SELECT max(scanned_at) AS at FROM crew_scans
                       WHERE code_id = c.id AND act = 'inspected' AND finding = 'fine') i ON true
    LEFT JOIN LATERAL (SELECT max(closed_at) AS at FROM alerts WHERE subject = c.slug AND kind = 'silent') a ON true
    WHERE c.retired_at IS NULL AND {IS_PAPER}
""")
_DAYS = text("""
    SELECT binding_id, day, sum(scans + album_scans) AS scans FROM scan_days
    WHERE day >= :since AND binding_id = ANY(:bindings) GROUP BY binding_id, day
""")


def look(session: Session, *, now: datetime) -> list[Watched]:
    """Return what the silence of every code that hangs says, the most alarming first."""
    today = now.astimezone(clock.SHANGHAI).date()
    since = today - timedelta(days=LOOK_BACK_DAYS)
    rows = session.execute(_HUNG, {"now": now}).all()
    days: dict[int, dict[date, int]] = {row.id: {} for row in rows}
    for binding, day, scans in session.execute(_DAYS, {"since": since, "bindings": list(days)}):
        days[binding][day] = int(scans)
    hung = [
        # The day on which it was put up or looked at counts from the next: it was not there, or not believed, all day.
        Hung(
            row.slug,
            row.number,
            row.name,
            max(since, _day_after(row.valid_from)),
            max(since, _day_after(row.believed_at)),
            days[row.id],
        )
        for row in rows
    ]
    return judge(hung, today=today)


_ORPHANS = text("""
    SELECT c.slug, count(*) AS touches, max(t.occurred_at) AS latest,
           coalesce((SELECT act FROM crew_scans s WHERE s.code_id = c.id AND act <> 'inspected'
                     ORDER BY scanned_at DESC LIMIT 1) = 'taken_down', false) AS in_swap
    FROM touches t JOIN codes c ON c.id = t.code_id
    LEFT JOIN LATERAL (SELECT max(closed_at) AS at FROM alerts WHERE subject = c.slug AND kind = 'orphan') a ON true
    WHERE t.occurred_at > :since AND t.binding_id IS NULL AND t.drop_reason IS NULL
      AND t.kind IN ('scan', 'scan_album', 'typed') AND (a.at IS NULL OR t.occurred_at > a.at)
      AND NOT EXISTS (SELECT FROM excluded_identities e
                      WHERE e.visitor_id = t.visitor_id AND e.valid_from <= t.occurred_at
                      AND (e.valid_until IS NULL OR e.valid_until > t.occurred_at))
    GROUP BY c.id
""")


def watch_due(*, now: datetime) -> int:
    """Open an alert for each code that is silent or scanned while unbound, and each suspicion; return how many."""
    with database.transaction() as session:
        opened = sum(
            alerts.open(
                session,
                kind=AlertKind.SILENT,
                subject=one.code,
                placement=one.placement,
                evidence=_evidence(one),
                now=now,
            )
            for one in look(session, now=now)
            if one.level == "alert"
        )
        for row in session.execute(_ORPHANS, {"since": now - _ORPHANS_SINCE}).all():
            evidence = {"touches": row.touches, "latest": row.latest.isoformat(), "in_swap": row.in_swap}
            opened += alerts.open(session, kind=AlertKind.ORPHAN, subject=row.slug, evidence=evidence, now=now)
        for signal in signals.open_list(session):
            evidence = {"signal": signal["kind"], "words": signal["words"], "touches": signal["touches"]}
            opened += alerts.open(
                session,
                kind=AlertKind.SIGNAL,
                subject=signal["number"],
                placement=signal["placement"],
                evidence=evidence,
                now=now,
            )
    if opened:
        _log.info("campaign.alerts_opened", alerts=opened)
    return opened


def _day_after(at: datetime) -> date:
    return at.astimezone(clock.SHANGHAI).date() + timedelta(days=1)


def _evidence(one: Watched) -> dict[str, Any]:
    told = asdict(one)
    return {name: told[name] for name in ("group", "siblings", "silent_days", "others", "share", "chance", "gone")} | {
        "detection_days": one.detection_days
    }
