"""From a basket to an order that may be paid.

Invariant: `place` is all or nothing in one transaction; prices and freight come from the catalog, never from the
client; the same key and body give the same order, however often and however many at once. It holds because the order
row is unique on (shopper, key): a rival waits on that key, writes nothing and then finds the order.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy.orm import Session

from catalog import freight, products, stock
from catalog.pricing import PricedLine
from config import clock, database, facts, settings
from config.errors import AppError
from payments import collect
from storefront import carts, commissions, declarations, errors, events, order_views, orders
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

    @property
    def classes(self) -> list[str]:
        """The return classes of the goods, each once and in order."""
        return sorted({line.return_class for line in self.lines})

    @property
    def for_adults(self) -> tuple[str, ...]:
        """The SKUs that are sold only to whom declares to be of age."""
        return tuple(line.sku for line in self.lines if line.is_for_adults)


@dataclass(frozen=True, slots=True)
class Placed:
    """The number of an order, and how it is shown; None for a replay, because the order may have moved on."""

    number: str
    shown: dict[str, Any] | None


def quote(
    session: Session | None, *, lines: dict[str, int], region_code: str, answer: list[Any] | None = None
) -> Quote:
    """Price `lines` (SKU number → quantity) with freight to a region: exactly what `place` would charge.

    Without a session each question is a transaction of its own. `answer` is what `products.price_question` of them was
    just answered, if somebody has asked it already.
    Raises what the catalog refuses: unknown or unsellable SKUs, quantities out of bounds, regions not delivered to.
    """
    if not lines or len(lines) > MAX_LINES:
        raise errors.LinesInvalid(at_most=MAX_LINES)
    priced = products.price(session, lines) if answer is None else products.priced(lines, answer)
    products.refuse_unsellable(priced)
    consignments = freight.quote(session, lines=priced, region_code=region_code)
    return Quote(
        tuple(priced),
        tuple(consignments),
        sum(line.amount_fen for line in priced),
        sum(consignment.freight_fen for consignment in consignments),
    )


# Stock comes last, when all the rest is written, because whoever waits for a hot SKU waits for as long as its row is
# held; when it is found short only then, the database refuses the statement as a whole.
_WRITTEN = "(SELECT count(*) FROM sent) + (SELECT count(*) FROM bought) + (SELECT count(*) FROM published)"


def _placing(also: str = "") -> str:
    """Return the statement that places an order, with one more part."""
    return f"""
