"""Finance on pages: reconciled days, cases and how they end, the ledger, and all of it as an Excel file."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid
from payments.models import CaseKind, Resolution
from storefront import guard
from storefront.roles import Permission
from storefront.staff import finance, words, workbook
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_finance", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_SHOWN_DAYS = 31
_SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Of one export; whoever needs more chooses fewer days.
_MOST_CASES = 5_000
_PAGE = 200


@blueprint.get("/finance")
@guard.staff(Permission.READ_MONEY)
def days() -> Response:
    """Show the reconciled days, WeChat's sums beside ours."""
    first, last = _period()
    with database.transaction() as session:
        seen = finance.days(session, guard.actor(), first=first, last=last)
    return frame.render(
        "staff/finance.html",
        here="finance",
        tab="days",
        first=first.isoformat(),
        last=last.isoformat(),
        query=urlencode({"from": first.isoformat(), "to": last.isoformat()}),
        is_equal=all(item["is_equal"] for item in seen["items"]),
        **seen,
    )


@blueprint.get("/finance/cases")
@guard.staff(Permission.READ_MONEY)
def cases() -> Response:
    """Show the cases, open ones unless asked otherwise."""
    state, kind = request.args.get("state", "open"), request.args.get("kind")
    state = state if state in {"open", "closed"} else "all"
    kind = kind if kind in set(CaseKind) else None
    number, cursor = request.args.get("number", "").strip()[:128] or None, request.args.get("cursor")
    with database.transaction() as session:
        page = finance.listing(
            session,
            guard.actor(),
            state=None if state == "all" else state,
            kind=CaseKind(kind) if kind else None,
            number=number,
            cursor=cursor,
        )
    chosen = {name: value for name, value in (("state", state), ("kind", kind), ("number", number)) if value}
    return frame.render(
        "staff/cases.html",
        here="finance",
        tab="cases",
        page=page,
        state=state,
        kind=kind,
        number=number,
        kinds=words.CASES,
        cursor=cursor,
        first_query=urlencode(chosen),
        next_query=urlencode(chosen | {"cursor": page["next_cursor"] or ""}),
    )


@blueprint.get("/finance/cases/<number:slug>")
@guard.staff(Permission.READ_MONEY)
def case(slug: str) -> Response:
    """Show one case with its evidence and, while it is open, the form that ends it."""
    with database.transaction() as session:
        found = finance.find(session, guard.actor(), slug=slug)
    return frame.render("staff/case.html", here="finance", tab="cases", case=found, resolutions=words.RESOLUTIONS)


@blueprint.post("/finance/cases/<number:slug>/owner")
@guard.staff(Permission.CLOSE_CASES)
def take(slug: str) -> Response:
    """Make a case one's own."""
    path = f"/finance/cases/{slug}"
    try:
        with database.transaction() as session:
            finance.take(session, guard.actor(), slug=slug, now=clock.now())
    except Conflict as error:
        return frame.refused(path, error)
    return frame.back(path, done="taken")


@blueprint.post("/finance/cases/<number:slug>/end")
@guard.staff(Permission.CLOSE_CASES)
def close(slug: str) -> Response:
    """End a case with a reason."""
    path, resolution = f"/finance/cases/{slug}", request.form.get("resolution", "")
    reason = " ".join(request.form.get("reason", "").split())
    if resolution not in set(Resolution) or not 2 <= len(reason) <= 500 or not reason.isprintable():
        return frame.back(path, fault="form.resolution")
    try:
        with database.transaction() as session:
            finance.close(
                session, guard.actor(), slug=slug, resolution=Resolution(resolution), reason=reason, now=clock.now()
            )
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="closed")


@blueprint.get("/finance/frozen")
@guard.staff(Permission.READ_MONEY)
def frozen() -> Response:
    """Show what WeChat keeps of mini-program payments, and which of them should have been shipped."""
    with database.transaction() as session:
        seen = finance.frozen(session, guard.actor(), now=clock.now())
    return frame.render("staff/frozen.html", here="finance", tab="frozen", **seen)


@blueprint.get("/finance/ledger")
@guard.staff(Permission.READ_MONEY)
def ledger() -> Response:
    """Show the trial balance and, of one account, its days or the entries of one day."""
    first, last = _period()
    account = next((known for known in finance.ACCOUNTS if known == request.args.get("account")), None)
    day = _day(request.args.get("day"), last) if account and request.args.get("day") else None
    with database.transaction() as session:
        trial = finance.trial(session, guard.actor(), day=last)
        statement = lines = None
        if account:
            statement = finance.statement(session, guard.actor(), account=account, first=first, last=last)
        if account and day:
            lines = finance.lines(session, guard.actor(), account=account, day=day)
    period = {"from": first.isoformat(), "to": last.isoformat()}
    return frame.render(
        "staff/ledger.html",
        here="finance",
        tab="ledger",
        trial=trial,
        statement=statement,
        lines=lines,
        account=account,
        day=day and day.isoformat(),
        first=first.isoformat(),
        last=last.isoformat(),
        query=urlencode(period),
    )


@blueprint.get("/finance.xlsx")
@guard.staff(Permission.READ_MONEY)
def download() -> Response:
    """Send days, cases and trial balance as an Excel file."""
    first, last = _period()
    with database.transaction() as session:
        seen = finance.days(session, guard.actor(), first=first, last=last)
        trial = finance.trial(session, guard.actor(), day=last)
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while len(found) < _MOST_CASES:
            page = finance.listing(session, guard.actor(), cursor=cursor, limit=_PAGE)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    body = workbook.book(days=seen["items"], cases=found, accounts=trial["accounts"])
    response = Response(body, mimetype=_SPREADSHEET)
    response.headers["Content-Disposition"] = f'attachment; filename="finance-{first}-{last}.xlsx"'
    return response


def _period() -> tuple[date, date]:
    """Return the days that were asked for, a month up to yesterday by default; never more than fit."""
    yesterday = clock.now().astimezone(clock.SHANGHAI).date() - timedelta(days=1)
    last = _day(request.args.get("to"), yesterday)
    first = min(_day(request.args.get("from"), last - timedelta(days=_SHOWN_DAYS - 1)), last)
    return max(first, last - timedelta(days=finance.LONGEST_DAYS - 1)), last


def _day(given: str | None, default: date) -> date:
    try:
        day = date.fromisoformat(given or "")
    except ValueError:
        return default
    return day if 2000 <= day.year <= 2100 else default
