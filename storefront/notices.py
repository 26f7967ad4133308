"""One notice to a shopper when the first goods of an order leave, for those who let WeChat send it.

Invariant: at most one is sent for an order: its row says that it is being sent before WeChat is called, and what is
not known to have failed is not repeated, because a repetition would spend the consent for another order.
"""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config import clock, database, logs, settings
from payments.lifecycle import Channel
from storefront import orders, shoppers
from storefront.errors import TemplateUnknown, WeChatUnavailable
from storefront.fund_models import NoticeState, OrderNotice
from storefront.wechat import trade
from storefront.wechat.trade import Done, Refused, Unknown

# Nobody hears of a notice that comes late; by then these few tries have lasted a minute.
MOST_TRIES = 5
# Too many calls, or another message to the same person just now: WeChat did nothing, and will do it later.
_PASSING = frozenset({45009, 45011, 43108})
# Only the operator can mend these: the template, or what we put into it.
_OURS = frozenset({40037, 47003})
_LONGEST = {"thing": 20, "character_string": 32, "phrase": 5, "name": 10}
_NOT_ASCII = re.compile(r"[^ -~]")
_NOT_CHINESE = re.compile(r"[^一-鿿]")

log = logs.get(__name__)


def templates(channel: Channel) -> list[str]:
    """Return the templates for which the client asks the shopper's consent; there are none outside the mini-program."""
    template = settings.current().wechat_shipped_template_id
    return [template] if template and channel is Channel.MINIPROGRAM else []


def allow(session: Session, *, shopper_id: int, number: str, accepted: list[str], now: datetime) -> list[str]:
    """Record for which templates the shopper let WeChat send a notice of an own order; none takes it back.

    Returns what is recorded; what was sent stays so. Raises `OrderNotFound`, and `TemplateUnknown` for a template that
    is not asked about, as all are outside the mini-program.
    """
    orders.find(session, shopper_id=shopper_id, number=number)
    identity = shoppers.wechat_identity(session, shopper_id=shopper_id)
    is_inside = identity is not None and identity.appid == settings.current().wechat_miniprogram_appid
    if not set(accepted) <= set(templates(Channel.MINIPROGRAM) if is_inside else []):
        raise TemplateUnknown
    order_id = session.execute(text("SELECT id FROM orders WHERE number = :n"), {"n": number}).scalar_one()
    if not accepted:
        session.execute(_TAKE_BACK, {"id": order_id})
    else:
        row = {"order_id": order_id, "template_id": accepted[0], "allowed_at": now, "state": NoticeState.ALLOWED}
        session.execute(insert(OrderNotice).values(row).on_conflict_do_nothing())
    kept = session.execute(text("SELECT template_id FROM order_notices WHERE order_id = :id"), {"id": order_id})
    return list(kept.scalars())


def tell_shipped(*, order: str, consignment: int, now: datetime) -> None:
    """Tell the shopper that a consignment left, if it is the first of its order and the shopper allowed it.

    Raises `WeChatUnavailable` for a refusal that passes: then try again.
    """
    with database.transaction() as session:
        due = session.execute(_TAKE, {"order": order, "no": consignment, "now": now}).mappings().first()
        if due is None:
            return
        identity = shoppers.wechat_identity(session, shopper_id=due["shopper_id"])
    if identity is None or identity.appid != settings.current().wechat_miniprogram_appid:
        _end(due["order_id"], NoticeState.REFUSED)
        return
    answer = trade.send_message(
        openid=identity.openid,
        template_id=due["template_id"],
        page=f"pages/order/detail?number={order}",
        data=_words(dict(due), order),
    )
    _write(dict(due), order, answer)


def _write(due: dict[str, Any], order: str, answer: Done | Refused | Unknown) -> None:
    if isinstance(answer, Unknown):
        log.warning("notice.unknown", order=order)
    elif isinstance(answer, Done):
        _end(due["order_id"], NoticeState.SENT)
    elif answer.errcode in _PASSING and due["tries"] < MOST_TRIES:
        _end(due["order_id"], NoticeState.ALLOWED, answer.errcode)
        raise WeChatUnavailable
    else:
        if answer.errcode in _OURS:
            logs.alarm("notices.template", template=due["template_id"], errcode=answer.errcode)
        log.info("notice.refused", order=order, errcode=answer.errcode)
        _end(due["order_id"], NoticeState.REFUSED, answer.errcode)


def _end(order_id: int, state: NoticeState, errcode: int | None = None) -> None:
    with database.transaction() as session:
        session.execute(_END, {"id": order_id, "state": state, "errcode": errcode})


def _words(due: dict[str, Any], order: str) -> dict[str, str]:
    """Return what the template's keys say, each cut to what WeChat takes of its kind."""
    said = {
        "order": order,
        "goods": due["goods"],
        "carrier": due["carrier"],
        "tracking": due["tracking_number"],
        "shipped_at": f"{due['shipped_at'].astimezone(clock.SHANGHAI):%Y年%m月%d日 %H:%M}",
    }
    pairs = (pair.split("=") for pair in settings.current().wechat_shipped_template_keys.split(","))
    return {key: _fit(key.rstrip("0123456789"), said[field]) for key, field in pairs}


def _fit(kind: str, value: str) -> str:
    if kind == "character_string":
        value = _NOT_ASCII.sub("", value)
    if kind == "phrase":
        value = _NOT_CHINESE.sub("", value)
    return value[: _LONGEST.get(kind, 32)]


_TAKE = text("""
    UPDATE order_notices n SET state = 'sending', tried_at = :now, tries = n.tries + 1
    FROM orders o JOIN consignments c ON c.order_id = o.id AND c.consignment_no = :no
    WHERE o.number = :order AND n.order_id = o.id AND n.state = 'allowed' AND c.shipped_at IS NOT NULL
    RETURNING n.order_id, n.template_id, n.tries, o.shopper_id, c.carrier, c.tracking_number, c.shipped_at,
              (SELECT string_agg(l.title, '、' ORDER BY l.line_no) FROM order_lines l
               WHERE l.order_id = o.id AND l.consignment_no = c.consignment_no) AS goods
""")
_END = text("UPDATE order_notices SET state = :state, errcode = :errcode WHERE order_id = :id")
_TAKE_BACK = text("DELETE FROM order_notices WHERE order_id = :id AND state = 'allowed'")
