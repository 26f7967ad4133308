"""Builds the request bodies that WeChat Pay accepts, from values that it might not.

A body is made once, kept with its payment or refund, and sent again as it is: WeChat refuses the same number with
anything changed.
"""

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
) -> dict[str, Any]:
    """Build the body that opens a payment; `openid` must be of `appid`, and `client_ip` is the payer's for H5."""
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
    return body


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
