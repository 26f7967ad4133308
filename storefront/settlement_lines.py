"""What belongs on a supplier's statement: sold lines whose time to be returned is over, and what went back since.

Invariant: a thing is entered once, by the unique key of its order, kind, part and refund; what goes back is taken from
what is left of the line that it was entered for, so that a line and all that was taken back of it never fall below
zero.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import pricing, products
from storefront import claim_lifecycle, purchase_terms, settlement_lifecycle
from storefront.settlement_lifecycle import LineKind, Period, Sums

_BACK = {LineKind.GOODS: LineKind.GOODS_BACK, LineKind.FREIGHT: LineKind.FREIGHT_BACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing on a statement; see `StatementLine`."""

    kind: LineKind
    order: str = ""
    part_no: int = 0
    reference: str = ""
    title: str = ""
    quantity: int = 0
    sums: Sums
    occurred_at: datetime


def sold(session: Session, *, supplier: str, period: Period) -> list[Line]:
    """Return what was sold of a supplier and can be settled with `period`, and is on no statement yet.

    An order with an open claim, or a refund that waits for a second person, waits; so does what has no terms.
    """
    agreed = purchase_terms.book(session, supplier=supplier)
    lines = []
    for row in session.execute(_READY, _asked(session, supplier, period)):
        terms = purchase_terms.in_force(agreed, sku=row.sku, at=row.paid_at)
        if terms is None:
            continue
        line = Line(
            kind=LineKind.GOODS,
            order=row.order,
            part_no=row.line_no,
            title=f"{row.title} {row.spec}",
            quantity=row.quantity,
            sums=settlement_lifecycle.goods(terms, quantity=row.quantity, amount_fen=row.amount_fen),
            occurred_at=row.paid_at,
        )
        lines.append(line)
        if row.leads and row.freight_fen:
            sums = settlement_lifecycle.freight(terms, freight_fen=row.freight_fen)
            lines.append(
                replace(line, kind=LineKind.FREIGHT, part_no=row.consignment_no, title="运费", quantity=1, sums=sums)
            )
    return lines


def without_terms(session: Session, *, period: Period) -> list[str]:
    """Return the SKUs that were sold, could be settled with `period`, and have no terms: nobody is paid for them."""
    agreed: dict[str, list[purchase_terms.Agreed]] = {}
    for supplier in purchase_terms.suppliers(session):
        book = purchase_terms.book(session, supplier=supplier)
        agreed |= dict.fromkeys(products.within(session, area=None, supplier=supplier), book)
    asked = {"received_before": settlement_lifecycle.received_before(period.ends_at), "open": _OPEN}
    return [
        row.sku
        for row in session.execute(_UNSETTLED, asked)
        if purchase_terms.in_force(agreed.get(row.product_slug, []), sku=row.sku, at=row.paid_at) is None
    ]


def gone_back(session: Session, *, supplier: str) -> list[Line]:
    """Return what went back to shoppers of what is on the supplier's statements, and is not there itself yet.

    A refund counts from when it was asked for, as in the ledger.
    """
    left = _Left(session)
    lines = [
        left.take(LineKind.GOODS, row.order, row.line_no, row.refund_number, row.amount_fen, row.asked_at)
        for row in session.execute(_GOODS_BACK, {"supplier": supplier}).all()
    ]
    for row in session.execute(_FREIGHT_BACK, {"supplier": supplier}).all():
        parts = pricing.split(row.freight_fen, row.weights)
        gross_fen = parts[row.numbers.index(row.part_no)]
        if gross_fen:
            lines.append(
                left.take(LineKind.FREIGHT, row.order, row.part_no, row.refund_number, gross_fen, row.asked_at)
            )
    return lines


def kept_after_all(session: Session, *, supplier: str) -> list[Line]:
    """Return what was taken back of the supplier for refunds that then failed: it is owed again."""
    return [
        Line(
            kind=LineKind(row.kind.replace("_back", "_again")),
            order=row.order_number,
            part_no=row.part_no,
            reference=row.reference,
            title=row.title,
            quantity=row.quantity,
            sums=-Sums(row.gross_fen, row.owed_fen, row.fee_fen),
            occurred_at=row.failed_at,
        )
        for row in session.execute(_AGAIN, {"supplier": supplier})
    ]


