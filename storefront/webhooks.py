"""Where partners want to be told, and what they are to be told: endpoints, and deliveries that wait for them.

Invariant: what an endpoint is to be told is written in the transaction that moves its place forward, so that nothing
is left out and nothing is written twice, whatever is killed. Products come from the feed, which skips nothing; orders
from what the campaign credited, compared with what was told before. Nothing personal is told: an order has a name of
its own here.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from catalog import feed
from config import database
from storefront import egress, partners, tokens, webhook_secrets
from storefront.errors import PartnerInvalid
from storefront.partner_models import Partner, PartnerKind
from storefront.webhook_errors import DeliveryNotFound, EndpointNotFound, TooManyEndpoints
from storefront.webhook_models import DeliveryState, Topic, WebhookDelivery, WebhookEndpoint
from subway_campaign import sellers

MOST_ENDPOINTS = 5
# Long enough to give the new secret to every program of the partner's.
BOTH_SECRETS = timedelta(hours=24)
# One message names so many products at most; more are a second message.
PRODUCTS_A_MESSAGE = 100
MESSAGES_A_TICK = 20
ORDERS_A_TICK = 500
# The advisory lock of the one who tells of orders.
_TURN = 76


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An endpoint; `disabled_at` when it failed for three days on end, and nothing is sent to it until enabled."""

    number: str
    url: str
    topics: list[str]
    created_at: datetime
    disabled_at: datetime | None
    failing_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An endpoint with its new secret, which is shown this once."""

    endpoint: EndpointView
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DeliveryView:
    """A delivery; `answer` is the last status that the endpoint gave, `fault` why there was none."""

    number: str
    endpoint: str
    event: str
    state: DeliveryState
    queued_at: datetime
    due_at: datetime
    attempts: int
    answer: int | None
    fault: str | None
    ended_at: datetime | None


def add(session: Session, *, partner: str, url: str, topics: Collection[Topic], now: datetime) -> Opened:
    """Open an endpoint, which is told of what happens from now on.

    Raises `PartnerInvalid` for an address that is not https to a named host, or topics that are none or not for this
    kind of partner, and `TooManyEndpoints`.
    """
    partner_id = partners.open_id(session, number=partner)
    faults = {}
    if egress.target(url) is None:
        faults["url"] = "须为 https 地址，主机用域名，端口 443 或 8443"
    is_seller = partners.find(session, number=partner).kind is PartnerKind.SELLER
    if not topics or (Topic.ORDERS in topics and not is_seller):
        faults["topics"] = "至少一项；订单只推送给第三方销售方"
    if faults:
        raise PartnerInvalid(fields=faults)
    if len(listing(session, partner=partner)) >= MOST_ENDPOINTS:
        raise TooManyEndpoints(most=MOST_ENDPOINTS)
    secret = webhook_secrets.new()
    made = session.execute(
        insert(WebhookEndpoint)
        .values(
            number=tokens.number("WE"),
            partner_id=partner_id,
            url=url,
            topics=sorted(set(topics)),
            secret_sealed=webhook_secrets.seal(secret),
            place=feed.here(session),
            created_at=now,
            resting_until=now,
            busy_until=now,
        )
        .returning(*_COLUMNS)
    ).one()
    return Opened(endpoint=_view(made), secret=secret)


def rotate(session: Session, *, partner: str, number: str, now: datetime) -> Opened:
    """Give an endpoint another secret; for a day messages are signed by both. Raises `EndpointNotFound`."""
    changed = {
        "previous_sealed": WebhookEndpoint.secret_sealed,
        "previous_until": now + BOTH_SECRETS,
        "secret_sealed": webhook_secrets.seal(secret := webhook_secrets.new()),
    }
    return Opened(endpoint=_change(session, partner, number, changed), secret=secret)


def enable(session: Session, *, partner: str, number: str, now: datetime) -> EndpointView:
    """Send to an endpoint again, at once and with what has waited. Raises `EndpointNotFound`."""
    changed = {"disabled_at": None, "failing_since": None, "failures": 0, "resting_until": now}
    return _change(session, partner, number, changed)


def remove(session: Session, *, partner: str, number: str, now: datetime) -> None:
    """Close an endpoint: nothing is sent to it any more. Raises `EndpointNotFound`."""
    _change(session, partner, number, {"removed_at": now})


def listing(session: Session, *, partner: str) -> list[EndpointView]:
    """Return the endpoints of a partner, oldest first."""
    rows = session.execute(
        select(*_COLUMNS)
        .join(Partner, Partner.id == WebhookEndpoint.partner_id)
        .where(Partner.number == partner, WebhookEndpoint.removed_at.is_(None))
        .order_by(WebhookEndpoint.id)
    )
    return [_view(row) for row in rows]


def deliveries(
    session: Session, *, partner: str, state: DeliveryState | None, cursor: str | None = None, limit: int
) -> tuple[list[DeliveryView], str | None]:
    """Return deliveries of a partner, newest first, and the cursor of those before them: the last one's number."""
    wanted = (
        select(WebhookDelivery, WebhookEndpoint.number)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .join(Partner, Partner.id == WebhookEndpoint.partner_id)
        .where(Partner.number == partner)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit + 1)
    )
    if state is not None:
        wanted = wanted.where(WebhookDelivery.state == state)
    if cursor is not None:
        last = select(WebhookDelivery.id).where(WebhookDelivery.number == cursor).scalar_subquery()
        wanted = wanted.where(WebhookDelivery.id < last)
    rows = session.execute(wanted).all()
    found = [_delivery(row, endpoint) for row, endpoint in rows[:limit]]
    return found, rows[limit - 1][0].number if len(rows) > limit else None


