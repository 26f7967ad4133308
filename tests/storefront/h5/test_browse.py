import gzip
import re
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from catalog import plates
from config import clock, database, settings
from storefront.h5 import pages
from subway_campaign import seeding as campaign
from subway_campaign import visits
from subway_campaign.landing import Landing, LandingKind
from tests.storefront.h5.conftest import PAGE

# The whole of a page but its pictures; the issue allows 30 KB.
BUDGET_BYTES = 30 * 1024


def page(reader: FlaskClient, path: str, status: int = 200) -> str:
    answer = reader.get(path, headers=PAGE)
    assert answer.status_code == status
    assert answer.headers["Content-Encoding"] == "gzip"
    return gzip.decompress(answer.data).decode()


def test_the_home_page_leads_to_every_hall(reader: FlaskClient) -> None:
    shown = page(reader, "/")
    assert shown.count('href="/halls/') == 120
    assert "16 市 104 县区" in shown


def test_a_hall_shows_its_goods_and_its_neighbours(reader: FlaskClient) -> None:
    shown = page(reader, "/halls/dangshan-xian")
    assert "砀山县地方馆" in shown
    assert 'href="/p/dangshansuli"' in shown
    assert 'href="/halls/xiao-xian"' in shown
    assert "示例价" in shown


def test_a_citys_hall_shows_its_counties_goods_and_walks_on(reader: FlaskClient) -> None:
    shown = page(reader, "/halls/anqing-shi")
    assert 'href="/halls/taihu-xian"' in shown
    assert "/p/" in shown


def test_an_empty_hall_says_so_and_leads_on(reader: FlaskClient) -> None:
    assert "筹备中" in page(reader, "/halls/yaohai-qu")


@pytest.mark.parametrize("query", ["砀山酥梨", "dssl", "dangshan%20suli"])
def test_search_finds_by_characters_pinyin_and_initials(reader: FlaskClient, query: str) -> None:
    assert 'href="/p/dangshansuli"' in page(reader, f"/search?q={query}")


@pytest.mark.parametrize(
    "query", ["", "%20%20", "zzzzqqq", "%3Cscript%3Ealert(1)%3C/script%3E", "%F0%9F%8D%90" * 20, "%00"]
)
def test_search_answers_whatever_is_asked(reader: FlaskClient, query: str) -> None:
    assert "<script>alert" not in page(reader, f"/search?q={query}")


def test_the_present_and_an_earlier_text_are_readable(reader: FlaskClient) -> None:
    assert "隐私政策" in page(reader, "/privacy")
    assert "购买须知" in page(reader, "/terms/2026-11-21")
    assert "没有找到" in page(reader, "/terms/1999-01-01", 404)


def test_what_is_unknown_is_answered_with_a_way_on(reader: FlaskClient) -> None:
    for path in ("/halls/nowhere", "/nothing/here", "/plates/nothing.svg"):
        assert "去逛地方馆" in page(reader, path, 404)


def test_divisions_are_given_one_level_at_a_time(reader: FlaskClient) -> None:
    provinces = reader.get("/regions").get_json()["items"]
    assert {"code": "340000", "name": "安徽省", "is_leaf": False} in provinces
    assert len(reader.get("/regions?parent=340100").get_json()["items"]) == 9
    assert reader.get("/regions?parent=441900").get_json()["items"] == []
    assert reader.get("/regions?parent=99").status_code == 422


def test_every_plate_is_served_light(reader: FlaskClient) -> None:
    for name in plates.names():
        answer = reader.get(f"/plates/{name}.svg")
        assert answer.mimetype == "image/svg+xml"
        assert len(answer.data) < 40 * 1024


def test_page_style_and_script_weigh_less_than_the_budget(reader: FlaskClient) -> None:
    script = len(reader.get(pages.SCRIPT_URL, headers=PAGE).data)
    for path in ("/", "/halls/anqing-shi", "/search?q=茶", "/privacy"):
        assert len(reader.get(path, headers=PAGE).data) + script <= BUDGET_BYTES


def test_only_our_own_script_may_run(reader: FlaskClient) -> None:
    policy = reader.get("/", headers=PAGE).headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_a_desk_lends_its_bridge_to_a_browser_that_says_it_is_wechat_and_to_nobody_else(reader: FlaskClient) -> None:
    plain = {**PAGE, "Accept-Encoding": "identity"}
    inside = reader.get("/", headers={**plain, "User-Agent": "Mozilla/5.0 MicroMessenger/8.0.44"})
    bridge = f"{settings.current().wechat_open_base_url}/bridge.js"
    assert f'<script src="{bridge}" defer>' in inside.text
    assert "/bridge.js" not in reader.get("/", headers=plain).text


