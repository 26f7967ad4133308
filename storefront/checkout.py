"""From a basket to an order that may be paid.

Invariant: `place` is all or nothing in one transaction; prices and freight come from the catalog, never from the
client; the same key and body give the same order, however often and however many at once. It holds because the order
row is unique on (shopper, key): a rival waits on that key and then finds the order.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from catalog import freight, products, stock
from catalog.pricing import PricedLine
from config import clock, database, facts, settings
from config.errors import AppError
from payments import collect
from storefront import carts, declarations, errors, events, orders
from storefront.declaration_models import DeclarationKind

# WeChat takes a moment to close a payment; nobody starts one that could still be running at `pay_until`.
LAST_PAYMENT_BEFORE_END = timedelta(minutes=2)
MAX_LINES = 50


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would cost: all in fen. `consignments` are what ships together, each with its freight."""

    lines: tuple[PricedLine, ...]
    consignments: tuple[freight.ConsignmentQuote, ...]
    goods_fen: int
    freight_fen: int

    @property
    def payable_fen(self) -> int:
        """What the shopper pays."""
        return self.goods_fen + self.freight_fen


@dataclass(frozen=True, slots=True)
class Placed:
    """The number of the order, and whether this call made it (False: it was a replay)."""

    number: str
    is_new: bool


def quote(session: Session, *, lines: dict[str, int], region_code: str) -> Quote:
    """Price `lines` (SKU number → quantity) with freight to a region: exactly what `place` would charge.

    Raises what the catalog refuses: unknown or unsellable SKUs, quantities out of bounds, regions not delivered to.
    """
    if not lines or len(lines) > MAX_LINES:
        raise errors.LinesInvalid(at_most=MAX_LINES)
    priced = products.price(session, lines)
    products.refuse_unsellable(priced)
    consignments = freight.quote(session, lines=priced, region_code=region_code)
    return Quote(
        tuple(priced),
        tuple(consignments),
        sum(line.amount_fen for line in priced),
        sum(consignment.freight_fen for consignment in consignments),
    )


_INSERT = """
    WITH placed AS (
        INSERT INTO orders (number, shopper_id, person, visitor, state, goods_fen, freight_fen, payable_fen, address,
                            remark, stock_reference, idempotency_key, fingerprint, placed_at, pay_until)
        VALUES (%(number)s, %(shopper_id)s, %(person)s, %(visitor)s, 'pending', %(goods_fen)s, %(freight_fen)s,
                %(payable_fen)s, %(address)s::jsonb, %(remark)s, %(number)s, %(key)s, %(fingerprint)s, %(now)s,
                %(pay_until)s)
        ON CONFLICT DO NOTHING
        RETURNING id
    ), sent AS (
        INSERT INTO consignments (order_id, consignment_no, ship_from, freight_fen)
        SELECT placed.id, c.consignment_no, c.ship_from, c.freight_fen
        FROM placed, jsonb_to_recordset(%(consignments)s::jsonb)
            AS c (consignment_no smallint, ship_from text, freight_fen bigint)
    ), bought AS (
        INSERT INTO order_lines (order_id, line_no, consignment_no, sku, product_slug, title, spec, image,
                                 return_class, price_fen, quantity, amount_fen)
        SELECT placed.id, l.line_no, l.consignment_no, l.sku, l.product_slug, l.title, l.spec, l.image,
               l.return_class, l.price_fen, l.quantity, l.price_fen * l.quantity
        FROM placed, jsonb_to_recordset(%(lines)s::jsonb)
            AS l (line_no smallint, consignment_no smallint, sku text, product_slug text, title text, spec text,
                  image text, return_class text, price_fen bigint, quantity int)
    )
    SELECT id FROM placed
"""
_EXISTING = "SELECT number, fingerprint FROM orders WHERE shopper_id = %s AND idempotency_key = %s"


