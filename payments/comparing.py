"""Compares a day's bills with our payments, refunds and shares, row by row and in both directions, inside PostgreSQL.

Invariant: everything lies in tables of the transaction, gone at its end; only what differs becomes a case, one for each
kind and number, however often a day is compared.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from payments.wechatpay.statements import FEE_UNITS, Flow, Trade

PAID, FEE, REFUND, SHARE, WITHDRAWAL, OTHER = "paid", "fee", "refund", "share", "withdrawal", "other"

_TABLES = """
    CREATE TEMP TABLE bill_trades (
        line_no int, number text, transaction_id text, refund_number text, refund_id text, total_fen bigint,
        settled_fen bigint, refund_fen bigint, fee_units bigint, rate numeric, state text, refund_state text,
        at timestamptz) ON COMMIT DROP;
    CREATE TEMP TABLE bill_flows (
        line_no int, id text, business_id text, number text, kind text, amount_fen bigint, gross_fen bigint,
        balance_fen bigint, at timestamptz) ON COMMIT DROP;
    CREATE TEMP TABLE bill_differences (
        kind text, number text, payment_id bigint, difference_fen bigint, evidence jsonb) ON COMMIT DROP;
"""
# Whatever the database believes of our own tables' size, no plan then walks through a bill for each row of theirs.
_INDEXES = """
    CREATE INDEX ON bill_trades (number);
    CREATE INDEX ON bill_trades (transaction_id);
    CREATE INDEX ON bill_trades (refund_id);
    CREATE INDEX ON bill_flows (business_id);
    ANALYZE bill_trades;
    ANALYZE bill_flows;
"""


def load(session: Session, *, trades: Iterable[Trade], flows: Iterable[Flow]) -> tuple[int, int]:
    """Stream both bills into tables of this transaction; returns how many rows each has."""
    database.require_transaction(session)
    connection = database.driver_connection(session)
    connection.execute(_TABLES)
    counts = [0, 0]
    with connection.cursor() as cursor:
        with cursor.copy("COPY bill_trades FROM STDIN") as copy:
            for counts[0], row in enumerate(trades, start=1):
                copy.write_row((counts[0], row.number, row.transaction_id, row.refund_number, row.refund_id,
                                row.total_fen, row.settled_fen, row.refund_fen, row.fee_units, row.rate, row.state,
                                row.refund_state, row.at))  # fmt: skip
        with cursor.copy("COPY bill_flows FROM STDIN") as copy:
            for counts[1], flow in enumerate(flows, start=1):
                copy.write_row((counts[1], flow.id, flow.business_id, flow.number, _kind(flow.kind), flow.amount_fen,
                                flow.gross_fen, flow.balance_fen, flow.at))  # fmt: skip
    connection.execute(_INDEXES)
    return counts[0], counts[1]


def _kind(told: str) -> str:
    """Return what a movement is to us. WeChat's words for fees, refunds and shares come with additions."""
    if told == "交易":
        return PAID
    if "手续费" in told:
        return FEE
    if told.startswith("退款"):
        return REFUND
    if "分账" in told:
        return SHARE
    return WITHDRAWAL if told.startswith("提现") else OTHER


def find(session: Session, *, mchid: str, day: date, since: datetime, before: datetime, now: datetime) -> int:
    """Find every difference, have WeChat asked about states that differ, and return how many there are."""
    told = {"mchid": mchid, "day": day, "since": since, "before": before, "now": now}
    for statement in _STEPS:
        session.execute(text(statement), told)
    return int(session.execute(text("SELECT count(DISTINCT (kind, number)) FROM bill_differences")).scalar_one())


def note(session: Session, *, kind: str, number: str, difference_fen: int, evidence: dict[str, Any]) -> None:
    """Add a difference that is not one of rows."""
    session.execute(
        text("INSERT INTO bill_differences VALUES (:kind, :number, NULL, :difference_fen, cast(:evidence AS jsonb))"),
        {
            "kind": kind,
            "number": number,
            "difference_fen": difference_fen,
            "evidence": database.dump_json(evidence),
        },
    )


