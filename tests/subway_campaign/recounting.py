"""The placement report counted again from the raw rows, sharing no code with the rollups that it judges."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import text

from config import clock, database
from subway_campaign.attribution import SAME_SCAN


def rows(sql: str) -> list[Any]:
    with database.transaction() as session:
        return list(session.execute(text(sql)).all())


def recount(first: date, last: date) -> dict[str, dict[str, int]]:
    """Count a report's rows as somebody would who has the raw rows, a pencil, and the rules R5, R6, R15 and R16."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    scanners = set()
    for at, visitor, number, fresh, opens in counted_scans():
        day = at.astimezone(clock.SHANGHAI).date()
        if first <= day < last:
            found[number]["scans"] += fresh
            found[number]["journeys"] += opens
            scanners.add((day, visitor, number))
    for _day, _visitor, number in scanners:
        found[number]["visitors"] += 1
    since, until = (f"'{day}'::timestamp AT TIME ZONE 'Asia/Shanghai'" for day in (first, last))
    for number, gross, back in rows(f"""
        SELECT p.number, coalesce(sum(k.fen) FILTER (WHERE k.entry <> 'refund'), 0),
               coalesce(-sum(k.fen) FILTER (WHERE k.entry = 'refund'), 0)
        FROM credits k JOIN placements p ON p.id = k.placement_id
        WHERE model = 'last' AND cohort_at >= {since} AND cohort_at < {until} GROUP BY 1
    """):
        found[number] |= {"gross_fen": int(gross), "refunded_fen": int(back)}
    for name, at in (("orders", "placed_at"), ("paid_orders", "paid_at")):
        for number, count in rows(f"""
            SELECT p.number, count(*) FROM conversions c JOIN placements p ON p.id = c.placement_id
            WHERE {at} >= {since} AND {at} < {until} GROUP BY 1
        """):
            found[number][name] = count
    for number, count in rows(f"""
        SELECT p.number, count(DISTINCT c.journey)
        FROM conversions c JOIN touches t ON t.id = c.journey JOIN placements p ON p.id = t.placement_id
        WHERE c.paid_at IS NOT NULL AND t.occurred_at >= {since} AND t.occurred_at < {until} GROUP BY 1
    """):
        found[number]["paid"] = count
    return {number: {name: n for name, n in figures.items() if n} for number, figures in found.items()}


def counted_scans() -> Iterator[tuple[datetime, Any, str, bool, bool]]:
    """Yield each scan that is not kept out: when, whose, where, whether it counts, and whether it opens a journey."""
    touches = rows("""
        SELECT t.occurred_at, t.visitor_id, t.code_id, p.number
        FROM touches t JOIN placements p ON p.id = t.placement_id LEFT JOIN touch_confirmations k ON k.touch_id = t.id
        WHERE t.kind IN ('scan', 'typed', 'scan_album') AND t.drop_reason IS NULL
          AND (t.surface <> 'h5' OR k.touch_id IS NOT NULL)
          AND NOT EXISTS (
              SELECT FROM excluded_identities e LEFT JOIN visitor_links l ON l.person_id = e.person_id
              WHERE t.visitor_id IN (e.visitor_id, l.visitor_id) AND e.valid_from <= t.occurred_at
                AND (e.valid_until IS NULL OR e.valid_until > t.occurred_at))
        ORDER BY t.occurred_at, t.id
    """)
    last_seen: dict[Any, datetime] = {}
    last_counted: dict[Any, datetime] = {}
    for at, visitor, code, number in touches:
        stream = (visitor, code)
        fresh = stream not in last_counted or at - last_counted[stream] >= SAME_SCAN
        opens = stream not in last_seen or at - last_seen[stream] >= SAME_SCAN
        last_seen[stream] = at
        last_counted[stream] = at if fresh else last_counted[stream]
        yield at, visitor, number, fresh, opens


