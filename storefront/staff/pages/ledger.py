"""The ledger on pages: the trial balance, an account day by day, and what moved it on one of them; each as a file."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import finance, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.pages.finance import BALANCES, day_of, period
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_ledger", __name__, url_prefix=frame.ROOT, template_folder="../templates")

STATEMENT = tables.Table(
    "ledger-account",
    "科目明细",
    (
        Column("day", "日期", Kind.DAY),
        Column("movements", "笔数", Kind.COUNT, sums=True),
        Column("debits_fen", "借方", Kind.MONEY, sums=True),
        Column("credits_fen", "贷方", Kind.MONEY, sums=True),
        Column("closing_fen", "日终余额", Kind.MONEY),
    ),
)
ENTRIES = tables.Table(
    "ledger-entries",
    "分录",
    (
        Column("occurred_at", "时间", Kind.INSTANT, width=20),
        Column("source", "来源", value=lambda line: words.source(line["source"]), width=40),
        Column("debit_fen", "借方", Kind.MONEY, sums=True, value=lambda line: max(line["amount_fen"], 0) or None),
        Column("credit_fen", "贷方", Kind.MONEY, sums=True, value=lambda line: max(-line["amount_fen"], 0) or None),
    ),
)


@blueprint.get("/finance/ledger")
@guard.staff(Permission.READ_MONEY)
def ledger() -> Response:
    """Show the trial balance and, of one account, its days or the entries of one day."""
    first, last = period(lag=0)
    account = _account()
    day = day_of(request.args.get("day"), last) if account and request.args.get("day") else None
    with database.transaction() as session:
        trial = finance.trial(session, guard.actor(), day=last)
        statement = lines = None
        if account:
            statement = finance.statement(session, guard.actor(), account=account, first=first, last=last)
        if account and day:
            lines = finance.lines(session, guard.actor(), account=account, day=day)
    days = {"from": first.isoformat(), "to": last.isoformat()}
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
        query=urlencode(days),
    )


@exports.files(blueprint, "/finance/ledger")
@guard.staff(Permission.READ_MONEY)
def download_ledger(kind: str) -> Response:
    """Send the trial balance."""
    _, last = period(lag=0)
    with database.transaction() as session:
        trial = finance.trial(session, guard.actor(), day=last)
    sheet = tables.Sheet.of(BALANCES, trial["accounts"], sum_title="合计", notes=(("截至", last.isoformat()),))
    return exports.send(kind, sheet, now=clock.now(), period=last.isoformat())


@exports.files(blueprint, "/finance/ledger/account")
@guard.staff(Permission.READ_MONEY)
def download_account(kind: str) -> Response:
    """Send an account day by day; without one, that of what WeChat owes us."""
    first, last = period(lag=0)
    account = _account() or finance.ACCOUNTS[0]
    with database.transaction() as session:
        found = finance.statement(session, guard.actor(), account=account, first=first, last=last)
    notes = (
        ("科目", words.in_words(account, words.ACCOUNTS)),
        ("期间", f"{first} 至 {last}"),
        ("期初余额（元）", words.money(found["opening_fen"])),
        ("期末余额（元）", words.money(found["closing_fen"])),
    )
    sheet = tables.Sheet.of(STATEMENT, found["days"], sum_title="合计", notes=notes)
    return exports.send(kind, sheet, now=clock.now(), period=f"{account}-{first}-{last}")


@exports.files(blueprint, "/finance/ledger/entries")
@guard.staff(Permission.READ_MONEY)
def download_entries(kind: str) -> Response:
    """Send what moved an account on one day, all of it."""
    account, day = _account() or finance.ACCOUNTS[0], day_of(request.args.get("day"), period(lag=0)[1])
    with database.transaction() as session:
        found = finance.lines(session, guard.actor(), account=account, day=day, most=exports.MOST_ROWS)
    notes = (("科目", words.in_words(account, words.ACCOUNTS)), ("日期", day.isoformat()), exports.CUT)
    sheet = tables.Sheet.of(ENTRIES, found["items"], sum_title="合计", notes=notes)
    return exports.send(kind, sheet, now=clock.now(), period=f"{account}-{day}")


def _account() -> str | None:
    return next((known for known in finance.ACCOUNTS if known == request.args.get("account")), None)
