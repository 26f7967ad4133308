"""Production batches: entered by whoever made the goods, named by a parcel, traced by a shopper, recalled when need be.

Invariant: a batch that was recalled, or that failed its test, never leaves in a parcel again: whoever sends goods reads
it under a lock that a recall waits for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors
from catalog.accreditation_views import Reach
from catalog.batch_models import Verdict
from catalog.facts import BATCH_RECALLED
from config import clock, database, facts, pictures

LOT_LENGTHS, PLACE_LENGTHS, NAME_LENGTHS, REASON_LENGTHS = range(1, 41), range(2, 81), range(2, 61), range(2, 201)
MOST_PAGES = 20

_ENTER = text("""
    INSERT INTO production_batches (code, product_id, lot, made_on, origin, lab, report_number, reported_on, verdict,
                                    certificate, entered_by, entered_at)
    SELECT :code, p.id, :lot, :made_on, :origin, :lab, :report_number, :reported_on, :verdict, (
        SELECT jsonb_build_object('number', c.number, 'issuer', c.issuer, 'issued_on', c.issued_on,
                                  'valid_until', c.valid_until)
        FROM certificates c WHERE c.product_id = p.id AND c.kind = 'accreditation'
          AND (c.valid_until IS NULL OR c.valid_until >= :today)
    ), :by, :now
    FROM products p WHERE p.slug = :product
    ON CONFLICT (product_id, lot) DO NOTHING RETURNING id
""")
_TAKEN = text("""
    SELECT b.code FROM products p LEFT JOIN production_batches b ON b.product_id = p.id AND b.lot = :lot
    WHERE p.slug = :product
""")
_HEAD = """
    b.id, b.code, b.lot, b.made_on, b.origin, b.lab, b.report_number, b.reported_on, b.verdict, b.certificate,
    b.entered_by, b.entered_at, b.recalled_at, b.recall_reason, b.recalled_by, p.slug AS product,
    p.name AS product_name, p.origin_code, p.is_illustrative, p.plate, u.number AS supplier, u.name AS supplier_name
    FROM production_batches b JOIN products p ON p.id = b.product_id JOIN suppliers u ON u.id = p.supplier_id
"""
_FIND = text(f"SELECT {_HEAD} WHERE b.code = :code")
_PAGES = text("SELECT picture FROM batch_pages WHERE batch_id = :id ORDER BY added_at, picture")
_IN_REACH = """
    EXISTS (SELECT FROM unnest(cast(:areas AS text[]), cast(:suppliers AS text[])) AS s (area, supplier)
            WHERE starts_with(p.origin_code, coalesce(s.area, '')) AND (s.supplier IS NULL OR s.supplier = u.number))
"""
_QUEUE = text(f"""
    SELECT {_HEAD} WHERE {_IN_REACH} AND (cast(:product AS text) IS NULL OR p.slug = :product)
    ORDER BY b.id DESC LIMIT :limit OFFSET :offset
""")
_GOODS = text(f"""
    SELECT p.slug, p.name FROM products p JOIN suppliers u ON u.id = p.supplier_id
    WHERE {_IN_REACH} ORDER BY p.position LIMIT 500
""")
# Shared: many parcels may name one batch at once, and a recall waits for all of them.
_NAMED = text("""
    SELECT b.code, p.slug AS product, b.verdict, b.recalled_at
    FROM production_batches b JOIN products p ON p.id = b.product_id
    WHERE b.code = ANY(:codes) ORDER BY b.id FOR SHARE OF b
""")
_SENDABLE = text("""
    SELECT b.code, b.lot, b.made_on, p.slug AS product
    FROM production_batches b JOIN products p ON p.id = b.product_id
    WHERE p.slug = ANY(:products) AND b.recalled_at IS NULL AND b.verdict IS DISTINCT FROM 'failed'
    ORDER BY b.made_on DESC, b.id DESC LIMIT 100
""")
_RECALL = text("""
    UPDATE production_batches SET recalled_at = :now, recall_reason = :reason, recalled_by = :by
    WHERE code = :code AND recalled_at IS NULL
    RETURNING (SELECT slug FROM products p WHERE p.id = product_id)
