"""Declarations: what the law lets a shop rely on only when the shopper confirmed it for that very order.

Goods that lose their quality once opened are excluded from the seven-day return only if the buyer confirmed it at
the purchase (消费者权益保护法 art. 25), and alcohol is for adults.
Invariant: recorded in the statement that places the order, and never changed.
"""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront.declaration_models import DeclarationKind
from storefront.errors import ReturnsDeclarationMissing

# Which wording of the texts was on the page; whoever changes one of them gives it the day of the change.
TEXT_VERSION = "2026-11-22"
# What somebody reads before paying, by the return class of the goods; changed together with `TEXT_VERSION`.
WORDING = {
    "allowed": "本品支持签收次日起七日无理由退货。",
    "sealed_only": "本品拆封后影响品质，拆封后不适用七日无理由退货；未拆封支持。",
    "excluded_perishable": "本品属鲜活易腐商品，不适用七日无理由退货；到货有损坏，请拍照联系客服处理。",
}
# What is confirmed of a class; of the others nothing has to be.
OF_CLASS = {
    "sealed_only": DeclarationKind.RETURNS_SEALED,
    "excluded_perishable": DeclarationKind.RETURNS_PERISHABLE,
}
# A part of the statement that places an order, which leaves its new row in `placed`.
RECORDING = f"""confirmed AS (
    INSERT INTO order_declarations (order_id, kind, declared_at, text_version)
    SELECT placed.id, unnest(%(declared)s::text[]), %(now)s, '{TEXT_VERSION}' FROM placed
)"""
_LISTING = text("""
    SELECT d.kind FROM order_declarations d JOIN orders o ON o.id = d.order_id WHERE o.number = :order ORDER BY d.kind
""")


def complete(
    declared: Collection[DeclarationKind], *, classes: Collection[str], are_returns_confirmed: bool | None
) -> list[DeclarationKind]:
    """Return what is confirmed for an order of goods of these return classes, each thing once.

    One confirmation covers all that was shown. Without any (None: the client does not know of it) the order stands,
    and goods that only a confirmation would have excluded can be returned. Raises `ReturnsDeclarationMissing` when the
    words were shown and not confirmed.
    """
    wanted = [kind for kind in sorted({OF_CLASS[each] for each in classes if each in OF_CLASS}) if kind not in declared]
    if wanted and are_returns_confirmed is False:
        raise ReturnsDeclarationMissing(declarations=wanted)
    return list(dict.fromkeys([*declared, *(wanted if are_returns_confirmed else [])]))


def listing(session: Session, *, order: str) -> list[DeclarationKind]:
    """Return what was confirmed for an order."""
    return [DeclarationKind(kind) for kind in session.scalars(_LISTING, {"order": order})]
