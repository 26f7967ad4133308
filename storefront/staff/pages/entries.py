"""The form for new goods, and the one for a new pack: what was typed wrong is said beside its field."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from catalog import categories, drafts, labels, sheets
from catalog.change_errors import EntryInvalid, EntryTaken
from catalog.sheets import ImportKind
from config import clock, database
from config.errors import Conflict, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import entry_desk
from storefront.staff.pages import frame, goods

blueprint = Blueprint("staff_pages_entries", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/my/goods"
_LONGEST = 2_100
_FIELDS = tuple(column.name for column in sheets.COLUMNS[ImportKind.PRODUCTS] if column.name not in {"slug", "sku"})


@blueprint.get("/my/goods/new")
@guard.staff(Permission.KEEP_GOODS)
def form() -> Response:
    """Show the empty form for new goods."""
    return _form({}, entry_desk.new_number())


@blueprint.post("/my/goods")
@guard.staff(Permission.KEEP_GOODS)
def enter() -> Response:
    """Enter new goods, which then wait for their accreditation."""
    typed, number = _typed(_FIELDS), request.form.get("number", "")
    try:
        with database.transaction() as session:
            slug = entry_desk.enter(session, guard.actor(), typed=typed, number=number, now=clock.now())
    except EntryTaken as error:
        return frame.back(f"{_PATH}/{error.details['slug']}", fault=error.code)
    except EntryInvalid as error:
        return _form(typed, number, error.details["faults"])
    except (Conflict, Invalid) as error:
        return frame.refused(f"{_PATH}/new", error)
    return frame.back(f"{_PATH}/{slug}", done="goods_entered")


@blueprint.post("/my/goods/<slug>/packs")
@guard.staff(Permission.KEEP_GOODS)
def ask_pack(slug: str) -> Response:
    """Ask for a new pack; a draft has it at once."""
    typed, sku = _typed(drafts.PACK), request.form.get("number", "")
    try:
        with database.transaction() as session:
            asked = entry_desk.ask_pack(session, guard.actor(), slug=slug, typed=typed, sku=sku, now=clock.now())
    except EntryInvalid as error:
        faults = {each["field"]: each["message"] for each in error.details["faults"]}
        return goods.page(slug, status=422, pack=typed, faults=faults)
    except (Conflict, Invalid) as error:
        return frame.refused(f"{_PATH}/{slug}", error)
    return frame.back(f"{_PATH}/{slug}", done="change_asked" if asked.change else "saved")


def _typed(names: tuple[str, ...]) -> dict[str, str]:
    # No stock yet is what an empty field says, too.
    typed = {name: request.form.get(name, "")[:_LONGEST] for name in names}
    return typed | ({"first_stock": ""} if typed.get("first_stock", "").strip() == "0" else {})


def _form(typed: Mapping[str, str], number: str, faults: list[dict[str, Any]] | None = None) -> Response:
    with database.transaction() as session:
        choices = entry_desk.choices(session, guard.actor())
    return frame.render(
        "staff/good_form.html",
        here="goods",
        status=422 if faults else 200,
        typed=typed,
        number=number,
        faults={each["field"]: each["message"] for each in faults or ()},
        titles={each["field"]: each["title"] for each in faults or ()},
        categories=categories.NAMES,
        classes=sheets.CLASSES,
        labels=labels.fields(),
        **choices,
    )
