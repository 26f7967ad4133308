"""Halls: one for each city and county, with nothing said that is not known; others as staff open them."""

import threading
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from catalog import errors, halls, products
from catalog.cache import Cache
from catalog.hall_lifecycle import Act, State
from catalog.models import Hall, HallKind, HallPresence
from config import database
from tests.catalog.opening import MARKET, NOW, WORDS, drafted, opened, take


def listed(**filters: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = orjson.loads(halls.page(**filters))["items"]
    return items


def test_each_city_and_county_has_its_hall(seeded: None) -> None:
    everything = listed(limit=200)
    assert len(everything) == 120
    assert [hall["region"]["level"] for hall in everything].count("county") == 104
    assert {hall["kind"] for hall in everything} == {"local"}


def test_a_walk_by_cursor_meets_every_hall_once(seeded: None) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = orjson.loads(halls.page(cursor=cursor, limit=11))
        seen += [hall["slug"] for hall in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 120


def test_a_hall_tells_what_is_known_of_its_region(seeded: None) -> None:
    assert halls.find("dangshan-xian") == {
        "slug": "dangshan-xian",
        "kind": "local",
        "name": "砀山县地方馆",
        "story": "砀山县线上地方馆。砀山县是宿州市下辖的县。曾列入国家级贫困县名单，2019年4月退出。",
        "region": {
            "code": "341321",
            "name": "砀山县",
            "level": "county",
            "full_name": "安徽省宿州市砀山县",
            "city_code": "341300",
            "city": "宿州市",
        },
        "counts": {"products": 3, "halls": 0},
        "is_home": True,
        "presence": "online",
        "zone_kind": None,
        "address": "",
        "hours": "",
        "contact": "",
        "owner": "",
        "picture": None,
    }


def test_a_city_counts_its_counties(seeded: None) -> None:
    city = halls.find("suzhou-shi")
    assert city["counts"] == {"products": 10, "halls": 5}
    assert city["story"] == "宿州市线上地方馆。宿州市下辖4个县、1个市辖区。"
    assert orjson.loads(halls.body("suzhou-shi")) == city


@pytest.mark.parametrize("city", ["341300", "suzhou-shi"])
def test_a_city_gives_its_own_hall_and_its_counties(seeded: None, city: str) -> None:
    found = listed(city=city)
    assert len(found) == 6
    assert found[0]["slug"] == "suzhou-shi"


@pytest.mark.parametrize("q", ["砀山", "dangshan", "DANG SHAN", "dsx"])
def test_a_hall_is_found_by_name_pinyin_and_initials(seeded: None, q: str) -> None:
    assert [hall["slug"] for hall in listed(q=q)] == ["dangshan-xian"]


def test_what_nobody_has_is_an_empty_list(seeded: None) -> None:
    for filters in (
        {"kind": "enterprise"},
        {"city": "110000"},
        {"city": "\x00"},
        {"q": "%"},
        {"q": "🍐"},
        {"q": "\x00"},
    ):
        assert listed(**filters) == []


@pytest.mark.parametrize("wrong", [{"kind": "palace"}, {"limit": 0}, {"limit": 201}])
def test_a_wrong_filter_is_refused(seeded: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.FilterInvalid):
        halls.page(**wrong)


def test_a_closed_hall_is_gone(seeded: None) -> None:
    database.statement("UPDATE halls SET state = 'closed' WHERE slug = 'dangshan-xian'")
    Cache.forget_all()
    assert listed(q="砀山") == []
    for slug in ("dangshan-xian", "nowhere", "\x00", ""):
        with pytest.raises(errors.HallUnknown):
            halls.find(slug)


def fault(**change: Any) -> list[str]:
    """The fields that a draft is refused for."""
    with pytest.raises(errors.HallInvalid) as refused:
        drafted(**change)
    return list(refused.value.details["fields"])


def test_a_place_is_drafted_opened_closed_and_opened_again(seeded: None) -> None:
    assert drafted() == MARKET
    with pytest.raises(errors.HallUnknown):
        halls.find(MARKET)
    assert take(MARKET, Act.OPEN) is State.OPEN
    shown = halls.find(MARKET)
    assert (shown["presence"], shown["zone_kind"], shown["address"]) == ("physical", "supermarket", WORDS.address)
    assert shown["counts"] == {"products": 0, "halls": 0}
    with pytest.raises(errors.HallMoved):
        take(MARKET, Act.OPEN)
    assert take(MARKET, Act.CLOSE) is State.CLOSED
    assert take(MARKET, Act.OPEN) is State.OPEN


def test_an_opened_hall_is_listed_by_kind_city_and_presence_and_the_tree_stays(seeded: None) -> None:
    opened()
    for filters in ({"kind": "zone"}, {"city": "suzhou-shi", "kind": "zone"}, {"presence": "physical"}, {"q": "果蔬"}):
        assert [hall["slug"] for hall in listed(**filters)] == [MARKET]
    assert [hall["slug"] for hall in listed(city="341300")][:3] == ["suzhou-shi", "yongqiao-qu", "dangshan-xian"]
    assert halls.find("suzhou-shi")["counts"]["halls"] == 5
    assert listed(city=MARKET) == []
    with pytest.raises(errors.FilterInvalid):
        halls.page(presence="elsewhere")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"slug": "no"}, ["slug"]),
        ({"slug": "new"}, ["slug"]),
        ({"slug": "Dangshan"}, ["slug"]),
        ({"slug": "a\x00b"}, ["slug"]),
        ({"zone_kind": None}, ["zone_kind"]),
        ({"kind": HallKind.LOCAL}, ["zone_kind"]),
        ({"kind": HallKind.ENTERPRISE, "zone_kind": None}, ["owner"]),
        ({"region_code": "340000"}, ["region_code"]),
        ({"region_code": "\x00"}, ["region_code"]),
        ({"name": "馆"}, ["name"]),
        ({"story": "长" * 2001}, ["story"]),
        ({"contact": "a\x00"}, ["contact"]),
        ({"supplier": "SUP9999"}, ["supplier"]),
    ],
)
def test_what_a_hall_cannot_be_is_refused_by_field(seeded: None, change: dict[str, Any], fields: list[str]) -> None:
    assert fault(**change) == fields