WITH placed AS (
    INSERT INTO orders (number, shopper_id, person, visitor, state, goods_fen, freight_fen, payable_fen, address,
                        remark, stock_reference, idempotency_key, fingerprint, placed_at, pay_until)
    VALUES (%(reference)s, %(shopper_id)s, %(person)s, %(visitor)s, 'pending', %(goods_fen)s, %(freight_fen)s,
            %(payable_fen)s, %(address)s::jsonb, %(remark)s, %(reference)s, %(key)s, %(fingerprint)s, %(placed_at)s,
            %(pay_until)s)
    RETURNING id
), sent AS (
    INSERT INTO consignments (order_id, consignment_no, ship_from, freight_fen)
    SELECT placed.id, c.consignment, c.ship_from, c.freight_fen
    FROM placed, jsonb_to_recordset(%(consignments)s::jsonb)
        AS c (consignment smallint, ship_from text, freight_fen bigint)
    RETURNING order_id
), bought AS (
    INSERT INTO order_lines (order_id, line_no, consignment_no, sku, product_slug, title, spec, image, return_class,
                             price_fen, quantity, amount_fen)
    SELECT placed.id, l.line, l.consignment, l.sku, l.product, l.title, l.spec, l.image, l.return_class, l.price_fen,
           l.quantity, l.amount_fen
    FROM placed, jsonb_to_recordset(%(lines)s::jsonb)
        AS l (line smallint, consignment smallint, sku text, product text, title text, spec text, image text,
              return_class text, price_fen bigint, quantity int, amount_fen bigint)
    RETURNING order_id
), {also} {carts.CLEARING},
{facts.publishing(events.ORDER_PLACED, "true")},
{stock.taking(after=_WRITTEN)}
"""


# Few orders have anything to declare, and each part of a statement costs, whether or not it has anything to do.
_PLACE = _placing()
_PLACE_DECLARED = _placing(f"{declarations.RECORDING},")
# What an order breaks that comes again under its key, or draws the number of another one of that day.
_SAME_KEY, _SAME_NUMBER = "uq_orders_shopper_id_idempotency_key", "uq_orders_number"
_EXISTING = "SELECT number, fingerprint FROM orders WHERE shopper_id = %s AND idempotency_key = %s"


def place(
    session: Session | None,
    *,
    shopper_id: int,
    person: UUID,
    visitor: UUID | None,
    key: str,
    lines: dict[str, int],
    answer: list[Any] | None = None,
    address: dict[str, Any],
    remark: str = "",
    declared: Sequence[DeclarationKind] = (),
    are_returns_confirmed: bool | None = None,
    now: datetime,
) -> Placed:
    """Place the order: price it, then in one statement write it, hold its stock and publish `order.placed`.

    Without a session that statement is the whole transaction. `answer` is as for `quote`, and believed once; `address`
    is the snapshot with `region_code`, `declared` what the law wants confirmed for this very order. Raises
    `IdempotencyMismatch` when the key came with another body, `AdultDeclarationMissing` for liquor without it, what
    `declarations.complete` refuses, `OutOfStock` with what is left, and what `quote` raises; nothing is stored then.
    """
    fingerprint = _fingerprint(lines, address, remark)
    while True:
        try:
            priced = quote(session, lines=lines, region_code=address["region_code"], answer=answer)
            products.refuse_short(priced.lines)
        except AppError:
            # What sold out or went off sale since is no reason to refuse an order that was placed before.
            placed = _replayed(session, shopper_id, key, fingerprint)
            if placed is None:
                raise
            return placed
        if priced.for_adults and DeclarationKind.ADULT not in declared:
            raise errors.AdultDeclarationMissing(skus=list(priced.for_adults))
        confirmed = declarations.complete(declared, classes=priced.classes, are_returns_confirmed=are_returns_confirmed)
        order: dict[str, Any] = {
            "goods_fen": priced.goods_fen,
            "freight_fen": priced.freight_fen,
            "payable_fen": priced.payable_fen,
            "address": address,
            "remark": remark,
            "consignments": _consignments_of(priced),
            "lines": _lines_of(priced),
            "placed_at": now,
            "pay_until": now + timedelta(minutes=settings.current().order_pay_minutes),
        }
        number = _new_number(now)
        params = {
            **order,
            **{name: database.dump_json(order[name]) for name in ("address", "consignments", "lines")},
            "shopper_id": shopper_id,
            "person": person,
            "visitor": visitor,
            "key": key,
            "fingerprint": fingerprint,
            "declared": database.dump_array(confirmed),
            **facts.publish_params(events.ORDER_PLACED, key=number, values={"order": number}),
            **stock.hold_params(reference=number, lines=lines, now=now),
        }
        if _write(session, _PLACE_DECLARED if confirmed else _PLACE, params):
            return Placed(number, order_views.of_new(number=number, **order))
        placed = _replayed(session, shopper_id, key, fingerprint)
        if placed is not None:
            return placed
        # What it said is no longer so.
        answer = None


def _write(session: Session | None, placing: str, params: dict[str, Any]) -> bool:
    """Run the statement that places an order; False when somebody else was quicker to take goods, number or key."""
    try:
        stock.take(session, placing, params)
    except stock.Overtaken:
        return False
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name not in {_SAME_KEY, _SAME_NUMBER}:
            raise
        return False
    return True


def _consignments_of(priced: Quote) -> list[dict[str, Any]]:
    return [
        {"consignment": no, "ship_from": each.ship_from, "freight_fen": each.freight_fen}
        for no, each in enumerate(priced.consignments, start=1)
    ]


def _lines_of(priced: Quote) -> list[dict[str, Any]]:
    numbers = {consignment.ship_from: no for no, consignment in enumerate(priced.consignments, start=1)}
    return [
        {
            "line": no,
            "sku": line.sku,
            "product": line.product_slug,
            "title": line.title,
            "spec": line.spec,
            "image": line.image,
            "price_fen": line.price_fen,
            "quantity": line.quantity,
            "amount_fen": line.amount_fen,
            "consignment": numbers[line.ship_from],
            "return_class": line.return_class,
        }
        for no, line in enumerate(priced.lines, start=1)
    ]


def _replayed(session: Session | None, shopper_id: int, key: str, fingerprint: bytes) -> Placed | None:
    """Return the order that this key made before, or None. Raises `IdempotencyMismatch` when it was another body's."""
    earlier = database.run(session, _EXISTING, (shopper_id, key))
    if earlier and bytes(earlier[0][1]) != fingerprint:
        raise errors.IdempotencyMismatch
    return Placed(earlier[0][0], None) if earlier else None


def earlier(
    session: Session, *, shopper_id: int, key: str, lines: dict[str, int], address: dict[str, Any], remark: str
) -> Placed | None:
    """Return the order that `place` made of this very body under this key before, or None.

    Raises `IdempotencyMismatch` when the key was another body's.
    """
    return _replayed(session, shopper_id, key, _fingerprint(lines, address, remark))


def _fingerprint(lines: dict[str, int], address: dict[str, Any], remark: str) -> bytes:
    return fingerprint_of({"lines": sorted(lines.items()), "address": address, "remark": remark})


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
        commissions.claim(session, order=number, now=now)
        is_shared = commissions.is_expected(session, order=number)
    if now > order.pay_until - LAST_PAYMENT_BEFORE_END:
        raise errors.PayWindowClosing(pay_until=order.pay_until.isoformat())
    opened = collect.open(
        reference=number,
        amount_fen=order.payable_fen,
        payer=payer,
        description=title,
        pay_until=order.pay_until,
        now=now,
        is_shared=is_shared,
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
