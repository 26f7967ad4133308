"""Webhooks as a partner keeps them, and the examples of docs/partners.md, which run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from catalog import feed
from config import clock, database
from storefront import webhook_sending, webhooks
from storefront.partner_models import PartnerKind
from storefront.roles import Role
from tests.storefront.partner_api.conftest import Program
from tests.storefront.receiving import Receiver, certificate, receiver  # noqa: F401 - fixtures
from tests.storefront.staff.conftest import Clerk, audited, clerk  # noqa: F401 - fixtures

PAGE = Path(__file__).resolve().parents[3] / "docs" / "partners.md"


def examples() -> dict[str, Any]:
    """What the page's Python defines."""
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, found)
    return found


def shift(slug: str, *, on_sale: bool) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE products SET is_on_sale = :on WHERE slug = :slug"), {"slug": slug, "on": on_sale})
    feed.publish_due(now=clock.now())


def test_the_page_s_examples_keep_a_copy_and_know_a_genuine_message(
    program: Callable[..., Program],
    seeded: None,
    receiver: Receiver,  # noqa: F811
) -> None:
    feed.publish_due(now=clock.now())
    buyer = program(PartnerKind.BUYER)
    pull, is_genuine = examples()["pull"], examples()["is_genuine"]

    def get(path: str) -> Any:
        return buyer.get(path).get_json()

    goods: dict[str, Any] = {}
    since = pull(get, goods, None)
    assert len(goods) == 110
    opened = buyer.post("/webhooks/endpoints", {"url": receiver.url, "topics": ["products"]}).get_json()
    shift("dangshansuli", on_sale=False)
    webhooks.queue_due(now=clock.now())
    webhook_sending.send_due(now=clock.now())
    [heard] = receiver.heard
    body = heard.body.encode()
    assert is_genuine(heard.headers, body, opened["secret"])
    assert not is_genuine(heard.headers, body + b" ", opened["secret"])
    assert not is_genuine(heard.headers | {"webhook-timestamp": "1600000000"}, body, opened["secret"])
    since = pull(get, goods, since)
    assert (len(goods), "dangshansuli" in goods) == (109, False)
    shift("dangshansuli", on_sale=True)
    assert pull(get, goods, since) != since
    assert len(goods) == 110


def test_endpoints_are_opened_listed_changed_and_closed(
    program: Callable[..., Program],
    db: None,
    receiver: Receiver,  # noqa: F811
) -> None:
    seller = program()
    made = seller.post("/webhooks/endpoints", {"url": receiver.url, "topics": ["products", "orders"]})
    assert made.status_code == 201
    endpoint = made.get_json()
    secret = endpoint.pop("secret")
    assert seller.get("/webhooks/endpoints").get_json()["items"] == [endpoint]
    assert secret not in seller.get("/webhooks/endpoints").text
    path = f"/webhooks/endpoints/{endpoint['number']}"
    assert seller.post(f"{path}/secret").get_json()["secret"] not in {secret, ""}
    assert seller.post(f"{path}/enabling").get_json()["disabled_at"] is None
    assert seller.call("DELETE", path).status_code == 204
    assert seller.call("DELETE", path).status_code == 404
    assert seller.get("/webhooks/endpoints").get_json()["items"] == []
    buyer = program(PartnerKind.BUYER)
    for wrong in (
        {"url": "http://partner.example", "topics": ["products"]},
        {"url": "https://10.0.0.1", "topics": ["products"]},
        {"url": receiver.url, "topics": ["orders"]},
        {"url": receiver.url, "topics": []},
    ):
        assert buyer.post("/webhooks/endpoints", wrong).status_code == 422


def test_what_was_given_up_is_seen_and_sent_again_by_partner_and_by_staff(
    program: Callable[..., Program],
    clerk: Callable[..., Clerk],  # noqa: F811
    seeded: None,
    receiver: Receiver,  # noqa: F811
) -> None:
    feed.publish_due(now=clock.now())
    buyer, admin = program(PartnerKind.BUYER), clerk(Role.ADMIN)
    endpoint = buyer.post("/webhooks/endpoints", {"url": receiver.url, "topics": ["products"]}).get_json()["number"]
    page = f"/partners/{buyer.number}"
    for slug in ("dangshansuli", "huoshanhuangya"):
        shift(slug, on_sale=False)
        webhooks.queue_due(now=clock.now())
    with database.transaction() as session:
        session.execute(text("UPDATE webhook_deliveries SET state = 'dead', fault = 'timeout', attempts = 17"))
        session.execute(text("UPDATE webhook_endpoints SET disabled_at = now(), failing_since = now()"))
    first = buyer.get("/webhooks/deliveries?state=dead&limit=1").get_json()
    second = buyer.get(f"/webhooks/deliveries?state=dead&limit=1&cursor={first['next_cursor']}").get_json()
    assert second["next_cursor"] is None
    [new], [old] = first["items"], second["items"]
    assert (new["fault"], new["attempts"], new["endpoint"]) == ("timeout", 17, endpoint)
    seen = admin.open(page).text
    assert "停发" in seen
    assert "超时" in seen
    assert admin.send(f"{page}/endpoints/{endpoint}/enabling").location.endswith("done=endpoint_enabled")
    assert admin.send(f"{page}/deliveries/{old['number']}/replay").location.endswith("done=delivery_replayed")
    assert admin.send(f"{page}/deliveries/WDNONE/replay").location.endswith("fault=partner.delivery_not_found")
    assert admin.send(f"{page}/endpoints/WENONE/enabling").location.endswith("fault=partner.endpoint_not_found")
    assert buyer.post(f"/webhooks/deliveries/{new['number']}/replay").get_json()["state"] == "waiting"
    assert buyer.post("/webhooks/deliveries/WDNONE/replay").status_code == 404
    webhook_sending.send_due(now=clock.now())
    assert {heard.headers["webhook-id"] for heard in receiver.heard} == {new["number"], old["number"]}
    assert buyer.get("/webhooks/deliveries?state=dead").get_json()["items"] == []
    assert [act for act, _ in audited()] == ["partner.endpoint_enabled", "partner.delivery_replayed"]
