"""What WeChat pushes about the mini-program's payments: kept once each, and applied.

Invariant: a push that is kept is committed before WeChat hears that it arrived; the same event, however often it is
sent, is applied once; one that nobody knows is kept and does no harm.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs, settings
from storefront import frozen_money, orders
from storefront.fund_models import PushOutcome
from storefront.order_lifecycle import OrderState
from storefront.wechat import pushes as wire
from storefront.wechat.pushes import Event

SETTLEMENT, REMIND_SHIPPING = "trade_manage_order_settlement", "trade_manage_remind_shipping"
REMIND_ACCESS = "trade_manage_remind_access_api"
# Of known events only this is kept: numbers and instants, and nobody's openid.
_KEPT = (
    *("transaction_id", "merchant_id", "merchant_trade_no", "pay_time", "shipped_time", "estimated_settlement_time"),
    *("confirm_receive_method", "confirm_receive_time", "settlement_time", "CreateTime"),
)
_NAMES_SOMEBODY = frozenset({"FromUserName", "ToUserName"})

log = logs.get(__name__)


def receive(query: Mapping[str, str], body: bytes, *, now: datetime) -> PushOutcome:
    """Prove and open one push, keep it and apply it; when this returns, it is committed.

    Raises `PushNotConfigured`, `PushRejected` and `PushUnreadable`, all of them before anything was kept.
    """
    database.refuse_transaction()
    event = wire.read(query, body, now=now)
    name = str(event.get("Event") or event.get("MsgType") or "")[:64]
    with database.transaction() as session:
        identity = hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()
        outcome = PushOutcome(session.execute(_KEEP, _row(event, identity, name, now)).scalar_one())
        if outcome is not PushOutcome.APPLIED:
            outcome = _apply(session, event, name, now)
            session.execute(_JUDGE, {"identity": identity, "outcome": outcome})
    if outcome is not PushOutcome.APPLIED:
        log.warning("push.not_applied", push=name, outcome=outcome)
    if name == REMIND_ACCESS:
        logs.alarm("wechat.shipping_not_connected")
    return outcome


def _apply(session: Session, event: Event, name: str, now: datetime) -> PushOutcome:
    if name not in (SETTLEMENT, REMIND_SHIPPING):
        return PushOutcome.IGNORED
    payment, transaction_id = str(event.get("merchant_trade_no")), str(event.get("transaction_id"))
    found = session.execute(_ORDER, {"payment": payment, "transaction_id": transaction_id}).first()
    if found is None or str(event.get("merchant_id")) != settings.current().wechatpay_mchid:
        return PushOutcome.UNMATCHED
    if name == REMIND_SHIPPING:
        frozen_money.make_due(session, payment=payment, now=now)
        return PushOutcome.APPLIED
    news = {
        "shipped_at": _instant(event.get("shipped_time")),
        "settles_at": _instant(event.get("estimated_settlement_time")),
        "received_at": _instant(event.get("confirm_receive_time")),
        "settled_at": _instant(event.get("settlement_time")),
    }
    # An order's row is locked before its money's, here as everywhere.
    if news["received_at"] is not None and orders.lock(session, found.order_number).state is OrderState.SHIPPED:
        orders.receive(session, number=found.order_number, now=now)
    by = {"1": 1, "2": 2}.get(str(event.get("confirm_receive_method")))
    frozen_money.take_news(session, payment=payment, news={**news, "receipt_method": by})
    return PushOutcome.APPLIED


def _instant(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), UTC) if str(seconds).isdecimal() and len(str(seconds)) < 12 else None


def _row(event: Event, identity: str, name: str, now: datetime) -> dict[str, Any]:
    is_known = name in (SETTLEMENT, REMIND_SHIPPING)
    kept = {key: value for key, value in event.items() if (key in _KEPT if is_known else key not in _NAMES_SOMEBODY)}
    return {
        "identity": identity,
        "event": name,
        "transaction_id": str(event["transaction_id"])[:64] if event.get("transaction_id") else None,
        "content": database.dump_json(kept),
        "now": now,
    }


_KEEP = text("""
    INSERT INTO wechat_pushes (identity, event, transaction_id, content, outcome, received_at)
    VALUES (:identity, :event, :transaction_id, cast(:content AS jsonb), 'ignored', :now)
    ON CONFLICT (identity) DO UPDATE SET deliveries = wechat_pushes.deliveries + 1
    RETURNING outcome
""")
_JUDGE = text("UPDATE wechat_pushes SET outcome = :outcome WHERE identity = :identity")
_ORDER = text("""
    SELECT order_number FROM frozen_payments WHERE payment_number = :payment AND transaction_id = :transaction_id
""")
