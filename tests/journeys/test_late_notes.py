"""Nobody hurries `order.placed`: an order may be paid, credited and refunded before the campaign hears of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import clock, database, facts
from subway_campaign import conversions
from tests.journeys.conftest import Desk


def fact(name: str) -> int:
    [(fact_id,)] = database.statement("SELECT id FROM facts WHERE name = %s", (name,))
    return int(fact_id)


def paid_unheard(desk: Desk) -> str:
    """Place and pay an order, and settle it; nothing that concerns the campaign has run."""
    number = desk.place()
    desk.wechat.pay(desk.open(number))
    facts.react(fact("payment.succeeded"), "settle_order")
    assert desk.order(number)["state"] == "paid"
    assert database.statement("SELECT count(*) FROM conversions") == [(0,)]
    return number


def credited() -> list[tuple[Any, ...]]:
    return database.statement("""
        SELECT c.order_number, c.paid_at IS NOT NULL, sum(k.fen)::bigint FROM conversions c
        LEFT JOIN attribution_decisions d ON d.conversion_id = c.id
        LEFT JOIN credits k ON k.decision_id = d.id AND k.model = 'last' GROUP BY c.id
    """)


def test_a_payment_credits_an_order_that_the_campaign_has_not_heard_of(desk: Desk) -> None:
    number = paid_unheard(desk)
    facts.react(fact("order.paid"), "credit_placement")
    expected = [(number, True, desk.order(number)["goods_fen"])]
    assert credited() == expected
    assert facts.catch_up(now=clock.now() + timedelta(seconds=1)) == 1
    assert credited() == expected, "what comes late changes nothing"
    desk.drain()
    assert database.statement("SELECT count(*) FROM open_facts") == [(0,)]


def both_at_once() -> list[BaseException | None]:
    """Let the campaign hear of an order and of its payment at once; returns what went wrong."""
    ready = threading.Barrier(2, timeout=60)
    events = ((fact("order.placed"), "note_order"), (fact("order.paid"), "credit_placement"))

    def react(event: tuple[int, str]) -> None:
        ready.wait()
        facts.react(*event)

    with ThreadPoolExecutor(2) as threads:
        return [run.exception() for run in [threads.submit(react, event) for event in events]]


def test_race_the_order_and_its_payment_are_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number = paid_unheard(desk)
    with monkeypatch.context() as patch:
        # Without the lock both find no order and both write it; only the unique index stops the second.
        both_looked, looked = threading.Barrier(2, timeout=60), threading.local()
        real = conversions._find

        def find_together(session: Session, order: str) -> Any:
            found = real(session, order)
            if not hasattr(looked, "once"):
                looked.once = True
                both_looked.wait()
            return found

        patch.setattr(conversions, "lock", lambda session, order: None)
        patch.setattr(conversions, "_find", find_together)
        assert [type(error) for error in both_at_once() if error] == [IntegrityError]
    desk.drain()
    assert credited() == [(number, True, desk.order(number)["goods_fen"])], "whoever failed is tried again"


def test_the_order_and_its_payment_may_be_told_at_once(desk: Desk) -> None:
    number = paid_unheard(desk)
    assert both_at_once() == [None, None]
    assert credited() == [(number, True, desk.order(number)["goods_fen"])]