def recount_hours(first: date, last: date) -> dict[tuple[str, int], dict[str, int]]:
    """Count the hours of scans the same way: what an hour's scans earned is the money of orders that name it."""
    found: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for at, _visitor, number, fresh, opens in counted_scans():
        local = at.astimezone(clock.SHANGHAI)
        if first <= local.date() < last:
            found[number, local.hour]["scans"] += fresh
            found[number, local.hour]["journeys"] += opens
    journeys = set()
    for order, paid_at, scanned_at, number, journey, began_at, where in rows("""
        SELECT c.id, c.paid_at, t.occurred_at, p.number, c.journey, j.occurred_at, q.number
        FROM conversions c JOIN touches t ON t.id = c.touch_id JOIN placements p ON p.id = c.placement_id
        JOIN touches j ON j.id = c.journey JOIN placements q ON q.id = j.placement_id WHERE c.paid_at IS NOT NULL
    """):
        began = began_at.astimezone(clock.SHANGHAI)
        if first <= began.date() < last and journey not in journeys:
            journeys.add(journey)
            found[where, began.hour]["paid_journeys"] += 1
        if first <= paid_at.astimezone(clock.SHANGHAI).date() < last:
            hour = found[number, scanned_at.astimezone(clock.SHANGHAI).hour]
            hour["paid_orders"] += 1
            [(gross,)] = rows(f"SELECT sum(paid_fen) FROM conversion_lines WHERE conversion_id = {order}")
            [(back,)] = rows(f"""
                SELECT coalesce(sum(r.fen), 0) FROM conversion_refunds r JOIN conversions c USING (order_number)
                WHERE c.id = {order} AND r.line_no > 0 AND r.state = 'applied'
            """)
            hour["gross_fen"] += int(gross)
            hour["refunded_fen"] += int(back)
    return {
        cell: figures for cell, all_figures in found.items() if (figures := {k: n for k, n in all_figures.items() if n})
    }


def narrowed(
    first: date, last: date, *, campaign: str = "", products: tuple[str, ...] = ()
) -> dict[str | None, dict[str, int]]:
    """Count the orders and money of a campaign's codes or of some goods by placement; None is what no row may hold."""
    found: dict[str | None, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    since, until = (f"'{day}'::timestamp AT TIME ZONE 'Asia/Shanghai'" for day in (first, last))
    of_goods = f"l.product IN ({', '.join(map(repr, products))})" if products else "true"
    meant = f"(g.number = '{campaign}' OR '{campaign}' = '')"
    drive = """
        LEFT JOIN touches t ON t.id = {touch} LEFT JOIN code_bindings b ON b.id = t.binding_id
        LEFT JOIN campaigns g ON g.id = b.campaign_id
    """
    for number, fen, back in rows(f"""
        SELECT CASE WHEN {meant} THEN p.number END, k.fen, k.entry = 'refund'
        FROM credits k JOIN attribution_decisions d ON d.id = k.decision_id
        JOIN conversion_lines l ON l.conversion_id = d.conversion_id AND l.line_no = k.line_no
        LEFT JOIN placements p ON p.id = k.placement_id {drive.format(touch="k.touch_id")}
        WHERE k.model = 'last' AND {of_goods}
          AND k.cohort_at >= {since} AND k.cohort_at < {until}
    """):
        found[number]["refunded_fen" if back else "gross_fen"] += -fen if back else fen
    for name, at in (("orders", "placed_at"), ("paid_orders", "paid_at")):
        for number, count in rows(f"""
            SELECT CASE WHEN {meant} THEN p.number END, count(DISTINCT c.id)
            FROM conversions c JOIN conversion_lines l ON l.conversion_id = c.id
            LEFT JOIN placements p ON p.id = c.placement_id {drive.format(touch="c.touch_id")}
            WHERE c.{at} >= {since} AND c.{at} < {until} AND {of_goods} GROUP BY 1
        """):
            found[number][name] += count
    return {number: {name: n for name, n in figures.items() if n} for number, figures in found.items()}


def paid_journeys(first: date, last: date, *, products: tuple[str, ...]) -> dict[str, int]:
    """Count the journeys begun in the days, by where they began, that ended in a paid order with some of the goods."""
    since, until = (f"'{day}'::timestamp AT TIME ZONE 'Asia/Shanghai'" for day in (first, last))
    counted = rows(f"""
        SELECT p.number, count(DISTINCT c.journey)
        FROM conversions c JOIN touches t ON t.id = c.journey JOIN placements p ON p.id = t.placement_id
        JOIN conversion_lines l ON l.conversion_id = c.id AND l.product IN ({", ".join(map(repr, products))})
        WHERE c.paid_at IS NOT NULL AND t.occurred_at >= {since} AND t.occurred_at < {until} GROUP BY 1
    """)
    return {row[0]: row[1] for row in counted}
