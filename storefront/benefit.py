"""What sales bring the co-operatives and household groups that products are linked to: signed entries, and their sums.

Invariant: a sale writes, for each link that held when the order was paid, that link's share of what was paid for the
line, and a refund takes back target(net before) − target(net after) with the shares of the sale; both by largest
remainder against what is nobody's, so that a line that went back whole has brought nobody anything. Entries follow
from orders and links alone: `verify` recomputes them, and `post` may run any number of times.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from catalog import pricing
from config import database
from storefront import benefit_links, orders

# Fewer could be guessed at by their neighbours.
FEWEST_HOUSEHOLDS = 5

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one link."""

    link: int
    bp: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A line and link whose entries do not sum to what its order says they should."""

    order: str
    line_no: int
    link: str
    expected_fen: int
    posted_fen: int


def split(net_fen: int, shares: Sequence[Share]) -> list[int]:
    """Return what each link has of `net_fen`; what is nobody's share is the last part, and is left out."""
    parts = [share.bp for share in shares]
    return pricing.split(net_fen, [*parts, benefit_links.WHOLE_BP - sum(parts)])[:-1]


# Most orders hold nothing that is linked to anybody; they are not even locked.
_CONCERNS = text("""
    SELECT 1 FROM orders o JOIN order_lines l ON l.order_id = o.id
    JOIN benefit_links b ON b.product_slug = l.product_slug AND tstzrange(b.starts_at, b.ends_at) @> o.paid_at
    WHERE o.number = :order LIMIT 1
""")
_SOLD = text("""
    SELECT e.line_no, e.link_id, e.share_bp, l.amount_fen
    FROM benefit_entries e JOIN order_lines l USING (order_id, line_no)
    WHERE e.order_id = :id AND e.refund IS NULL ORDER BY e.line_no, e.link_id
""")
_TO_SELL = text("""
    SELECT l.line_no, b.id AS link_id, b.share_bp, l.amount_fen, o.paid_at
    FROM orders o JOIN order_lines l ON l.order_id = o.id
    JOIN benefit_links b ON b.product_slug = l.product_slug AND tstzrange(b.starts_at, b.ends_at) @> o.paid_at
    WHERE o.id = :id ORDER BY l.line_no, b.id
""")
_REFUNDS = text("""
    SELECT r.refund_number, r.refunded_at, rl.line_no, rl.amount_fen, EXISTS (
        SELECT FROM benefit_entries e
        WHERE e.order_id = r.order_id AND e.line_no = rl.line_no AND e.refund = r.refund_number) AS is_posted
    FROM order_refunds r JOIN order_refund_lines rl ON rl.refund_id = r.id
    WHERE r.order_id = :id AND r.refunded_at IS NOT NULL
    ORDER BY is_posted DESC, r.refunded_at, r.refund_number
""")
_POST = text("""
    INSERT INTO benefit_entries (order_id, line_no, link_id, refund, share_bp, fen, occurred_at)
    VALUES (:order, :line, :link, :refund, :bp, :fen, :at)
""")


def post(session: Session, *, order: str) -> int:
    """Write what a paid order, and each refund of it that was paid out, means for its links; returns the new entries.

    An order that is not paid, or holds nothing that is linked, writes none. A refund that is told of before its sale
    is written with it.
    """
    database.require_transaction(session)
    if session.execute(_CONCERNS, {"order": order}).first() is None:
        return 0
    held = orders.lock(session, order)
    sold = session.execute(_SOLD, {"id": held.id}).all()
    rows: list[dict[str, Any]] = []
    if not sold:
        sold = session.execute(_TO_SELL, {"id": held.id}).all()
        for line, shares, amount_fen, sale in _lines(sold):
            rows += _rows(held.id, line, shares, split(amount_fen, shares), refund=None, at=sale.paid_at)
    lines = {line: (shares, amount_fen) for line, shares, amount_fen, _ in _lines(sold)}
    net = {line: amount_fen for line, (_, amount_fen) in lines.items()}
    for back in session.execute(_REFUNDS, {"id": held.id}):
        if back.line_no not in lines:
            continue
        shares, before = lines[back.line_no][0], net[back.line_no]
        net[back.line_no] = after = before - back.amount_fen
        if not back.is_posted:
            moves = [new - old for new, old in zip(split(after, shares), split(before, shares), strict=True)]
            rows += _rows(held.id, back.line_no, shares, moves, refund=back.refund_number, at=back.refunded_at)
    if rows:
        session.execute(_POST, rows)
    return len(rows)


def _lines(rows: Sequence[Row[Any]]) -> Iterator[tuple[int, list[Share], int, Row[Any]]]:
    for line, of_line in groupby(rows, key=lambda row: row.line_no):
        held = list(of_line)
        yield line, [Share(row.link_id, row.share_bp) for row in held], held[0].amount_fen, held[0]


def _rows(
    order_id: int, line: int, shares: Sequence[Share], fens: Sequence[int], *, refund: str | None, at: datetime
) -> list[dict[str, Any]]:
    """Return the entries of one line, those of nothing too: they say which shares held, and that it was done."""
    return [
        {"order": order_id, "line": line, "link": share.link, "refund": refund, "bp": share.bp, "fen": fen, "at": at}
        for share, fen in zip(shares, fens, strict=True)
    ]


