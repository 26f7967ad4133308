"""A scan of a printed code in a browser: the touch, the landing, and later the proof that a person stood there.

Invariant: a scan is one committed statement, before the redirect; a lone GET is never counted, because WeChat's
servers fetch links too (R6), and a visit opened by somebody else is a share, not a scan (R3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from secrets import randbits
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4, uuid5

from psycopg.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import codes, errors, scenes, tokens
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import TouchKind

# The scan cookie lives this long, so nothing older can be its owner's.
COOKIE_LIFE = timedelta(days=90)


@dataclass(frozen=True)
class Opened:
    """A scan that was written down. `landing` is None only for a code that was never bound to anything."""

    visitor: UUID
    touch: UUID
    token: str
    landing: Landing | None
    is_orphan: bool


@dataclass(frozen=True)
class Confirmed:
    """Who stands behind a visit, and as what."""

    visitor: UUID
    kind: TouchKind


# The binding that is valid at an instant; else, for the landing only, the one that ended last or begins next (R12).
HUNG = """
WITH hung AS (
    SELECT c.id AS code_id, b.id AS binding_id, b.placement_id, b.landing_kind, b.landing_slug,
           coalesce(b.valid_from <= {at} AND (b.valid_until IS NULL OR b.valid_until > {at}), false) AS valid
    FROM codes c
    LEFT JOIN LATERAL (
        SELECT * FROM code_bindings WHERE code_id = c.id
        ORDER BY valid_from <= {at} DESC, CASE WHEN valid_from <= {at} THEN valid_from END DESC, valid_from LIMIT 1
    ) b ON true
    WHERE c.slug = {slug} AND c.retired_at IS NULL
)"""
_LANDING = " SELECT landing_kind, landing_slug, valid FROM hung"
_LEADS = HUNG.format(at="%(now)s", slug="%(slug)s") + _LANDING
_OPEN = (
    HUNG.format(at="%(now)s", slug="%(slug)s")
    + """, touched AS (
    INSERT INTO touches (id, occurred_at, received_at, kind, surface, clock, drop_reason, visitor_id,
                         code_id, binding_id, placement_id, network)
    SELECT %(touch)s, %(now)s, %(now)s, %(kind)s, 'h5', 'server', %(drop)s, %(visitor)s,
           code_id, CASE WHEN valid THEN binding_id END, CASE WHEN valid THEN placement_id END, %(network)s
    FROM hung
)"""
    + _LANDING
)


def open(  # noqa: A001 - callers say visits.open
    *,
    slug: str,
    visitor: UUID | None,
    now: datetime,
    method: str = "GET",
    user_agent: str = "",
    headers: Mapping[str, str] = MappingProxyType({}),
    network: str | None = None,
    kind: TouchKind = TouchKind.SCAN,
) -> Opened:
    """Write down that the code `slug`, in any spelling, was opened, and return where it leads.

    `kind` is `TYPED` when a person typed the text under the code instead of scanning it (R23).

    `visitor` is the cookie's, or None for a new one; `headers` are read for signs of prefetching, by lower-case name;
    `network` is a coarse network (`network_of`), never an address. Crawlers and prefetches are kept with the reason.
    Raises `UnknownCode` for a code that is not ours or is retired, after counting it (R26).
    """
    slug = codes.normalize(slug)
    visitor, touch = visitor or _ordered_id(now), _ordered_id(now)
    rows = codes.is_code(slug) and _write(
        {
            "slug": slug,
            "now": now,
            "touch": touch,
            "visitor": visitor,
            "drop": scenes.drop_of_request(method=method, user_agent=user_agent, headers=headers),
            "network": network,
            "kind": kind,
        }
    )
    if not rows:
        count_orphan(slug, now=now)
        raise errors.UnknownCode
    landing_kind, landing_slug, is_bound = rows[0]
    if not is_bound:
        logs.alarm("campaign.orphan_touch", code=slug)
    landing = Landing(LandingKind(landing_kind), landing_slug) if landing_kind else None
    return Opened(visitor, touch, tokens.seal_visit(touch, occurred_at=now), landing, not is_bound)


def _write(touch: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Write the touch and return where its code leads, no row when it is none of ours."""
    try:
        return database.statement(_OPEN, touch)
    except UniqueViolation:
        # The connection broke once it was written, and the statement was sent again. To let PostgreSQL look each time
        # whether a touch of this id is there already is a tenth of the insert.
        return database.statement(_LEADS, {"slug": touch["slug"], "now": touch["now"]})