def open_cases(session: Session, *, now: datetime) -> int:
    """Turn the differences into cases; returns how many of them are new."""
    return len(session.execute(text(_OPEN), {"now": now}).all())


def end_cases(session: Session, *, mchid: str, day: date, now: datetime) -> int:
    """End the open cases of a day of whose differences nothing is left; returns how many.

    None of a day that was compared for two merchants, since a case does not say whose bill it is of.
    """
    return len(session.execute(text(_END), {"mchid": mchid, "day": day, "now": now}).all())


# The same payment or refund twice in a bill; whatever follows compares its first row.
_DOUBLED = """
    INSERT INTO bill_differences
    SELECT 'bill_doubled', min(coalesce(refund_number, number)), NULL,
           sum(total_fen - refund_fen) - min(total_fen - refund_fen),
           jsonb_build_object('day', cast(:day AS date), 'rows', count(*))
    FROM bill_trades GROUP BY coalesce(refund_id, transaction_id) HAVING count(*) > 1
"""
_DEDUPLICATE = """
    DELETE FROM bill_trades t USING bill_trades o
    WHERE coalesce(o.refund_id, o.transaction_id) = coalesce(t.refund_id, t.transaction_id) AND o.line_no < t.line_no
"""
_SHANGHAI_DAY = "({} AT TIME ZONE 'Asia/Shanghai')::date"

