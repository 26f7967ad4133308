"""Bills as the merchant fetches them: ask for an address with a signed call, then download it with another.

Drawn the next morning from the books, or from a fabricated day; nothing is there before ten o'clock.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, request

from emulator import bills, bookings, gate
from emulator.bookings import Booking
from emulator.clock import BEIJING
from emulator.desk import Desk, here
from emulator.faults import BILL_FAULTS
from emulator.gate import Payload, Refusal

billing = Blueprint("billing", __name__, url_prefix="/v3")

READY_AT = time(10, 0)
# "Three months", which the real one counts in days.
OLDEST = timedelta(days=92)
# A paid download address of somebody else's: what a client that signs for any host would be robbed by.
_FOREIGN = "https://api.mch.weixin.qq.com@169.254.169.254/v3/billdownload/file?token=stolen"
_PIECE = 1 << 16


@billing.get("/bill/tradebill")
@gate.operation("tradebill")
def trade_bill() -> Payload:
    """Answer where a day's trade bill can be fetched."""
    desk, day = here(), _day()
    kind = request.args.get("bill_type", "ALL")
    if kind not in bills.TRADE_COLUMNS:
        raise Refusal(400, "PARAM_ERROR", "bill_type参数错误")
    rows = _distorted(desk, "tradebill", _trade(desk, day))
    first = next((row for row in rows if kind in ("ALL", "REFUND" if row.refund_id else "SUCCESS")), None)
    lines = bills.trade(_again(first, rows), kind=kind, mchid=desk.keys.identity.mchid)
    return _address(desk, "tradebill", lines, is_empty=first is None)


@billing.get("/bill/fundflowbill")
@gate.operation("fundflowbill")
def fund_flow_bill() -> Payload:
    """Answer where a day's statement of the account can be fetched; only the basic account ever moves here."""
    desk, day = here(), _day()
    kind = request.args.get("account_type", "BASIC")
    if kind not in ("BASIC", "OPERATION", "FEES"):
        raise Refusal(400, "PARAM_ERROR", "account_type参数错误")
    moved = bookings.account(desk.books, desk.sharing, until=day)
    balance = sum(bills.worth(each) for each in moved if not bookings.is_on(each, day))
    own = fabricated(desk, day) or (each for each in moved if bookings.is_on(each, day))
    rows = _distorted(desk, "fundflowbill", own if kind == "BASIC" else iter(()))
    first = next(rows, None)
    lines = bills.funds(_again(first, rows), balance=balance, is_wide=desk.contract.terms.bill_wide_brackets)
    return _address(desk, "fundflowbill", lines, is_empty=first is None)


@billing.get("/billdownload/file")
@gate.operation("bill_download")
def download() -> Payload:
    """Answer the file itself: unsigned, in pieces; the hash that was told with the address vouches for it."""
    filed = here().archive.find(request.args.get("token", ""), here().clock.now())
    if filed is None:
        raise Refusal(400, "INVALID_REQUEST", "下载链接已失效，请重新申请账单")

    def pieces() -> Iterator[bytes]:
        with filed.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    kind = "application/x-gzip" if filed.is_gzip else "text/plain"
    return Response(pieces(), content_type=kind, headers={"Content-Length": str(filed.path.stat().st_size)})


def fabricated(desk: Desk, day: date) -> Iterator[Booking] | None:
    """Return the bookings of a fabricated day, or None for a day as it was."""
    plan = desk.archive.fabrications.get(day)
    if plan is None:
        return None
    appid = desk.keys.identity.miniprogram_appid
    return bookings.fabricate(plan, appid=appid, openid=desk.keys.openid(appid, "路人"))


def _trade(desk: Desk, day: date) -> Iterator[Booking]:
    return fabricated(desk, day) or iter(bookings.trade(desk.books, day))


def _day() -> date:
    """Return the day that is asked for, if there can be a bill of it by now."""
    try:
        day = datetime.strptime(request.args.get("bill_date", ""), "%Y-%m-%d").date()
    except ValueError:
        raise Refusal(400, "PARAM_ERROR", "bill_date格式错误，应为yyyy-MM-dd") from None
    now = here().clock.now().astimezone(BEIJING)
    if request.args.get("tar_type", "GZIP") != "GZIP":
        raise Refusal(400, "PARAM_ERROR", "tar_type参数错误")
    if day >= now.date() or day < now.date() - OLDEST:
        raise Refusal(400, "INVALID_REQUEST", "账单日期不合法：仅支持三个月内、当日以前的账单")
    if now < datetime.combine(day + timedelta(days=1), READY_AT, BEIJING):
        raise Refusal(400, "STATEMENT_CREATING", "账单生成中，请在上午10点后重试")
    return day


def _distorted(desk: Desk, name: str, rows: Iterator[Booking]) -> Iterator[Booking]:
    """Yield the rows as the faults in force would have them: missing, doubled, of another amount."""
    row_faults = BILL_FAULTS.keys() & {"row_missing", "row_doubled", "row_amount"}
    for true in rows:
        row, rule = true, desk.faults.draw(row_faults, on=name, reference=true.number)
        match rule.fault if rule else None:
            case "row_missing":
                continue
            case "row_doubled":
                yield row
            case "row_amount" if rule is not None:
                amount = int(rule.number("amount_fen", 1))
                row = _of(true, amount)
        yield row


def _of(true: Booking, amount: int) -> Booking:
    """Return a booking as it were of another amount, fen."""
    if true.share_id:
        return true._replace(shared=amount if true.shared > 0 else -amount)
    return true._replace(refund=amount) if true.refund_id else true._replace(total=amount)


def _again(first: Booking | None, rest: Iterator[Booking]) -> Iterator[Booking]:
    if first is not None:
        yield first
    yield from rest


def _address(desk: Desk, name: str, lines: Iterator[str], *, is_empty: bool) -> dict[str, Any]:
    terms, now = desk.contract.terms, desk.clock.now()
    if is_empty:
        raise Refusal(terms.empty_bill_status, "NO_STATEMENT_EXIST", "账单文件不存在：当日无交易")
    rule = desk.faults.draw(BILL_FAULTS.keys() & {"bill_creating", "wrong_hash", "foreign_url"}, on=name)
    if rule and rule.fault == "bill_creating":
        raise Refusal(400, "STATEMENT_CREATING", "账单生成中，请稍后重试")
    is_gzip = "tar_type" in request.args
    filed = desk.archive.file(
        lines,
        newline=terms.bill_newline,
        has_bom=terms.bill_bom,
        is_gzip=is_gzip,
        hash_over=terms.bill_hash_over,
        now=now,
    )
    url = f"{request.host_url}v3/billdownload/file?token={filed.token}{'&tartype=gzip' if is_gzip else ''}"
    return {
        "download_url": str(rule.options.get("url", _FOREIGN)) if rule and rule.fault == "foreign_url" else url,
        "hash_type": "SHA1",
        "hash_value": filed.sha1[::-1] if rule and rule.fault == "wrong_hash" else filed.sha1,
    }
