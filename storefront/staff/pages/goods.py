"""A supplier's console: its goods with prices, stock and facts, and for the county the changes to review."""

import re
import secrets
from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from catalog import editing
from config import clock, database
from config.errors import Conflict, Forbidden, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import goods_desk, supplier_words, words
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_goods", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/my/goods"
_PAGE = 50
_QUANTITY = re.compile(r"[0-9]{1,6}", re.ASCII)
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)


@blueprint.get("/my/goods")
@guard.staff(Permission.KEEP_GOODS)
def listing() -> Response:
    """Show the goods in sight with what hinders those that are off sale."""
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 5 else 1
    with database.transaction() as session:
        rows = goods_desk.listing(session, guard.actor(), offset=max(0, number - 1) * _PAGE, limit=_PAGE + 1)
    return frame.render("staff/goods.html", here="goods", rows=rows[:_PAGE], page=number, has_next=len(rows) > _PAGE)


@blueprint.get("/my/goods/<slug>")
@guard.staff(Permission.KEEP_GOODS)
def show(slug: str) -> Response:
    """Show one product: its SKUs to price and count, its facts, the change under review."""
    with database.transaction() as session:
        found = goods_desk.find(session, guard.actor(), slug=slug)
    return frame.render(
        "staff/good.html",
        here="goods",
        it=found,
        names={key: title for key, title, _ in found["facts"]},
        off_sale=supplier_words.OFF_SALE,
        key=secrets.token_urlsafe(12),
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
    """Write how much of a SKU was counted."""
    given = request.form
    sku, typed, key = given.get("sku", ""), given.get("quantity", "").strip(), given.get("key", "")
    if not _QUANTITY.fullmatch(typed) or not _KEY.fullmatch(key):
        return frame.back(f"{_PATH}/{slug}", fault="catalog.quantity_invalid")
    return _try(
        slug,
        "counted",
        lambda s: goods_desk.count_stock(
            s,
            guard.actor(),
            slug=slug,
            sku=sku,
            quantity=int(typed),
            reason=given.get("reason", ""),
            key=key,
            now=clock.now(),
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


@blueprint.get("/changes")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def changes() -> Response:
    """Show the changes of accredited facts that wait for the reader's county."""
    with database.transaction() as session:
        rows = goods_desk.queue(session, guard.actor())
    return frame.render("staff/changes.html", here="changes", rows=rows, names=dict(editing.accredited_facts()))


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
