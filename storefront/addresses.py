"""Address books: where a shopper's parcels go.

Invariant: an address is deliverable on paper (a division of China without further parts, a telephone number, text
that a waybill can show), belongs to one shopper, and of a shopper's addresses at most one is the default.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from catalog import errors as catalog_errors
from catalog import regions
from storefront import tokens
from storefront.errors import AddressInvalid, AddressNotFound, TooManyAddresses
from storefront.shopper_models import Address, Shopper

# More than any household needs; a bound keeps the book one page and one row lock short.
MOST = 20
NAME_LENGTH = 32
DETAIL_LENGTH = 120

# Mobile numbers, or a landline with its area code: couriers call farms' cooperatives too.
_PHONE = re.compile(r"1[3-9]\d{9}|0\d{2,3}\d{7,8}", re.ASCII)
_PHONE_FILLING = re.compile(r"[\s\-()]")

# Control, surrogate and private characters, and separators of lines and paragraphs: no waybill prints them and
# PostgreSQL cannot store NUL. Marks that turn the reading direction could show another text than is stored.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_REFUSED_CHARACTERS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A checked address, as orders keep a copy of it. `region` is the written path, 安徽省 合肥市 庐阳区."""

    name: str
    phone: str
    region_code: str
    region: str
    detail: str

    def snapshot(self) -> dict[str, str]:
        """Return what an order keeps of it; it is words alone, and `asdict` would copy each as if it were not."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class AddressView:
    """An address of the book under its public `number`."""

    number: str
    delivery: Delivery
    is_default: bool


def check(*, name: str, phone: str, region_code: str, detail: str) -> Delivery:
    """Return the address tidied up: blanks trimmed, telephone as digits, region by its present code and names.

    Raises `AddressInvalid` with every wrong field at once in `details.fields`.
    """
    faults: dict[str, str] = {}
    tidy_name = _text(name, NAME_LENGTH, "name", "姓名", faults)
    tidy_detail = _text(detail, DETAIL_LENGTH, "detail", "详细地址", faults)
    digits = _PHONE_FILLING.sub("", unicodedata.normalize("NFKC", phone)).removeprefix("+86")
    if not _PHONE.fullmatch(digits):
        faults["phone"] = "请填写手机号，或带区号的固定电话"
    try:
        code = regions.require_leaf(region_code).code
    except catalog_errors.RegionInvalid:
        faults["region_code"] = "请选择到区县"
    if faults:
        raise AddressInvalid(fields=faults)
    return Delivery(
        name=tidy_name, phone=digits, region_code=code, region=" ".join(regions.path(code)), detail=tidy_detail
    )


def listing(session: Session, *, shopper_id: int) -> list[AddressView]:
    """Return the shopper's addresses, the default one first, then the latest changed."""
    rows = session.scalars(
        select(Address)
        .where(Address.shopper_id == shopper_id)
        .order_by(Address.is_default.desc(), Address.changed_at.desc(), Address.id.desc())
    )
    return [_view(row) for row in rows]


def find(session: Session, *, shopper_id: int, number: str) -> AddressView:
    """Return one address of the shopper. Raises `AddressNotFound`, also for somebody else's."""
    return _view(_owned(session, shopper_id, number))


def add(
    session: Session,
    *,
    shopper_id: int,
    name: str,
    phone: str,
    region_code: str,
    detail: str,
    is_default: bool,
    now: datetime,
) -> AddressView:
    """Add an address; the first one is the default whatever `is_default` says.

    Raises `AddressInvalid`, and `TooManyAddresses` when the book is full.
    """
    delivery = check(name=name, phone=phone, region_code=region_code, detail=detail)
    _lock_book(session, shopper_id)
    held = session.scalar(select(func.count()).where(Address.shopper_id == shopper_id)) or 0
    if held >= MOST:
        raise TooManyAddresses(most=MOST)
    is_default = is_default or held == 0
    if is_default:
        _clear_default(session, shopper_id)
    return _enter(session, shopper_id, delivery, is_default=is_default, now=now)


def keep(session: Session, *, shopper_id: int, delivery: Delivery, now: datetime) -> None:
    """Put a checked address into the book, once however often it is kept; the first one is the default.

    A full book stays as it is: that is no reason to refuse the order that is placed with it.
    """
    _lock_book(session, shopper_id)
    held = [view.delivery for view in listing(session, shopper_id=shopper_id)]
    if delivery not in held and len(held) < MOST:
        _enter(session, shopper_id, delivery, is_default=not held, now=now)


