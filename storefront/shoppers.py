"""Shoppers: who buys, as far as we need to know.

Invariant: one shopper per (appid, openid), however many logins race; `number` is public, `person` is the random id
that attribution sees. A unionid says that shoppers are one human; it is kept here and their accounts stay apart.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storefront import tokens
from storefront.actors import WeChatIdentity
from storefront.shopper_models import Shopper


@dataclass(frozen=True, kw_only=True)
class ShopperView:
    """A shopper as other modules see it."""

    shopper_id: int
    number: str
    person: UUID


def arrive(session: Session, *, identity: WeChatIdentity, now: datetime) -> ShopperView:
    """Find the shopper of a WeChat identity, or create it; of two at once the second finds what the first created.

    A unionid that WeChat tells only now is kept; one that it no longer tells is not forgotten.
    """
    arriving = insert(Shopper).values(
        number=tokens.number("U"),
        person=uuid4(),
        appid=identity.appid,
        openid=identity.openid,
        unionid=identity.unionid,
        created_at=now,
        logged_in_at=now,
    )
    row = session.execute(
        arriving.on_conflict_do_update(
            index_elements=[Shopper.appid, Shopper.openid],
            set_={
                "unionid": func.coalesce(arriving.excluded.unionid, Shopper.unionid),
                "logged_in_at": func.greatest(Shopper.logged_in_at, now),
            },
        ).returning(Shopper.id, Shopper.number, Shopper.person)
    ).one()
    return ShopperView(shopper_id=row.id, number=row.number, person=row.person)


def arrive_as_guest(session: Session, *, now: datetime) -> ShopperView:
    """Create a shopper whom only a cookie knows."""
    row = session.execute(
        insert(Shopper)
        .values(number=tokens.number("G"), person=uuid4(), created_at=now, logged_in_at=now)
        .returning(Shopper.id, Shopper.number, Shopper.person)
    ).one()
    return ShopperView(shopper_id=row.id, number=row.number, person=row.person)


def find(session: Session, *, shopper_id: int) -> ShopperView:
    """Return a shopper by the id that its session speaks for."""
    row = session.execute(select(Shopper.id, Shopper.number, Shopper.person).where(Shopper.id == shopper_id)).one()
    return ShopperView(shopper_id=row.id, number=row.number, person=row.person)


def wechat_identity(session: Session, *, shopper_id: int) -> WeChatIdentity | None:
    """Return the openid to pay with, or None for a guest."""
    row = session.execute(
        select(Shopper.appid, Shopper.openid, Shopper.unionid).where(
            Shopper.id == shopper_id, Shopper.openid.is_not(None)
        )
    ).one_or_none()
    return WeChatIdentity(appid=row.appid, openid=row.openid, unionid=row.unionid) if row else None
