"""Carts: what a shopper means to buy.

Invariant: a cart holds SKUs and quantities and never a price; what it shows is asked of the catalog each time, and a
line that cannot be bought now stays, marked. A line whose tick was taken off is in no order of the cart until somebody
ticks it or puts more of it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog import products
from catalog.errors import QuantityInvalid
from catalog.pricing import PricedLine
from config import database
from storefront import tokens
from storefront.errors import CartFull, CartLineNotFound
from storefront.shopper_models import CartLine, Shopper
from subway_campaign import journeys
from subway_campaign.lifecycle import Stage

# Far more than a household buys at once; a bound keeps the page and the quote one statement short.
MOST_LINES = 100
_PIECES = """
SELECT coalesce(sum(l.quantity), 0) FROM sessions s JOIN cart_lines l ON l.shopper_id = s.shopper_id
WHERE s.token_digest = %s AND s.revoked_at IS NULL AND s.expires_at > %s
"""


@dataclass(frozen=True, kw_only=True)
class CartView:
    """A cart as it would sell now, in the order in which it was filled. The totals count available lines only.

    `unticked` are the SKUs that stay behind when the cart is ordered; `chosen` what would be ordered of it now.
    """

    lines: tuple[PricedLine, ...]
    pieces: int
    goods_fen: int
    unticked: frozenset[str] = frozenset()

    @property
    def chosen(self) -> list[PricedLine]:
        """The lines that are ticked and can be bought now."""
        return [line for line in self.lines if line.is_available and line.sku not in self.unticked]


def put(
    session: Session,
    *,
    shopper_id: int,
    sku: str,
    quantity: int,
    now: datetime,
    visitor: UUID | None = None,
    person: UUID | None = None,
) -> CartView:
    """Make the cart hold `quantity` pieces of `sku`, whatever it held before, and return the cart.

    `visitor` and `person` tell the campaign whose journey reached a cart.

    More than is in stock may be put in: the line is shown as unavailable. Raises the catalog's `SkuUnknown`,
    `QuantityInvalid` and `NotForSale`, and `CartFull` for one SKU too many.
    """
    products.refuse_unsellable(products.price(session, {sku: quantity}))
    _lock(session, shopper_id)
    held = select(func.count()).where(CartLine.shopper_id == shopper_id, CartLine.sku != sku)
    if (session.scalar(held) or 0) >= MOST_LINES:
        raise CartFull(most=MOST_LINES)
    session.execute(
        insert(CartLine)
        .values(shopper_id=shopper_id, sku=sku, quantity=quantity, added_at=now)
        .on_conflict_do_update(index_elements=[CartLine.shopper_id, CartLine.sku], set_={"quantity": quantity})
    )
    journeys.reach(session, visitor=visitor, person=person, stage=Stage.CART, now=now)
    return view(session, shopper_id=shopper_id)


def add(
    session: Session,
    *,
    shopper_id: int,
    sku: str,
    quantity: int,
    now: datetime,
    visitor: UUID | None = None,
    person: UUID | None = None,
) -> CartView:
    """Put `quantity` more pieces of `sku` into the cart, ticked, and return it; of two at once each adds its own.

    Raises what `put` raises, `QuantityInvalid` also when the line would grow beyond what one may hold.
    """
    if quantity < 1:
        raise QuantityInvalid(skus=[sku])
    _lock(session, shopper_id)
    _mark(session, shopper_id, [sku], is_ticked=True)
    return put(
        session,
        shopper_id=shopper_id,
        sku=sku,
        quantity=_held(session, shopper_id).get(sku, 0) + quantity,
        now=now,
        visitor=visitor,
        person=person,
    )


def change(
    session: Session,
    *,
    shopper_id: int,
    sku: str,
    quantity: int,
    now: datetime,
    visitor: UUID | None = None,
    person: UUID | None = None,
) -> CartView:
    """Make a line that is in the cart hold `quantity` pieces and return the cart.

    Raises `CartLineNotFound` for one that was taken out or ordered meanwhile, and what `put` raises.
    """
    _lock(session, shopper_id)
    if sku not in _held(session, shopper_id):
        raise CartLineNotFound
    return put(session, shopper_id=shopper_id, sku=sku, quantity=quantity, now=now, visitor=visitor, person=person)


def tick(session: Session, *, shopper_id: int, sku: str, is_ticked: bool) -> None:
    """Tick a line that is in the cart, or take its tick off.

    Raises `CartLineNotFound` for one that was taken out or ordered meanwhile.
    """
    _lock(session, shopper_id)
    if not _mark(session, shopper_id, [sku], is_ticked=is_ticked):
        raise CartLineNotFound


def tick_all(session: Session, *, shopper_id: int, is_ticked: bool) -> None:
    """Tick every line of the cart, or take every tick off."""
    _lock(session, shopper_id)
    _mark(session, shopper_id, None, is_ticked=is_ticked)


def holds(session: Session, *, shopper_id: int, lines: Mapping[str, int]) -> bool:
    """Tell whether the cart holds every one of `lines`, ticked and with just that quantity.

    Whoever else asks or changes it waits until the transaction ends, so that one cart is not ordered twice and no line
    is ordered whose tick was taken off before.
    """
    _lock(session, shopper_id)
    return lines.items() <= _held(session, shopper_id, is_ticked=True).items()


def pieces(*, token: str, now: datetime) -> int:
    """Return how many pieces lie in the cart of a session's token; none for one that is over."""
    [(count,)] = database.statement(_PIECES, (tokens.digest(token), now))
    return int(count)