# WeChat's rows of payments, from the trade bill and from the fund flow alike, against ours.
_PAYMENTS = f"""
    INSERT INTO bill_differences
    SELECT d.kind, b.number, p.id,
           CASE d.kind WHEN 'bill_missing_here' THEN b.total_fen WHEN 'bill_amount' THEN b.total_fen - p.amount_fen
                WHEN 'bill_state' THEN CASE WHEN p.state = 'succeeded' THEN 0 ELSE b.total_fen END ELSE 0 END,
           jsonb_build_object('day', cast(:day AS date), 'bill', b.bill, 'transaction_id', b.transaction_id,
               'amount_fen', b.total_fen, 'state', b.state, 'at', b.at, 'our_amount_fen', p.amount_fen,
               'our_state', p.state, 'our_at', p.succeeded_at, 'our_transaction_id', p.transaction_id)
    FROM (
        SELECT 'trade' AS bill, number, transaction_id, total_fen, state, at FROM bill_trades WHERE refund_id IS NULL
        UNION ALL
        SELECT 'fund_flow', min(coalesce(t.number, f.number)), f.business_id, sum(f.amount_fen), 'SUCCESS', min(f.at)
        FROM bill_flows f LEFT JOIN bill_trades t ON t.transaction_id = f.business_id AND t.refund_id IS NULL
        WHERE f.kind = '{PAID}' GROUP BY f.business_id
    ) b
    LEFT JOIN payments p ON p.number = b.number AND p.mchid = :mchid
    CROSS JOIN LATERAL (SELECT CASE
        WHEN p.id IS NULL THEN 'bill_missing_here'
        WHEN b.state <> 'SUCCESS' OR p.state <> 'succeeded' OR p.transaction_id <> b.transaction_id THEN 'bill_state'
        WHEN p.amount_fen <> b.total_fen THEN 'bill_amount'
        WHEN {_SHANGHAI_DAY.format("p.succeeded_at")} <> :day OR {_SHANGHAI_DAY.format("b.at")} <> :day THEN 'bill_day'
        END AS kind) d
    WHERE d.kind IS NOT NULL
"""
_PAYMENTS_NOT_THERE = f"""
    INSERT INTO bill_differences
    SELECT 'bill_missing_there', p.number, p.id, -p.amount_fen,
           jsonb_build_object('day', cast(:day AS date), 'our_amount_fen', p.amount_fen, 'our_at', p.succeeded_at,
               'our_transaction_id', p.transaction_id, 'is_in_trade_bill', t.number IS NOT NULL,
               'is_in_fund_flow', f.business_id IS NOT NULL)
    FROM payments p
    LEFT JOIN bill_trades t ON t.number = p.number AND t.refund_id IS NULL
    LEFT JOIN (SELECT DISTINCT business_id FROM bill_flows WHERE kind = '{PAID}') f ON f.business_id = p.transaction_id
    WHERE p.mchid = :mchid AND p.state = 'succeeded' AND p.succeeded_at >= :since AND p.succeeded_at < :before
      AND (t.number IS NULL OR f.business_id IS NULL)
"""
# In the trade bill a refund stands on the day on which WeChat took it, as it stood the next morning, and stays so.
_REFUNDS = """
    INSERT INTO bill_differences
    SELECT d.kind, b.refund_number, r.payment_id,
           CASE d.kind WHEN 'bill_missing_here' THEN -b.refund_fen WHEN 'bill_amount' THEN r.amount_fen - b.refund_fen
                ELSE CASE WHEN r.state = 'succeeded' THEN 0 ELSE -b.refund_fen END END,
           jsonb_build_object('day', cast(:day AS date), 'bill', 'trade', 'refund_id', b.refund_id,
               'amount_fen', b.refund_fen, 'state', b.refund_state, 'at', b.at, 'our_amount_fen', r.amount_fen,
               'our_state', r.state, 'our_at', r.succeeded_at)
    FROM bill_trades b LEFT JOIN payment_refunds r ON r.number = b.refund_number
    CROSS JOIN LATERAL (SELECT CASE
        WHEN r.id IS NULL THEN 'bill_missing_here'
        WHEN r.amount_fen <> b.refund_fen THEN 'bill_amount'
        WHEN b.refund_state = 'SUCCESS' AND r.state <> 'succeeded' THEN 'bill_state'
        WHEN b.refund_state = 'FAIL' AND r.state = 'succeeded' THEN 'bill_state' END AS kind) d
    WHERE b.refund_id IS NOT NULL AND d.kind IS NOT NULL
"""
# In the fund flow it stands on the day of its success, less the fee that came back with it.
_REFUND_FLOWS = f"""
    INSERT INTO bill_differences
    SELECT d.kind, b.number, r.payment_id,
           CASE d.kind WHEN 'bill_missing_here' THEN -b.gross_fen WHEN 'bill_amount' THEN r.amount_fen - b.gross_fen
                WHEN 'bill_state' THEN -b.gross_fen ELSE 0 END,
           jsonb_build_object('day', cast(:day AS date), 'bill', 'fund_flow', 'refund_id', b.refund_id,
               'amount_fen', b.gross_fen, 'at', b.at, 'our_amount_fen', r.amount_fen, 'our_state', r.state,
               'our_at', r.succeeded_at)
    FROM (
        SELECT f.business_id AS refund_id, min(coalesce(t.refund_number, f.number)) AS number,
               sum(f.gross_fen)::bigint AS gross_fen, min(f.at) AS at
        FROM bill_flows f LEFT JOIN bill_trades t ON t.refund_id = f.business_id
        WHERE f.kind = '{REFUND}' GROUP BY f.business_id
    ) b
    LEFT JOIN payment_refunds r ON r.number = b.number
    CROSS JOIN LATERAL (SELECT CASE
        WHEN r.id IS NULL THEN 'bill_missing_here'
        WHEN r.amount_fen <> b.gross_fen THEN 'bill_amount'
        WHEN r.state <> 'succeeded' THEN 'bill_state'
        WHEN {_SHANGHAI_DAY.format("r.succeeded_at")} <> :day THEN 'bill_day' END AS kind) d
    WHERE d.kind IS NOT NULL
"""
_REFUNDS_NOT_THERE = f"""
    INSERT INTO bill_differences
    SELECT 'bill_missing_there', r.number, r.payment_id, r.amount_fen,
           jsonb_build_object('day', cast(:day AS date), 'our_amount_fen', r.amount_fen, 'our_at', r.succeeded_at,
               'refund_id', r.refund_id)
    FROM payment_refunds r JOIN payments p ON p.id = r.payment_id AND p.mchid = :mchid
    WHERE r.state = 'succeeded' AND r.succeeded_at >= :since AND r.succeeded_at < :before
      AND NOT EXISTS (SELECT FROM bill_flows f WHERE f.kind = '{REFUND}' AND f.business_id = r.refund_id)
"""
# What receivers got of divided payments (negative) and what came back from them, by the number of the share or return.
_SHARED = """
    SELECT s.number, s.payment_id, -p.amount_fen AS fen, p.ended_at AS at
    FROM payment_share_parts p JOIN payment_shares s ON s.id = p.share_id WHERE p.state = 'succeeded'
    UNION ALL
    SELECT r.number, s.payment_id, r.amount_fen, r.ended_at
    FROM payment_share_returns r JOIN payment_share_parts p ON p.id = r.part_id
    JOIN payment_shares s ON s.id = p.share_id WHERE r.state = 'succeeded'
"""
_SHARES = f"""
    INSERT INTO bill_differences
    SELECT d.kind, b.number, k.payment_id,
           CASE d.kind WHEN 'bill_day' THEN 0 ELSE b.fen - coalesce(o.fen, 0) END,
           jsonb_build_object('day', cast(:day AS date), 'bill', 'fund_flow', 'amount_fen', b.fen, 'at', b.at,
               'our_amount_fen', o.fen, 'our_at', o.at)
    FROM (
        SELECT number, sum(amount_fen)::bigint AS fen, min(at) AS at FROM bill_flows WHERE kind = '{SHARE}' GROUP BY 1
    ) b
    LEFT JOIN (
        SELECT number, payment_id FROM payment_shares
        UNION ALL
        SELECT r.number, s.payment_id FROM payment_share_returns r
        JOIN payment_share_parts p ON p.id = r.part_id JOIN payment_shares s ON s.id = p.share_id
    ) k ON k.number = b.number
    LEFT JOIN LATERAL (
        SELECT sum(m.fen)::bigint AS fen, min(m.at) AS at,
               bool_or({_SHANGHAI_DAY.format("m.at")} <> :day) AS is_elsewhere
        FROM ({_SHARED}) m WHERE m.number = b.number
    ) o ON true
    CROSS JOIN LATERAL (SELECT CASE
        WHEN k.number IS NULL THEN 'bill_missing_here'
        WHEN o.fen IS NULL THEN 'bill_state'
        WHEN o.fen <> b.fen AND NOT o.is_elsewhere THEN 'bill_amount'
        WHEN o.is_elsewhere THEN 'bill_day' END AS kind) d
    WHERE d.kind IS NOT NULL
"""
_SHARES_NOT_THERE = f"""
    INSERT INTO bill_differences
    SELECT 'bill_missing_there', m.number, m.payment_id, -sum(m.fen),
           jsonb_build_object('day', cast(:day AS date), 'our_amount_fen', sum(m.fen), 'our_at', min(m.at))
    FROM ({_SHARED}) m JOIN payments p ON p.id = m.payment_id AND p.mchid = :mchid
    WHERE m.at >= :since AND m.at < :before
      AND NOT EXISTS (SELECT FROM bill_flows f WHERE f.kind = '{SHARE}' AND f.number = m.number)
    GROUP BY m.number, m.payment_id
"""
# A fee by its rate may be off by a rounded fen; the account is charged what the trade bill says, in whole fen.
_FEES = f"""
    INSERT INTO bill_differences
    SELECT 'bill_fee', b.number, NULL, NULL,
           jsonb_build_object('day', cast(:day AS date), 'fee_units', b.fee_units, 'charged_fen', b.charged_fen,
               'rate', b.rate::text, 'amount_fen', b.settled_fen)
    FROM (
        SELECT t.number, t.fee_units, t.rate, t.settled_fen, coalesce(f.charged_fen, 0) AS charged_fen
        FROM bill_trades t LEFT JOIN (
            SELECT business_id, -sum(amount_fen)::bigint AS charged_fen FROM bill_flows WHERE kind = '{FEE}' GROUP BY 1
        ) f ON f.business_id = t.transaction_id
        WHERE t.refund_id IS NULL AND t.state = 'SUCCESS'
    ) b
    WHERE abs(b.charged_fen * {FEE_UNITS} - b.fee_units) > {FEE_UNITS // 2}
       OR abs(b.fee_units - b.settled_fen * b.rate * {FEE_UNITS // 100}) > {FEE_UNITS}
"""
_UNEXPLAINED = f"""
    INSERT INTO bill_differences
    SELECT 'bill_unexplained', id, NULL, amount_fen,
           jsonb_build_object('day', cast(:day AS date), 'business_id', business_id, 'at', at)
    FROM bill_flows WHERE kind = '{OTHER}'
"""
# News that never reached us is asked for: asking records money that is there, and the case shows what it was about.
_ASK_PAYMENTS = """
    UPDATE payments SET next_check_at = :now WHERE state <> 'succeeded' AND number IN (
        SELECT number FROM bill_differences WHERE kind = 'bill_state')
"""
_ASK_REFUNDS = """
    UPDATE payment_refunds SET next_check_at = :now
    WHERE state IN ('requested', 'processing', 'abnormal')
      AND number IN (SELECT number FROM bill_differences WHERE kind = 'bill_state')
"""
_ASK_SHARES = """
    UPDATE payment_shares SET next_check_at = :now
    WHERE state IN ('requested', 'processing')
      AND number IN (SELECT number FROM bill_differences WHERE kind IN ('bill_state', 'bill_amount'))
"""
_ASK_RETURNS = """
    UPDATE payment_share_returns SET next_check_at = :now
    WHERE state = 'pending' AND number IN (SELECT number FROM bill_differences WHERE kind = 'bill_state')
"""
_STEPS = (
    _DOUBLED,
    _DEDUPLICATE,
    _PAYMENTS,
    _PAYMENTS_NOT_THERE,
    _REFUNDS,
    _REFUND_FLOWS,
    _REFUNDS_NOT_THERE,
    _SHARES,
    _SHARES_NOT_THERE,
    _FEES,
    _UNEXPLAINED,
    _ASK_PAYMENTS,
    _ASK_REFUNDS,
    _ASK_SHARES,
    _ASK_RETURNS,
)
_END = """
    UPDATE payment_cases c SET resolution = 'repaired', reason = '再次核对，已无差异', closed_by = '微信支付',
           closed_at = :now, owner = coalesce(owner, '微信支付'), owned_at = coalesce(owned_at, :now)
    WHERE closed_at IS NULL AND kind LIKE 'bill!_%' ESCAPE '!' AND kind <> 'bill_broken'
      AND evidence->>'day' = cast(:day AS date)::text
      AND NOT EXISTS (SELECT FROM bill_differences d WHERE d.kind = c.kind AND d.number = c.number)
      AND NOT EXISTS (SELECT FROM bill_days WHERE day = :day AND mchid <> :mchid)
    RETURNING id
"""
_OPEN = """
    INSERT INTO payment_cases (kind, payment_id, number, evidence, difference_fen, opened_at)
    SELECT DISTINCT ON (kind, number) kind, payment_id, number, jsonb_strip_nulls(evidence), difference_fen, :now
    FROM bill_differences ORDER BY kind, number
    ON CONFLICT (number, kind) DO NOTHING RETURNING id
"""
