"""Whether a product is on sale, and if not, why.

Invariant: what is on sale has an admitted supplier. Whoever puts something on sale holds the supplier's row shared,
whoever ends a supplier's standing holds it alone, so neither overlooks the other. What a supplier's standing took off
the shelf comes back with it; what left for another reason does not. A product has a pack on sale always, and
those on sale come first.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import change_errors, errors
from catalog.models import OffSale
from config import database

_STANDING = text("""
    SELECT u.state FROM suppliers u JOIN products p ON p.supplier_id = u.id WHERE p.slug = :slug FOR SHARE OF u
""")
# A badge that was lost bars the shelf until there is another, and so does none for goods that a supplier entered; the
# goods that the shop itself brought along without one are not concerned (decision 0015).
_BARRED = text("""
    SELECT p.id FROM products p
    WHERE p.slug = :slug
      AND (p.off_sale_for = 'draft'
           OR EXISTS (SELECT FROM accreditations a WHERE a.product_id = p.id
                      AND a.state IN ('suspended', 'expired', 'revoked')))
      AND NOT EXISTS (SELECT FROM accreditations b WHERE b.product_id = p.id AND b.state = 'published')
""")
_SET = text("UPDATE products SET is_on_sale = :is_on_sale, off_sale_for = :because WHERE slug = :slug RETURNING id")
_END_ALL = text("""
    UPDATE products SET is_on_sale = false, off_sale_for = :because
    WHERE supplier_id = :supplier_id AND (is_on_sale OR off_sale_for IN ('supplier', 'papers'))
""")
_RESUME_ALL = text("""
    UPDATE products SET is_on_sale = true, off_sale_for = NULL
    WHERE supplier_id = :supplier_id AND NOT is_on_sale AND off_sale_for IN ('supplier', 'papers')
""")
_LOCK = text("SELECT id FROM products WHERE slug = :slug FOR NO KEY UPDATE")
_SET_PACK = text("UPDATE skus SET is_on_sale = :is_on_sale WHERE product_id = :id AND number = :sku RETURNING id")
_HAS_PACK = text("SELECT EXISTS (SELECT FROM skus WHERE product_id = :id AND is_on_sale)")
# In two steps, because no two packs ever stand at one place; otherwise packs stand in the order in which they came.
_STEP_ASIDE = text("UPDATE skus SET position = -position WHERE product_id = :id")
_LINE_UP = text("""
    UPDATE skus s SET position = n.place
    FROM (SELECT id, row_number() OVER (ORDER BY NOT is_on_sale, id) AS place FROM skus WHERE product_id = :id) n
    WHERE n.id = s.id
""")
# What a supplier's state takes its goods off the shelf for.
_BECAUSE = {"lapsed": OffSale.PAPERS}


def end(session: Session, *, slug: str, because: OffSale = OffSale.OWNER) -> None:
    """Take a product off sale: off every list, no page, no new order. Raises `ProductUnknown`."""
    _set(session, slug, because)


def begin(session: Session, *, slug: str) -> None:
    """Put a product on sale again.

    Raises `ProductUnknown`, `AccreditationRequired` for one that lost its badge or was never published, and
    `SupplierNotAdmitted` while its supplier may not sell.
    """
    if standing(session, slug) != "admitted":
        raise errors.SupplierNotAdmitted
    if session.execute(_BARRED, {"slug": slug}).first() is not None:
        raise errors.AccreditationRequired
    _set(session, slug, None)


def begin_accredited(session: Session, *, slug: str) -> None:
    """Put a product that has just got its badge on sale, or as soon as its supplier is admitted again."""
    _set(session, slug, because_of(standing(session, slug)))


def set_pack(session: Session, *, slug: str, sku: str, is_on_sale: bool) -> None:
    """Take one pack off sale or put it back; lists show the first that is left.

    Raises `ProductUnknown`, `SkuUnknown(skus=[...])`, and `PackLast` for the only one that is still on sale.
    """
    database.require_transaction(session)
    held = session.scalar(_LOCK, {"slug": slug})
    if held is None:
        raise errors.ProductUnknown
    if session.execute(_SET_PACK, {"id": held, "sku": sku, "is_on_sale": is_on_sale}).first() is None:
        raise errors.SkuUnknown(skus=[sku[:40]])
    if not session.scalar(_HAS_PACK, {"id": held}):
        raise change_errors.PackLast
    session.execute(_STEP_ASIDE, {"id": held})
    session.execute(_LINE_UP, {"id": held})


def end_all(session: Session, *, supplier_id: int, state: str) -> None:
    """Take everything of a supplier, whose row the caller holds, off sale because it is now in `state`."""
    session.execute(_END_ALL, {"supplier_id": supplier_id, "because": because_of(state)})


def resume_all(session: Session, *, supplier_id: int) -> None:
    """Put everything on sale again that left with the standing of a supplier, whose row the caller holds."""
    session.execute(_RESUME_ALL, {"supplier_id": supplier_id})


def because_of(state: str) -> OffSale | None:
    """Return what a supplier's `state` takes its goods off sale for; None when it does not."""
    return None if state == "admitted" else _BECAUSE.get(state, OffSale.SUPPLIER)


def standing(session: Session, slug: str) -> str:
    """Return the state of a product's supplier, which stays so for this transaction. Raises `ProductUnknown`."""
    database.require_transaction(session)
    state = session.scalar(_STANDING, {"slug": slug})
    if state is None:
        raise errors.ProductUnknown
    return str(state)


def _set(session: Session, slug: str, because: OffSale | None) -> None:
    database.require_transaction(session)
    changed = session.execute(_SET, {"slug": slug, "is_on_sale": because is None, "because": because})
    if changed.first() is None:
        raise errors.ProductUnknown
