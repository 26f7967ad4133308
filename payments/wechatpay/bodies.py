"""Builds the request bodies that WeChat Pay accepts, from values that it might not.

A body is made once, kept with its payment or refund, and sent again as it is: WeChat refuses the same number with
anything changed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from config import clock
from payments.lifecycle import Channel

CURRENCY = "CNY"
_LONGEST_DESCRIPTION = 127
_LONGEST_REASON = 80


def prepay(
    *,
    channel: Channel,
    number: str,
    mchid: str,
    appid: str,
    amount_fen: int,
    description: str,
    pay_until: datetime,
    notify_url: str,
    openid: str | None,
    client_ip: str | None,
    is_shared: bool = False,
) -> dict[str, Any]:
    """Build the body that opens a payment; `openid` must be of `appid`, and `client_ip` is the payer's for H5.

    What `is_shared` stays frozen at WeChat until it was divided or released.
    """
    body: dict[str, Any] = {
        "appid": appid,
        "mchid": mchid,
        "description": clean_text(description, _LONGEST_DESCRIPTION) or "商品",
        "out_trade_no": number,
        "time_expire": pay_until.astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
        "notify_url": notify_url,
        "amount": {"total": amount_fen, "currency": CURRENCY},
    }
    if channel in (Channel.MINIPROGRAM, Channel.OFFICIAL):
        body["payer"] = {"openid": openid}
    if channel is Channel.H5:
        body["scene_info"] = {"payer_client_ip": client_ip, "h5_info": {"type": "Wap"}}
    if is_shared:
        body["settle_info"] = {"profit_sharing": True}
    return body


def share(*, number: str, appid: str, transaction_id: str, receivers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Build the body that divides a payment and releases the rest; without receivers it only releases.

    Receivers are known by account: a name would be sealed anew by each sending, and the body is kept.
    """
    body: dict[str, Any] = {"transaction_id": transaction_id, "out_order_no": number}
    if not receivers:
        return {**body, "description": "解冻剩余资金"}
    parts = [{**each, "description": "推广佣金"} for each in receivers]
    return {**body, "appid": appid, "receivers": parts, "unfreeze_unsplit": True}


def share_return(*, number: str, share: str, mchid: str, amount_fen: int) -> dict[str, Any]:
    """Build the body that takes a part of a share back from a merchant."""
    return {
        "out_order_no": share,
        "out_return_no": number,
        "return_mchid": mchid,
        "amount": amount_fen,
        "description": "用户退款",
    }


def refund(
    *, number: str, transaction_id: str, amount_fen: int, paid_fen: int, reason: str, notify_url: str
) -> dict[str, Any]:
    """Build the body that asks for a refund; without `notify_url` WeChat would notify in the old XML, or not at all."""
    body: dict[str, Any] = {
        "transaction_id": transaction_id,
        "out_refund_no": number,
        "notify_url": notify_url,
        "amount": {"refund": amount_fen, "total": paid_fen, "currency": CURRENCY},
    }
    text = clean_text(reason, _LONGEST_REASON)
    return {**body, "reason": text} if text else body


def clean_text(text: str, longest: int) -> str:
    """Keep of `text` what WeChat accepts: at most `longest` characters, of three bytes at most, none for control."""
    kept = "".join(character for character in text if character <= "\uffff" and character.isprintable())
    return " ".join(kept.split())[:longest].rstrip()
