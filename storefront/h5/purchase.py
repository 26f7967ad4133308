"""Own the one step from a filled page to an order: what was shown is what is charged, and what was agreed to is kept.

Invariant: an order is placed only at the sum that its shopper saw, with consent to the texts that are shown now; both
in the transaction that places it. What a cart holds is ordered once, however many pages show it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from storefront import addresses, carts, checkout, consents
from storefront.addresses import Delivery
from storefront.declaration_models import DeclarationKind
from storefront.errors import ConsentInvalid
from storefront.h5.cart_models import CartForm
from storefront.h5.delivery_models import DeliveryForm

SUM_CHANGED = "请核对应付金额，再点一次“微信支付”。"
ORDERED_BEFORE = "刚才已经下过一单，请先到“订单”里查看。如果要再买一单，请再点一次“微信支付”。"


def offered_consent() -> str:
    """Return what the unticked box stands for: every document with the version that is shown now."""
    return " ".join(f"{document}:{version}" for document, version in sorted(consents.VERSIONS.items()))


def buy(
    session: Session,
    *,
    shopper_id: int,
    person: UUID,
    visitor: UUID | None,
    form: DeliveryForm,
    lines: dict[str, int],
    delivery: Delivery,
    declared: Sequence[DeclarationKind],
    now: datetime,
) -> checkout.Placed | checkout.Quote:
    """Place the order of `lines` with what was declared for it, or return the quote that its shopper has yet to see.

    The same form sent again gives the order that it made, whatever prices have become. Nothing is written with a quote.
    An address that is to be kept is kept with its order, or not at all.
    Raises `ConsentInvalid` for texts that are no longer shown, and what
    `checkout.place` refuses.
    """
    made = made_before(session, shopper_id=shopper_id, form=form, lines=lines, delivery=delivery)
    if made is not None:
        return made
    quote = checkout.quote(session, lines=lines, region_code=delivery.region_code)
    if quote.payable_fen != form.seen_fen:
        return quote
    if form.consent != offered_consent():
        raise ConsentInvalid(documents=consents.VERSIONS)
    for document, version in consents.VERSIONS.items():
        consents.give(session, shopper_id=shopper_id, document=document, version=version, now=now)
    if form.keeps:
        addresses.keep(session, shopper_id=shopper_id, delivery=delivery, now=now)
    return checkout.place(
        session,
        shopper_id=shopper_id,
        person=person,
        visitor=visitor,
        key=form.key,
        lines=lines,
        address=asdict(delivery),
        remark=form.remark,
        declared=declared,
        now=now,
    )


def buy_cart(
    session: Session,
    *,
    shopper_id: int,
    person: UUID,
    visitor: UUID | None,
    form: CartForm,
    delivery: Delivery,
    declared: Sequence[DeclarationKind],
    now: datetime,
) -> checkout.Placed | checkout.Quote | None:
    """Place the order of the lines that a form was shown with, and take them out of the cart; None once it lost them.

    Raises what `buy` raises.
    """
    lines = dict(form.lines)
    if not carts.holds(session, shopper_id=shopper_id, lines=lines):
        return made_before(session, shopper_id=shopper_id, form=form, lines=lines, delivery=delivery)
    return buy(
        session,
        shopper_id=shopper_id,
        person=person,
        visitor=visitor,
        form=form,
        lines=lines,
        delivery=delivery,
        declared=declared,
        now=now,
    )


def made_before(
    session: Session, *, shopper_id: int, form: DeliveryForm, lines: dict[str, int], delivery: Delivery
) -> checkout.Placed | None:
    """Return the order that this very form made before, or None.

    Raises `IdempotencyMismatch` when its key made another.
    """
    return checkout.earlier(
        session, shopper_id=shopper_id, key=form.key, lines=lines, address=asdict(delivery), remark=form.remark
    )
