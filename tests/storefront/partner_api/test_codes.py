"""A seller's links are placements: what comes by them is theirs, in their statistics as in the staff's report."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from catalog import feed
from config import clock, database
from storefront import partner_codes
from storefront.partner_models import PartnerKind
from storefront.roles import Role
from subway_campaign import rounds, visits, watch
from subway_campaign.landing import Landing, LandingKind
from tests.storefront.partner_api.conftest import Program, sign_up
from tests.storefront.staff.api.test_reports import give_back, today
from tests.storefront.staff.conftest import Counter, counter, desk, emulator, inbox, wechat  # noqa: F401 - fixtures

PEAR = {"kind": "product", "slug": "dangshansuli"}
HALL = {"kind": "hall", "slug": "dangshan-xian"}


def links(program: Program, *landings: dict[str, str]) -> list[dict[str, Any]]:
    answer = program.post("/codes", {"landings": list(landings)})
    assert answer.status_code == 200, answer.get_json()
    return list(answer.get_json()["items"])


def test_a_landing_has_one_link_however_often_it_is_asked_for(program: Callable[..., Program], seeded: None) -> None:
    seller, other = program(), program(seller="S0002")
    first = links(seller, PEAR, HALL, PEAR)
    assert [link["landing"] for link in first] == [PEAR, HALL]
    assert links(seller, HALL, PEAR) == first[::-1]
    assert seller.get("/codes").get_json()["items"] == first
    assert {link["code"] for link in links(other, PEAR)}.isdisjoint(link["code"] for link in first)
    scanned = seller.client.get(first[0]["url"].removeprefix("http://127.0.0.1:8000"))
    assert (scanned.status_code, scanned.location.partition("?")[0]) == (303, "/p/dangshansuli")
    assert seller.post("/codes", {"landings": [{"kind": "product", "slug": "nothing"}]}).status_code == 422
    assert seller.post("/codes", {"landings": []}).status_code == 422


def test_two_programs_of_a_seller_ask_at_once(program: Callable[..., Program], seeded: None) -> None:
    seller = program()
    landing = Landing(LandingKind.PRODUCT, "dangshansuli")
    both = threading.Barrier(2)
    made: list[str] = []

    def ask() -> None:
        both.wait(20)
        with database.transaction() as session:
            now = clock.now()
            made.extend(
                link.code
                for link in partner_codes.recommend(session, partner=seller.number, landings=[landing], now=now)
            )

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 2
    assert len(set(made)) == 1


def test_there_is_an_end_to_links(
    program: Callable[..., Program], seeded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partner_codes, "MOST_CODES", 1)
    seller = program()
    links(seller, PEAR)
    assert links(seller, PEAR)
    assert seller.post("/codes", {"landings": [HALL]}).get_json()["error"]["code"] == "partner.too_many_codes"


def test_the_feed_links_by_the_sellers_own_code(program: Callable[..., Program], seeded: None) -> None:
    feed.publish_due(now=clock.now())
    seller, buyer = program(), program(PartnerKind.BUYER)
    [link] = links(seller, PEAR)

    def pear(of: Program) -> tuple[str, str | None]:
        items = of.get("/products?limit=200").get_json()["items"]
        product = next(item["product"] for item in items if item["slug"] == "dangshansuli")
        return product["link"], product["code"]

    assert pear(seller) == (link["url"], link["code"])
    assert pear(buyer) == ("http://127.0.0.1:8000/p/dangshansuli", None)


def test_codes_and_statistics_are_for_sellers(program: Callable[..., Program], db: None) -> None:
    buyer = program(PartnerKind.BUYER)
    assert buyer.post("/codes", {"landings": [PEAR]}).status_code == 403
    assert buyer.get("/statistics?from=2026-11-01&to=2026-11-02").status_code == 403


def test_links_are_no_paper(program: Callable[..., Program], seeded: None) -> None:
    links(program(), PEAR, HALL)
    with database.transaction() as session:
        assert rounds.due(session, now=clock.now()) == []
        assert rounds.hanging(session, now=clock.now()) == 0
        assert watch.look(session, now=clock.now()) == []


def test_a_sale_by_a_link_is_the_sellers_to_the_fen(counter: Counter) -> None:  # noqa: F811
    client = counter.app.test_client()
    seller, other = sign_up(client), sign_up(client, seller="S0002", name="另一家")
    [pear, _], [theirs] = links(seller, PEAR, HALL), links(other, PEAR)
    counter.scan(theirs["code"])
    counter.buy(key="order-of-other")
    counter.scan(pear["code"])
    number = counter.buy(key="order-of-seller")
    give_back(counter, number, 100)
    analyst = counter.hire(Role.ANALYST)
    for view in ("cohort", "cash"):
        staff = analyst.get(f"/reports/placements?{today()}&level=asset&view={view}").get_json()
        row = next(row for row in staff["rows"] if row["name"] == "某某电商")
        said = seller.get(f"/statistics?{today()}&view={view}").get_json()
        same = ("scans", "orders", "paid_orders", "gross_fen", "refunded_fen", "net_fen")
        assert {name: said["total"][name] for name in same} == {name: row[name] for name in same}
        assert (said["total"]["paid_orders"], said["total"]["refunded_fen"]) == (1, 100)
        assert staff["difference"]["net_fen"] == 0
    assert (said["total"]["visitors"], said["total"]["conversion"]) == (None, None)
    [link] = said["links"]
    assert (link["code"], link["landing"], link["net_fen"]) == (pear["code"], PEAR, said["total"]["net_fen"])
    assert number not in seller.get(f"/statistics?{today()}").text


def test_visitors_and_rates_are_told_from_five_on(program: Callable[..., Program], seeded: None) -> None:
    seller = program()
    [pear] = links(seller, PEAR)
    told = []
    for _ in range(5):
        visitor = uuid4()
        opened = visits.open(slug=pear["code"], visitor=visitor, now=clock.now())
        assert visits.confirm(token=opened.token, visitor=visitor, now=clock.now())
        told.append(seller.get(f"/statistics?{today()}").get_json()["total"]["visitors"])
    assert told == [None, None, None, None, 5]


def test_wrong_periods_are_refused(program: Callable[..., Program], db: None) -> None:
    seller = program()
    for query in ("", "from=2026-11-02&to=2026-11-01", "from=2020-01-01&to=2026-01-01", "from=x&to=2026-01-01"):
        assert seller.get(f"/statistics?{query}").status_code == 422
    nothing = seller.get("/statistics?from=2026-11-01&to=2026-11-02").get_json()
    assert (nothing["total"]["scans"], nothing["links"]) == (0, [])