def carried(session: Session, *, supplier: str) -> list[Line]:
    """Return what the supplier owes us from statements with nothing to pay."""
    return [
        Line(
            kind=LineKind.CARRIED,
            reference=row.number,
            title=f"{row.period} 结转",
            quantity=1,
            sums=Sums(0, row.net_fen),
            occurred_at=row.approved_at,
        )
        for row in session.execute(_CARRIED, {"supplier": supplier})
    ]


def enter(session: Session, statement_id: int, lines: Sequence[Line]) -> None:
    """Put lines on a statement, all in one statement of SQL."""
    if lines:
        session.execute(_ENTER, {"statement_id": statement_id} | _columns(lines))


def is_claimed(session: Session, *, number: str) -> bool:
    """Tell whether an order with goods on this statement is being claimed for, or waits for a second person."""
    return session.scalars(_CLAIMED, {"number": number, "open": _OPEN}).first() is not None


class _Left:
    """What is left of each part of an order that is on statements, while more is taken from it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sums: dict[tuple[LineKind, str, int], Sums] = {}
        self._seen: defaultdict[str, bool] = defaultdict(bool)

    def take(self, kind: LineKind, order: str, part_no: int, refund: str, gross_fen: int, at: datetime) -> Line:
        if not self._seen[order]:
            self._read(order)
        sums = self._sums[kind, order, part_no].taken(gross_fen)
        self._sums[kind, order, part_no] += sums
        return Line(
            kind=_BACK[kind],
            order=order,
            part_no=part_no,
            reference=refund,
            title="退款" if kind is LineKind.GOODS else "运费退款",
            sums=sums,
            occurred_at=at,
        )

    def _read(self, order: str) -> None:
        self._seen[order] = True
        for row in self._session.execute(_STANDING, {"order": order}):
            self._sums[LineKind(row.kind), order, row.part_no] = Sums(row.gross_fen, row.owed_fen, row.fee_fen)


def _asked(session: Session, supplier: str, period: Period) -> dict[str, object]:
    return {
        "products": products.within(session, area=None, supplier=supplier),
        "received_before": settlement_lifecycle.received_before(period.ends_at),
        "open": _OPEN,
    }


def _columns(lines: Iterable[Line]) -> dict[str, list[object]]:
    columns = defaultdict(list)
    for line in lines:
        for name in ("kind", "order", "part_no", "reference", "title", "quantity", "occurred_at"):
            columns[name].append(getattr(line, name))
        for name in ("gross_fen", "owed_fen", "fee_fen"):
            columns[name].append(getattr(line.sums, name))
    return dict(columns)


_OPEN = [state.value for state in claim_lifecycle.OPEN]
_DISPUTED = """
    (EXISTS (SELECT FROM claims c WHERE c.order_id = o.id AND c.state = ANY(cast(:open AS text[])))
     OR EXISTS (SELECT FROM refund_proposals p WHERE p.order_id = o.id AND p.state = 'waiting'))
"""
_SETTLEABLE = f"""
    o.state = 'received' AND o.received_at < :received_before AND NOT {_DISPUTED}
    AND NOT EXISTS (SELECT FROM supplier_statement_lines s
                    WHERE s.order_number = o.number AND s.kind = 'goods' AND s.part_no = l.line_no)
"""
_READY = text(f"""
    SELECT o.number AS "order", o.paid_at, l.line_no, l.sku, l.title, l.spec, l.quantity, l.amount_fen,
           c.consignment_no, c.freight_fen,
           l.line_no = (SELECT min(m.line_no) FROM order_lines m
                        WHERE m.order_id = o.id AND m.consignment_no = c.consignment_no) AS leads
    FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN consignments c USING (order_id, consignment_no)
    WHERE l.product_slug = ANY(cast(:products AS text[])) AND {_SETTLEABLE}
    ORDER BY o.received_at, o.number, l.line_no
""")
_UNSETTLED = text(f"""
    SELECT l.sku, l.product_slug, min(o.paid_at) AS paid_at FROM orders o JOIN order_lines l ON l.order_id = o.id
    WHERE {_SETTLEABLE} GROUP BY l.sku, l.product_slug ORDER BY l.sku
