from collections.abc import Callable

from sqlalchemy import text

from catalog import feed
from config import clock, database
from storefront.partner_models import PartnerKind
from tests.storefront.partner_api.conftest import Program


def test_a_partner_pulls_everything_and_then_only_what_changed(program: Callable[..., Program], seeded: None) -> None:
    feed.publish_due(now=clock.now())
    buyer = program(PartnerKind.BUYER)
    pages = [buyer.get("/products?limit=60").get_json()]
    while pages[-1]["next_cursor"]:
        pages.append(buyer.get(f"/products?limit=60&cursor={pages[-1]['next_cursor']}").get_json())
    goods = {item["slug"]: item["product"] for page in pages for item in page["items"]}
    assert len(goods) == 110
    pear = goods["dangshansuli"]
    listed = buyer.client.get("/api/v1/products?q=砀山酥梨").get_json()["items"][0]
    assert {name: pear[name] for name in listed} == listed
    assert pear["link"] == "http://127.0.0.1:8000/p/dangshansuli"
    since = pages[-1]["since"]
    nothing = buyer.get(f"/products?since={since}")
    assert (nothing.get_json()["items"], nothing.get_json()["since"]) == ([], since)
    again = buyer.get(f"/products?since={since}", **{"If-None-Match": nothing.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    with database.transaction() as session:
        session.execute(text("UPDATE products SET is_on_sale = false WHERE slug = 'dangshansuli'"))
    feed.publish_due(now=clock.now())
    changed = buyer.get(f"/products?since={since}", **{"If-None-Match": nothing.headers["ETag"]}).get_json()
    assert [(item["slug"], item["is_removed"], item["product"]) for item in changed["items"]] == [
        ("dangshansuli", True, None)
    ]


def test_wrong_questions_are_refused(program: Callable[..., Program], db: None) -> None:
    buyer = program(PartnerKind.BUYER)
    for query in ("since=x", "cursor=x", "since=a&cursor=b", "limit=0", "limit=201", "page=2"):
        assert buyer.get(f"/products?{query}").status_code == 422