def replay(session: Session, *, partner: str, number: str, now: datetime) -> DeliveryView:
    """Send a delivery once more, as the same message under the same id, whatever became of it.

    It is tried for three days anew. Raises `DeliveryNotFound`.
    """
    database.require_transaction(session)
    found = session.execute(
        select(WebhookDelivery, WebhookEndpoint.number)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .join(Partner, Partner.id == WebhookEndpoint.partner_id)
        .where(Partner.number == partner, WebhookDelivery.number == number, WebhookEndpoint.removed_at.is_(None))
        .with_for_update(of=WebhookDelivery)
    ).one_or_none()
    if found is None:
        raise DeliveryNotFound
    delivery, endpoint = found
    delivery.state, delivery.since, delivery.due_at = DeliveryState.WAITING, now, now
    delivery.attempts, delivery.ended_at = 0, None
    session.flush()
    return _delivery(delivery, endpoint)


def queue_due(*, now: datetime) -> int:
    """Write down what endpoints are to be told that has happened since; returns how many deliveries."""
    queued = 0
    with database.transaction() as session:
        endpoints = session.execute(_TOLD_OF_PRODUCTS).scalars().all()
    for endpoint in endpoints:
        for _ in range(MESSAGES_A_TICK):
            with database.transaction() as session:
                more = _queue_products(session, endpoint, now)
            queued += more
            if not more:
                break
    with database.transaction() as session:
        return queued + _queue_orders(session, now)


def _queue_products(session: Session, endpoint: int, now: datetime) -> int:
    """Write the next message about products; the endpoint's row keeps others from writing the same."""
    place = session.execute(_LOCK_PLACE, {"id": endpoint}).scalar_one_or_none()
    if place is None:
        return 0
    page = feed.changes(session, since=place, limit=PRODUCTS_A_MESSAGE)
    if not page.items:
        return 0
    data = {
        "changed": [change.slug for change in page.items if change.body is not None],
        "removed": [change.slug for change in page.items if change.body is None],
        "since": place,
    }
    _queue(session, [endpoint], "products.changed", data, now)
    session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint).values(place=page.since))
    return 1


def _queue_orders(session: Session, now: datetime) -> int:
    """Tell sellers of what orders earned them, where that is not what they were told before."""
    if not session.execute(text("SELECT pg_try_advisory_xact_lock(:turn)"), {"turn": _TURN}).scalar_one():
        return 0
    queued = 0
    for earned in sellers.take_earned(session, limit=ORDERS_A_TICK):
        told = session.execute(
            _TELL,
            {"label": earned.label, "order": earned.order, "gross": earned.gross_fen, "back": earned.refunded_fen},
        ).one_or_none()
        if told is None:
            continue
        data = {
            "reference": reference(earned.order),
            "version": told.version,
            "gross_fen": earned.gross_fen,
            "refunded_fen": earned.refunded_fen,
            "net_fen": earned.gross_fen - earned.refunded_fen,
        }
        endpoints = session.execute(_TOLD_OF_ORDERS, {"partner": told.partner_id}).scalars().all()
        event = "order.credited" if told.version == 1 else _event(earned, told)
        queued += _queue(session, endpoints, event, data, now)
    return queued