_COMPARED = text("""
    WITH due AS (
        SELECT l.order_id, l.line_no, b.id AS link_id, b.share_bp, l.amount_fen - coalesce((
            SELECT sum(rl.amount_fen) FROM order_refunds r JOIN order_refund_lines rl ON rl.refund_id = r.id
            WHERE r.order_id = l.order_id AND rl.line_no = l.line_no AND r.refunded_at IS NOT NULL), 0) AS net_fen
        FROM benefit_links b JOIN order_lines l ON l.product_slug = b.product_slug
        JOIN orders o ON o.id = l.order_id AND tstzrange(b.starts_at, b.ends_at) @> o.paid_at
    ), posted AS (
        SELECT order_id, line_no, link_id, sum(fen) AS fen FROM benefit_entries GROUP BY order_id, line_no, link_id
    )
    SELECT o.number, line_no, b.number AS link, link_id, due.share_bp, due.net_fen::bigint, posted.fen::bigint
    FROM due FULL JOIN posted USING (order_id, line_no, link_id)
    JOIN orders o ON o.id = order_id JOIN benefit_links b ON b.id = link_id
    ORDER BY order_id, line_no, link_id
""")


def verify(session: Session) -> list[Drift]:
    """Recompute from orders, refunds and links what every line brought every link, and return what is otherwise.

    Reads one snapshot in pieces. An order whose reactions have not run yet is among them until they have.
    """
    found = []
    with session.execute(_COMPARED.execution_options(yield_per=1000)) as rows:
        for _, of_line in groupby(rows, key=lambda row: (row.number, row.line_no)):
            held = list(of_line)
            due = [row for row in held if row.share_bp is not None]
            shares = [Share(row.link_id, row.share_bp) for row in due]
            expected = dict(zip((row.link for row in due), split(due[0].net_fen, shares), strict=True)) if due else {}
            for row in held:
                fen = expected.get(row.link, 0)
                if row.fen is None or row.fen != fen:
                    found.append(Drift(row.number, row.line_no, row.link, fen, row.fen or 0))
    return found


def rebuild(progress: Progress) -> int:
    """Post whatever is missing, an order a transaction, and return how many entries that were.

    What stands and is wrong stays: entries are never changed. `progress` is told how many orders are done, of how many.
    """
    with database.transaction() as session:
        numbers = list(dict.fromkeys(drift.order for drift in verify(session)))
    posted = 0
    for done, number in enumerate(numbers, start=1):
        with database.transaction() as session:
            posted += post(session, order=number)
        progress(done, len(numbers))
    return posted


_TOTALS = text("""
    SELECT g.county_code, b.mode, to_char(e.occurred_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
           count(DISTINCT g.id) AS groups, count(DISTINCT e.order_id) AS orders,
           coalesce(sum(e.fen) FILTER (WHERE e.refund IS NULL), 0)::bigint AS sold_fen,
           coalesce(-sum(e.fen) FILTER (WHERE e.refund IS NOT NULL), 0)::bigint AS refunded_fen,
           sum(e.fen)::bigint AS net_fen
    FROM benefit_entries e JOIN benefit_links b ON b.id = e.link_id JOIN benefit_groups g ON g.id = b.group_id
    WHERE e.occurred_at >= :since AND e.occurred_at < :before AND g.county_code LIKE ANY(cast(:areas AS text[]))
    GROUP BY 1, 2, 3 ORDER BY 3 DESC, 1, 2
""")


def totals(session: Session, *, areas: Sequence[str], since: datetime, before: datetime) -> list[dict[str, Any]]:
    """Return what moved in [since, before), in fen, by county, mode and month in China; refunds on their own day.

    `areas` are beginnings of county codes, "" being all.
    """
    asked = {"areas": [f"{area}%" for area in areas], "since": since, "before": before}
    return [
        {**row, "county": benefit_links.county_name(row["county_code"])}
        for row in session.execute(_TOTALS, asked).mappings()
    ]


_PUBLIC = text("""
    SELECT g.county_code, count(*) AS groups,
           (sum(h.households) - sum(h.households) % :fewest)::bigint AS households, sum(e.fen)::bigint AS net_fen
    FROM benefit_groups g,
    LATERAL (SELECT count(*) AS households FROM benefit_households h
             WHERE h.group_id = g.id AND h.left_at IS NULL) h,
    LATERAL (SELECT coalesce(sum(e.fen), 0) AS fen FROM benefit_links b JOIN benefit_entries e ON e.link_id = b.id
             WHERE b.group_id = g.id) e
    WHERE h.households >= :fewest GROUP BY g.county_code ORDER BY g.county_code
""")


def shown_to_all(session: Session) -> dict[str, Any]:
    """Return what everybody may know of each county: groups of five households or more, and what these had in all.

    Households are rounded down to five, as on the pages (`benefit_public`); smaller groups are in no figure, and the
    sums are those of what is shown, so that none is told by a difference.
    """
    rows = session.execute(_PUBLIC, {"fewest": FEWEST_HOUSEHOLDS}).mappings()
    counties = [{**row, "county": benefit_links.county_name(row["county_code"])} for row in rows]
    sums = {name: sum(county[name] for county in counties) for name in ("groups", "households", "net_fen")}
    return {"counties": counties, **sums}