def change(
    session: Session,
    *,
    shopper_id: int,
    number: str,
    name: str,
    phone: str,
    region_code: str,
    detail: str,
    is_default: bool,
    now: datetime,
) -> AddressView:
    """Replace an address. The default one stays the default until another becomes it.

    Raises `AddressInvalid`, and `AddressNotFound` also for somebody else's.
    """
    delivery = check(name=name, phone=phone, region_code=region_code, detail=detail)
    _lock_book(session, shopper_id)
    row = _owned(session, shopper_id, number)
    if is_default and not row.is_default:
        _clear_default(session, shopper_id)
        row.is_default = True
    _fill(row, delivery)
    row.changed_at = now
    session.flush()
    return AddressView(number=number, delivery=delivery, is_default=row.is_default)


def remove(session: Session, *, shopper_id: int, number: str) -> None:
    """Remove an address; when it was the default, the latest changed of the others becomes it.

    Raises `AddressNotFound`, also for somebody else's.
    """
    _lock_book(session, shopper_id)
    row = _owned(session, shopper_id, number)
    session.execute(delete(Address).where(Address.id == row.id))
    if row.is_default:
        heir = (
            select(Address.id)
            .where(Address.shopper_id == shopper_id)
            .order_by(Address.changed_at.desc(), Address.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        session.execute(update(Address).where(Address.id == heir).values(is_default=True))


def move(session: Session, *, from_shopper: int, to_shopper: int) -> None:
    """Pour one book into another, which belongs to the same person now: what stands in both stands there once.

    The default of the other book stays; without one it is that of the first. What no longer fits stays behind with the
    old shopper.
    """
    for shopper_id in sorted((from_shopper, to_shopper)):
        _lock_book(session, shopper_id)
    held = [view.delivery for view in listing(session, shopper_id=to_shopper)]
    for view in listing(session, shopper_id=from_shopper):
        moved = Address.number == view.number
        if view.delivery in held:
            session.execute(delete(Address).where(moved))
        elif len(held) < MOST:
            session.execute(update(Address).where(moved).values(shopper_id=to_shopper, is_default=not held))
            held.append(view.delivery)


def _view(row: Address) -> AddressView:
    delivery = Delivery(
        name=row.name,
        phone=row.phone,
        region_code=row.region_code,
        region=row.region,
        detail=row.detail,
    )
    return AddressView(number=row.number, delivery=delivery, is_default=row.is_default)


def _enter(session: Session, shopper_id: int, delivery: Delivery, *, is_default: bool, now: datetime) -> AddressView:
    row = Address(
        number=tokens.number("A"), shopper_id=shopper_id, is_default=is_default, created_at=now, changed_at=now
    )
    _fill(row, delivery)
    session.add(row)
    session.flush()
    return AddressView(number=row.number, delivery=delivery, is_default=is_default)


def _lock_book(session: Session, shopper_id: int) -> None:
    # Two tabs at once: the count and the default must be seen by one writer at a time.
    session.execute(select(Shopper.id).where(Shopper.id == shopper_id).with_for_update(key_share=True))


def _owned(session: Session, shopper_id: int, number: str) -> Address:
    row = session.scalar(select(Address).where(Address.shopper_id == shopper_id, Address.number == number))
    if row is None:
        raise AddressNotFound
    return row


def _clear_default(session: Session, shopper_id: int) -> None:
    session.execute(
        update(Address).where(Address.shopper_id == shopper_id, Address.is_default).values(is_default=False)
    )


def _fill(row: Address, delivery: Delivery) -> None:
    row.name, row.phone = delivery.name, delivery.phone
    row.region_code, row.region, row.detail = delivery.region_code, delivery.region, delivery.detail


def _text(value: str, longest: int, field: str, label: str, faults: dict[str, str]) -> str:
    tidy = unicodedata.normalize("NFC", value).strip()
    if not tidy:
        faults[field] = f"请填写{label}"
    elif len(tidy) > longest:
        faults[field] = f"{label}最多 {longest} 个字"
    # Nothing of what follows is printable, and nearly all that people write is.
    elif not tidy.isprintable() and any(
        unicodedata.category(c) in _REFUSED_CATEGORIES or c in _REFUSED_CHARACTERS for c in tidy
    ):
        faults[field] = f"{label}含有无法打印的字符"
    return tidy
