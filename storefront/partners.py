"""Partners of the fourth-party service: organisations that read our goods by machine, and sellers among them.

Invariant: a partner who is closed opens nothing from that moment on, with whichever key, and is never opened again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from config import database
from storefront import tokens
from storefront.errors import PartnerClosed, PartnerInvalid, PartnerNotFound, SellerTaken
from storefront.partner_models import Partner, PartnerKind

NAME_LENGTHS = range(2, 81)
SELLER_LENGTHS = range(2, 41)
# The latest so many are listed: more partners than that want a page with a search of its own.
MOST_LISTED = 200


@dataclass(frozen=True, kw_only=True)
class PartnerView:
    """A partner; `seller` is the number of a third-party seller in our books."""

    number: str
    kind: PartnerKind
    name: str
    seller: str | None
    created_at: datetime
    closed_at: datetime | None


def create(session: Session, *, kind: PartnerKind, name: str, seller: str | None, now: datetime) -> PartnerView:
    """Write down a partner and return it; it has no key yet.

    Raises `PartnerInvalid` (name of 2 to 80 characters; a seller's number for a seller and for nobody else) and
    `SellerTaken` when that seller is a partner already.
    """
    database.require_transaction(session)
    faults = {}
    if len(name) not in NAME_LENGTHS or not name.isprintable():
        faults["name"] = "2 至 80 个字"
    if (seller is not None) != (kind is PartnerKind.SELLER):
        faults["seller"] = "第三方销售方要填写编号，其他类型不填"
    elif seller is not None and (len(seller) not in SELLER_LENGTHS or not seller.isprintable()):
        faults["seller"] = "2 至 40 个字符"
    if faults:
        raise PartnerInvalid(fields=faults)
    made = session.execute(
        upsert(Partner)
        .values(number=tokens.number("PT"), kind=kind, name=name, seller=seller, created_at=now)
        .on_conflict_do_nothing(index_elements=[Partner.seller])
        .returning(*_COLUMNS)
    ).one_or_none()
    if made is None:
        raise SellerTaken(seller=seller)
    return _view(made)


def close(session: Session, *, number: str, now: datetime) -> PartnerView:
    """Shut a partner out for good. Raises `PartnerNotFound`, and `PartnerClosed` when it was done before."""
    database.require_transaction(session)
    find(session, number=number)
    closed = session.execute(
        update(Partner)
        .where(Partner.number == number, Partner.closed_at.is_(None))
        .values(closed_at=now)
        .returning(*_COLUMNS)
    ).one_or_none()
    if closed is None:
        raise PartnerClosed
    return _view(closed)


def find(session: Session, *, number: str) -> PartnerView:
    """Return a partner. Raises `PartnerNotFound`."""
    found = session.execute(select(*_COLUMNS).where(Partner.number == number)).one_or_none()
    if found is None:
        raise PartnerNotFound
    return _view(found)


def listing(session: Session) -> list[PartnerView]:
    """Return the latest partners, those who are closed last."""
    rows = session.execute(
        select(*_COLUMNS).order_by(Partner.closed_at.is_not(None), Partner.id.desc()).limit(MOST_LISTED)
    )
    return [_view(row) for row in rows]


def open_id(session: Session, *, number: str) -> int:
    """Return the row of a partner who is open, and keep it locked. Raises `PartnerNotFound` and `PartnerClosed`."""
    database.require_transaction(session)
    found = session.execute(
        select(Partner.id, Partner.closed_at).where(Partner.number == number).with_for_update()
    ).one_or_none()
    if found is None:
        raise PartnerNotFound
    if found.closed_at is not None:
        raise PartnerClosed
    return int(found.id)


_COLUMNS = (Partner.number, Partner.kind, Partner.name, Partner.seller, Partner.created_at, Partner.closed_at)


def _view(row: Any) -> PartnerView:
    return PartnerView(**row._mapping)  # noqa: SLF001 - a row's own public mapping
