"""Reconciles whole days with WeChat Pay's bills: fetched outside, compared and posted in one transaction.

Invariant: a day can be reconciled any number of times, and by several at once: its fees and withdrawals are in the
ledger once, its differences are cases once, those that are no more have ended, and its row says what its last
comparison found.
"""

import tempfile
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, logs, settings
from config.errors import AppError
from payments import books, cases, comparing
from payments.errors import BillBroken, BillNotReady
from payments.models import CaseKind
from payments.wechatpay import bills, statements
from payments.wechatpay.bills import Bill, BillKind

# WeChat draws bills from nine in the morning, and says that they are complete at ten.
READY_AT = time(10)
# "Three months" of WeChat's; it refuses what is older.
OLDEST = timedelta(days=90)
# What a worker that was away makes up for by itself.
_CATCH_UP_DAYS = 14
# Any two numbers that nothing else locks.
_LOCK = 7_302_022

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """A reconciled day; sums in fen. `difference_fen` is what WeChat's payments less refunds have more than ours."""

    day: date
    has_bill: bool
    trades: int
    flows: int
    paid_fen: int
    refunded_fen: int
    fees_fen: int
    withdrawn_fen: int
    shared_fen: int
    other_fen: int
    net_fen: int
    balance_fen: int | None
    our_paid_fen: int
    our_refunded_fen: int
    differences: int
    open_cases: int
    reconciled_at: datetime

    @property
    def difference_fen(self) -> int:
        """WeChat's less ours."""
        return (self.paid_fen - self.refunded_fen) - (self.our_paid_fen - self.our_refunded_fen)

    @property
    def is_equal(self) -> bool:
        """Whether nothing at all differs."""
        return self.differences == 0 and self.difference_fen == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A day without its bill: `is_ready` when it should be there, `is_given_up` when it is no longer asked for."""

    day: date
    is_ready: bool
    is_given_up: bool


def one_day(*, day: date, now: datetime) -> int:
    """Fetch a Shanghai day's bills and compare them; returns how many differences there are.

    Raises `BillNotReady` before ten o'clock of the next day and for what is older than `OLDEST`, `BillUnavailable` and
    `BillBroken`; then nothing was changed.
    """
    database.refuse_transaction()
    local = now.astimezone(clock.SHANGHAI)
    if local < datetime.combine(day + timedelta(days=1), READY_AT, clock.SHANGHAI) or day < local.date() - OLDEST:
        raise BillNotReady
    with tempfile.TemporaryDirectory(prefix="bills-") as name:
        folder = Path(name)
        trade = bills.fetch(BillKind.TRADE, day, folder=folder)
        flow = bills.fetch(BillKind.FUND_FLOW, day, folder=folder)
        with database.transaction() as session:
            return _reconcile(session, day, trade, flow, now)


def reconcile_due(*, now: datetime) -> int:
    """Reconcile the days of the last two weeks that are over and were not reconciled yet; returns how many were.

    A broken bill raises an alarm; one that is not there is asked for at the next tick.
    """
    done = 0
    for day in _due(now):
        try:
            one_day(day=day, now=now)
            done += 1
        except BillBroken as error:
            logs.alarm("payments.bill_broken", day=day.isoformat(), reason=error.details.get("reason"))
            _open_broken(day, error, now)
        except AppError as error:
            log.warning("bill.not_reconciled", day=day.isoformat(), code=error.code)
    return done


def awaited(session: Session, *, first: date, last: date, now: datetime) -> list[Awaited]:
    """Return the days from `first` to `last`, since our first payment, that were not reconciled yet, oldest first."""
    done, begun = _progress(session)
    if begun is None:
        return []
    oldest = _last_ready(now) - timedelta(days=_CATCH_UP_DAYS - 1)
    return [
        Awaited(day=day, is_ready=day <= _last_ready(now), is_given_up=day < oldest)
        for day in _range(max(first, begun), min(last, now.astimezone(clock.SHANGHAI).date()))
        if day not in done
    ]


def _open_broken(day: date, error: BillBroken, now: datetime) -> None:
    evidence = {"day": day, "reason": error.details.get("reason")}
    with database.transaction() as session:
        cases.open(session, kind=CaseKind.BILL_BROKEN, number=_bill(day), evidence=evidence, now=now)


def _bill(day: date) -> str:
    """Return the number under which a day's bill is a case."""
    return f"bill/{settings.current().wechatpay_mchid}/{day}"


def listing(session: Session, *, first: date, last: date) -> list[DayView]:
    """Return the reconciled days from `first` to `last`, newest first."""
    rows = session.execute(
        _LISTING, {"mchid": settings.current().wechatpay_mchid, "first": first, "last": last}
    ).mappings()
    return [DayView(**row) for row in rows]


