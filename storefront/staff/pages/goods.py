"""A supplier's console: its goods with prices, stock and facts, and for the county the changes to review."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from catalog import editing, sheets
from catalog.errors import StockMoved
from config import clock, database
from config.errors import Conflict, Forbidden, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import entry_desk, goods_desk, supplier_words, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_goods", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/my/goods"
_PAGE = 50
_OF_PACK = {editing.PACK: "新规格"}
_QUANTITY = re.compile(r"[0-9]{1,7}", re.ASCII)
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)


def _standing(row: tables.Row) -> str:
    if row["is_on_sale"]:
        return "只作展示" if row["is_display_only"] else "在售"
    return words.in_words(row["off_sale_for"], supplier_words.OFF_SALE) if row["off_sale_for"] else "已下架"


def _badge(row: tables.Row) -> str:
    return words.in_words(row["accreditation"], words.ACCREDITATIONS) if row["accreditation"] else "未申请"


GOODS = tables.Table(
    "goods",
    "商品",
    (
        Column("slug", "编号", Kind.CODE, width=24),
        Column("name", "商品", width=28),
        Column("origin", "产地", width=24),
        Column("is_on_sale", "状态", value=_standing, width=24),
        Column("accreditation", "认定", value=_badge),
        Column("price_fen", "起售价", Kind.MONEY),
        Column("available", "可售", Kind.COUNT),
    ),
    lead="name",
)
CHANGES = tables.Table(
    "changes",
    "待审核的变更",
    (
        Column("number", "编号", Kind.CODE, width=20),
        Column("product_name", "商品", width=28),
        Column("supplier_name", "供应商", width=28),
        Column("asked_by", "提交人"),
        Column("asked_at", "提交时间", Kind.MINUTE, width=20),
        Column("what", "事项", width=24),
        Column("before", "现在", width=36),
        Column("after", "改为", width=36),
    ),
)


@blueprint.get("/my/goods")
@guard.staff(Permission.KEEP_GOODS)
def listing() -> Response:
    """Show the goods in sight with what hinders those that are off sale."""
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 5 else 1
    with database.transaction() as session:
        rows = goods_desk.listing(session, guard.actor(), offset=max(0, number - 1) * _PAGE, limit=_PAGE + 1)
    return frame.render("staff/goods.html", here="goods", rows=rows[:_PAGE], page=number, has_next=len(rows) > _PAGE)


@exports.files(blueprint, "/my/goods")
@guard.staff(Permission.KEEP_GOODS)
def download(kind: str) -> Response:
    """Send the goods in sight as a file."""
    with database.transaction() as session:
        rows = goods_desk.listing(session, guard.actor(), limit=exports.MOST_ROWS)
    return exports.send(kind, tables.Sheet.of(GOODS, rows, notes=(exports.CUT,)), now=clock.now())


@blueprint.get("/my/goods/<slug>")
@guard.staff(Permission.KEEP_GOODS)
def show(slug: str) -> Response:
    """Show one product: its SKUs to price and count, its facts, the change under review."""
    return page(slug)


def page(slug: str, *, status: int = 200, **more: Any) -> Response:
    """Return the page of one product, with what a form of it was refused for."""
    with database.transaction() as session:
        found = goods_desk.find(session, guard.actor(), slug=slug)
        places = entry_desk.choices(session, guard.actor())
    names = {key: title for key, title, _ in found["facts"]}
    return frame.render(
        "staff/good.html",
        here="goods",
        status=status,
        it=found,
        names=names | _OF_PACK,
        missing=[names[f"label.{key}"] for key in found["missing"]],
        key=secrets.token_urlsafe(12),
        number=entry_desk.new_number(),
        counties=places["counties"],
        warehouses=places["warehouses"],
        choices=editing.CHOICES,
        ways=sheets.CLASSES["delivery_class"],
        **more,
    )


@blueprint.post("/my/goods/<slug>/changes")
@guard.staff(Permission.KEEP_GOODS)
def ask(slug: str) -> Response:
    """Ask for other facts; those of a draft change at once."""
    given = {name: typed for name, typed in request.form.items() if name != "csrf_token"}
    path = f"{_PATH}/{slug}"
    try:
        with database.transaction() as session:
            asked = goods_desk.ask(session, guard.actor(), slug=slug, given=given, now=clock.now())
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="change_asked" if asked.change else "saved")


@blueprint.post("/my/goods/<slug>/withdrawal")
@guard.staff(Permission.KEEP_GOODS)
def withdraw(slug: str) -> Response:
    """Take the change under review back."""
    return _try(slug, "saved", lambda s: goods_desk.withdraw(s, guard.actor(), slug=slug, now=clock.now()))


@blueprint.post("/my/goods/<slug>/prices")
@guard.staff(Permission.KEEP_GOODS)
def reprice(slug: str) -> Response:
    """Set the price of a SKU."""
    sku, price_fen = request.form.get("sku", ""), words.fen(request.form.get("price", "")) or 0
    return _try(
        slug,
        "repriced",
        lambda s: goods_desk.reprice(s, guard.actor(), slug=slug, sku=sku, price_fen=price_fen, now=clock.now()),
    )


@blueprint.post("/my/goods/<slug>/stock")
@guard.staff(Permission.KEEP_GOODS)
def count_stock(slug: str) -> Response:
    """Write how much of a SKU was counted, or came in; who counted while it was sold is told what is there now."""
    given, path = request.form, f"{_PATH}/{slug}"
    typed, seen, key = (given.get(name, "").strip() for name in ("quantity", "seen", "key"))
    is_delivery = given.get("do") == "receive"
    is_told = _QUANTITY.fullmatch(typed) and _KEY.fullmatch(key) and (is_delivery or _QUANTITY.fullmatch(seen))
    if not is_told or (is_delivery and int(typed) < 1):
        return frame.back(path, fault="form.stock")
    counted = goods_desk.Counted(
        sku=given.get("sku", ""),
        quantity=int(typed),
        seen=None if is_delivery else int(seen),
        reason=given.get("reason", "")[:200],
        key=key,
    )
    try:
        with database.transaction() as session:
            goods_desk.count_stock(session, guard.actor(), slug=slug, counted=counted, now=clock.now())
    except StockMoved as error:
        return page(slug, status=409, moved=error.details["lines"][0] | {"typed": int(typed)})
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused(path, error)
    return frame.back(path, done="counted")


@blueprint.post("/my/goods/<slug>/description")
@guard.staff(Permission.KEEP_GOODS)
def describe(slug: str) -> Response:
    """Write what the product's page says of it."""
    said = request.form.get("description", "")[:2_100]
    return _try(
        slug,
        "saved",
        lambda s: goods_desk.describe(s, guard.actor(), slug=slug, description=said, now=clock.now()),
    )


