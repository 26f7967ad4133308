"""Logging in: from what WeChat says about a person to a session of ours.

Invariant: WeChat is asked first, outside any transaction; then one transaction finds or creates the shopper, ends
the session that the client came with, opens the new one, and carries over a guest's cart, addresses, orders and
trail of scans. The campaign is told that two random ids are one human, and by which proof; the proof itself stays here.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from config import database, settings
from storefront import addresses, carts, orders, sessions, shoppers, tokens
from storefront.actors import ActorKind, WeChatIdentity
from storefront.errors import NextRejected, StateRejected
from storefront.shopper_models import LoginState
from storefront.wechat import wire
from subway_campaign import tokens as campaign_tokens
from subway_campaign import visitors

# WeChat's own code lives for five minutes; a person who is asked for consent may take a little longer.
STATE_LIFETIME = timedelta(minutes=10)
CALLBACK_PATH = "/wechat/oauth/callback"

# A path of ours and nothing that a browser reads as another host: no `//`, no backslash, no control characters.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,511}")
_STATE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """Who logged in, with the session to hand out; `next_path` is where a browser was going."""

    opened: sessions.Opened
    number: str
    next_path: str = "/"


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A browser on its way to WeChat: the address, and the secret that its cookie must bring back."""

    url: str
    browser: str = field(repr=False)


def miniprogram(*, js_code: str, visitor_token: str | None, previous: str | None, now: datetime) -> LoggedIn:
    """Log in with a mini-program's code.

    `visitor_token` is what its launches were answered with (a forged one is passed over), `previous` the session token
    that the client held. Raises `CodeRejected` and `WeChatUnavailable`.
    """
    identity = wire.code2session(js_code)
    visitor = campaign_tokens.open_visitor(visitor_token) if visitor_token else None
    with database.transaction() as session:
        return _enter(session, identity, visitor, previous, "/", now)


def start(session: Session, *, next_path: str, now: datetime) -> Departure:
    """Send a browser inside WeChat to log in and to come back to `next_path`. Raises `NextRejected`."""
    if not is_path_of_ours(next_path):
        raise NextRejected
    state, browser = secrets.token_hex(32), tokens.secret()
    session.execute(
        insert(LoginState).values(
            state_digest=tokens.digest(state),
            browser_digest=tokens.digest(browser),
            next_path=next_path,
            open_until=now + STATE_LIFETIME,
        )
    )
    redirect_uri = settings.current().public_base_url + CALLBACK_PATH
    return Departure(url=wire.authorize_url(redirect_uri=redirect_uri, state=state), browser=browser)


def official(
    *, code: str, state: str, browser: str | None, visitor: UUID | None, previous: str | None, now: datetime
) -> LoggedIn:
    """Log in with the code that WeChat sent a browser back with.

    `browser` is the cookie that `start` gave it, `visitor` the one of its scans, `previous` its session's token. The
    state is spent before WeChat is asked, so a second callback with it is refused whatever became of the first.
    Raises `StateRejected`, `CodeRejected`, `SnapshotUser` and `WeChatUnavailable`.
    """
    with database.transaction() as session:
        next_path = _spend(session, state, browser, now)
    identity = wire.exchange(code)
    with database.transaction() as session:
        return _enter(session, identity, visitor, previous, next_path, now)


def browser_cookie_name() -> str:
    """Return the name of the cookie that a departure leaves and the callback needs."""
    return sessions.cookie_prefix() + "hall_login"


def browser_cookie(departure: Departure) -> dict[str, Any]:
    """Return a departure's secret as keyword arguments of Flask's `Response.set_cookie`."""
    return {
        "key": browser_cookie_name(),
        "value": departure.browser,
        "max_age": int(STATE_LIFETIME.total_seconds()),
        # WeChat sends the browser back by a plain link, which Lax lets the cookie come along with.
        **sessions.cookie_attributes(),
    }


def guest(session: Session, *, now: datetime) -> LoggedIn:
    """Open a session for a browser outside WeChat, which from now on owns a cart and orders through its cookie.

    Its scans stay with the visitor's cookie until somebody logs in: they are whoever's buys with it.
    """
    shopper = shoppers.arrive_as_guest(session, now=now)
    opened = sessions.open_for_shopper(session, shopper_id=shopper.shopper_id, kind=ActorKind.GUEST, now=now)
    return LoggedIn(opened=opened, number=shopper.number)


def is_path_of_ours(path: str) -> bool:
    """Tell whether a browser may be sent to `path` after logging in: a path on this site, up to 512 characters."""
    return _PATH.fullmatch(path) is not None and not urlsplit(path).netloc


def purge(session: Session, *, before: datetime) -> None:
    """Delete the logins that could have come back until `before` at most."""
    session.execute(delete(LoginState).where(LoginState.open_until < before))


def _spend(session: Session, state: str, browser: str | None, now: datetime) -> str:
    next_path: str | None = None
    if browser and tokens.is_secret(browser) and _STATE.fullmatch(state):
        next_path = session.scalar(
            update(LoginState)
            .where(
                LoginState.state_digest == tokens.digest(state),
                LoginState.browser_digest == tokens.digest(browser),
                LoginState.used_at.is_(None),
                LoginState.open_until > now,
            )
            .values(used_at=now)
            .returning(LoginState.next_path)
        )
    if next_path is None:
        raise StateRejected
    return next_path


def _enter(
    session: Session,
    identity: WeChatIdentity,
    visitor: UUID | None,
    previous: str | None,
    next_path: str,
    now: datetime,
) -> LoggedIn:
    shopper = shoppers.arrive(session, identity=identity, now=now)
    left = sessions.leave(session, token=previous, now=now) if previous else None
    _link(session, identity, shopper, visitor, now)
    if left is not None and left.kind is ActorKind.GUEST and left.shopper_id is not None:
        carts.move(session, from_shopper=left.shopper_id, to_shopper=shopper.shopper_id)
        addresses.move(session, from_shopper=left.shopper_id, to_shopper=shopper.shopper_id)
        orders.adopt(session, from_shopper=left.shopper_id, to_shopper=shopper.shopper_id)
        _same_human(session, left.shopper_id, shopper, now)
    opened = sessions.open_for_shopper(session, shopper_id=shopper.shopper_id, kind=ActorKind.SHOPPER, now=now)
    return LoggedIn(opened=opened, number=shopper.number, next_path=next_path)


def _link(
    session: Session, identity: WeChatIdentity, shopper: shoppers.ShopperView, visitor: UUID | None, now: datetime
) -> None:
    """Tell the campaign whose trail the visitor's scans are, and which other shopper is the same human."""
    kind = "mp_openid" if identity.appid == settings.current().wechat_miniprogram_appid else "oa_openid"
    visitors.link(
        session,
        visitor=visitor,
        kind=kind,
        app=identity.appid,
        value=shopper.number,
        person=shopper.person,
        now=now,
    )
    if identity.unionid is not None:
        visitors.link(
            session,
            visitor=None,
            kind="unionid",
            app="",
            value=tokens.pseudonym(identity.unionid),
            person=shopper.person,
            now=now,
        )


def _same_human(session: Session, guest_id: int, shopper: shoppers.ShopperView, now: datetime) -> None:
    """Tell the campaign that the guest who just logged in, with orders of their own perhaps, is this shopper."""
    known = shoppers.find(session, shopper_id=guest_id)
    for person in (known.person, shopper.person):
        visitors.link(session, visitor=None, kind="guest", app="", value=known.number, person=person, now=now)