def _due(now: datetime) -> list[date]:
    last = _last_ready(now)
    with database.transaction() as session:
        done, begun = _progress(session)
    if begun is None:
        return []
    first = max(begun, last - timedelta(days=_CATCH_UP_DAYS - 1))
    return [day for day in _range(first, last) if day not in done]


def _last_ready(now: datetime) -> date:
    """Return the last day whose bill should be there."""
    today = now.astimezone(clock.SHANGHAI)
    return today.date() - timedelta(days=1 if today.time() >= READY_AT else 2)


def _progress(session: Session) -> tuple[set[date], date | None]:
    """Return the days that were reconciled, and the day of the first payment."""
    mchid = settings.current().wechatpay_mchid
    done = set(session.scalars(text("SELECT day FROM bill_days WHERE mchid = :mchid"), {"mchid": mchid}))
    begun = session.scalar(text("SELECT min(succeeded_at) FROM payments WHERE mchid = :mchid"), {"mchid": mchid})
    return done, begun.astimezone(clock.SHANGHAI).date() if begun else None


def _reconcile(session: Session, day: date, trade: Bill | None, flow: Bill | None, now: datetime) -> int:
    _take_turn(session, day)
    mchid, since = settings.current().wechatpay_mchid, datetime.combine(day, time(), clock.SHANGHAI)
    trades, flows = comparing.load(
        session,
        trades=statements.trades(trade.lines()) if trade else (),
        flows=statements.flows(flow.lines()) if flow else (),
    )
    told: dict[str, Any] = {"mchid": mchid, "day": day, "since": since, "before": since + timedelta(days=1)}
    summed = session.execute(_SUMS, told).mappings().one()
    _check_balance(session, told, summed["opening_fen"])
    _post(session, mchid, day, summed["fees_fen"])
    differences = comparing.find(session, **told, now=now)
    opened = comparing.open_cases(session, now=now)
    comparing.end_cases(session, mchid=mchid, day=day, now=now)
    cases.repaired(session, kind=CaseKind.BILL_BROKEN, number=_bill(day), reason="账单已可核对", by="微信支付", now=now)
    session.execute(
        _KEEP,
        {
            **told,
            **summed,
            "trade_sha1": trade and trade.sha1,
            "flow_sha1": flow and flow.sha1,
            "trades": trades,
            "flows": flows,
            "differences": differences,
            "now": now,
        },
    )
    if opened:
        logs.alarm("payments.bill_differs", day=day.isoformat(), differences=differences, cases=opened)
    log.info("bill.reconciled", day=day.isoformat(), trades=trades, flows=flows, differences=differences)
    return differences