def remove(session: Session, *, shopper_id: int, sku: str) -> CartView:
    """Take `sku` out and return the cart. Raises `CartLineNotFound`."""
    taken = delete(CartLine).where(CartLine.shopper_id == shopper_id, CartLine.sku == sku).returning(CartLine.sku)
    if session.scalar(taken) is None:
        raise CartLineNotFound
    return view(session, shopper_id=shopper_id)


def clear(session: Session, *, shopper_id: int, skus: list[str]) -> None:
    """Take these out; what is not there is passed over."""
    session.execute(delete(CartLine).where(CartLine.shopper_id == shopper_id, CartLine.sku.in_(skus)))


# `clear` as a part of the statement that places an order, which leaves its new row in `placed`.
CLEARING = """cleared AS (
    DELETE FROM cart_lines WHERE shopper_id = %(shopper_id)s AND sku = ANY(%(numbers)s::text[])
)"""


def view(session: Session, *, shopper_id: int) -> CartView:
    """Return the cart at today's prices."""
    held = session.execute(
        select(CartLine.sku, CartLine.quantity, CartLine.is_ticked)
        .where(CartLine.shopper_id == shopper_id)
        .order_by(CartLine.added_at, CartLine.sku)
    ).all()
    lines = tuple(products.price(session, {line.sku: line.quantity for line in held}))
    sellable = [line for line in lines if line.is_available]
    return CartView(
        lines=lines,
        pieces=sum(line.quantity for line in sellable),
        goods_fen=sum(line.amount_fen for line in sellable),
        unticked=frozenset(line.sku for line in held if not line.is_ticked),
    )


def move(session: Session, *, from_shopper: int, to_shopper: int) -> None:
    """Pour one cart into another, which belongs to the same person now: of a SKU in both the larger quantity stays.

    It is ticked if it was in either. What no longer fits stays behind with the old shopper.
    """
    for shopper_id in sorted((from_shopper, to_shopper)):
        _lock(session, shopper_id)
    held = session.scalars(select(CartLine.sku).where(CartLine.shopper_id == to_shopper)).all()
    room = MOST_LINES - len(held)
    poured = session.execute(
        select(CartLine.sku, CartLine.quantity, CartLine.added_at, CartLine.is_ticked)
        .where(CartLine.shopper_id == from_shopper)
        .order_by(CartLine.added_at, CartLine.sku)
    ).all()
    moving = [line for line in poured if line.sku in held]
    moving += [line for line in poured if line.sku not in held][:room]
    if not moving:
        return
    arriving = insert(CartLine).values(
        [
            {
                "shopper_id": to_shopper,
                "sku": line.sku,
                "quantity": line.quantity,
                "added_at": line.added_at,
                "is_ticked": line.is_ticked,
            }
            for line in moving
        ]
    )
    session.execute(
        arriving.on_conflict_do_update(
            index_elements=[CartLine.shopper_id, CartLine.sku],
            set_={
                "quantity": func.greatest(CartLine.quantity, arriving.excluded.quantity),
                "is_ticked": or_(CartLine.is_ticked, arriving.excluded.is_ticked),
            },
        )
    )
    clear(session, shopper_id=from_shopper, skus=[line.sku for line in moving])


def _held(session: Session, shopper_id: int, *, is_ticked: bool = False) -> dict[str, int]:
    """Return how many pieces the cart holds of each SKU; with `is_ticked` of those that are."""
    rows = session.execute(
        select(CartLine.sku, CartLine.quantity, CartLine.is_ticked).where(CartLine.shopper_id == shopper_id)
    )
    return {row.sku: row.quantity for row in rows if row.is_ticked or not is_ticked}


def _mark(session: Session, shopper_id: int, skus: list[str] | None, *, is_ticked: bool) -> bool:
    """Tick these lines, or every one for None, or take their ticks off; tell whether there was any."""
    marked = update(CartLine).where(CartLine.shopper_id == shopper_id).values(is_ticked=is_ticked)
    if skus is not None:
        marked = marked.where(CartLine.sku.in_(skus))
    return bool(session.scalars(marked.returning(CartLine.sku)).all())


def _lock(session: Session, shopper_id: int) -> None:
    # Two tabs at once: the number of lines must be seen by one writer at a time.
    session.execute(select(Shopper.id).where(Shopper.id == shopper_id).with_for_update(key_share=True))