def test_a_place_opens_with_address_and_hours_only_and_keeps_them(seeded: None) -> None:
    drafted(address="", hours=" ")
    with pytest.raises(errors.HallInvalid) as refused:
        take(MARKET, Act.OPEN)
    assert refused.value.details["fields"] == ["address", "hours"]
    with database.transaction() as session:
        halls.amend(session, slug=MARKET, words=WORDS, version=1)
    take(MARKET, Act.OPEN)
    bare = halls.Words(name="果蔬市场专区")
    with database.transaction() as session, pytest.raises(errors.HallInvalid):
        halls.amend(session, slug=MARKET, words=bare, version=3)


def test_a_firm_has_its_own_hall_by_number_or_by_name(seeded: None) -> None:
    firm = {"kind": HallKind.ENTERPRISE, "zone_kind": None, "presence": HallPresence.ONLINE}
    opened(slug="own-hall", owner="砀山某合作社", **firm)
    assert halls.find("own-hall")["owner"] == "砀山某合作社"
    with database.transaction() as session:
        words = halls.Words(name="自营企业馆", supplier="SUP0001")
        halls.amend(session, slug="own-hall", words=words, version=2)
    Cache.forget_all()
    assert halls.find("own-hall")["owner"] == "平台自营（示意供应商）"
    with database.transaction() as session, pytest.raises(errors.HallInvalid):
        halls.amend(session, slug="own-hall", words=halls.Words(name="没有主人的馆"), version=3)


def test_a_home_hall_stays_open_while_its_goods_are_on_sale(seeded: None) -> None:
    with pytest.raises(errors.HallInUse) as refused:
        take("dangshan-xian", Act.CLOSE)
    assert refused.value.details == {"products": 3}
    assert take("yaohai-qu", Act.CLOSE) is State.CLOSED


