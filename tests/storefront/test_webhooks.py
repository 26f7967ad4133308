"""Webhooks: what partners are told, signed, at least once, and nobody waits for anybody."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from catalog import feed
from config import database, jobs
from storefront import (
    egress,
    partner_codes,
    partners,
    purging,
    schedule,  # noqa: F401 - its queues
    webhook_sending,
    webhooks,
)
from storefront.errors import PartnerInvalid
from storefront.partner_models import PartnerKind
from storefront.webhook_errors import DeliveryNotFound, EndpointNotFound, TooManyEndpoints
from storefront.webhook_models import DeliveryState, Topic
from subway_campaign import conversions, exclusions, visits
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Exclusion
from tests.storefront.conftest import NOW
from tests.storefront.receiving import Heard, Receiver, certificate, receiver  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]


def partner(kind: PartnerKind = PartnerKind.BUYER, seller: str | None = None) -> str:
    with database.transaction() as session:
        return partners.create(session, kind=kind, name="某某", seller=seller, now=NOW).number


def endpoint(of: str, url: str, *topics: Topic) -> webhooks.Opened:
    with database.transaction() as session:
        return webhooks.add(session, partner=of, url=url, topics=topics or (Topic.PRODUCTS,), now=NOW)


def change(slug: str = "dangshansuli", fen: int = 3000) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE skus SET price_fen = :fen WHERE product_id = (SELECT id FROM products WHERE slug = :slug)"),
            {"fen": fen, "slug": slug},
        )
    feed.publish_due(now=NOW)


def rows(columns: str) -> list[tuple[Any, ...]]:
    return database.statement(f"SELECT {columns} FROM webhook_deliveries ORDER BY id")


def verified(heard: Heard, secret: str) -> dict[str, Any]:
    """The message, if one of its signatures is by `secret`."""
    content = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.{heard.body}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()
    assert wanted in heard.headers["webhook-signature"].split(" ")
    return dict(json.loads(heard.body))


@pytest.fixture
def shelf(seeded: None) -> str:
    """A published shelf and a buyer."""
    feed.publish_due(now=NOW)
    return partner()


def test_a_change_of_goods_is_told_once_signed_and_named(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    opened = endpoint(shelf, f"{receiver.url}/hooks")
    assert webhooks.queue_due(now=NOW) == 0
    change()
    assert (webhooks.queue_due(now=NOW), webhooks.queue_due(now=NOW)) == (1, 0)
    assert (webhook_sending.send_due(now=NOW), webhook_sending.send_due(now=NOW)) == (1, 0)
    [heard] = receiver.heard
    told = verified(heard, opened.secret)
    assert told["type"] == "products.changed"
    assert (told["data"]["changed"], told["data"]["removed"]) == (["dangshansuli"], [])
    assert [c.slug for c in feed.changes(since=told["data"]["since"], limit=9).items] == ["dangshansuli"]
    [(number, state, attempts, answer)] = rows("number, state, attempts, answer")
    assert heard.headers["webhook-id"] == heard.headers["idempotency-key"] == number
    assert (state, attempts, answer) == ("delivered", 1, 204)
    assert heard.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    stored = str(database.statement("SELECT e::text FROM webhook_endpoints e"))
    assert opened.secret not in stored + repr(opened)


def test_many_changes_are_few_messages(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    endpoint(shelf, receiver.url)
    with database.transaction() as session:
        session.execute(text("UPDATE products SET is_on_sale = false"))
    feed.publish_due(now=NOW)
    assert webhooks.queue_due(now=NOW) == 2
    told = [json.loads(body)["data"] for (body,) in rows("body")]
    assert [len(data["removed"]) for data in told] == [100, 10]


def test_while_a_secret_changes_both_count(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    old = endpoint(shelf, receiver.url)
    with database.transaction() as session:
        new = webhooks.rotate(session, partner=shelf, number=old.endpoint.number, now=NOW)
    for fen, later in ((1, timedelta(hours=23)), (2, timedelta(hours=25))):
        change(fen=fen)
        webhooks.queue_due(now=NOW + later)
        webhook_sending.send_due(now=NOW + later)
    both, one = receiver.heard
    verified(both, old.secret)
    verified(both, new.secret)
    verified(one, new.secret)
    assert len(one.headers["webhook-signature"].split(" ")) == 1


def test_what_fails_is_tried_again_with_growing_pauses_and_given_up_after_three_days(
    shelf: str,
    receiver: Receiver,  # noqa: F811
) -> None:
    opened = endpoint(shelf, receiver.url)
    receiver.answer = lambda _: 503
    change()
    webhooks.queue_due(now=NOW)
    now, waits = NOW, []
    with capture_logs() as lines:
        for _ in range(40):
            webhook_sending.send_due(now=now)
            [(state, due_at, resting)] = database.statement(
                "SELECT d.state, d.due_at, e.resting_until FROM webhook_deliveries d"
                " JOIN webhook_endpoints e ON e.id = d.endpoint_id"
            )
            if state == "dead":
                break
            waits.append((due_at - now).total_seconds())
            now = max(due_at, resting)
    assert all(later > earlier for earlier, later in pairwise(waits[:8]))
    assert max(waits) <= webhook_sending.LONGEST_WAIT_S * 1.2
    assert timedelta(days=3) <= now - NOW <= timedelta(days=3, hours=8)
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert len({heard.headers["webhook-timestamp"] for heard in receiver.heard}) == len(receiver.heard) > 10
    assert [line["endpoint"] for line in lines if line.get("alarm")] == [opened.endpoint.number]
    with database.transaction() as session:
        [seen] = webhooks.listing(session, partner=shelf)
        [dead], _ = webhooks.deliveries(session, partner=shelf, state=DeliveryState.DEAD, limit=5)
    assert seen.disabled_at == now
    assert (dead.answer, dead.fault) == (503, None)
    change(fen=1)
    assert webhooks.queue_due(now=now) == 0
    receiver.answer = lambda _: 204
    with database.transaction() as session:
        webhooks.enable(session, partner=shelf, number=opened.endpoint.number, now=now)
        webhooks.replay(session, partner=shelf, number=dead.number, now=now)
    assert webhooks.queue_due(now=now) == 1
    webhook_sending.send_due(now=now)
    assert {state for (state,) in rows("state")} == {"delivered"}
    assert (
        receiver.heard[-2].headers["webhook-id"] == dead.number
        or receiver.heard[-1].headers["webhook-id"] == dead.number
    )


def test_whoever_is_gone_is_not_asked_again(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    endpoint(shelf, receiver.url)
    receiver.answer = lambda _: 410
    change()
    webhooks.queue_due(now=NOW)
    with capture_logs() as lines:
        webhook_sending.send_due(now=NOW)
    assert [line["alarm"] for line in lines if line.get("alarm")] == ["webhooks.endpoint_disabled"]
    assert webhook_sending.send_due(now=NOW + timedelta(days=1)) == 0


def test_a_message_that_is_refused_does_not_hold_up_the_next(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    endpoint(shelf, receiver.url)
    first: list[str] = []

    def answer(heard: Heard) -> int:
        first.append(heard.headers["webhook-id"])
        return 400 if heard.headers["webhook-id"] == first[0] else 204

    receiver.answer = answer
    for fen in (1, 2):
        change(fen=fen)
        webhooks.queue_due(now=NOW)
    webhook_sending.send_due(now=NOW)
    assert [state for (state,) in rows("state")] == ["waiting", "delivered"]


def test_an_endpoint_that_hangs_holds_up_nobody_else(
    shelf: str,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egress, "DEADLINE_S", 60.0)
    over, hanging, quick = threading.Event(), threading.Event(), threading.Event()

    def answer(heard: Heard) -> int:
        if heard.path == "/hangs":
            hanging.set()
            over.wait(60)
        elif heard.path == "/quick":
            quick.set()
        return 204

    receiver.answer = answer
    for of, path in ((shelf, "/hangs"), (partner(), "/quick")):
        endpoint(of, receiver.url + path)
    change()
    webhooks.queue_due(now=NOW)
    turn = threading.Thread(target=webhook_sending.send_due, kwargs={"now": NOW})
    turn.start()
    assert quick.wait(20)
    assert hanging.wait(20)
    # Another turn begins while the first one waits, and does not wait for the same host.
    endpoint(partner(), f"{receiver.url}/later")
    change(fen=1)
    webhooks.queue_due(now=NOW)
    webhook_sending.send_due(now=NOW)
    paths = [heard.path for heard in receiver.heard]
    assert turn.is_alive()
    assert "/later" in paths
    assert paths.count("/hangs") == 1
    over.set()
    turn.join(60)
    assert {state for (state,) in rows("state")} == {"delivered"}
    assert jobs.app.tasks["webhooks.send_due"].queue == jobs.HOOKS


_SENDER = """
import os, sys
from datetime import UTC, datetime
from config import database, settings
from config.settings import Settings
from storefront import webhook_sending
settings.use(Settings.from_env(os.environ))
database.configure(settings.current().database_url)
webhook_sending.send_due(now=datetime.fromisoformat(sys.argv[1]))
"""


def test_a_sender_that_is_killed_loses_nothing(
    shelf: str,
    receiver: Receiver,  # noqa: F811
    environment: dict[str, str],
    certificate: Path,  # noqa: F811
) -> None:
    """It dies after the endpoint has heard and before it has written that down: the same message comes again."""
    opened = endpoint(shelf, receiver.url)
    change()
    webhooks.queue_due(now=NOW)
    heard, dead = threading.Event(), threading.Event()

    def answer(_: Heard) -> int:
        heard.set()
        return 204 if dead.wait(60) else 500

    receiver.answer = answer
    sender = subprocess.Popen(
        [sys.executable, "-c", _SENDER, NOW.isoformat()],
        cwd=ROOT,
        env={**os.environ, **environment, "WEBHOOK_DESK_CA_FILE": str(certificate)},
    )
    assert heard.wait(60)
    sender.send_signal(signal.SIGKILL)
    sender.wait(60)
    dead.set()
    assert [state for (state,) in rows("state")] == ["waiting"]
    assert webhook_sending.send_due(now=NOW + timedelta(seconds=5)) == 0
    assert webhook_sending.send_due(now=NOW + webhook_sending.LEASE) == 1
    assert [state for (state,) in rows("state")] == ["delivered"]
    first, second = receiver.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(first, opened.secret) == verified(second, opened.secret)


class Killed(BaseException):
    """The process ended here."""


def test_whoever_dies_while_writing_down_what_to_tell_loses_nothing(
    shelf: str,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint(shelf, receiver.url)
    change()
    with monkeypatch.context() as during:
        queue = webhooks._queue

        def die(*arguments: Any) -> int:
            queue(*arguments)
            raise Killed

        during.setattr(webhooks, "_queue", die)
        with pytest.raises(Killed):
            webhooks.queue_due(now=NOW)
    assert rows("id") == []
    assert webhooks.queue_due(now=NOW) == 1


def race(monkeypatch: pytest.MonkeyPatch) -> int:
    """One has looked at the place and is slow to write, while another does all of it; returns how many messages."""
    looked, done = threading.Event(), threading.Event()
    changes = feed.changes
    slow: list[threading.Thread] = []

    def gated(*arguments: Any, **more: Any) -> feed.Page:
        found = changes(*arguments, **more)
        if threading.current_thread() in slow:
            looked.set()
            assert done.wait(30)
        return found

    monkeypatch.setattr(feed, "changes", gated)
    slow.append(threading.Thread(target=webhooks.queue_due, kwargs={"now": NOW}))
    slow[0].start()
    assert looked.wait(30)
    webhooks.queue_due(now=NOW)
    done.set()
    slow[0].join(30)
    return len(rows("id"))


def test_without_its_lock_a_change_would_be_told_twice(
    shelf: str,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint(shelf, receiver.url)
    change()
    monkeypatch.setattr(webhooks, "_LOCK_PLACE", text("SELECT place FROM webhook_endpoints WHERE id = :id"))
    assert race(monkeypatch) == 2


def test_two_who_write_down_what_to_tell_write_it_once(
    shelf: str,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint(shelf, receiver.url)
    change()
    assert race(monkeypatch) == 1


def test_a_seller_is_told_of_orders_under_names_of_their_own(seeded: None, receiver: Receiver) -> None:  # noqa: F811
    seller = partner(PartnerKind.SELLER, "S0001")
    opened = endpoint(seller, receiver.url, Topic.ORDERS)
    with database.transaction() as session:
        landing = Landing(LandingKind.PRODUCT, "dangshansuli")
        [link] = partner_codes.recommend(session, partner=seller, landings=[landing], now=NOW)
    came = visits.open(slug=link.code, visitor=None, now=NOW)
    assert visits.confirm(token=came.token, visitor=came.visitor, now=NOW)
    at = NOW + timedelta(minutes=5)
    with database.transaction() as session:
        line = conversions.Line(1, "dangshansuli", 5980)
        conversions.placed(session, order="A1", visitor=came.visitor, person=None, placed_at=at, lines=[line])
        conversions.paid(session, order="A1", paid_at=at, lines={1: 5980})
    assert (webhooks.queue_due(now=at), webhooks.queue_due(now=at)) == (1, 0)
    with database.transaction() as session:
        conversions.refunded(session, order="A1", refund="R1", lines={1: 1000}, refunded_at=at)
    assert webhooks.queue_due(now=at) == 1
    for _ in range(2):
        webhook_sending.send_due(now=at)
    told = [verified(heard, opened.secret) for heard in receiver.heard]
    name = webhooks.reference("A1")
    assert [(one["type"], one["data"]) for one in told] == [
        ("order.credited", {"reference": name, "version": 1, "gross_fen": 5980, "refunded_fen": 0, "net_fen": 5980}),
        ("order.refunded", {"reference": name, "version": 2, "gross_fen": 5980, "refunded_fen": 1000, "net_fen": 4980}),
    ]
    assert not any(word in heard.body for heard in receiver.heard for word in ("A1", str(came.visitor)))
    with database.transaction() as session:
        conversions.placed(session, order="A2", visitor=None, person=None, placed_at=at, lines=[line])
        conversions.paid(session, order="A2", paid_at=at, lines={1: 5980})
    assert webhooks.queue_due(now=at) == 0


def test_an_order_that_is_decided_otherwise_is_corrected(seeded: None, receiver: Receiver) -> None:  # noqa: F811
    seller = partner(PartnerKind.SELLER, "S0001")
    endpoint(seller, receiver.url, Topic.ORDERS)
    with database.transaction() as session:
        landing = Landing(LandingKind.PRODUCT, "dangshansuli")
        [link] = partner_codes.recommend(session, partner=seller, landings=[landing], now=NOW)
    came = visits.open(slug=link.code, visitor=None, now=NOW)
    assert visits.confirm(token=came.token, visitor=came.visitor, now=NOW)
    at = NOW + timedelta(minutes=5)
    with database.transaction() as session:
        line = conversions.Line(1, "dangshansuli", 5980)
        conversions.placed(session, order="A1", visitor=came.visitor, person=None, placed_at=at, lines=[line])
        conversions.paid(session, order="A1", paid_at=at, lines={1: 5980})
    webhooks.queue_due(now=at)
    with database.transaction() as session:
        exclusions.exclude(session, reason=Exclusion.STAFF, valid_from=NOW - timedelta(days=1), visitor=came.visitor)
        assert conversions.decide_again(session, order="A1", now=at)
    assert webhooks.queue_due(now=at) == 1
    told = [json.loads(body) for (body,) in rows("body")]
    assert [one["type"] for one in told] == ["order.credited", "order.corrected"]
    assert (told[1]["data"]["gross_fen"], told[1]["data"]["version"]) == (0, 2)


def test_a_partner_keeps_its_own_and_nobody_elses(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    opened = endpoint(shelf, receiver.url)
    change()
    webhooks.queue_due(now=NOW)
    [(number,)] = rows("number")
    other = partner()
    with database.transaction() as session:
        assert webhooks.listing(session, partner=other) == []
        assert webhooks.deliveries(session, partner=other, state=None, limit=5) == ([], None)
        with pytest.raises(DeliveryNotFound):
            webhooks.replay(session, partner=other, number=number, now=NOW)
        for verb in (webhooks.rotate, webhooks.enable, webhooks.remove):
            with pytest.raises(EndpointNotFound):
                verb(session, partner=other, number=opened.endpoint.number, now=NOW)
    with database.transaction() as session:
        webhooks.remove(session, partner=shelf, number=opened.endpoint.number, now=NOW)
    assert webhook_sending.send_due(now=NOW) == 0
    with database.transaction() as session:
        partners.close(session, number=shelf, now=NOW)
    assert webhook_sending.send_due(now=NOW) == 0


def test_wrong_endpoints_are_refused(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    for url in ("http://partner.example/", "https://10.0.0.1/", "https://partner.example:22/"):
        with pytest.raises(PartnerInvalid):
            endpoint(shelf, url)
    with pytest.raises(PartnerInvalid):
        endpoint(shelf, receiver.url, Topic.ORDERS)
    for _ in range(webhooks.MOST_ENDPOINTS):
        endpoint(shelf, receiver.url)
    with pytest.raises(TooManyEndpoints):
        endpoint(shelf, receiver.url)


def test_a_secret_that_cannot_be_read_sends_nothing_and_says_so(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    endpoint(shelf, receiver.url)
    with database.transaction() as session:
        session.execute(text("UPDATE webhook_endpoints SET secret_sealed = 'x'"))
    change()
    webhooks.queue_due(now=NOW)
    with capture_logs() as lines:
        webhook_sending.send_due(now=NOW)
    assert [line["alarm"] for line in lines if line.get("alarm")] == ["webhooks.secret_unreadable"]
    assert (receiver.heard, rows("fault")) == ([], [("secret_unreadable",)])


def test_messages_are_forgotten_when_their_time_is_over(shelf: str, receiver: Receiver) -> None:  # noqa: F811
    endpoint(shelf, receiver.url)
    for fen in (1, 2):
        change(fen=fen)
        webhooks.queue_due(now=NOW)
        if fen == 1:
            webhook_sending.send_due(now=NOW)
    purging.purge(now=NOW + purging.DELIVERIES_LIVE + timedelta(days=1))
    assert rows("state") == [("waiting",)]


def test_pauses_grow_to_six_hours(db: None) -> None:
    waits = [webhook_sending.wait_s(attempts, luck=0.5) for attempts in range(1, 20)]
    assert waits[:4] == [5, 15, 45, 135]
    assert waits == sorted(waits)
    assert waits[-1] == 6 * 3600
    assert webhook_sending.wait_s(1, luck=0.0) == pytest.approx(4)
    assert webhook_sending.wait_s(1, luck=1.0) == pytest.approx(6)
