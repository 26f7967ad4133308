"""Orders on pages: the list, one order, its parcels, giving money back after a second look, and why it was credited."""

import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import segno
from flask import Blueprint, Response, request

from catalog.errors import ProductionBatchUnknown
from config import clock, database, settings
from config.errors import Conflict, Invalid
from storefront import guard
from storefront.errors import OrderNotFound
from storefront.order_lifecycle import OrderState
from storefront.roles import Permission
from storefront.staff import accounts, order_desk, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_orders", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_TRACKING = re.compile(r"[0-9A-Za-z-]{5,40}", re.ASCII)
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
_CARRIERS = ("顺丰速运", "中通快递", "圆通速递", "申通快递", "韵达速递", "邮政 EMS", "京东物流", "极兔速递", "德邦快递")
_PAPERS = ("a6", "a4")
_PARCEL = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_REFUNDABLE = {"paid", "shipped", "received"}


def _goods(order: tables.Row) -> str:
    first, others = order["lines"][0], len(order["lines"]) - 1
    return f"{first['title']} ×{first['quantity']}" + (f" 等 {others + 1} 种" if others else "")


def _returning(order: tables.Row) -> str | None:
    if order["refunding_fen"]:
        return "退款中"
    return "部分退款" if order["refunded_fen"] and order["state"] != "refunded" else None


ORDERS = tables.Table(
    "orders",
    "订单",
    (
        Column("number", "订单号", Kind.CODE, width=20, href=lambda order: f"{frame.ROOT}/orders/{order['number']}"),
        Column("state", "状态", words=words.STATES, tag=lambda order: order["state"], note=_returning),
        Column("goods", "商品", value=_goods, width=36),
        Column("region", "收货地区", value=lambda order: order["address"]["region"], width=28),
        Column("placed_at", "下单时间", Kind.MINUTE, width=20),
        Column("paid_at", "付款时间", Kind.INSTANT, width=20, only="file"),
        Column("payable_fen", "应付", Kind.MONEY, sums=True),
        Column("refunded_fen", "已退", Kind.MONEY, sums=True),
    ),
)


@blueprint.get("/orders")
@guard.staff(Permission.READ_ORDERS)
def listing() -> Response:
    """Show a page of orders, by state or by the beginning of a number."""
    state, q = _asked()
    cursor = request.args.get("cursor")
    with database.transaction() as session:
        page = order_desk.listing(session, guard.actor(), state=state, q=q, cursor=cursor)
    chosen = {name: value for name, value in (("state", state), ("q", q)) if value}
    return frame.render(
        "staff/orders.html",
        here="orders",
        page=page,
        sheet=tables.Sheet.of(ORDERS, page["items"], sum_title="本页合计"),
        state=state,
        states=words.STATES,
        q=q,
        cursor=cursor,
        first_query=urlencode(chosen),
        next_query=urlencode(chosen | {"cursor": page["next_cursor"] or ""}),
    )


@exports.files(blueprint, "/orders")
@guard.staff(Permission.READ_ORDERS)
def download(kind: str) -> Response:
    """Send all the orders that the list would go through, not only one page of it."""
    (state, q), actor = _asked(), guard.actor()
    rows = exports.walk(
        lambda session, cursor: order_desk.listing(session, actor, state=state, q=q, cursor=cursor, limit=exports.PAGE)
    )
    notes = (
        ("状态", words.in_words(state, words.STATES) if state else "全部"),
        ("订单号开头", q or "不限"),
        exports.CUT,
    )
    return exports.send(kind, tables.Sheet.of(ORDERS, rows, sum_title="合计", notes=notes), now=clock.now())


def _asked() -> tuple[OrderState | None, str | None]:
    """Return which state and which beginning of a number the list is narrowed to."""
    state = request.args.get("state")
    return OrderState(state) if state in set(OrderState) else None, request.args.get("q", "").strip()[:20] or None


@blueprint.get("/orders/<number:number>")
@guard.staff(Permission.READ_ORDERS)
def show(number: str) -> Response:
    """Show one order with what may be done to it."""
    order = _find(number, with_address=True)
    left_fen = sum(line["refundable_fen"] for line in order["lines"]) + order["freight_refundable_fen"]
    may_refund = accounts.allowed(guard.actor(), Permission.REFUND_ORDERS)
    can_refund = may_refund and order["state"] in _REFUNDABLE and left_fen > 0
    return frame.render(
        "staff/order.html", here="orders", order=order, carriers=_CARRIERS, left_fen=left_fen, can_refund=can_refund
    )


@blueprint.post("/orders/<number:number>/shipments")
@guard.staff(Permission.SHIP_ORDERS)
def ship(number: str) -> Response:
    """Send one consignment of an order."""
    named = {
        int(name[5:]): code.strip().upper()
        for name, code in request.form.items()
        if re.fullmatch(r"batch[0-9]{1,3}", name) and code.strip()
    }
    return _parcel(number, partial(order_desk.ship, batches=named), done="shipped")


