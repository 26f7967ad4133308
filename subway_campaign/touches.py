"""What a mini-program was launched with (R1 to R5, R20).

Invariant: a touch is written once for its client-made id, and one scan's nonce makes one scan, however often the app
returns to the foreground; the scanned link is read, checked against our own host, and never fetched.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, settings
from subway_campaign import codes, errors, instants, scenes, tokens, visitors, visits
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import TouchKind

_PRINTED_PATH = re.compile(r"/s/([^/]{1,64})/?", re.IGNORECASE)
# WeChat counts seconds since 1970; anything beyond is no nonce of its making.
_SECONDS_AT_MOST = 2**40
_SCANS = (TouchKind.SCAN, TouchKind.SCAN_ALBUM, TouchKind.SCAN_LONGPRESS)


@dataclass(frozen=True)
class Launch:
    """What `onLaunch` or `onShow` saw; `q` is still encoded, `query_scene` is the parameter of a mini-program code."""

    scene: int
    q: str | None = None
    scancode_time: int | None = None
    query_scene: str | None = None
    client_at: datetime | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Recorded:
    """A touch as it stands. `landing` is None when the launch named no code, or one that was never bound."""

    touch: UUID
    kind: TouchKind
    visitor: UUID
    visitor_token: str
    landing: Landing | None


def record(*, touch: UUID, launch: Launch, visitor: UUID | None, now: datetime, person: UUID | None = None) -> Recorded:
    """Write the touch `touch` (an id made by the client) and return it; sent again, return it as it was written.

    `visitor` is the one of the visitor token, or None for a new one; `person`, when somebody is logged in, gets the
    visitor's touches (R11). Raises `ForeignLink` for a `q` that is not ours and `UnknownCode`, after counting it, for
    a code that is not ours or is retired (R26).
    """
    slug = _code_of(launch)
    nonce = launch.scancode_time if 0 <= (launch.scancode_time or 0) < _SECONDS_AT_MOST else None
    kind = scenes.kind_of(
        scene=launch.scene, has_q=launch.q is not None, has_nonce=nonce is not None, has_code=slug is not None
    )
    if slug is not None and not codes.is_code(slug):
        visits.count_orphan(slug, now=now)
        raise errors.UnknownCode
    with database.transaction() as session:
        found = _write(session, touch, launch, slug, kind, nonce, visitor or uuid4(), now)
        if found is not None and person is not None:
            visitors.bind(session, visitor=found.visitor, person=person, now=now)
    if found is None:
        visits.count_orphan(slug or "", now=now)
        raise errors.UnknownCode
    return found


def _code_of(launch: Launch) -> str | None:
    """Return the code that the launch names, normalized, after decoding it once."""
    if launch.q is not None:
        match = _PRINTED_PATH.fullmatch(_our_link(unquote(launch.q)).path)
        if match is None:
            raise errors.ForeignLink
        return codes.normalize(match[1])
    return codes.normalize(unquote(launch.query_scene)) if launch.query_scene else None


def _our_link(link: str) -> SplitResult:
    ours = urlsplit(settings.current().public_base_url)
    try:
        parts = urlsplit(link)
        # Whoever reads a user name or a backslash in it otherwise than we do would be led elsewhere.
        is_plain = "@" not in parts.netloc and "\\" not in link
        is_http = parts.scheme in {"http", "https"}
        is_ours = is_plain and is_http and (parts.hostname, parts.port) == (ours.hostname, ours.port)
    except ValueError:
        is_ours = False
    if not is_ours:
        raise errors.ForeignLink
    return parts


_HUNG = text(visits.HUNG.format(at=":at", slug=":slug") + " SELECT * FROM hung")
_KEY = text("""
    INSERT INTO touch_keys (touch_id, occurred_at, visitor_id, code_id, scancode_time)
    VALUES (:touch, :at, :visitor, :code, :nonce) ON CONFLICT DO NOTHING RETURNING touch_id
""")
_TOUCH = text("""
    INSERT INTO touches (id, occurred_at, received_at, kind, surface, clock, drop_reason, visitor_id,
                         code_id, binding_id, placement_id, scene)
    VALUES (:touch, :at, :now, :kind, 'miniprogram', :clock, :drop, :visitor, :code, :binding, :placement, :scene)
""")
_STORED = text("""
    SELECT t.kind, t.visitor_id, c.slug, t.occurred_at FROM touch_keys k
    JOIN touches t ON t.id = k.touch_id AND t.occurred_at = k.occurred_at
    LEFT JOIN codes c ON c.id = t.code_id
    WHERE k.touch_id = :touch
""")


def _write(
    session: Session,
    touch: UUID,
    launch: Launch,
    slug: str | None,
    kind: TouchKind,
    nonce: int | None,
    visitor: UUID,
    now: datetime,
) -> Recorded | None:
    """Write the touch, or find it; None when its code is unknown or retired."""
    at, clock = instants.occurred(
        received_at=now, scancode_time=nonce, client_at=launch.client_at, sent_at=launch.sent_at
    )
    hung = session.execute(_HUNG, {"slug": slug, "at": at}).first()
    if slug is not None and hung is None:
        return _stored(session, touch)
    key = {"touch": touch, "at": at, "visitor": visitor, "code": hung and hung.code_id}
    if session.execute(_KEY, key | {"nonce": nonce if kind in _SCANS else None}).first() is None:
        stored = _stored(session, touch)
        if stored is not None:
            return stored
        # Another touch has this nonce: the app came back to the foreground with its old scene (R2).
        kind = TouchKind.REVISIT
        if session.execute(_KEY, key | {"nonce": None}).first() is None:
            return _stored(session, touch)
    bound = hung if hung is not None and hung.valid else None
    session.execute(
        _TOUCH,
        key
        | {
            "now": now,
            "kind": kind,
            "clock": clock,
            "drop": scenes.drop_of_scene(launch.scene),
            "binding": bound and bound.binding_id,
            "placement": bound and bound.placement_id,
            "scene": launch.scene,
        },
    )
    return Recorded(touch, kind, visitor, tokens.seal_visitor(visitor), _landing(hung))


def _stored(session: Session, touch: UUID) -> Recorded | None:
    row = session.execute(_STORED, {"touch": touch}).first()
    if row is None:
        return None
    hung = session.execute(_HUNG, {"slug": row.slug, "at": row.occurred_at}).first()
    return Recorded(touch, TouchKind(row.kind), row.visitor_id, tokens.seal_visitor(row.visitor_id), _landing(hung))


def _landing(hung: object) -> Landing | None:
    kind = getattr(hung, "landing_kind", None)
    return None if kind is None else Landing(LandingKind(kind), getattr(hung, "landing_slug", ""))
