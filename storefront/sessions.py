"""Sessions: opaque tokens that say who is calling.

Invariant: a token is 256 random bits, stored as a digest, handed out once and rotated at every login; it travels in
a header or in a cookie, never in a URL. Being asked who is calling costs one
indexed statement, and for staff and strangers another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from config import database, settings
from config.database import Question
from storefront import tokens
from storefront.actors import Actor, ActorKind
from storefront.errors import SessionRequired
from storefront.roles import Grant, Role, Scope
from storefront.shopper_models import LoginSession

# A shopper logs in silently through WeChat, so a month is no burden; a guest owns the cart and the orders through
# this cookie alone, so it lives as long as an order can still be returned; staff log in once a shift.
LIFETIMES = {
    ActorKind.SHOPPER: timedelta(days=30),
    ActorKind.GUEST: timedelta(days=90),
    ActorKind.STAFF: timedelta(hours=12),
}

_SHOPPER = """
SELECT json_build_array(s.kind, c.id, c.number, c.person, c.appid)
FROM sessions s JOIN shoppers c ON c.id = s.shopper_id
WHERE s.token_digest = %(digest)s AND s.revoked_at IS NULL AND s.expires_at > %(asked_at)s
"""
_STAFF = """
SELECT a.id, a.username, a.totp_sealed IS NOT NULL,
       (SELECT jsonb_agg(jsonb_build_array(r.role, r.area, r.supplier) ORDER BY r.id)
          FROM staff_roles r WHERE r.staff_id = a.id)
  FROM sessions s JOIN staff_accounts a ON a.id = s.staff_id
 WHERE s.token_digest = %(digest)s AND s.revoked_at IS NULL AND s.expires_at > %(asked_at)s AND a.disabled_at IS NULL
"""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A new session; `token` is shown this once."""

    token: str = field(repr=False)
    kind: ActorKind
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Presented:
    """A token as a request brought it; one that came `by_cookie` needs a proof against forgery (`csrf`)."""

    token: str = field(repr=False)
    by_cookie: bool


@dataclass(frozen=True, kw_only=True)
class Left:
    """A session that has just ended."""

    kind: ActorKind
    shopper_id: int | None


def open_for_shopper(session: Session, *, shopper_id: int, kind: ActorKind, now: datetime) -> Opened:
    """Open a session for a shopper or a guest."""
    return _open(session, kind, {"shopper_id": shopper_id}, now)


def open_for_staff(session: Session, *, staff_id: int, now: datetime) -> Opened:
    """Open a session for a member of staff."""
    return _open(session, ActorKind.STAFF, {"staff_id": staff_id}, now)


def _open(session: Session, kind: ActorKind, owner: dict[str, int], now: datetime) -> Opened:
    opened = Opened(token=tokens.secret(), kind=kind, expires_at=now + LIFETIMES[kind])
    session.execute(
        insert(LoginSession).values(
            token_digest=tokens.digest(opened.token), kind=kind, created_at=now, expires_at=opened.expires_at, **owner
        )
    )
    return opened


def verify(token: str, *, now: datetime) -> Actor:
    """Return who `token` speaks for.

    Raises `SessionRequired` when it is unknown, revoked or expired, or its staff account is disabled.
    """
    asking = _asking(token, now)
    return _who(asking.ask(None), asking)


def verify_along(token: str, question: Question, *, now: datetime) -> tuple[Actor, list[Any]]:
    """Return who `token` speaks for, and the answer to a question that goes with it: one statement for both.

    Raises what `verify` does.
    """
    asking = _asking(token, now)
    found, answer = asking.ask_along(question)
    return _who(found, asking), answer


def _asking(token: str, now: datetime) -> Question:
    if not tokens.is_secret(token):
        raise SessionRequired
    return Question(_SHOPPER, {"digest": tokens.digest(token), "asked_at": now})


def _who(found: list[Any], asking: Question) -> Actor:
    for kind, shopper_id, number, person, appid in found:
        return Actor(kind=ActorKind(kind), shopper_id=shopper_id, number=number, person=UUID(person), appid=appid)
    for staff_id, username, has_second_factor, grants in database.statement(_STAFF, asking.params):
        return Actor(
            kind=ActorKind.STAFF,
            staff_id=staff_id,
            username=username,
            grants=tuple(
                Grant(role=Role(role), scope=Scope(area=area, supplier=supplier))
                for role, area, supplier in grants or ()
            ),
            has_second_factor=has_second_factor,
        )
    raise SessionRequired


def leave(session: Session, *, token: str, now: datetime) -> Left | None:
    """End the session of `token` and return whose it was; None when it had ended already or never was."""
    row = session.execute(
        update(LoginSession)
        .where(
            LoginSession.token_digest == tokens.digest(token),
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > now,
        )
        .values(revoked_at=now)
        .returning(LoginSession.kind, LoginSession.shopper_id)
    ).one_or_none()
    return Left(kind=row.kind, shopper_id=row.shopper_id) if row else None


def revoke_staff(session: Session, *, staff_id: int, now: datetime) -> int:
    """End every session of a member of staff at once, and return how many were still open."""
    ended = session.execute(
        update(LoginSession)
        .where(LoginSession.staff_id == staff_id, LoginSession.revoked_at.is_(None), LoginSession.expires_at > now)
        .values(revoked_at=now)
        .returning(LoginSession.id)
    )
    return len(ended.all())


def purge(session: Session, *, before: datetime) -> None:
    """Delete sessions that expired before `before`."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at < before))


def presented(*, authorization: str | None, cookies: Mapping[str, str], staff: bool = False) -> Presented | None:
    """Return the token that a request brought, or None. A header goes before a cookie; `staff` picks whose cookie.

    Raises `SessionRequired` for an `Authorization` header that is no bearer token.
    """
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not tokens.is_secret(token.strip()):
            raise SessionRequired
        return Presented(token=token.strip(), by_cookie=False)
    cookie = cookies.get(cookie_name(staff=staff))
    # A cookie that is none of ours is nobody's: the browser would send it for ever, whatever we answered.
    return Presented(token=cookie, by_cookie=True) if cookie and tokens.is_secret(cookie) else None


def cookie_name(*, staff: bool = False) -> str:
    """Return the cookie's name. Staff have their own, so that logging in at work does not empty a private cart."""
    return cookie_prefix() + ("hall_staff" if staff else "hall_session")


def cookie_prefix() -> str:
    """Return what our cookies' names begin with: over https browsers then let no neighbouring host plant one."""
    return "__Host-" if settings.current().is_public_https else ""


def cookie(opened: Opened, *, now: datetime) -> dict[str, Any]:
    """Return the session as keyword arguments of Flask's `Response.set_cookie`."""
    return {
        "key": cookie_name(staff=opened.kind is ActorKind.STAFF),
        "value": opened.token,
        "max_age": int((opened.expires_at - now).total_seconds()),
        **cookie_attributes(),
    }


def cookie_attributes() -> dict[str, Any]:
    """Return what every cookie of ours has in common; `Response.delete_cookie` takes the same."""
    return {"path": "/", "secure": settings.current().is_public_https, "httponly": True, "samesite": "Lax"}


def cookie_header(name: str, value: str, *, life: timedelta) -> str:
    """Return a `Set-Cookie` with those attributes for a value of letters, digits and dashes.

    What Flask makes of the same is checked and quoted first, at twenty times the cost, and a scan sets two.
    """
    secure = "Secure; " if settings.current().is_public_https else ""
    return f"{name}={value}; {secure}HttpOnly; Max-Age={int(life.total_seconds())}; Path=/; SameSite=Lax"