def _take_turn(session: Session, day: date) -> None:
    """Wait until nobody else reconciles this day: loading a large one takes seconds, and they wait for as long."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    session.execute(text("SET LOCAL lock_timeout = 0"))
    session.execute(text("SELECT pg_advisory_xact_lock(:lock, :day)"), {"lock": _LOCK, "day": day.toordinal()})


def _post(session: Session, mchid: str, day: date, fees_fen: int) -> None:
    """Post what WeChat did with our money by itself; a bill that is not what it was when it was posted is a case."""
    posted_fen = books.fees_of(session, mchid=mchid, day=day)
    if posted_fen is None:
        books.charged(session, mchid=mchid, day=day, fees_fen=fees_fen)
    elif posted_fen != fees_fen:
        comparing.note(
            session,
            kind=CaseKind.BILL_FEE,
            number=_bill(day),
            difference_fen=posted_fen - fees_fen,
            evidence={"day": day, "fees_fen": fees_fen, "posted_fen": posted_fen},
        )
    for row in session.execute(_WITHDRAWALS).all():
        withdrawn_fen = books.withdrawn_of(session, flow=row.id)
        if withdrawn_fen is None:
            books.withdrawn(session, flow=row.id, amount_fen=-row.amount_fen, at=row.at)
        elif withdrawn_fen != -row.amount_fen:
            comparing.note(
                session,
                kind=CaseKind.BILL_AMOUNT,
                number=row.id,
                difference_fen=withdrawn_fen + row.amount_fen,
                evidence={"day": day, "amount_fen": row.amount_fen, "our_amount_fen": -withdrawn_fen},
            )


def _check_balance(session: Session, told: dict[str, Any], opening_fen: int | None) -> None:
    """Expect the account to begin the day with what it had at the end of the day before, where that is known."""
    before = session.scalar(_LAST_BALANCE, told)
    if opening_fen is not None and before is not None and opening_fen != before:
        comparing.note(
            session,
            kind=CaseKind.BILL_UNEXPLAINED,
            number=f"balance/{told['mchid']}/{told['day']}",
            difference_fen=opening_fen - before,
            evidence={"day": told["day"], "opening_fen": opening_fen, "last_fen": before},
        )


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=passed) for passed in range((last - first).days + 1)]


_WITHDRAWALS = text(f"SELECT id, amount_fen, at FROM bill_flows WHERE kind = '{comparing.WITHDRAWAL}' ORDER BY line_no")
_LAST_BALANCE = text("SELECT balance_fen FROM bill_days WHERE mchid = :mchid AND day = cast(:day AS date) - 1")
_SUMS = text(f"""
    SELECT f.*, f.charged_fen - f.given_back_fen AS fees_fen,
        (SELECT balance_fen FROM bill_flows ORDER BY line_no DESC LIMIT 1) AS balance_fen,
        (SELECT balance_fen - amount_fen FROM bill_flows ORDER BY line_no LIMIT 1) AS opening_fen,
        (SELECT coalesce(sum(amount_fen), 0)::bigint FROM payments WHERE mchid = :mchid AND state = 'succeeded'
            AND succeeded_at >= :since AND succeeded_at < :before) AS our_paid_fen,
        (SELECT coalesce(sum(r.amount_fen), 0)::bigint FROM payment_refunds r JOIN payments p ON p.id = r.payment_id
            WHERE p.mchid = :mchid AND r.state = 'succeeded'
            AND r.succeeded_at >= :since AND r.succeeded_at < :before) AS our_refunded_fen
    FROM (
        SELECT coalesce(sum(amount_fen) FILTER (WHERE kind = '{comparing.PAID}'), 0)::bigint AS paid_fen,
            coalesce(sum(gross_fen) FILTER (WHERE kind = '{comparing.REFUND}'), 0)::bigint AS refunded_fen,
            coalesce(sum(gross_fen + amount_fen) FILTER (WHERE kind = '{comparing.REFUND}'), 0)::bigint
                AS given_back_fen,
            coalesce(-sum(amount_fen) FILTER (WHERE kind = '{comparing.FEE}'), 0)::bigint AS charged_fen,
            coalesce(-sum(amount_fen) FILTER (WHERE kind = '{comparing.WITHDRAWAL}'), 0)::bigint AS withdrawn_fen,
            coalesce(-sum(amount_fen) FILTER (WHERE kind = '{comparing.SHARE}'), 0)::bigint AS shared_fen,
            coalesce(sum(amount_fen) FILTER (WHERE kind = '{comparing.OTHER}'), 0)::bigint AS other_fen,
            coalesce(sum(amount_fen), 0)::bigint AS net_fen
        FROM bill_flows
    ) f
""")
_FIGURES = """
    trade_sha1, flow_sha1, trades, flows, paid_fen, refunded_fen, fees_fen, withdrawn_fen, shared_fen, other_fen,
    net_fen, balance_fen, our_paid_fen, our_refunded_fen, differences
"""
# A day that is compared again and found the same keeps everything, also when it was first reconciled.
_KEEP = text(f"""
    INSERT INTO bill_days (mchid, day, {_FIGURES}, reconciled_at)
    VALUES (:mchid, :day, {", ".join(f":{name.strip()}" for name in _FIGURES.split(","))}, :now)
    ON CONFLICT (mchid, day) DO UPDATE SET
        {", ".join(f"{name.strip()} = excluded.{name.strip()}" for name in _FIGURES.split(","))},
        reconciled_at = excluded.reconciled_at
    WHERE ({", ".join(f"bill_days.{name.strip()}" for name in _FIGURES.split(","))})
        IS DISTINCT FROM ({", ".join(f"excluded.{name.strip()}" for name in _FIGURES.split(","))})
""")
_LISTING = text("""
    SELECT day, trade_sha1 IS NOT NULL OR flow_sha1 IS NOT NULL AS has_bill, trades, flows, paid_fen, refunded_fen,
           fees_fen, withdrawn_fen, shared_fen, other_fen, net_fen, balance_fen, our_paid_fen, our_refunded_fen,
           differences,
           (SELECT count(*) FROM payment_cases c WHERE c.closed_at IS NULL AND c.kind LIKE 'bill!_%' ESCAPE '!'
               AND c.evidence->>'day' = bill_days.day::text) AS open_cases,
           reconciled_at
    FROM bill_days WHERE mchid = :mchid AND day BETWEEN :first AND :last ORDER BY day DESC
""")