""")
_GOODS_BACK = text("""
    SELECT o.number AS "order", l.line_no, r.refund_number, l.amount_fen, r.asked_at
    FROM supplier_statement_lines s JOIN supplier_statements t ON t.id = s.statement_id
    JOIN orders o ON o.number = s.order_number JOIN order_refunds r ON r.order_id = o.id
    JOIN order_refund_lines l ON l.refund_id = r.id AND l.line_no = s.part_no
    WHERE t.supplier = :supplier AND s.kind = 'goods' AND r.failed_at IS NULL
      AND NOT EXISTS (SELECT FROM supplier_statement_lines b WHERE b.order_number = s.order_number
                      AND b.kind = 'goods_back' AND b.part_no = s.part_no AND b.reference = r.refund_number)
    ORDER BY r.id, l.line_no
""")
# A refund of freight is spread over the consignments of the order by what each cost, whoever sent them.
_FREIGHT_BACK = text("""
    SELECT o.number AS "order", s.part_no, r.refund_number, r.freight_fen, r.asked_at, c.numbers, c.weights
    FROM supplier_statement_lines s JOIN supplier_statements t ON t.id = s.statement_id
    JOIN orders o ON o.number = s.order_number JOIN order_refunds r ON r.order_id = o.id,
    LATERAL (SELECT array_agg(consignment_no ORDER BY consignment_no) AS numbers,
                    array_agg(freight_fen ORDER BY consignment_no) AS weights
             FROM consignments WHERE order_id = o.id) c
    WHERE t.supplier = :supplier AND s.kind = 'freight' AND r.freight_fen > 0 AND r.failed_at IS NULL
      AND NOT EXISTS (SELECT FROM supplier_statement_lines b WHERE b.order_number = s.order_number
                      AND b.kind = 'freight_back' AND b.part_no = s.part_no AND b.reference = r.refund_number)
    ORDER BY r.id, s.part_no
""")
_AGAIN = text("""
    SELECT s.*, r.failed_at
    FROM supplier_statement_lines s JOIN supplier_statements t ON t.id = s.statement_id
    JOIN order_refunds r ON r.refund_number = s.reference
    WHERE t.supplier = :supplier AND s.kind IN ('goods_back', 'freight_back') AND r.failed_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM supplier_statement_lines a WHERE a.order_number = s.order_number
                      AND a.kind = replace(s.kind, '_back', '_again') AND a.part_no = s.part_no
                      AND a.reference = s.reference)
    ORDER BY s.id
""")
_CARRIED = text("""
    SELECT t.number, t.period, t.net_fen, t.approved_at FROM supplier_statements t
    WHERE t.supplier = :supplier AND t.state = 'carried' AND t.net_fen < 0
      AND NOT EXISTS (SELECT FROM supplier_statement_lines s WHERE s.kind = 'carried' AND s.reference = t.number)
    ORDER BY t.period
""")
_STANDING = text("""
    SELECT split_part(kind, '_', 1) AS kind, part_no, sum(gross_fen)::bigint AS gross_fen,
           sum(owed_fen)::bigint AS owed_fen, sum(fee_fen)::bigint AS fee_fen
    FROM supplier_statement_lines WHERE order_number = :order GROUP BY 1, 2
""")
_ENTER = text("""
    INSERT INTO supplier_statement_lines (statement_id, kind, order_number, part_no, reference, title, quantity,
                                          gross_fen, owed_fen, fee_fen, occurred_at)
    SELECT :statement_id, line.* FROM unnest(
        cast(:kind AS text[]), cast(:order AS text[]), cast(:part_no AS smallint[]), cast(:reference AS text[]),
        cast(:title AS text[]), cast(:quantity AS int[]), cast(:gross_fen AS bigint[]), cast(:owed_fen AS bigint[]),
        cast(:fee_fen AS bigint[]), cast(:occurred_at AS timestamptz[])) AS line
""")
_CLAIMED = text(f"""
    SELECT o.number FROM supplier_statement_lines s JOIN supplier_statements t ON t.id = s.statement_id
    JOIN orders o ON o.number = s.order_number
    WHERE t.number = :number AND s.kind = 'goods' AND {_DISPUTED} LIMIT 1
""")
