"""Links that open one order of a guest, for a reader who has lost the cookie.

Invariant: a link is 128 unguessable bits, opens exactly one order until it is revoked, and cannot be made from a
copy of the database: it is derived from a stored seed with the shop's secret key.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config import settings
from storefront import tokens
from storefront.errors import LinkNotFound
from storefront.shopper_models import OrderLink

_LINK = re.compile(r"[0-9A-Za-z_-]{22}")


def issue(session: Session, *, order_number: str, now: datetime) -> str:
    """Return the order's link, the same one until it is revoked. The caller has checked whose order it is."""
    seed = secrets.token_bytes(16)
    session.execute(
        insert(OrderLink)
        .values(
            link_digest=tokens.digest(_derive(seed)),
            seed=seed,
            order_number=order_number,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return _derive(
        session.scalars(
            select(OrderLink.seed).where(OrderLink.order_number == order_number, OrderLink.revoked_at.is_(None))
        ).one()
    )


def resolve(session: Session, *, link: str) -> str:
    """Return the number of the order that `link` opens. Raises `LinkNotFound`."""
    number = None
    if _LINK.fullmatch(link):
        number = session.scalar(
            select(OrderLink.order_number).where(
                OrderLink.link_digest == tokens.digest(link), OrderLink.revoked_at.is_(None)
            )
        )
    if number is None:
        raise LinkNotFound
    return number


def revoke(session: Session, *, order_number: str, now: datetime) -> None:
    """Make the order's present link open nothing; `issue` then makes a new one. Raises `LinkNotFound`."""
    revoked = session.execute(
        update(OrderLink)
        .where(OrderLink.order_number == order_number, OrderLink.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(OrderLink.order_number)
    ).first()
    if revoked is None:
        raise LinkNotFound


def _derive(seed: bytes) -> str:
    key = settings.current().secret_key.encode()
    mac = hmac.new(key, b"storefront.order_links:" + seed, hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