""")


@dataclass(frozen=True, slots=True)
class Report:
    """What a laboratory found, under which number, on which day."""

    lab: str
    number: str
    reported_on: date
    verdict: Verdict


def enter(
    session: Session,
    *,
    code: str,
    product: str,
    lot: str,
    made_on: date,
    origin: str,
    report: Report | None,
    by: str,
    now: datetime,
) -> None:
    """Enter a batch of a product (a slug) under the public `code` that the caller made, with its badge of today.

    Raises `BatchIncomplete` for what is empty, too long or in the future, `ProductUnknown`, and
    `LotTaken(code=...)` when the product has a batch of that name.
    """
    database.require_transaction(session)
    today = now.astimezone(clock.SHANGHAI).date()
    lot, origin = lot.strip(), origin.strip()
    if len(lot) not in LOT_LENGTHS or len(origin) not in PLACE_LENGTHS or made_on > today:
        raise errors.BatchIncomplete
    if report is not None and (
        len(report.lab) not in NAME_LENGTHS or len(report.number) not in NAME_LENGTHS or report.reported_on > today
    ):
        raise errors.BatchIncomplete
    said = {
        "lab": report.lab if report else None,
        "report_number": report.number if report else None,
        "reported_on": report.reported_on if report else None,
        "verdict": report.verdict if report else None,
    }
    values = {"code": code, "product": product, "lot": lot, "made_on": made_on, "origin": origin, "by": by, "now": now}
    if session.execute(_ENTER, values | said | {"today": today}).first() is not None:
        return
    known = session.execute(_TAKEN, {"product": product, "lot": lot}).first()
    if known is None:
        raise errors.ProductUnknown
    raise errors.LotTaken(code=known.code)


def add_page(session: Session, *, code: str, picture: str, now: datetime) -> None:
    """Add a page of the test report, a picture that anybody may see.

    Raises `ProductionBatchUnknown`, `ReportTooLong` beyond 20 pages, and `UnknownPicture`.
    """
    held = session.execute(
        text("SELECT id FROM production_batches WHERE code = :code FOR UPDATE"), {"code": code}
    ).first()
    if held is None:
        raise errors.ProductionBatchUnknown
    if len(session.execute(_PAGES, {"id": held.id}).all()) >= MOST_PAGES:
        raise errors.ReportTooLong
    pictures.claim(session, number=picture, until=None, now=now)
    session.execute(
        text("INSERT INTO batch_pages (batch_id, picture, added_at) VALUES (:id, :picture, :now)"),
        {"id": held.id, "picture": picture, "now": now},
    )


def recall(session: Session, *, code: str, reason: str, by: str, now: datetime) -> None:
    """Recall a batch for good and publish `batch.recalled`.

    Raises `ProductionBatchUnknown`, `RecallReasonMissing`, and `BatchRecalled` when it was recalled before.
    """
    database.require_transaction(session)
    reason = reason.strip()
    if len(reason) not in REASON_LENGTHS:
        raise errors.RecallReasonMissing
    done = session.execute(_RECALL, {"code": code, "reason": reason, "by": by, "now": now}).first()
    if done is None:
        found = find(session, code=code)
        raise errors.BatchRecalled(recalled_at=found["recalled_at"].isoformat())
    facts.publish(session, BATCH_RECALLED, key=code, values={"batch": code, "product": done.slug, "reason": reason})


def require_sendable(session: Session, *, batches: Collection[tuple[str, str]]) -> None:
    """Check under a lock that each (code, product) is a batch of that product that may leave.

    Raises `ProductionBatchUnknown`, also for another product's, and `BatchBarred(codes=[...])`.
    """
    database.require_transaction(session)
    rows = session.execute(_NAMED, {"codes": sorted({code for code, _ in batches})}).all()
    if not set(batches) <= {(row.code, row.product) for row in rows}:
        raise errors.ProductionBatchUnknown
    barred = [row.code for row in rows if row.recalled_at is not None or row.verdict == Verdict.FAILED]
    if barred:
        raise errors.BatchBarred(codes=sorted(barred))


def sendable(session: Session, *, products: Collection[str]) -> list[dict[str, Any]]:
    """Return the batches of these products (slugs) that may leave, the youngest first."""
    return [dict(row) for row in session.execute(_SENDABLE, {"products": sorted(products)}).mappings()]


def find(session: Session, *, code: str) -> dict[str, Any]:
    """Return a batch with the pictures of its report, `pages`. Raises `ProductionBatchUnknown`."""
    row = session.execute(_FIND, {"code": code}).mappings().first()
    if row is None:
        raise errors.ProductionBatchUnknown
    pages = list(session.scalars(_PAGES, {"id": row["id"]}))
    return {key: value for key, value in row.items() if key != "id"} | {"pages": pages}


def listing(
    session: Session, *, reaches: Iterable[Reach], product: str | None = None, offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Return the batches within any of `reaches`, of one product or of all, the latest entered first."""
    values = _within(reaches) | {"product": product, "offset": offset, "limit": limit}
    return [dict(row) for row in session.execute(_QUEUE, values).mappings()]


def goods(session: Session, *, reaches: Iterable[Reach]) -> list[dict[str, str]]:
    """Return slug and name of products that a batch may be entered for, 500 at most; more may be named by slug."""
    return [dict(row) for row in session.execute(_GOODS, _within(reaches)).mappings()]


def _within(reaches: Iterable[Reach]) -> dict[str, Any]:
    parts = list(reaches)
    return {"areas": [part.area for part in parts], "suppliers": [part.supplier for part in parts]}