def count_orphan(slug: str, *, now: datetime) -> None:
    """Keep that an unknown or retired code was opened; a text that cannot be a code is kept as '' (R26)."""
    database.statement(
        "INSERT INTO orphan_scans (slug, occurred_at) VALUES (%(slug)s, %(now)s)",
        {"slug": slug if codes.is_code(slug) else "", "now": now},
    )


# A visit confirmed by its owner is a scan; by anybody else it is one share, whose key makes a repeated beacon harmless.
_CONFIRM = """
WITH visit AS (
    SELECT * FROM touches WHERE id = %(touch)s AND occurred_at = %(occurred_at)s
), own AS (
    INSERT INTO touch_confirmations (touch_id, confirmed_at)
    SELECT id, %(now)s FROM visit WHERE visitor_id = %(visitor)s ON CONFLICT DO NOTHING
), claimed AS (
    INSERT INTO touch_keys (touch_id, occurred_at, visitor_id)
    SELECT %(share)s, %(now)s, %(visitor)s FROM visit WHERE visitor_id IS DISTINCT FROM %(visitor)s
    ON CONFLICT DO NOTHING RETURNING touch_id
), shared AS (
    INSERT INTO touches (id, occurred_at, received_at, kind, surface, clock, visitor_id,
                         code_id, binding_id, placement_id, parent_touch)
    SELECT claimed.touch_id, %(now)s, %(now)s, %(forwarded)s, 'h5', 'server', %(visitor)s,
           code_id, binding_id, placement_id, visit.id
    FROM claimed, visit
)
SELECT visitor_id IS NOT DISTINCT FROM %(visitor)s FROM visit
"""


def confirm(
    *, token: str, visitor: UUID | None, now: datetime, forwarded: TouchKind = TouchKind.SHARE_OPEN
) -> Confirmed | None:
    """Confirm the visit of `token` on behalf of the cookie's `visitor`: a scan if it is theirs (R6).

    Else it is what `forwarded` says: a share, or a page that goes on in another browser (R3). A browser without a
    cookie becomes a new visitor, whose id the answer carries. None for a forged or ended token.
    """
    visit = tokens.open_visit(token, now=now)
    if visit is None:
        return None
    visitor = visitor or uuid4()
    rows = database.statement(
        _CONFIRM,
        {
            "touch": visit.touch,
            "occurred_at": visit.occurred_at,
            "visitor": visitor,
            "share": uuid5(visit.touch, visitor.hex),
            "now": now,
            "forwarded": forwarded,
        },
    )
    if not rows:
        return None
    return Confirmed(visitor, TouchKind.SCAN if rows[0][0] else forwarded)


_SEEN = """
    INSERT INTO touch_confirmations (touch_id, confirmed_at)
    SELECT id, {now} FROM touches
    WHERE visitor_id = {visitor} AND surface = 'h5' AND occurred_at BETWEEN {since} AND {now}
    ON CONFLICT DO NOTHING
"""
_SEEN_OUTSIDE = _SEEN.format(now="%(now)s", visitor="%(visitor)s", since="%(since)s")
_SEEN_INSIDE = text(_SEEN.format(now=":now", visitor=":visitor", since=":since"))


def seen(*, visitor: UUID, now: datetime) -> None:
    """Confirm every visit of a cookie that came back with a later request, whatever it asked for (R6)."""
    database.statement(_SEEN_OUTSIDE, {"visitor": visitor, "now": now, "since": now - COOKIE_LIFE})


def vouch(session: Session, *, visitor: UUID, now: datetime) -> None:
    """Confirm every visit of a visitor who logged in, filled a cart, ordered or paid (R6)."""
    session.execute(_SEEN_INSIDE, {"visitor": visitor, "now": now, "since": now - COOKIE_LIFE})


def network_of(address: str) -> str | None:
    """Return the coarse network of an address (/24 or /48), the only part of it that is ever kept."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        return ":".join(parsed.exploded.split(":")[:3]) + "::/48"
    return address.rsplit(".", 1)[0] + ".0/24"


def _ordered_id(now: datetime) -> UUID:
    """Return a version 7 UUID, of which 74 bits are random and the rest is the time.

    Ids that grow with time keep the index writes of a million scans on a few pages: a tenth of a scan's cost.
    """
    milliseconds, drawn = int(now.timestamp() * 1000), randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | drawn >> 62 << 64 | 0b10 << 62 | drawn & (1 << 62) - 1)
