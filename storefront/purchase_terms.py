"""What we agreed to pay suppliers, from when on.

Invariant: terms are only added, and of those in force when an order was paid the ones of its SKU go before the ones of
its supplier; so no later agreement changes what an order is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config import database
from storefront.settlement_errors import TermsTaken
from storefront.settlement_lifecycle import Terms
from storefront.settlement_models import PurchaseTerms


@dataclass(frozen=True, slots=True)
class Agreed:
    """Terms as they stand in the book; `sku` None is for all of the supplier's goods without terms of their own."""

    sku: str | None
    effective_at: datetime
    terms: Terms


def agree(
    session: Session,
    *,
    supplier: str,
    terms: Terms,
    effective_at: datetime,
    by: str,
    now: datetime,
    sku: str | None = None,
) -> bool:
    """Enter terms that hold for what is paid from `effective_at` on; False when these very terms were there.

    Raises `TermsTaken` for others from the same instant.
    """
    database.require_transaction(session)
    told = {
        "price_fen": terms.price_fen,
        "share_bp": terms.share_bp,
        "fee_bp": terms.fee_bp,
        "freight_is_theirs": terms.freight_is_theirs,
    }
    entered = session.execute(
        insert(PurchaseTerms)
        .values(supplier=supplier, sku=sku, effective_at=effective_at, entered_by=by, entered_at=now, **told)
        .on_conflict_do_nothing()
        .returning(PurchaseTerms.id)
    ).first()
    if entered is not None:
        return True
    there = session.scalars(
        select(PurchaseTerms).where(
            PurchaseTerms.supplier == supplier,
            PurchaseTerms.sku.is_not_distinct_from(sku),
            PurchaseTerms.effective_at == effective_at,
        )
    ).one()
    if any(getattr(there, name) != value for name, value in told.items()):
        raise TermsTaken
    return False


def book(session: Session, *, supplier: str) -> list[Agreed]:
    """Return everything that was agreed with a supplier, newest first."""
    rows = session.scalars(
        select(PurchaseTerms).where(PurchaseTerms.supplier == supplier).order_by(PurchaseTerms.effective_at.desc())
    )
    return [
        Agreed(
            row.sku,
            row.effective_at,
            Terms(
                price_fen=row.price_fen,
                share_bp=row.share_bp,
                fee_bp=row.fee_bp,
                freight_is_theirs=row.freight_is_theirs,
            ),
        )
        for row in rows
    ]


def in_force(agreed: Sequence[Agreed], *, sku: str, at: datetime) -> Terms | None:
    """Return the terms for a SKU that was paid for at an instant, None without any. `agreed` is newest first."""
    held = [each for each in agreed if each.effective_at <= at]
    own = next((each.terms for each in held if each.sku == sku), None)
    return own or next((each.terms for each in held if each.sku is None), None)


def suppliers(session: Session) -> list[str]:
    """Return the numbers of the suppliers with whom anything was agreed."""
    return list(session.scalars(text("SELECT DISTINCT supplier FROM purchase_terms ORDER BY supplier")))


def listing(session: Session, *, supplier: str | None = None) -> list[dict[str, Any]]:
    """Return the terms of one supplier or of all, newest first, at most a thousand."""
    rows = session.execute(
        text("""
            SELECT supplier, sku, price_fen, share_bp, fee_bp, freight_is_theirs, effective_at, entered_by, entered_at
            FROM purchase_terms WHERE cast(:supplier AS text) IS NULL OR supplier = :supplier
            ORDER BY effective_at DESC, id DESC LIMIT 1000
        """),
        {"supplier": supplier},
    )
    return [dict(row) for row in rows.mappings()]
