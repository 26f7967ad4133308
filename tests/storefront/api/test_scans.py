"""Printed codes as phones, crawlers and curious people meet them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from catalog import halls, products
from catalog.cache import Cache
from config import clock, database
from config import settings as process_settings
from config.settings import Settings
from storefront import guard
from storefront.app import create_app
from subway_campaign import bindings, codes, placements
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level
from tests.storefront.api.conftest import code_of

PRODUCT, HALL = "dangshansuli", "dangshan-xian"


def hang(landing: Landing | None) -> str:
    """Print a code, hang it (when it leads anywhere), and return its text."""
    now = clock.now()
    with database.transaction() as session:
        [code] = bindings.mint(session, count=1, now=now)
        if landing is not None:
            place = placements.create(session, parent=None, level=Level.MEDIUM, label="BOX", name="灯箱")
            columns = "number, name, is_illustrative, created_at"
            session.execute(text(f"INSERT INTO campaigns ({columns}) VALUES ('C1', '示意', true, now())"))
            before = now - timedelta(hours=1)
            bindings.bind(session, code=code, placement=place, campaign="C1", landing=landing, valid_from=before)
    return code


@pytest.fixture
def poster(client: FlaskClient, seeded: None) -> str:
    """The code of a poster that sells a product."""
    return hang(Landing(LandingKind.PRODUCT, PRODUCT))


def touches() -> list[tuple[object, ...]]:
    return database.statement(
        "SELECT t.visitor_id, t.drop_reason, c.confirmed_at IS NOT NULL, t.network FROM touches t"
        " LEFT JOIN touch_confirmations c ON c.touch_id = t.id ORDER BY t.received_at"
    )


def visitor_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("hall_visitor")
    assert cookie is not None
    return cookie.value


def path_of(answer: TestResponse) -> str:
    return urlsplit(answer.headers["Location"]).path


def test_a_scan_is_written_down_and_leads_to_its_product(client: FlaskClient, poster: str) -> None:
    answer = client.get(f"/s/{poster}", environ_base={"REMOTE_ADDR": "203.0.113.77"})
    assert (answer.status_code, path_of(answer)) == (303, f"/p/{PRODUCT}")
    assert answer.headers["Cache-Control"] == "no-store"
    cookies = {cookie.split("=", 1)[0]: cookie for cookie in answer.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"hall_visitor", "tk"}
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies.values())
    assert "Max-Age=7776000" in cookies["hall_visitor"]
    [(visitor, drop, is_confirmed, network)] = touches()
    assert (str(visitor), drop, is_confirmed) == (visitor_of(client), None, False)
    assert str(network).startswith("203.0.113.0"), "an address is never kept"


def test_a_code_is_read_in_any_spelling(client: FlaskClient, poster: str) -> None:
    misread = poster.replace("1", "I", 1).replace("0", "O", 1)
    for slug in (misread.upper(), misread.lower(), misread.capitalize()):
        for prefix in ("/s/", "/S/"):
            assert client.get(prefix + slug).status_code == 303, prefix + slug


def test_the_capital_and_the_small_letter_are_one_route(client: FlaskClient) -> None:
    rules = [r for r in client.application.url_map.iter_rules() if r.rule.lower() == "/s/<code>"]
    assert [rule.endpoint for rule in rules] == ["scans.scan"] * 2


def test_the_same_browser_stays_the_same_visitor(client: FlaskClient, poster: str) -> None:
    for _ in range(2):
        client.get(f"/s/{poster}")
    assert len({row[0] for row in touches()}) == 1


def test_a_page_that_stands_makes_the_visit_a_scan(client: FlaskClient, poster: str) -> None:
    token = parse_qs(urlsplit(client.get(f"/s/{poster}").headers["Location"]).query)["tk"][0]
    assert client.post("/api/v1/visits/confirmation").status_code == 204, "the cookie has the token"
    assert [row[2] for row in touches()] == [True]
    assert client.post(f"/api/v1/visits/confirmation?tk={token}").status_code == 204, "again is the same"
    assert len(touches()) == 1


def test_a_forwarded_link_is_a_share_of_its_opener(client: FlaskClient, poster: str) -> None:
    token = parse_qs(urlsplit(client.get(f"/s/{poster}").headers["Location"]).query)["tk"][0]
    friend = client.application.test_client()
    for _ in range(2):
        beacon = friend.post(
            f"/api/v1/visits/confirmation?tk={token}",
            headers={"Referer": f"http://127.0.0.1:8000/p/dangshansuli?tk={token}&from=groupmessage"},
        )
        assert beacon.status_code == 204
    kinds = database.statement("SELECT kind, visitor_id::text FROM touches ORDER BY received_at")
    assert kinds == [("scan", visitor_of(client)), ("share_open", visitor_of(friend))]


def test_r03_going_on_in_another_browser_is_told_apart_from_a_share(client: FlaskClient, poster: str) -> None:
    token = parse_qs(urlsplit(client.get(f"/s/{poster}").headers["Location"]).query)["tk"][0]
    browser = client.application.test_client()
    page = {"Referer": f"http://127.0.0.1:8000/p/dangshansuli?tk={token}", "User-Agent": "Mozilla/5.0 (iPhone) Safari"}
    assert browser.post(f"/api/v1/visits/confirmation?tk={token}", headers=page).status_code == 204
    kinds = database.statement("SELECT kind, visitor_id::text FROM touches ORDER BY received_at")
    assert kinds == [("scan", visitor_of(client)), ("continued", visitor_of(browser))]


def test_a_forged_token_confirms_nothing(client: FlaskClient, poster: str) -> None:
    client.get(f"/s/{poster}")
    stranger = client.application.test_client()
    for token in ("", "x", "A" * 54, "é"):
        assert stranger.post("/api/v1/visits/confirmation", query_string={"tk": token}).status_code == 204
    assert [row[2] for row in touches()] == [False]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"method": "HEAD"}, "head"),
        ({"headers": {"User-Agent": "Mozilla/5.0 mpcrawler"}}, "wechat_crawler"),
        ({"headers": {"Purpose": "prefetch"}}, "prefetch"),
    ],
)
def test_what_is_no_person_is_kept_with_its_reason(
    client: FlaskClient, poster: str, options: dict[str, object], reason: str
) -> None:
    assert client.open(f"/s/{poster}", **options).status_code == 303  # type: ignore[arg-type]
    assert [row[1] for row in touches()] == [reason]


def test_a_product_off_sale_leads_to_its_hall_and_a_closed_hall_home(client: FlaskClient, poster: str) -> None:
    with database.transaction() as session:
        products.delist(session, slug=PRODUCT)
    Cache.forget_all()
    assert path_of(client.get(f"/s/{poster}")) == f"/halls/{HALL}"
    database.statement("UPDATE halls SET state = 'closed' WHERE slug = %s", (HALL,))
    Cache.forget_all()
    assert path_of(client.get(f"/s/{poster}")) == "/"


def test_a_hall_s_code_leads_to_the_hall(client: FlaskClient, seeded: None) -> None:
    assert halls.find(HALL)
    assert path_of(client.get(f"/s/{hang(Landing(LandingKind.HALL, HALL))}")) == f"/halls/{HALL}"


def test_a_code_that_never_hung_leads_home_and_is_noticed(client: FlaskClient, seeded: None) -> None:
    assert path_of(client.get(f"/s/{hang(None)}")) == "/"


@pytest.mark.parametrize("slug", ["AAAAAAAA", "x", "..%2f..%2fetc", "👍", "a" * 2000, "7K3M9X2P.html", "'--"])
def test_what_is_no_code_of_ours_is_404_and_counted(client: FlaskClient, slug: str) -> None:
    answer = client.get(f"/s/{slug}")
    if "/" not in answer.request.path.removeprefix("/s/"):
        assert code_of(answer) == (404, "campaign.unknown_code")
        assert database.statement("SELECT count(*) FROM orphan_scans") == [(1,)]
    assert "Set-Cookie" not in answer.headers
    assert answer.status_code == 404


def test_a_path_with_a_nul_is_no_path(client: FlaskClient) -> None:
    assert client.get("/s/%00").status_code == 404


def test_an_unknown_code_is_a_page_to_a_browser(client: FlaskClient) -> None:
    answer = client.get("/s/AAAAAAAA", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_retired_code_is_unknown(client: FlaskClient, poster: str) -> None:
    with database.transaction() as session:
        bindings.retire(session, code=poster, at=clock.now())
    assert code_of(client.get(f"/s/{poster}")) == (404, "campaign.unknown_code")


def test_over_https_every_cookie_is_secure(client: FlaskClient, poster: str, settings: Settings) -> None:
    process_settings.use(replace(settings, public_base_url="https://hall.example"))
    answer = client.get(f"/s/{poster}")
    assert all("Secure" in cookie for cookie in answer.headers.getlist("Set-Cookie"))
    assert guard.visitor_cookie_name() == "__Host-hall_visitor"
    assert any(cookie.startswith("__Host-hall_visitor=") for cookie in answer.headers.getlist("Set-Cookie"))
    assert codes.is_code(poster)


def test_a_visitor_may_not_name_itself_anything(client: FlaskClient, poster: str) -> None:
    client.set_cookie("hall_visitor", "1 OR 1=1")
    client.get(f"/s/{poster}")
    known = uuid4()
    client.set_cookie("hall_visitor", str(known))
    client.get(f"/s/{poster}")
    assert [str(row[0]) == str(known) for row in touches()] == [False, True]


@pytest.mark.parametrize("prefix", ["/", "/s/"])
def test_wechat_s_check_files_are_served_and_nothing_beside_them(
    settings: Settings, db: None, tmp_path: Path, prefix: str
) -> None:
    folder = tmp_path / "checks"
    folder.mkdir()
    (folder / "MP_verify_0a1B.txt").write_bytes(b"0a1B")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "key.pem").write_text("secret")
    client = create_app(replace(settings, verification_files_dir=folder)).test_client()
    answer = client.get(f"{prefix}MP_verify_0a1B.txt")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"0a1B", "text/plain")
    for name in ("other.txt", "..%2fsecret.txt", "key.pem", "%00.txt", ".txt"):
        assert client.get(prefix + name).status_code == 404


def test_without_a_folder_there_is_no_check_file(client: FlaskClient) -> None:
    assert client.get("/MP_verify_0a1B.txt").status_code == 404


def test_r23_a_typed_code_is_written_down_as_typed_and_leads_on(client: FlaskClient, poster: str) -> None:
    assert "输入海报编号" in client.get("/code").text
    written = f"{poster[:4].lower()} -{poster[4:]}"
    answer = client.get("/typed", query_string={"code": written})
    assert (answer.status_code, urlsplit(answer.headers["Location"]).path) == (303, f"/p/{PRODUCT}")
    client.get(answer.headers["Location"])
    rows = database.statement("SELECT t.kind, c.slug FROM touches t JOIN codes c ON c.id = t.code_id")
    assert rows == [("typed", poster)]


@pytest.mark.parametrize("typed", ["", "7", "7" * 41, "一二三四五六七八", "\x00"])
def test_what_was_mistyped_is_refused_and_counted_nowhere(client: FlaskClient, poster: str, typed: str) -> None:
    answer = client.get("/typed", query_string={"code": typed})
    assert answer.status_code == 422
    assert database.statement("SELECT FROM orphan_scans") == []


def test_a_slip_in_a_typed_code_is_told_apart_from_an_unknown_one(client: FlaskClient, poster: str) -> None:
    slip = codes.ALPHABET[(codes.ALPHABET.index(poster[0]) + 1) % 32] + poster[1:]
    assert code_of(client.get("/typed", query_string={"code": slip})) == (422, "campaign.code_mistyped")
    body = "0000001" if not poster.startswith("0000001") else "0000002"
    unknown = body + codes.check(body)
    assert code_of(client.get("/typed", query_string={"code": unknown})) == (404, "campaign.unknown_code")
