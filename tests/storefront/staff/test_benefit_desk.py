"""Benefit at work: who may see what, in which area, and that households' names are nowhere else."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from flask import Flask

from catalog.cache import Cache
from config import clock, database
from storefront import benefit
from storefront.roles import Role
from storefront.staff import benefit_words, words
from storefront.staff_models import AuditEntry
from tests.storefront.benefiting import DANGSHAN, PEARS, joined, linked, opened, paid, post, sku_of
from tests.storefront.conftest import Buyer
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]
pytestmark = pytest.mark.usefixtures("seeded")
NAME, PHONE = "欧阳大山", "13877776666"
PATH = "/benefit"


def clerk_of_dangshan(clerk: Hire) -> Clerk:
    return clerk(Role.COUNTY, username="dangshan", area=DANGSHAN)


def group_by_form(county: Clerk, name: str = "周寨镇梨农一组") -> str:
    assert "还没有登记" in county.open(PATH).text
    answer = county.send(f"{PATH}/groups", kind="households", county=DANGSHAN, name=name)
    assert "done=group_opened" in answer.location
    return str(answer.location.split("/groups/")[1].split("?")[0])


def household_by_form(county: Clerk, group: str, **changes: str) -> str:
    form = {"name": NAME, "phone": PHONE, "consented_on": "2026-11-01"} | changes
    return str(county.send(f"{PATH}/groups/{group}/households", **form).location)


def test_a_county_opens_a_group_links_a_product_and_adds_households(clerk: Hire) -> None:
    county = clerk_of_dangshan(clerk)
    group = group_by_form(county)
    assert (
        "fault=benefit.group_taken"
        in county.send(f"{PATH}/groups", kind="cooperative", county=DANGSHAN, name="周寨镇梨农一组").location
    )
    page = county.open(f"{PATH}/groups/{group}").text
    assert "砀山酥梨" in page
    assert "黄山毛峰" not in page
    form = {"product": PEARS, "mode": "guaranteed_price", "share": "12.5"}
    links = f"{PATH}/groups/{group}/links"
    assert "done=benefit_linked" in county.send(links, **form).location
    assert "fault=benefit.link_overlaps" in county.send(links, **form).location
    assert (
        "fault=benefit.shares_exceed_whole" in county.send(links, **form | {"mode": "seed", "share": "87.51"}).location
    )
    assert "fault=benefit.product_invalid" in county.send(links, **form | {"product": "huangshanmaofeng"}).location
    for wrong in ({"share": "0"}, {"share": "12.555"}, {"mode": "gift"}, {"product": ""}, {"ends_on": "gestern"}):
        assert "fault=form.link" in county.send(links, **form | wrong).location
    later = (clock.now() + timedelta(days=9)).astimezone(clock.SHANGHAI).date()
    dated = form | {"mode": "seed", "share": "5", "starts_on": later.isoformat(), "ends_on": later.isoformat()}
    assert "done=benefit_linked" in county.send(links, **dated).location
    page = county.open(f"{PATH}/groups/{group}").text
    assert all(word in page for word in ("保价收购", "12.50%", "未开始", "5.00%"))
    [(number,)] = database.statement("SELECT number FROM benefit_links WHERE mode = 'seed'")
    assert "done=benefit_ended" in county.send(f"{PATH}/links/{number}/end").location
    assert "fault=benefit.link_ended" in county.send(f"{PATH}/links/{number}/end").location
    assert "已取消" in county.open(f"{PATH}/groups/{group}").text
    assert "done=household_added" in household_by_form(county, group)
    assert "fault=household.taken" in household_by_form(county, group)
    assert "fault=household.invalid" in household_by_form(county, group, name="342201197003121234")
    assert "1 户" in county.open(f"{PATH}/groups/{group}").text


def test_a_group_needs_a_kind_a_county_and_a_name(clerk: Hire) -> None:
    admin = clerk(Role.ADMIN)
    for kind, county, name in (
        ("gang", DANGSHAN, "好名字"),
        ("households", "", "好名字"),
        ("households", DANGSHAN, "短"),
        ("households", DANGSHAN, "坏\x07名"),
    ):
        assert "fault=form.group" in admin.send(f"{PATH}/groups", kind=kind, county=county, name=name).location


def test_a_reading_is_in_the_trail_with_what_was_read_and_names_nobody(clerk: Hire) -> None:
    county = clerk_of_dangshan(clerk)
    group = opened()
    numbers = [joined(group, NAME, PHONE), joined(group, "王小河", "")]
    page = county.open(f"{PATH}/groups/{group}/households")
    assert NAME in page.text
    assert PHONE in page.text
    assert page.headers["Cache-Control"] == "no-store"
    answer = county.get(f"/benefit/groups/{group}/households").get_json()
    assert [each["name"] for each in answer["items"]] == [NAME, "王小河"]
    assert [subject for act, subject in audited() if act == "households.read"] == [group, group]
    with database.transaction() as session:
        entries = [entry.details for entry in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert entries == [{"households": numbers}, {"households": numbers}]
    trail = clerk(Role.ADMIN).open("/audit").text
    assert benefit_words.ACTS["households.read"] in trail
    assert NAME not in trail


def test_only_clerks_of_that_very_county_read_households(clerk: Hire) -> None:
    group = opened()
    household = joined(group, NAME, PHONE)
    everybody = {
        Role.ADMIN: [{}],
        Role.SUPERVISOR: [{}, {"area": "3413"}],
        Role.SUPPLIER: [{"supplier": "SUP0001"}],
        Role.FINANCE: [{}],
        Role.TOWNSHIP: [{"area": "341321102"}],
        # A clerk of the whole city, of everywhere, of a supplier, and of the county next to it.
        Role.COUNTY: [{"area": "3413"}, {}, {"area": DANGSHAN, "supplier": "SUP0001"}, {"area": "341322"}],
    }
    for role, scopes in everybody.items():
        for at, scope in enumerate(scopes):
            stranger = clerk(role, username=f"{role.value}-{at}", **scope)
            for answer in (
                stranger.open(f"{PATH}/groups/{group}/households"),
                stranger.get(f"/benefit/groups/{group}/households"),
                stranger.send(f"{PATH}/groups/{group}/households", name="某某", consented_on="2026-11-01"),
                stranger.post(f"/benefit/groups/{group}/households", {"name": "某某", "consented_on": "2026-11-01"}),
                stranger.send(f"{PATH}/households/{household}/erasure"),
                stranger.post(f"/benefit/households/{household}/departure"),
            ):
                assert answer.status_code in {403, 404}, (role, scope)
                assert NAME not in answer.text
    assert "households.read" not in {act for act, _ in audited()}
    assert database.statement("SELECT count(*) FROM benefit_households WHERE left_at IS NULL") == [(1,)]


def test_the_area_bounds_groups_links_and_totals(clerk: Hire, buyer: Buyer) -> None:
    group = opened()
    link = linked(group, 1000)
    post(paid(buyer, {sku_of(): 1}))
    day = date(2026, 11, 21)
    period = f"from={day}&to={day + timedelta(days=2)}"
    neighbour = clerk(Role.COUNTY, username="xiaoxian", area="341322")
    assert neighbour.open(f"{PATH}/groups/{group}").status_code == 404
    assert neighbour.send(f"{PATH}/links/{link}/end").status_code == 404
    assert neighbour.send(f"{PATH}/groups/{group}/links", product=PEARS, mode="seed", share="1").status_code == 404
    assert neighbour.send(f"{PATH}/groups", kind="households", county=DANGSHAN, name="越界组").status_code == 403
    assert neighbour.get(f"/benefit/totals?{period}").get_json() == {"items": []}
    assert "还没有登记" in neighbour.open(PATH).text
    for inside in (clerk(Role.SUPERVISOR, area="3413"), clerk(Role.ADMIN), clerk_of_dangshan(clerk)):
        [total] = inside.get(f"/benefit/totals?{period}").get_json()["items"]
        assert (total["county"], total["mode"], total["orders"]) == ("砀山县", "seed", 1)
        assert "供应种苗" in inside.open(f"{PATH}?{period}").text
    supervisor = clerk(Role.SUPERVISOR, username="suzhou", area="3413")
    assert supervisor.send(f"{PATH}/groups/{group}/links").status_code == 403


def test_totals_leave_as_files_without_any_household(clerk: Hire, buyer: Buyer) -> None:
    group = opened()
    joined(group, NAME, PHONE)
    linked(group, 1000)
    post(paid(buyer, {sku_of(): 1}))
    admin = clerk(Role.ADMIN)
    query = "from=2026-11-01&to=2026-11-30"
    csv = admin.open(f"{PATH}.csv?{query}").text
    assert "砀山县,供应种苗,2026-11,1,1," in csv
    assert "合计" in csv
    book = ZipFile(io.BytesIO(admin.open(f"{PATH}.xlsx?{query}").data))
    cells = "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))
    assert "砀山县" in cells
    assert not any(secret in text for secret in (NAME, PHONE) for text in (csv, cells))


def test_who_leaves_and_who_is_forgotten(clerk: Hire) -> None:
    county = clerk_of_dangshan(clerk)
    group = opened()
    leaves, asks, by_call = (joined(group, NAME, f"1387777666{n}") for n in range(3))
    assert "done=household_left" in county.send(f"{PATH}/households/{leaves}/departure").location
    assert "done=household_forgotten" in county.send(f"{PATH}/households/{asks}/erasure").location
    for _ in range(2):
        assert county.post(f"/benefit/households/{by_call}/erasure").status_code == 204
        assert county.post(f"/benefit/households/{leaves}/departure").status_code == 204
    page = county.open(f"{PATH}/groups/{group}/households").text
    assert "已退出" in page
    assert asks not in page
    done = [pair for pair in audited() if pair[0].startswith("household.")]
    assert done == [("household.left", leaves), ("household.forgotten", asks), ("household.forgotten", by_call)]
    assert county.post("/benefit/households/H0/departure").status_code == 404


def test_names_are_in_no_log_no_public_answer_and_no_other_table(
    app: Flask, clerk: Hire, buyer: Buyer, capfd: pytest.CaptureFixture[str]
) -> None:
    county = clerk_of_dangshan(clerk)
    group = group_by_form(county)
    household_by_form(county, group)
    household_by_form(county, group, name="", phone=PHONE)
    county.post(
        f"/benefit/groups/{group}/households", {"name": NAME + "1", "phone": PHONE, "consented_on": "2026-11-01"}
    )
    county.open(f"{PATH}/groups/{group}/households")
    linked(group, 1000)
    post(paid(buyer, {sku_of(): 1}))
    with database.transaction() as session:
        benefit.verify(session)
    public = app.test_client()
    Cache.forget_all()
    shown = [
        public.get(path, headers={"Accept": kind}).text
        for path in ("/api/v1/benefit", f"/api/v1/products/{PEARS}", f"/p/{PEARS}", "/", "/metrics", "/openapi.json")
        for kind in ("application/json", "text/html")
    ]
    tables = database.statement(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
    )
    stored = [
        str(database.statement(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')[0][0]) for (table,) in tables
    ]
    told = capfd.readouterr()
    for text in (*shown, *stored, told.out, told.err):
        assert NAME not in text
        assert PHONE not in text


def test_everybody_may_know_counties_of_five_households(app: Flask, buyer: Buyer) -> None:
    group = opened()
    linked(group, 1000)
    post(paid(buyer, {sku_of(): 1}))
    for n in range(4):
        joined(group, NAME, f"1387777666{n}")

    def told() -> Any:
        Cache.forget_all()
        return app.test_client().get("/api/v1/benefit")

    assert told().get_json() == {"counties": [], "groups": 0, "households": 0, "net_fen": 0}
    joined(group, "王小河", "")
    answer = told()
    [county] = answer.get_json()["counties"]
    assert (county["county"], county["groups"], county["households"]) == ("砀山县", 1, 5)
    assert county["net_fen"] > 0
    kept = app.test_client().get("/api/v1/benefit", headers={"If-None-Match": answer.headers["ETag"]})
    assert kept.status_code == 304


def test_the_calls_open_link_and_end(clerk: Hire) -> None:
    county = clerk_of_dangshan(clerk)
    made = county.post("/benefit/groups", {"kind": "cooperative", "name": "梨园合作社", "county_code": DANGSHAN})
    assert made.status_code == 201
    group = made.get_json()["number"]
    body = {"product": PEARS, "mode": "processing", "share_bp": 2500}
    link = county.post(f"/benefit/groups/{group}/links", body).get_json()["number"]
    again = county.post(f"/benefit/groups/{group}/links", body)
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "benefit.link_overlaps")
    shown = county.get(f"/benefit/groups/{group}").get_json()
    assert [(each["number"], each["product_name"], each["share_bp"]) for each in shown["links"]] == [
        (link, "砀山酥梨", 2500)
    ]
    assert shown["are_own"]
    ended = county.post(f"/benefit/links/{link}/end").get_json()
    assert ended["links"][0]["ends_at"] is not None
    assert [each["number"] for each in county.get("/benefit/groups").get_json()["items"]] == [group]
    made = county.post(f"/benefit/groups/{group}/households", {"name": NAME, "consented_on": "2026-11-01"})
    assert made.status_code == 201


def test_every_mode_kind_and_act_has_a_word() -> None:
    from storefront.benefit_models import GroupKind, Mode

    assert set(benefit_words.MODES) == set(Mode)
    assert set(benefit_words.KINDS) == set(GroupKind)
    assert benefit_words.ACTS.items() <= words.ACTS.items()