def place(
    session: Session,
    *,
    shopper_id: int,
    person: UUID,
    visitor: UUID | None,
    key: str,
    lines: dict[str, int],
    address: dict[str, Any],
    remark: str = "",
    declared: Sequence[DeclarationKind] = (),
    now: datetime,
) -> Placed:
    """Place the order: price it, write it, take it out of the cart, hold its stock last, publish `order.placed`.

    `address` is the snapshot with `region_code`, `declared` what the law wants confirmed for this very order. Raises
    `IdempotencyMismatch` when the key came with another body, `OutOfStock` with what is left, and what `quote` raises;
    nothing is stored then.
    """
    fingerprint = fingerprint_of({"lines": sorted(lines.items()), "address": address, "remark": remark})
    try:
        priced = quote(session, lines=lines, region_code=address["region_code"])
    except AppError:
        # What sold out or went off sale since is no reason to refuse an order that was placed before.
        placed = _replayed(session, shopper_id, key, fingerprint)
        if placed is None:
            raise
        return placed
    order = {
        "shopper_id": shopper_id,
        "person": person,
        "visitor": visitor,
        "goods_fen": priced.goods_fen,
        "freight_fen": priced.freight_fen,
        "payable_fen": priced.payable_fen,
        "address": database.dump_json(address),
        "remark": remark,
        "key": key,
        "fingerprint": fingerprint,
        "now": now,
        "pay_until": now + timedelta(minutes=settings.current().order_pay_minutes),
        **_rows_of(priced),
    }
    driver = database.driver_connection(session)
    while not driver.execute(_INSERT, {**order, "number": (number := _new_number(now))}, prepare=True).fetchone():
        placed = _replayed(session, shopper_id, key, fingerprint)
        if placed is not None:
            return placed
    facts.publish(session, events.ORDER_PLACED, key=number, values={"order": number})
    if declared:
        declarations.record(session, order=number, kinds=declared, now=now)
    carts.clear(session, shopper_id=shopper_id, skus=list(lines))
    stock.hold(session, reference=number, lines=lines, now=now)
    return Placed(number, is_new=True)


def _rows_of(priced: Quote) -> dict[str, str]:
    numbers = {consignment.ship_from: no for no, consignment in enumerate(priced.consignments, start=1)}
    consignments = [
        {"consignment_no": numbers[c.ship_from], "ship_from": c.ship_from, "freight_fen": c.freight_fen}
        for c in priced.consignments
    ]
    lines = [
        {
            "line_no": no,
            "consignment_no": numbers[line.ship_from],
            "sku": line.sku,
            "product_slug": line.product_slug,
            "title": line.title,
            "spec": line.spec,
            "image": line.image,
            "return_class": line.return_class,
            "price_fen": line.price_fen,
            "quantity": line.quantity,
        }
        for no, line in enumerate(priced.lines, start=1)
    ]
    return {"consignments": database.dump_json(consignments), "lines": database.dump_json(lines)}


def _replayed(session: Session, shopper_id: int, key: str, fingerprint: bytes) -> Placed | None:
    """Return the order that this key made before, or None. Raises `IdempotencyMismatch` when it was another body's."""
    earlier = database.driver_connection(session).execute(_EXISTING, (shopper_id, key), prepare=True).fetchone()
    if earlier is not None and bytes(earlier[1]) != fingerprint:
        raise errors.IdempotencyMismatch
    return None if earlier is None else Placed(earlier[0], is_new=False)


def fingerprint_of(body: Any) -> bytes:
    """Return a digest of a validated body, the same for every spelling of the same JSON."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def _new_number(now: datetime) -> str:
    # Sixteen digits that can be read over the phone; ten of them random, so nobody can guess a neighbour's. On a day of
    # a hundred thousand orders two draw the same with an even chance: the later one draws again.
    return f"{now.astimezone(clock.SHANGHAI):%y%m%d}{secrets.randbelow(10**10):010d}"


def pay(*, shopper_id: int, number: str, payer: collect.Payer, now: datetime) -> collect.Opened:
    """Open the payment of a pending order with WeChat, or hand out again the one that is open.

    Raises `OrderNotFound`, `OrderNotPending`, `PayWindowClosing` in the last two minutes, and what payments refuse.
    """
    with database.transaction() as session:
        order = orders.require_pending(session, shopper_id=shopper_id, number=number)
        title = orders.describe(session, number=number)
    if now > order.pay_until - LAST_PAYMENT_BEFORE_END:
        raise errors.PayWindowClosing(pay_until=order.pay_until.isoformat())
    opened = collect.open(
        reference=number,
        amount_fen=order.payable_fen,
        payer=payer,
        description=title,
        pay_until=order.pay_until,
        now=now,
    )
    try:
        with database.transaction() as session:
            orders.require_pending(session, shopper_id=shopper_id, number=number)
    except errors.OrderNotPending:
        # Cancelled while WeChat was answering, too late for the reaction that closes an order's payment.
        orders.close_payment(number=number, now=now)
        raise
    return opened


def check(*, shopper_id: int, number: str, now: datetime) -> None:
    """Ask WeChat now about the payment of a shopper's own order; money that arrived is settled by its reaction.

    Raises `OrderNotFound`, also for somebody else's.
    """
    with database.transaction() as session:
        orders.find(session, shopper_id=shopper_id, number=number)
    collect.check(reference=number, now=now)
