"""Launches of the mini-program, as it reports them."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from config import clock, database
from subway_campaign import tokens
from subway_campaign.landing import Landing, LandingKind
from tests.storefront.api.conftest import Caller, code_of
from tests.storefront.api.test_scans import hang

pytestmark = pytest.mark.usefixtures("client", "seeded")

TOUCHES = "/api/v1/touches"


@pytest.fixture
def poster(seeded: None) -> str:
    """The code of a poster that sells a product."""
    return hang(Landing(LandingKind.PRODUCT, "dangshansuli"))


def launch(code: str, **changes: Any) -> dict[str, Any]:
    now = clock.now()
    link = quote(f"http://127.0.0.1:8000/S/{code}", safe="")
    return {
        "id": str(uuid4()),
        "scene": 1011,
        "query": {"q": link, "scancode_time": str(int(now.timestamp()))},
        "client_at": now.isoformat(),
        "sent_at": (now + timedelta(seconds=1)).isoformat(),
        **changes,
    }


def test_a_launch_by_camera_is_a_scan_once(client: FlaskClient, poster: str) -> None:
    given = launch(poster)
    first = client.post(TOUCHES, json=given)
    assert first.status_code == 201
    body = first.get_json()
    assert body["touch"] == {"id": given["id"], "kind": "scan"}
    assert body["landing"] == {"kind": "product", "slug": "dangshansuli"}
    assert client.post(TOUCHES, json=given).get_json() == body, "sent again, it is answered as before"
    assert database.statement("SELECT count(*) FROM touches") == [(1,)]


def test_the_same_scan_seen_again_is_a_revisit_of_the_same_visitor(client: FlaskClient, poster: str) -> None:
    given = launch(poster)
    token = client.post(TOUCHES, json=given).get_json()["visitor_token"]
    again = client.post(TOUCHES, json={**given, "id": str(uuid4()), "visitor_token": token}).get_json()
    assert again["touch"]["kind"] == "revisit"
    assert database.statement("SELECT count(DISTINCT visitor_id) FROM touches") == [(1,)]


def test_a_launch_while_logged_in_belongs_to_the_person(shopper: Caller, poster: str) -> None:
    assert shopper.post("/touches", launch(poster)).status_code == 201
    assert database.statement("SELECT person_id FROM visitor_links") == [(shopper.person,)]


def test_a_launch_without_a_code_leads_nowhere_in_particular(client: FlaskClient) -> None:
    body = client.post(TOUCHES, json=launch("", scene=1001, query={})).get_json()
    assert (body["touch"]["kind"], body["landing"]) == ("revisit", None)


def test_a_link_that_is_not_ours_or_a_code_that_nobody_printed_is_refused(client: FlaskClient) -> None:
    foreign = launch("", query={"q": quote("https://evil.example/s/7K3M9X2P", safe="")})
    assert code_of(client.post(TOUCHES, json=foreign)) == (422, "campaign.foreign_link")
    assert code_of(client.post(TOUCHES, json=launch("AAAAAAAA"))) == (404, "campaign.unknown_code")
    assert database.statement("SELECT count(*) FROM touches") == [(0,)]


def test_a_forged_visitor_token_is_a_new_visitor(client: FlaskClient, poster: str) -> None:
    answer = client.post(TOUCHES, json=launch(poster, visitor_token="A" * 43))
    assert answer.status_code == 201
    assert answer.get_json()["visitor_token"] != "A" * 43


def test_what_no_phone_sends_is_refused(client: FlaskClient, poster: str) -> None:
    good = launch(poster)
    wrong: list[dict[str, Any]] = [
        {"id": "1"},
        {"id": None},
        {"scene": "1011"},
        {"scene": -1},
        {"scene": 100_000},
        {"query": "q=1"},
        {"query": {"q": "x" * 1001}},
        {"query": {"scancode_time": "soon"}},
        {"query": {"scancode_time": 2**60}},
        {"query": {"path": "x"}},
        {"client_at": "yesterday"},
        {"client_at": "2026-11-21T12:00:00"},
        {"sent_at": 0},
        {"phone": "x"},
        {"visitor_token": "x" * 201},
    ]
    for changes in wrong:
        assert code_of(client.post(TOUCHES, json={**good, **changes})) == (422, "request.invalid"), changes
    assert database.statement("SELECT count(*) FROM touches") == [(0,)]


def test_a_phone_s_impossible_clock_spoils_nothing(client: FlaskClient, poster: str) -> None:
    for at in ("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-00:01", "1904-06-24T09:18:39.82641-23:21"):
        given = launch(poster, client_at=at, query={"q": launch(poster)["query"]["q"]})
        assert client.post(TOUCHES, json=given).status_code == 201, at


def test_a_page_hands_its_visitor_to_the_mini_program(client: FlaskClient) -> None:
    """Minted with the cookie of the page, spent with the token of the mini-program; once."""
    assert client.post("/api/v1/visits/handoff").get_json() == {"hk": None}
    page, program = uuid4(), uuid4()
    client.set_cookie("hall_visitor", str(page))
    hk = client.post("/api/v1/visits/handoff").get_json()["hk"]
    body = {"hk": hk, "visitor_token": tokens.seal_visitor(program)}
    assert [client.post("/api/v1/handoffs", json=body).get_json() for _ in range(2)] == [
        {"is_joined": True},
        {"is_joined": False},
    ]
    assert client.post("/api/v1/handoffs", json=body | {"visitor_token": "x"}).get_json() == {"is_joined": False}
    assert client.post("/api/v1/handoffs", json={"hk": hk}).status_code == 422
