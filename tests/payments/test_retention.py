"""Forgetting payers: never before a payment has ended, and never what the money needs."""

from datetime import datetime, timedelta

from config import database
from payments import collect, refunds, retention
from payments.lifecycle import Channel
from tests.payments.conftest import Buyer, change, rows

DAY = timedelta(days=1)


def forget(before: datetime, at_most: int = 10) -> int:
    with database.transaction() as session:
        return retention.forget_payers(session, before=before, at_most=at_most)


def remembered() -> list[str]:
    named = "SELECT reference FROM payments WHERE request ? 'payer' OR request ? 'scene_info' ORDER BY reference"
    return [row["reference"] for row in rows(named)]


def test_only_payments_that_ended_forget_who_paid(buyer: Buyer, now: datetime) -> None:
    buyer.paid("O1", now=now)
    buyer.open("O2", channel=Channel.H5, now=now)
    collect.close(reference="O2", now=now)
    buyer.open("O3", channel=Channel.H5, now=now)
    assert remembered() == ["O1", "O2", "O3"]
    assert forget(now - DAY) == 0
    assert [forget(now + DAY, at_most=1) for _ in range(3)] == [1, 1, 0]
    assert remembered() == ["O3"]
    [paid] = rows("SELECT request FROM payments WHERE reference = 'O1'")
    assert paid["request"]["amount"] == {"total": 5990, "currency": "CNY"}


def test_a_payment_that_forgot_its_payer_can_still_be_refunded(buyer: Buyer, now: datetime) -> None:
    buyer.paid("O1", now=now)
    forget(now + DAY)
    with database.transaction() as session:
        refund = refunds.request(session, reference="O1", amount_fen=5990, reason="退货", key="k1", now=now)
    refunds.send(number=refund.number, now=now)
    assert [row["state"] for row in rows("SELECT state FROM payment_refunds")] in (["processing"], ["succeeded"])


def test_what_an_unknown_notification_said_is_emptied(db: None, now: datetime) -> None:
    for name, outcome in (("n1", "ignored"), ("n2", "applied")):
        change(
            "INSERT INTO payment_notifications (notification_id, event_type, content, outcome, received_at)"
            " VALUES (:name, 'NEW.KIND', '{\"payer\": \"oABC\"}', :outcome, :now)",
            name=name, outcome=outcome, now=now,
        )  # fmt: skip
    for before, emptied in ((now, 0), (now + DAY, 1), (now + DAY, 0)):
        with database.transaction() as session:
            assert retention.forget_ignored(session, before=before, at_most=10) == emptied
    assert [row["content"] for row in rows("SELECT content FROM payment_notifications ORDER BY notification_id")] == [
        {},
        {"payer": "oABC"},
    ]
