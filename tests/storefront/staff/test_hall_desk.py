"""Halls at work: a county's clerk opens a place, shelves it, hangs its picture and its code; others' are not found."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from catalog import models
from catalog.cache import Cache
from config import database
from storefront.roles import Role
from storefront.staff import hall_words, words
from tests.catalog.opening import MARKET, WORDS, opened
from tests.storefront.staff.conftest import Clerk, audited
from tests.storefront.staff.test_accreditation_desk import photograph

Hire = Callable[..., Clerk]
PATH = "/halls"
PEARS, PASTE = "dangshansuli", "dangshanligao"
DRAFT = {"slug": MARKET, "kind": "zone", "presence": "physical", "zone_kind": "supermarket", "region": "341321"}
SAID = {
    "name": WORDS.name,
    "story": WORDS.story,
    "address": WORDS.address,
    "hours": WORDS.hours,
    "contact": "0557-0000",
}


@pytest.fixture
def county(clerk: Hire, seeded: None) -> Clerk:
    return clerk(Role.COUNTY, area="341321")


def read(app: Flask, path: str) -> Any:
    Cache.forget_all()
    return app.test_client().get(f"/api/v1/halls/{path}").get_json()


def test_a_clerk_opens_a_zone_shelves_it_and_hangs_its_code(
    app: Flask, county: Clerk, codes: dict[str, str], clerk: Hire
) -> None:
    assert county.send(PATH, **DRAFT, name=WORDS.name).location.endswith(f"{MARKET}?done=hall_drafted")
    assert "fault=catalog.hall_invalid" in county.send(f"{PATH}/{MARKET}/steps", act="open").location
    assert "done=hall_saved" in county.send(f"{PATH}/{MARKET}", **SAID, version="1").location
    assert "fault=staff.hall_code_refused" in county.send(f"{PATH}/{MARKET}/code", campaign="XFFP2020").location
    assert "done=hall_opened" in county.send(f"{PATH}/{MARKET}/steps", act="open").location
    stood = county.send(
        f"{PATH}/{MARKET}/shelves",
        **{"version": "3", "name-1": "当季", "goods-1": f"砀山梨膏\r\n砀山酥梨 {PEARS}\r\n", "add-1": ""},
    )
    assert "done=shelves_saved" in stood.location
    hung = county.send(f"{PATH}/{MARKET}/picture", file=(io.BytesIO(photograph()), "hall.jpg"))
    assert "done=picture_saved" in hung.location
    shown = read(app, MARKET)
    assert shown["address"] == WORDS.address
    assert app.test_client().get(shown["picture"]["files"]["800.webp"]).mimetype == "image/webp"
    [shelf] = read(app, f"{MARKET}/shelves")["items"]
    assert (shelf["name"], [product["slug"] for product in shelf["products"]]) == ("当季", [PASTE, PEARS])

    for _ in range(2):
        assert "done=code_minted" in county.send(f"{PATH}/{MARKET}/code", campaign="XFFP2020").location
    [(code, number)] = database.statement(
        "SELECT c.slug, p.number FROM code_bindings b JOIN codes c ON c.id = b.code_id"
        " JOIN placements p ON p.id = b.placement_id WHERE b.landing_slug = %s",
        (MARKET,),
    )
    assert number.startswith("HALL.341321.")
    scanned = app.test_client().get(f"/s/{code}")
    assert f"/halls/{MARKET}" in scanned.location
    assert code in county.open(f"{PATH}/{MARKET}").text
    assert county.open(f"{PATH}/{MARKET}/print").mimetype == "image/svg+xml"
    assert county.open(f"{PATH}/{MARKET}/print?format=png").data.startswith(b"\x89PNG")
    assert code in clerk(Role.CAMPAIGN).open(f"/codes/{code}").text
    assert "done=picture_gone" in county.send(f"{PATH}/{MARKET}/picture/removal").location
    assert "done=hall_closed" in county.send(f"{PATH}/{MARKET}/steps", act="close").location
    assert read(app, MARKET)["error"]["code"] == "catalog.hall_unknown"
    acts = ["drafted", "amended", "open", "shelved", "picture_hung", "code_minted", "picture_taken_down", "closed"]
    assert audited() == [(f"hall.{act}", MARKET) for act in acts]
    assert {f"hall.{act}" for act in acts} <= words.ACTS.keys()


def test_another_countys_hall_is_not_found(clerk: Hire, county: Clerk) -> None:
    opened()
    stranger = clerk(Role.COUNTY, username="xiaoxian", area="341322")
    assert county.open(f"{PATH}/{MARKET}").status_code == 200
    assert stranger.open(f"{PATH}/{MARKET}").status_code == 404
    assert MARKET not in stranger.open(PATH).text + stranger.open(f"{PATH}.csv").text
    before = audited()
    for path, form in (
        ("", SAID | {"version": "2"}),
        ("/steps", {"act": "close"}),
        ("/shelves", {"version": "2"}),
        ("/picture", {"file": (io.BytesIO(photograph()), "hall.jpg")}),
        ("/picture/removal", {}),
        ("/code", {"campaign": "XFFP2020"}),
    ):
        assert stranger.send(f"{PATH}/{MARKET}{path}", **form).status_code == 404, path
    assert stranger.open(f"{PATH}/{MARKET}/print").status_code == 404
    refused = stranger.send(PATH, **(DRAFT | {"slug": "elsewhere"}), name="别处的专区")
    assert "fault=staff.not_permitted" in refused.location
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "别处", "version": 2}),
        ("POST", "/steps", {"act": "close"}),
        ("PUT", "/shelves", {"version": 2, "shelves": []}),
        ("POST", "/code", {"campaign": "XFFP2020"}),
    ):
        answer = stranger.call(method, f"{PATH}/{MARKET}{path}", body)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "catalog.hall_unknown"), path
    assert audited() == before


def test_a_supervisor_reads_and_changes_nothing(clerk: Hire, county: Clerk) -> None:
    opened()
    supervisor = clerk(Role.SUPERVISOR, area="3413")
    page = supervisor.open(f"{PATH}/{MARKET}").text
    assert WORDS.name in page
    assert "保存货架" not in page
    assert supervisor.send(f"{PATH}/{MARKET}/steps", act="close").status_code == 403
    assert supervisor.open(f"{PATH}/new").status_code == 403


def test_what_was_changed_meanwhile_is_not_overwritten(county: Clerk) -> None:
    opened()
    form = {"version": "2", "name-1": "当季", "goods-1": PEARS}
    assert "done=shelves_saved" in county.send(f"{PATH}/{MARKET}/shelves", **form).location
    assert "fault=catalog.hall_moved" in county.send(f"{PATH}/{MARKET}/shelves", **form).location
    assert "fault=catalog.hall_moved" in county.send(f"{PATH}/{MARKET}", **SAID, version="x").location


@pytest.mark.parametrize(
    ("path", "form", "fault"),
    [
        ("", DRAFT | {"kind": "palace", "name": "宫殿"}, "form.hall"),
        ("", DRAFT | {"zone_kind": "", "name": "哪里的专区"}, "form.hall"),
        ("", DRAFT | {"slug": "dangshan-xian", "name": "同名的馆"}, "catalog.hall_taken"),
        ("", DRAFT | {"slug": "BAD", "name": "网址名不对"}, "catalog.hall_invalid"),
        (f"/{MARKET}/steps", {"act": "burn"}, "form.hall"),
        (f"/{MARKET}/picture", {}, "form.file"),
        (f"/{MARKET}/picture", {"file": (io.BytesIO(b"%PDF-1.7"), "x.jpg")}, "picture.refused"),
        (f"/{MARKET}/shelves", {"version": "2", "name-1": "当季", "goods-1": "没有 的梨"}, "form.goods"),
        (
            f"/{MARKET}/shelves",
            {"version": "2", "name-1": "当季", "goods-1": "no-such-pears"},
            "catalog.shelves_invalid",
        ),
        (f"/{MARKET}/code", {"campaign": "NONE"}, "campaign.unknown_campaign"),
    ],
)
def test_a_wrong_form_comes_back_with_its_reason(county: Clerk, path: str, form: dict[str, Any], fault: str) -> None:
    opened()
    assert f"fault={fault}" in county.send(f"{PATH}{path}", **form).location


def test_the_list_is_narrowed_and_leaves_as_files(clerk: Hire, seeded: None) -> None:
    opened()
    admin = clerk(Role.ADMIN)
    page = admin.open(f"{PATH}?kind=zone&presence=physical&zone_kind=supermarket&state=open&city=341300").text
    assert MARKET in page
    assert "dangshan-xian" not in page
    assert "没有符合条件的馆" in admin.open(f"{PATH}?kind=enterprise").text
    rows = admin.open(f"{PATH}.csv?region=341321").text
    assert MARKET in rows
    assert "dangshan-xian" in rows
    assert "xiao-xian" not in rows
    first = admin.get(f"{PATH}?limit=100").get_json()
    rest = admin.get(f"{PATH}?limit=100&cursor={first['next_cursor']}").get_json()
    assert len({row["slug"] for row in first["items"] + rest["items"]}) == 121
    assert rest["next_cursor"] is None
    assert admin.get(f"{PATH}?cursor=nonsense").get_json()["error"]["code"] == "staff.cursor_invalid"


def test_the_same_as_json(app: Flask, county: Clerk, codes: dict[str, str]) -> None:
    said = {"name": WORDS.name, "address": WORDS.address, "hours": WORDS.hours}
    what = {"slug": MARKET, "kind": "local", "presence": "physical", "region_code": "341321"}
    made = county.post(PATH, said | what)
    assert (made.status_code, made.get_json()["state"], made.get_json()["choices"]) == (201, "drafted", ["open"])
    assert county.post(PATH, said | what).get_json()["error"]["code"] == "catalog.hall_taken"
    assert county.post(PATH, said | what | {"region_code": "341322"}).status_code == 403
    one = f"{PATH}/{MARKET}"
    assert county.call("PUT", one, said | {"story": "新的介绍", "version": 1}).get_json()["story"] == "新的介绍"
    assert county.call("PUT", one, said | {"version": 1}).get_json()["error"]["code"] == "catalog.hall_moved"
    assert county.post(f"{one}/steps", {"act": "open"}).get_json()["state"] == "open"
    shelves = {"version": 3, "shelves": [{"name": "当季", "products": [PEARS]}]}
    stood = county.call("PUT", f"{one}/shelves", shelves).get_json()
    assert [product["name"] for product in stood["arrangement"][0]["products"]] == ["砀山酥梨"]
    code = county.post(f"{one}/code", {"campaign": "XFFP2020"}).get_json()["code"]
    assert county.post(f"{one}/code", {"campaign": "XFFP2020"}).get_json()["code"] == code
    assert county.get(one).get_json()["code"] == code
    assert f"/halls/{MARKET}" in app.test_client().get(f"/s/{code}").location


def test_every_word_of_a_hall_has_a_chinese_one() -> None:
    assert set(hall_words.HALL_KINDS) == set(models.HallKind)
    assert set(hall_words.HALL_PRESENCES) == set(models.HallPresence)
    assert set(hall_words.ZONE_KINDS) == set(models.ZoneKind)
    assert set(hall_words.HALL_STATES) == set(models.State)
    assert set(hall_words.HALL_ACTS) == {"open", "close"}
