"""What follows from each fact, all of it, in one file.

Invariant: a reaction with a session takes effect once (config.facts); one that talks to WeChat is idempotent by the
number that it sends. Nothing here decides anything: each reaction is one call of a verb.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from catalog import facts as catalog_facts
from catalog import indexing
from config import clock, facts, jobs
from config.facts import Occurrence
from payments import facts as payment_facts
from payments import refunds
from payments.lifecycle import Channel
from storefront import (
    aftersales,
    benefit,
    campaign_orders,
    claim_money,
    commissions,
    deals,
    events,
    frozen_money,
    notices,
    order_marks,
    orders,
    shipping_reports,
)
from storefront.order_lifecycle import MarkCause
from subway_campaign import conversions


@facts.on(payment_facts.PAYMENT_SUCCEEDED, queue=jobs.MONEY)
def settle_order(session: Session, occurrence: Occurrence) -> None:
    """Turn money into a paid order, or give it back."""
    values = occurrence.values
    orders.settle(
        session,
        number=values["reference"],
        payment=values["payment"],
        amount_fen=values["amount_fen"],
        paid_at=datetime.fromisoformat(values["paid_at"]),
        now=clock.now(),
    )


@facts.on(payment_facts.PAYMENT_SUCCEEDED)
def expect_shipping(session: Session, occurrence: Occurrence) -> None:
    """Keep in view a payment whose money WeChat keeps until its goods are shipped."""
    values = occurrence.values
    frozen_money.expect(
        session,
        payment=values["payment"],
        order=values["reference"],
        channel=Channel(values["channel"]),
        transaction_id=values["transaction_id"],
        amount_fen=values["amount_fen"],
        paid_at=datetime.fromisoformat(values["paid_at"]),
    )


@facts.on(payment_facts.SHARE_ENDED, queue=jobs.MONEY)
def record_commission(session: Session, occurrence: Occurrence) -> None:
    """Note what each seller got of a divided payment."""
    values = occurrence.values
    commissions.record(session, order=values["reference"], parts=values["parts"], now=clock.now())


@facts.on(events.ORDER_REFUNDED, queue=jobs.MONEY)
def take_commission_back(session: Session, occurrence: Occurrence) -> None:
    """Take back the commission on what went back to the shopper."""
    values = occurrence.values
    commissions.take_back(session, order=values["order"], refund=values["refund"], now=clock.now())


@facts.on_outside(payment_facts.REFUND_REQUESTED)
def send_refund(occurrence: Occurrence) -> None:
    """Send a recorded refund to WeChat."""
    refunds.send(number=occurrence.values["number"], now=clock.now())


@facts.on(payment_facts.REFUND_SUCCEEDED, queue=jobs.MONEY)
def record_refund(session: Session, occurrence: Occurrence) -> None:
    """Write on the order what went back."""
    values = occurrence.values
    aftersales.record_refunded(
        session,
        refund=values["refund"],
        number=values["reference"],
        refunded_at=datetime.fromisoformat(values["refunded_at"]),
    )


@facts.on(payment_facts.REFUND_FAILED, queue=jobs.MONEY)
def release_refund(session: Session, occurrence: Occurrence) -> None:
    """Make the sum of a refund that failed refundable again, or ask for it again when nobody else would."""
    values = occurrence.values
    aftersales.record_failed(session, refund=values["refund"], number=values["reference"], now=clock.now())


@facts.on(payment_facts.REFUND_FAILED, queue=jobs.MONEY)
def reopen_claim(session: Session, occurrence: Occurrence) -> None:
    """Let staff decide anew on the claim whose refund failed."""
    values = occurrence.values
    claim_money.reopen_failed(session, order=values["reference"], refund=values["refund"], now=clock.now())


@facts.on(events.REFUND_REJECTED)
def reopen_rejected_claim(session: Session, occurrence: Occurrence) -> None:
    """Let staff decide anew on the claim whose refund a second person rejected."""
    claim_money.reopen(session, order=occurrence.values["order"], key=occurrence.values["key"], now=clock.now())


@facts.on_outside(events.ORDER_CANCELLED)
def close_payment(occurrence: Occurrence) -> None:
    """Close the payment of a cancelled order, so that nobody pays for nothing."""
    orders.close_payment(number=occurrence.values["order"], now=clock.now())


@facts.on_outside(events.ORDER_SHIPPED)
def report_shipping(occurrence: Occurrence) -> None:
    """Tell WeChat what has left, so that it releases the money."""
    shipping_reports.report(order=occurrence.values["order"], now=clock.now())


@facts.on_outside(events.ORDER_SHIPPED)
def tell_shopper(occurrence: Occurrence) -> None:
    """Tell the shopper that goods are on their way."""
    values = occurrence.values
    notices.tell_shipped(order=values["order"], consignment=values["consignment_no"], now=clock.now())


@facts.on(events.ORDER_PLACED)
def note_order(session: Session, occurrence: Occurrence) -> None:
    """Tell the campaign that an order was placed, and on which journey."""
    campaign_orders.tell_placed(session, number=occurrence.values["order"])


@facts.on(events.ORDER_PAID)
def credit_placement(session: Session, occurrence: Occurrence) -> None:
    """Decide which placement earned a paid order, and credit it."""
    values = occurrence.values
    campaign_orders.tell_paid(session, number=values["order"], paid_at=datetime.fromisoformat(values["paid_at"]))


@facts.on(events.ORDER_PAID)
def write_benefit(session: Session, occurrence: Occurrence) -> None:
    """Write what a sale brings the groups that its goods are linked to."""
    benefit.post(session, order=occurrence.values["order"])


@facts.on(events.ORDER_PAID)
def note_deals(session: Session, occurrence: Occurrence) -> None:
    """Tell the catalog which prices were really paid."""
    deals.note(session, order=occurrence.values["order"])


@facts.on(events.ORDER_REFUNDED)
def undo_deals(session: Session, occurrence: Occurrence) -> None:
    """Tell the catalog which of them were undone."""
    deals.undo(session, order=occurrence.values["order"], now=clock.now())


@facts.on(events.ORDER_REFUNDED)
def settle_claim(session: Session, occurrence: Occurrence) -> None:
    """End the after-sales claim whose money went back."""
    claim_money.settle(session, order=occurrence.values["order"], refund=occurrence.values["refund"], now=clock.now())


@facts.on(events.ORDER_REFUNDED)
def reverse_credit(session: Session, occurrence: Occurrence) -> None:
    """Take back the credit for what was refunded."""
    values = occurrence.values
    conversions.refunded(
        session,
        order=values["order"],
        refund=values["refund"],
        lines={int(line): fen for line, fen in values["lines"].items()},
        freight_fen=values["freight_fen"],
        refunded_at=datetime.fromisoformat(values["refunded_at"]),
    )


@facts.on(events.ORDER_REFUNDED)
def reverse_benefit(session: Session, occurrence: Occurrence) -> None:
    """Take back what a refunded part had brought those groups."""
    benefit.post(session, order=occurrence.values["order"])


@facts.on(catalog_facts.BATCH_RECALLED)
def mark_for_recall(session: Session, occurrence: Occurrence) -> None:
    """Tell whoever works on orders of a product that a batch of it may not leave."""
    values = occurrence.values
    order_marks.mark_open(
        session,
        product=values["product"],
        cause=MarkCause.BATCH_RECALLED,
        reference=values["batch"],
        now=clock.now(),
    )


@facts.on(catalog_facts.ACCREDITATION_LOST)
def mark_open_orders(session: Session, occurrence: Occurrence) -> None:
    """Tell whoever works on orders of a product that it lost its badge."""
    values = occurrence.values
    order_marks.mark_open(
        session,
        product=values["product"],
        cause=MarkCause.ACCREDITATION_LOST,
        reference=values["number"],
        now=clock.now(),
    )


@facts.on(catalog_facts.PRODUCT_EDITED)
def index_product(session: Session, occurrence: Occurrence) -> None:
    """Write anew what search needs of a product whose facts changed."""
    indexing.write(session, slug=occurrence.values["product"])