def _event(earned: sellers.Earned, told: Any) -> str:
    return "order.refunded" if earned.gross_fen == told.before_fen else "order.corrected"


def reference(order: str) -> str:
    """Return the name that a partner knows an order by: always the same, and not the order's number."""
    return tokens.pseudonym(f"partner-order:{order}")[:24]


def _queue(session: Session, endpoints: Collection[int], event: str, data: dict[str, Any], now: datetime) -> int:
    body = orjson.dumps({"type": event, "timestamp": now, "data": data}).decode()
    rows = [
        {
            "number": tokens.number("WD"),
            "endpoint_id": endpoint,
            "event": event,
            "body": body,
            "state": DeliveryState.WAITING,
            "queued_at": now,
            "since": now,
            "due_at": now,
        }
        for endpoint in endpoints
    ]
    if rows:
        session.execute(insert(WebhookDelivery), rows)
    return len(rows)


_TOLD_OF_PRODUCTS = text("""
    SELECT e.id FROM webhook_endpoints e JOIN partners p ON p.id = e.partner_id
    WHERE e.removed_at IS NULL AND e.disabled_at IS NULL AND p.closed_at IS NULL AND 'products' = ANY(e.topics)
    ORDER BY e.id
""")
_TOLD_OF_ORDERS = text("""
    SELECT id FROM webhook_endpoints
    WHERE partner_id = :partner AND removed_at IS NULL AND 'orders' = ANY(topics) ORDER BY id
""")
_LOCK_PLACE = text("""
    SELECT place FROM webhook_endpoints WHERE id = :id AND removed_at IS NULL AND disabled_at IS NULL
    FOR UPDATE SKIP LOCKED
""")
# Nothing when it was told so before, or earned nothing to begin with.
_TELL = text("""
    WITH seller AS (SELECT id FROM partners WHERE number = 'PT' || :label AND closed_at IS NULL),
    before AS (
        SELECT c.gross_fen FROM partner_credits c JOIN seller ON c.partner_id = seller.id WHERE c.order_number = :order
    )
    INSERT INTO partner_credits AS known (partner_id, order_number, gross_fen, refunded_fen, version)
    SELECT id, :order, :gross, :back, 1 FROM seller WHERE :gross <> 0 OR EXISTS (SELECT FROM before)
    ON CONFLICT (partner_id, order_number) DO UPDATE
        SET gross_fen = excluded.gross_fen, refunded_fen = excluded.refunded_fen, version = known.version + 1
        WHERE (known.gross_fen, known.refunded_fen) <> (excluded.gross_fen, excluded.refunded_fen)
    RETURNING partner_id, version, (SELECT gross_fen FROM before) AS before_fen
""")
_COLUMNS = (
    WebhookEndpoint.number,
    WebhookEndpoint.url,
    WebhookEndpoint.topics,
    WebhookEndpoint.created_at,
    WebhookEndpoint.disabled_at,
    WebhookEndpoint.failing_since,
)


def _change(session: Session, partner: str, number: str, changed: dict[str, Any]) -> EndpointView:
    database.require_transaction(session)
    row = session.execute(
        update(WebhookEndpoint)
        .where(
            WebhookEndpoint.number == number,
            WebhookEndpoint.removed_at.is_(None),
            WebhookEndpoint.partner_id == select(Partner.id).where(Partner.number == partner).scalar_subquery(),
        )
        .values(changed)
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise EndpointNotFound
    return _view(row)


def _view(row: Any) -> EndpointView:
    return EndpointView(**row._mapping)  # noqa: SLF001 - a row's own public mapping


def _delivery(row: WebhookDelivery, endpoint: str) -> DeliveryView:
    return DeliveryView(
        number=row.number,
        endpoint=endpoint,
        event=row.event,
        state=row.state,
        queued_at=row.queued_at,
        due_at=row.due_at,
        attempts=row.attempts,
        answer=row.answer,
        fault=row.fault,
        ended_at=row.ended_at,
    )