def test_the_database_holds_the_rules_too(seeded: None) -> None:
    wrong = {
        "zone": "UPDATE halls SET zone_kind = 'hotel' WHERE slug = 'xiao-xian'",
        "home": "UPDATE halls SET presence = 'physical' WHERE slug = 'xiao-xian'",
        "tree": "UPDATE halls SET is_home = false WHERE slug = 'xiao-xian'",
        "owned": "UPDATE halls SET is_home = false, parent_id = NULL, kind = 'enterprise' WHERE slug = 'xiao-xian'",
        "place": "UPDATE halls SET is_home = false, parent_id = NULL, presence = 'physical' WHERE slug = 'xiao-xian'",
        "uq_halls_home": "UPDATE halls SET region_code = '341321' WHERE slug = 'xiao-xian'",
    }
    for rule, sql in wrong.items():
        with pytest.raises(Exception, match=rule):
            database.statement(sql)


def test_a_picture_is_claimed_shown_and_let_go(seeded: None) -> None:
    for number in ("PIC0000000000000001", "PIC0000000000000002"):
        database.statement(
            "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at, kept_until)"
            " VALUES (%s, true, 64, 48, %s::jsonb, now(), now() + interval '1 day')",
            (number, f'{{"1600.webp": "public/{number}/a.webp"}}'),
        )
    opened()
    for number in ("PIC0000000000000001", "PIC0000000000000002"):
        with database.transaction() as session:
            halls.hang(session, slug=MARKET, picture=number, now=NOW)
    Cache.forget_all()
    url = "/files/public/PIC0000000000000002/a.webp"
    assert halls.find(MARKET)["picture"] == {"width": 64, "height": 48, "files": {"1600.webp": url}}
    kept = dict(database.statement("SELECT number, kept_until FROM pictures"))
    assert kept == {"PIC0000000000000001": NOW, "PIC0000000000000002": None}


def test_an_unknown_hall_is_neither_changed_nor_shelved(seeded: None) -> None:
    for slug in ("nowhere", "\x00"):
        with pytest.raises(errors.HallUnknown):
            take(slug, Act.OPEN)
        assert not halls.is_shelved(slug)
    assert orjson.loads(products.page(hall="nowhere"))["items"] == []


def race(act: Any) -> list[str]:
    """Let two do `act(name)` at once; returns how each fared, sorted."""
    outcomes: list[str] = []

    def run(name: str) -> None:
        try:
            act(name)
            outcomes.append("done")
        except Exception as error:  # noqa: BLE001 - how each fared is what the test is about
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("li", "wang")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return sorted(outcomes)


@pytest.mark.parametrize("is_guarded", [False, True])
def test_two_who_draft_the_same_slug_leave_one(seeded: None, monkeypatch: pytest.MonkeyPatch, is_guarded: bool) -> None:
    if not is_guarded:
        bare = str(halls._DRAFT).replace("ON CONFLICT (slug) DO NOTHING", "")
        monkeypatch.setattr(halls, "_DRAFT", text(bare))
    outcomes = race(lambda name: drafted(name=f"{name}的果蔬专区"))
    assert outcomes == (["HallTaken", "done"] if is_guarded else ["IntegrityError", "done"])


@pytest.mark.parametrize("is_guarded", [False, True])
def test_two_who_open_the_same_hall_take_one_step(
    seeded: None, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    drafted()
    gate = threading.Barrier(2)

    def unlocked(session: Session, slug: str) -> Hall:
        held = session.scalars(select(Hall).where(Hall.slug == slug)).one()
        gate.wait(10)
        return held

    if not is_guarded:
        monkeypatch.setattr(halls, "lock", unlocked)
    outcomes = race(lambda name: take(MARKET, Act.OPEN))
    assert outcomes == (["HallMoved", "done"] if is_guarded else ["done", "done"])


@pytest.mark.parametrize("is_guarded", [False, True])
def test_who_amends_what_was_changed_meanwhile_is_told_so(
    seeded: None, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    drafted()
    if not is_guarded:
        monkeypatch.setattr(halls, "_require_version", lambda held, version: None)

    def amend(name: str) -> None:
        with database.transaction() as session:
            halls.amend(session, slug=MARKET, words=halls.Words(name=f"{name}的专区"), version=1)

    assert race(amend) == (["HallMoved", "done"] if is_guarded else ["done", "done"])