@blueprint.post("/my/goods/<slug>/dispatch")
@guard.staff(Permission.KEEP_GOODS)
def dispatch(slug: str) -> Response:
    """Say from where and how a product is sent from the next order on."""
    warehouse, way = request.form.get("warehouse", ""), request.form.get("delivery_class", "")
    return _try(
        slug,
        "saved",
        lambda s: goods_desk.dispatch(
            s, guard.actor(), slug=slug, warehouse=warehouse, delivery_class=way, now=clock.now()
        ),
    )


@blueprint.post("/my/goods/<slug>/shelf")
@guard.staff(Permission.KEEP_GOODS)
def offer(slug: str) -> Response:
    """Put a product on sale, or take it off."""
    is_on_sale = request.form.get("do") == "offer"
    return _try(
        slug,
        "saved",
        lambda s: goods_desk.offer(s, guard.actor(), slug=slug, is_on_sale=is_on_sale, now=clock.now()),
    )


@blueprint.post("/my/goods/<slug>/packs/shelf")
@guard.staff(Permission.KEEP_GOODS)
def offer_pack(slug: str) -> Response:
    """Put one pack on sale again, or take it off."""
    sku, is_on_sale = request.form.get("sku", ""), request.form.get("do") == "offer"
    return _try(
        slug,
        "saved",
        lambda s: goods_desk.offer_pack(s, guard.actor(), slug=slug, sku=sku, is_on_sale=is_on_sale, now=clock.now()),
    )


@blueprint.get("/changes")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def changes() -> Response:
    """Show the changes of accredited facts that wait for the reader's county."""
    with database.transaction() as session:
        rows = goods_desk.queue(session, guard.actor())
    return frame.render(
        "staff/changes.html", here="changes", rows=rows, names=dict(editing.accredited_facts()) | _OF_PACK
    )


@exports.files(blueprint, "/changes")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def download_changes(kind: str) -> Response:
    """Send the same as a file, a row for each fact."""
    with database.transaction() as session:
        rows = goods_desk.queue(session, guard.actor())
    names = dict(editing.accredited_facts()) | _OF_PACK
    facts = [row | {"what": names.get(key, key), **fact} for row in rows for key, fact in row["facts"].items()]
    return exports.send(kind, tables.Sheet.of(CHANGES, facts), now=clock.now())


@blueprint.post("/changes/<number:number>")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def decide(number: str) -> Response:
    """Approve or refuse a change."""
    given = request.form
    try:
        with database.transaction() as session:
            goods_desk.decide(
                session,
                guard.actor(),
                number=number,
                is_approved=given.get("do") == "approve",
                reason=given.get("reason", ""),
                now=clock.now(),
            )
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused("/changes", error)
    return frame.back("/changes", done="step_taken")


def _try(slug: str, done: str, act: Callable[[Session], object]) -> Response:
    path = f"{_PATH}/{slug}"
    try:
        with database.transaction() as session:
            act(session)
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused(path, error)
    return frame.back(path, done=done)
