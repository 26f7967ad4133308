"""Finance at work: reconciled days, the ledger, and the cases that somebody of the staff must close.

Invariant: whoever reads money may read it over the whole shop; whoever takes or closes a case is in the audit trail.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from config import clock
from payments import cases, ledger, reconcile
from payments.books import ADJUSTMENTS, BANK, CLEARING, FEES, RECEIVABLE, REFUNDS
from payments.models import CaseKind, Resolution
from storefront import audit, frozen_money
from storefront.actors import Actor
from storefront.books import COMMISSION, MARGIN, PAYABLES, SUPPLIERS
from storefront.errors import PeriodTooLong
from storefront.roles import Permission
from storefront.staff import sight

# The chart of accounts in the order in which finance reads it: what we have, what we owe, what became of it.
ACCOUNTS = (RECEIVABLE, BANK, CLEARING, PAYABLES, SUPPLIERS, REFUNDS, COMMISSION, MARGIN, FEES, ADJUSTMENTS)
LONGEST_DAYS = 92
# What a person reads through on one page of a day.
LINES_SHOWN = 200


def days(session: Session, actor: Actor, *, first: date, last: date) -> dict[str, Any]:
    """Return the reconciled days from `first` to `last` (newest first), the sums over them, and the days not yet done.

    Raises `NotPermitted`, and `PeriodTooLong` for more than `LONGEST_DAYS`.
    """
    sight.require_whole(actor, Permission.READ_MONEY)
    _check(first, last)
    found = reconcile.listing(session, first=first, last=last)
    items = [asdict(day) | {"difference_fen": day.difference_fen, "is_equal": day.is_equal} for day in found]
    summed = ("trades", "paid_fen", "refunded_fen", "fees_fen", "net_fen", "our_paid_fen", "our_refunded_fen",
              "difference_fen", "differences", "open_cases")  # fmt: skip
    done = {day.day for day in found}
    return {
        "items": items,
        "total": {name: sum(item[name] for item in items) for name in summed},
        "missing": [day for day in _range(first, last) if day not in done],
        "open_cases": cases.open_count(session),
    }


def awaited(session: Session, actor: Actor, *, first: date, last: date, now: datetime) -> list[reconcile.Awaited]:
    """Return the days of a period whose bills were not compared yet. Raises `NotPermitted`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    return reconcile.awaited(session, first=first, last=last, now=now)


def order_of(session: Session, actor: Actor, *, slug: str) -> str | None:
    """Return the order whose payment a case is about, None when it is about none. Raises `NotPermitted`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    return cases.reference(session, slug=slug)


def listing(
    session: Session,
    actor: Actor,
    *,
    state: str | None = None,
    kind: CaseKind | None = None,
    number: str | None = None,
    day: date | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """Return a page of cases, `state` open, closed or None for all. Raises `NotPermitted`, `CaseCursorInvalid`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    is_open = None if state is None else state == "open"
    found, following = cases.listing(
        session, is_open=is_open, kind=kind, number=number, day=day, cursor=cursor, limit=limit
    )
    return {"items": [_shown(case) for case in found], "next_cursor": following}


def frozen(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return what WeChat keeps of mini-program payments, what of it is overdue to be shipped, and what it released.

    Raises `NotPermitted`.
    """
    sight.require_whole(actor, Permission.READ_MONEY)
    return {
        "total": asdict(frozen_money.totals(session, now=now)),
        "overdue": frozen_money.overdue(session, now=now),
    }


def find(session: Session, actor: Actor, *, slug: str) -> dict[str, Any]:
    """Return one case. Raises `NotPermitted`, `CaseNotFound`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    return _shown(cases.find(session, slug=slug))


def take(session: Session, actor: Actor, *, slug: str, now: datetime) -> dict[str, Any]:
    """Make a case the actor's own. Raises `NotPermitted`, `CaseNotFound`, `CaseClosed`."""
    sight.require_whole(actor, Permission.CLOSE_CASES)
    before = cases.find(session, slug=slug).owner
    case = cases.take(session, slug=slug, owner=actor.username or "", now=now)
    if case.owner != before:
        audit.record(session, actor, "case.taken", slug, {"kind": case.kind, "case_number": case.number}, now=now)
    return _shown(case)


def close(
    session: Session, actor: Actor, *, slug: str, resolution: Resolution, reason: str, now: datetime
) -> dict[str, Any]:
    """End a case, or ask for its write-off when that takes two. Raises `NotPermitted` and what `cases.close` does."""
    sight.require_whole(actor, Permission.CLOSE_CASES)
    case = cases.close(session, slug=slug, resolution=resolution, reason=reason, by=actor.username or "", now=now)
    told: Mapping[str, Any] = {
        "kind": case.kind,
        "case_number": case.number,
        "resolution": resolution,
        "difference_fen": case.difference_fen,
        "reason": reason,
    }
    audit.record(session, actor, "case.closed" if case.closed_at else "case.write_off_asked", slug, told, now=now)
    return _shown(case)


def trial(session: Session, actor: Actor, *, day: date) -> dict[str, Any]:
    """Return every account with its sums up to the end of a Shanghai day, and their total, which is zero."""
    sight.require_whole(actor, Permission.READ_MONEY)
    found = {each.account: each for each in ledger.trial_balance(session, before=_midnight(day + timedelta(days=1)))}
    known = [*ACCOUNTS, *sorted(set(found) - set(ACCOUNTS))]
    rows = [found.get(account, ledger.Balance(account, 0, 0)) for account in known]
    return {
        "day": day,
        "accounts": [asdict(row) | {"balance_fen": row.balance_fen} for row in rows],
        "debits_fen": sum(row.debits_fen for row in rows),
        "credits_fen": sum(row.credits_fen for row in rows),
        "balance_fen": sum(row.balance_fen for row in rows),
    }


def statement(session: Session, actor: Actor, *, account: str, first: date, last: date) -> dict[str, Any]:
    """Return an account day by day. Raises `NotPermitted`, and `PeriodTooLong` for more than `LONGEST_DAYS`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    _check(first, last)
    found = ledger.statement(session, account=account, first_day=first, last_day=last)
    return {
        "account": account,
        "opening_fen": found.opening_fen,
        "days": [asdict(day) for day in found.days],
        "closing_fen": found.closing_fen,
    }


def lines(session: Session, actor: Actor, *, account: str, day: date, most: int = LINES_SHOWN) -> dict[str, Any]:
    """Return the first entries of an account on one day, `most` of them, and whether there are more."""
    sight.require_whole(actor, Permission.READ_MONEY)
    found = ledger.lines(session, account=account, day=day, limit=most + 1)
    return {"items": [asdict(line) for line in found[:most]], "is_cut": len(found) > most}


def _shown(case: cases.CaseView) -> dict[str, Any]:
    can_write_off = case.closed_at is None and bool(case.difference_fen)
    return asdict(case) | {
        "can_write_off": can_write_off,
        "takes_two": can_write_off and cases.takes_two(case.difference_fen),
    }


def _check(first: date, last: date) -> None:
    if (last - first).days >= LONGEST_DAYS:
        raise PeriodTooLong(days=LONGEST_DAYS)


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=passed) for passed in range((last - first).days + 1)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)