def test_a_pages_referrer_still_names_our_origin(reader: FlaskClient) -> None:
    assert reader.get("/", headers=PAGE).headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_the_numbers_that_the_law_wants_are_shown_or_said_to_be_missing(reader: FlaskClient) -> None:
    shown = page(reader, "/")
    assert 'href="https://beian.miit.gov.cn/"' in shown
    for words in ("营业执照", "食品经营许可", "ICP备案号待录入"):
        assert words in shown


def test_a_browser_without_compression_is_served_too(reader: FlaskClient) -> None:
    answer = reader.get("/", headers={"Accept": "text/html"})
    assert "Content-Encoding" not in answer.headers
    assert "一县一馆" in answer.text


def test_a_scan_is_confirmed_without_a_script_by_the_picture_that_its_own_visitor_fetches(reader: FlaskClient) -> None:
    landing = Landing(kind=LandingKind.PRODUCT, slug="dangshansuli")
    campaign.seed(lambda what, done, total: None, now=clock.now(), landings=[landing])
    [(code,)] = database.statement("SELECT slug FROM codes LIMIT 1")
    opened = visits.open(slug=code, visitor=None, now=clock.now())
    picture = re.search(r'<img src="(/plates/[^"]+)"', page(reader, f"/p/dangshansuli?tk={opened.token}"))
    assert picture
    reader.get(picture[1])
    assert confirmations(opened.touch) == 0
    reader.set_cookie("hall_visitor", str(opened.visitor))
    for _ in range(2):
        assert reader.get(picture[1]).mimetype == "image/svg+xml"
    assert confirmations(opened.touch) == 1


def test_a_script_or_a_picture_does_not_fail_because_its_scan_could_not_be_confirmed(reader: FlaskClient) -> None:
    landing = Landing(kind=LandingKind.PRODUCT, slug="dangshansuli")
    campaign.seed(lambda what, done, total: None, now=clock.now(), landings=[landing])
    [(code,)] = database.statement("SELECT slug FROM codes LIMIT 1")
    opened = visits.open(slug=code, visitor=None, now=clock.now())
    reader.set_cookie("hall_visitor", str(opened.visitor))
    database.statement("SET lock_timeout = '50ms'")
    with psycopg.connect(database.plain_url()) as slow:
        # Another request's word on the same scan, whose commit takes its time.
        slow.execute("INSERT INTO touch_confirmations (touch_id, confirmed_at) VALUES (%s, now())", [opened.touch])
        with capture_logs() as logged:
            assert reader.get("/h5/shop.js").status_code == 200
        assert [each["reason"] for each in logged if each["event"] == "campaign.confirmation_missed"]
        slow.rollback()
    database.statement("RESET lock_timeout")
    assert confirmations(opened.touch) == 0
    reader.get("/h5/shop.js")
    assert confirmations(opened.touch) == 1


def confirmations(touch: UUID) -> int:
    [(count,)] = database.statement("SELECT count(*) FROM touch_confirmations WHERE touch_id = %s", [touch])
    return int(count)


def test_every_address_that_a_form_leads_to_can_be_opened_again(stocked: Flask) -> None:
    """A telephone that comes back from another app reloads the page that it left, by GET."""
    methods: dict[str, set[str]] = {}
    for rule in stocked.url_map.iter_rules():
        if rule.endpoint.startswith("h5_"):
            # The redirect that opens such an address again names in one rule what the forms name one by one.
            for path in _paths(rule.rule):
                methods.setdefault(path, set()).update(rule.methods or ())
    sent = {path for path, known in methods.items() if "POST" in known}
    assert len(sent) >= 10
    assert sorted(path for path in sent if "GET" not in methods[path]) == []


def _paths(rule: str) -> list[str]:
    """One rule as the addresses it stands for, with all that varies freely left open."""
    named = re.search(r"<any\(([^)]*)\):\w+>", rule)
    rules = [rule.replace(named[0], word.strip()) for word in named[1].split(",")] if named else [rule]
    return [re.sub(r"<[^>]*>", "<>", each) for each in rules]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/orders/AB12/payments", "/orders/AB12"),
        ("/orders/AB12/link/revocation", "/orders/AB12"),
        ("/orders/AB12/aftersales", "/orders/AB12/aftersales/new"),
        ("/orders/AB12/aftersales/CD34/parcel", "/orders/AB12/aftersales/CD34"),
        ("/notices/AB12/objections", "/notices/AB12#objections"),
    ],
)
def test_whoever_opens_the_address_of_an_act_is_led_to_where_it_is_done(
    reader: FlaskClient, path: str, target: str
) -> None:
    answer = reader.get(path, headers=PAGE)
    assert answer.status_code == 302
    assert answer.headers["Location"] == target
