"""Sheets on pages: fetch one, send it in, watch it being compared, see what it would change, have it done."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from catalog import sheets
from catalog.import_models import ImportState, RowState
from catalog.sheets import ImportKind
from config import clock, database, spreadsheets
from config.errors import Conflict, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import import_desk
from storefront.staff.pages import exports, frame

blueprint = Blueprint("staff_pages_imports", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 50
_PATH = "/imports"
_WORKING = {ImportState.READ, ImportState.CONFIRMED}
# Read again this often where no script does it.
_REFRESH_S = "2"


@blueprint.get("/imports")
@guard.staff(Permission.IMPORT_GOODS)
def listing() -> Response:
    """Show the kinds of sheets with their files, the form that sends one in, and the latest imports."""
    return _listing()


@blueprint.post("/imports")
@guard.body_up_to(spreadsheets.LARGEST_BYTES + 65_536)
@guard.staff(Permission.IMPORT_GOODS)
def send() -> Response:
    """Take a sheet in; one that is refused is told why at once, on the same page."""
    kind, file = request.form.get("kind", ""), request.files.get("file")
    if kind not in set(ImportKind) or file is None:
        return frame.back(_PATH, fault="form.sheet")
    try:
        number, is_new = import_desk.send(guard.actor(), kind=ImportKind(kind), upload=file.read(), now=clock.now())
    except Invalid as error:
        return _listing(refused=error, kind=kind, status=422)
    return frame.back(f"{_PATH}/{number}", done="sheet_read" if is_new else "sheet_known")


@blueprint.get("/imports/template.xlsx")
@guard.staff(Permission.IMPORT_GOODS)
def template() -> Response:
    """Hand out an empty sheet."""
    return exports.send("xlsx", import_desk.template(guard.actor(), kind=_kind()), now=clock.now())


@blueprint.get("/imports/export.xlsx")
@guard.staff(Permission.IMPORT_GOODS)
def export() -> Response:
    """Hand out the sheet as it stands."""
    now = clock.now()
    return exports.send("xlsx", import_desk.export(guard.actor(), kind=_kind()), now=now, period=_day(now))


@blueprint.get("/imports/<number:number>")
@guard.staff(Permission.IMPORT_GOODS)
def show(number: str) -> Response:
    """Show one import: how far it is, what it would change, what was refused."""
    state = request.args.get("rows", "")
    after = request.args.get("after", "0")
    line = int(after) if after.isdecimal() and len(after) < 9 else 0
    with database.transaction() as session:
        found = import_desk.find(session, guard.actor(), number=number)
        chosen = RowState(state) if state in _tabs(found) else _first(found)
        shown = import_desk.rows(session, guard.actor(), number=number, state=chosen, after=line, limit=_PAGE + 1)
    return frame.render(
        "staff/import.html",
        here="imports",
        it=found,
        name=sheets.NAMES[ImportKind(found["kind"])],
        states=import_desk.STATES,
        row_states=import_desk.ROWS,
        tabs=_tabs(found),
        tab=chosen,
        rows=shown[:_PAGE],
        next_line=shown[_PAGE - 1]["line"] if len(shown) > _PAGE else None,
        key=sheets.KEYS[ImportKind(found["kind"])],
        said=import_desk.said,
        refresh_s=_REFRESH_S,
        told=_told(found),
    )


@blueprint.get("/imports/<number:number>/progress")
@guard.staff(Permission.IMPORT_GOODS)
def progress(number: str) -> Response:
    """Show how far an import is, for the page that asks every second; once it is over what came of it takes its place.

    The page itself stays, and with it whatever has the focus.
    """
    with database.transaction() as session:
        found = import_desk.find(session, guard.actor(), number=number)
    if found["state"] in _WORKING:
        return frame.render("staff/import_progress.html", it=found, told=_told(found))
    page = show(number)
    for header, value in (("HX-Retarget", "#import"), ("HX-Reselect", "#import"), ("HX-Reswap", "outerHTML")):
        page.headers[header] = value
    return page


@blueprint.get("/imports/<number:number>/refused.xlsx")
@guard.staff(Permission.IMPORT_GOODS)
def refused(number: str) -> Response:
    """Hand out the rows that were refused, each with the reason."""
    with database.transaction() as session:
        sheet = import_desk.refused(session, guard.actor(), number=number)
    return exports.send("xlsx", sheet, now=clock.now())


@blueprint.post("/imports/<number:number>/confirmation")
@guard.staff(Permission.IMPORT_GOODS)
def confirm(number: str) -> Response:
    """Have an import done."""
    try:
        with database.transaction() as session:
            import_desk.confirm(session, guard.actor(), number=number, now=clock.now())
    except Conflict as error:
        return frame.refused(f"{_PATH}/{number}", error)
    return frame.back(f"{_PATH}/{number}", done="sheet_confirmed")


@blueprint.post("/imports/<number:number>/withdrawal")
@guard.staff(Permission.IMPORT_GOODS)
def withdraw(number: str) -> Response:
    """Leave an import undone."""
    try:
        with database.transaction() as session:
            import_desk.withdraw(session, guard.actor(), number=number, now=clock.now())
    except Conflict as error:
        return frame.refused(f"{_PATH}/{number}", error)
    return frame.back(f"{_PATH}/{number}", done="sheet_withdrawn")


def _listing(*, refused: Invalid | None = None, kind: str = "", status: int = 200) -> Response:
    with database.transaction() as session:
        found = import_desk.shelf(session, guard.actor())
    mine = {kind: sheets.NAMES[kind] for kind in import_desk.kinds(guard.actor())}
    return frame.render(
        "staff/imports.html",
        here="imports",
        status=status,
        kinds=mine,
        names=sheets.NAMES,
        states=import_desk.STATES,
        kind=kind,
        refused=refused,
        imports=found,
        most_rows=spreadsheets.MOST_ROWS,
    )


def _kind() -> ImportKind:
    asked = request.args.get("kind", "")
    return ImportKind(asked) if asked in set(ImportKind) else ImportKind.PRICES


def _tabs(found: dict[str, object]) -> dict[RowState, int]:
    """Return the states of rows that a page shows, with how many there are."""
    counts: dict[str, int] = found["counts"]  # type: ignore[assignment]
    order = (RowState.APPLIED, RowState.CHANGED, RowState.REFUSED, RowState.UNCHANGED)
    return {state: counts[state] for state in order if counts[state]}


def _first(found: dict[str, object]) -> RowState:
    return next(iter(_tabs(found)), RowState.CHANGED)


def _day(now: datetime) -> str:
    return f"{now.astimezone(clock.SHANGHAI):%Y-%m-%d}"


def _told(found: dict[str, Any]) -> str:
    """Return what a screen reader says of an import; while it is worked on the same for each quarter of it."""
    if found["state"] not in _WORKING:
        return import_desk.STATES[found["state"]]
    quarter = found["done"] * 4 // found["total"] * 25 if found["total"] else 0
    return f"{import_desk.STATES[found['state']]}，{quarter}%"
