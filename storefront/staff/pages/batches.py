"""Production batches on pages: what was entered, one with its report, and the orders that a recall concerns."""

from datetime import date

from flask import Blueprint, Response, request

from catalog.batch_models import Verdict
from catalog.batches import Report
from catalog.errors import BatchIncomplete
from config import clock, darkroom, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import batch_desk, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_batches", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 30
_PATH = "/batches"


BATCHES = tables.Table(
    "batches",
    "生产批次",
    (
        Column("code", "追溯码", Kind.CODE, width=18),
        Column("lot", "批号", Kind.CODE, width=18),
        Column("product_name", "商品", width=28),
        Column("supplier_name", "供应商", width=28),
        Column("made_on", "生产或采收", Kind.DAY),
        Column("origin", "产地", width=28),
        Column("verdict", "检验", words=words.VERDICTS),
        Column("recalled_at", "召回时间", Kind.MINUTE, width=20),
    ),
)


@blueprint.get("/batches")
@guard.staff(Permission.READ_BATCHES)
def listing() -> Response:
    """Show the batches in sight, and the form for another."""
    page = request.args.get("page", "1")
    number = max(1, int(page)) if page.isdecimal() and len(page) <= 4 else 1
    with database.transaction() as session:
        found = batch_desk.listing(session, guard.actor(), offset=(number - 1) * _PAGE, limit=_PAGE + 1)
        goods = batch_desk.goods(session, guard.actor())
    return frame.render(
        "staff/batches.html",
        here="batches",
        rows=found[:_PAGE],
        page=number,
        has_next=len(found) > _PAGE,
        goods=goods,
        typed=request.args,
    )


@exports.files(blueprint, "/batches")
@guard.staff(Permission.READ_BATCHES)
def download(kind: str) -> Response:
    """Send the batches in sight as a file."""
    with database.transaction() as session:
        found = batch_desk.listing(session, guard.actor(), limit=exports.MOST_ROWS)
    return exports.send(kind, tables.Sheet.of(BATCHES, found, notes=(exports.CUT,)), now=clock.now())


@blueprint.post("/batches")
@guard.staff(Permission.WRITE_BATCHES)
def enter() -> Response:
    """Enter a batch, as the form says."""
    given = {name: value.strip()[:80] for name, value in request.form.items()}
    kept = {name: given.get(name, "") for name in ("product", "lot", "origin", "made_on", "lab", "report")}
    try:
        made_on, report = _day(given.get("made_on", "")), _report(given)
        with database.transaction() as session:
            code = batch_desk.enter(
                session,
                guard.actor(),
                product=given.get("product", ""),
                lot=given.get("lot", ""),
                made_on=made_on,
                origin=given.get("origin", ""),
                report=report,
                now=clock.now(),
            )
    except (Conflict, Invalid, NotFound) as error:
        return frame.back(_PATH, fault=error.code, **kept)
    return frame.back(f"{_PATH}/{code}", done="saved")


@blueprint.get("/batches/<number:code>")
@guard.staff(Permission.READ_BATCHES)
def show(code: str) -> Response:
    """Show one batch; once it is recalled, with the orders that are concerned."""
    actor = guard.actor()
    with database.transaction() as session:
        found = batch_desk.find(session, actor, code=code)
    return frame.render(
        "staff/batch.html",
        here="batches",
        it=found,
        may_write=batch_desk.may_write(actor, found),
        may_recall=batch_desk.may_recall(actor, found),
    )


@blueprint.post("/batches/<number:code>/pages")
@guard.body_up_to(darkroom.LARGEST_BYTES + 65_536)
@guard.staff(Permission.WRITE_BATCHES)
def add_page(code: str) -> Response:
    """Add a photographed or scanned page of the test report."""
    path, file = f"{_PATH}/{code}", request.files.get("file")
    if file is None:
        return frame.back(path, fault="form.evidence")
    try:
        batch_desk.add_page(guard.actor(), code=code, upload=file.read(), now=clock.now())
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="evidence_added")


@blueprint.post("/batches/<number:code>/recall")
@guard.staff(Permission.RECALL_BATCHES)
def recall(code: str) -> Response:
    """Recall a batch."""
    path = f"{_PATH}/{code}"
    try:
        with database.transaction() as session:
            batch_desk.recall(session, guard.actor(), code=code, reason=request.form.get("reason", ""), now=clock.now())
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="recalled")


def _report(given: dict[str, str]) -> Report | None:
    """Return the report of a form, None when nothing of one was filled in; a part of one is refused."""
    parts = [given.get(name, "") for name in ("lab", "report", "reported_on", "verdict")]
    if not any(parts[:3]):
        return None
    if parts[3] not in set(Verdict):
        raise BatchIncomplete
    return Report(parts[0], parts[1], _day(parts[2]), Verdict(parts[3]))


def _day(typed: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise BatchIncomplete from None
