"""Own the one step from a filled page to an order: what was shown is what is charged, and what was agreed to is kept.

Invariant: an order is placed only at the sum that its shopper saw, with consent to the texts that are shown now; both
in the transaction that places it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from storefront import checkout, consents
from storefront.addresses import Delivery
from storefront.declaration_models import DeclarationKind
from storefront.errors import ConsentInvalid
from storefront.h5.viewmodels import OrderForm


def offered_consent() -> str:
    """Return what the unticked box stands for: every document with the version that is shown now."""
    return " ".join(f"{document}:{version}" for document, version in sorted(consents.VERSIONS.items()))


def buy(
    session: Session,
    *,
    shopper_id: int,
    person: UUID,
    visitor: UUID | None,
    form: OrderForm,
    delivery: Delivery,
    declared: Sequence[DeclarationKind],
    now: datetime,
) -> checkout.Placed | checkout.Quote:
    """Place the order of a form with what was declared for it, or return the quote that its shopper has yet to see.

    Nothing is written with a quote. Raises `ConsentInvalid` for texts that are no longer shown, and what
    `checkout.place` refuses.
    """
    lines = {form.sku: form.quantity}
    quote = checkout.quote(session, lines=lines, region_code=delivery.region_code)
    if quote.payable_fen != form.seen_fen:
        return quote
    if form.consent != offered_consent():
        raise ConsentInvalid(documents=consents.VERSIONS)
    for document, version in consents.VERSIONS.items():
        consents.give(session, shopper_id=shopper_id, document=document, version=version, now=now)
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