@blueprint.get("/orders/<number:number>/slips/<number:consignment>")
@guard.staff(Permission.SHIP_ORDERS)
def slip(number: str, consignment: str) -> Response:
    """Show the slip that goes into a parcel that left, on A6 or A4."""
    size = request.args.get("size", "")
    if not _PARCEL.fullmatch(consignment):
        raise OrderNotFound
    with database.transaction() as session:
        sent = order_desk.slip(session, guard.actor(), number=number, consignment=int(consignment), now=clock.now())
    codes = sorted({line["batch"] for line in sent["lines"] if line["batch"]})
    traces = [(code, segno.make_qr(_trace(code), error="m").svg_data_uri(border=2)) for code in codes]
    return frame.render("staff/slip.html", slip=sent, traces=traces, size=size if size in _PAPERS else _PAPERS[0])


def _trace(code: str) -> str:
    return f"{settings.current().public_base_url}/trace/{code}"


@blueprint.post("/orders/<number:number>/corrections")
@guard.staff(Permission.SHIP_ORDERS)
def correct(number: str) -> Response:
    """Put right how a consignment that left travels."""
    return _parcel(number, order_desk.correct, done="shipment_corrected")


def _parcel(number: str, verb: Callable[..., object], *, done: str) -> Response:
    """Do with a consignment what its form says: with which carrier, under which number."""
    path, form = f"/orders/{number}", request.form
    carrier, tracking = form.get("carrier", "").strip()[:32], form.get("tracking_number", "").strip()
    if not carrier or not _TRACKING.fullmatch(tracking) or not form.get("consignment", "").isdecimal():
        return frame.back(path, fault="form.shipment")
    sent = {"carrier": carrier, "tracking_number": tracking, "consignment": int(form["consignment"][:4])}
    try:
        with database.transaction() as session:
            verb(session, guard.actor(), number=number, **sent, now=clock.now())
    except (Conflict, Invalid, ProductionBatchUnknown) as error:
        return frame.refused(path, error)
    return frame.back(path, done=done)


@blueprint.get("/orders/<number:number>/refund")
@guard.staff(Permission.REFUND_ORDERS)
def review(number: str) -> Response:
    """Show what would go back, with a form that sends it."""
    order = _find(number, with_address=False)
    asked, freight_fen = _amounts(order, request.args)
    reason = request.args.get("reason", "").strip()[:80]
    if asked is None or freight_fen is None or not (asked or freight_fen):
        return frame.back(f"/orders/{number}", fault="form.amount")
    if not reason:
        return frame.back(f"/orders/{number}", fault="form.reason")
    if freight_fen > order["freight_refundable_fen"] or any(
        asked.get(line["line"], 0) > line["refundable_fen"] for line in order["lines"]
    ):
        return frame.back(f"/orders/{number}", fault="order.refund_exceeds_line")
    return frame.render(
        "staff/refund.html",
        here="orders",
        order=order,
        items=[
            {"line": line["line"], "title": f"{line['title']} {line['spec']}", "fen": asked[line["line"]]}
            for line in order["lines"]
            if line["line"] in asked
        ],
        freight_fen=freight_fen,
        total_fen=sum(asked.values()) + freight_fen,
        reason=reason,
        key=secrets.token_urlsafe(16),
    )


@blueprint.post("/orders/<number:number>/refunds")
@guard.staff(Permission.REFUND_ORDERS)
def refund(number: str) -> Response:
    """Give money back, once per reviewed form."""
    path, form = f"/orders/{number}", request.form
    lines = words.typed_fens(form)
    freight_fen, reason = words.fen(form.get("freight", "0")), form.get("reason", "").strip()[:80]
    if freight_fen is None or None in lines.values() or not _KEY.fullmatch(form.get("key", "")):
        return frame.back(path, fault="form.amount")
    if not reason:
        return frame.back(path, fault="form.reason")
    try:
        with database.transaction() as session:
            asked = order_desk.refund(
                session,
                guard.actor(),
                number=number,
                lines={line: fen for line, fen in lines.items() if fen},
                freight_fen=freight_fen,
                reason=reason,
                key=form["key"],
                now=clock.now(),
            )
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="refunded" if asked.refund else "refund_waits")


def _find(number: str, *, with_address: bool) -> dict[str, Any]:
    with database.transaction() as session:
        return order_desk.find(session, guard.actor(), number=number, now=clock.now(), with_address=with_address)


def _amounts(order: dict[str, Any], form: Any) -> tuple[dict[int, int] | None, int | None]:
    """Return line → fen and the freight as they were typed; None for what is no amount."""
    if form.get("all") == "yes":
        left = {line["line"]: line["refundable_fen"] for line in order["lines"] if line["refundable_fen"]}
        return left, order["freight_refundable_fen"]
    typed = {line["line"]: words.fen(form.get(f"line{line['line']}", "")) for line in order["lines"]}
    if None in typed.values():
        return None, None
    return {line: fen for line, fen in typed.items() if fen}, words.fen(form.get("freight", ""))
