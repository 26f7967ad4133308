"""The league: who met what, ranks that are shared, sales that reconcile, and who sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from catalog.models import RegionLevel
from catalog.target_models import Subject
from config import clock, database
from storefront import sales
from storefront.roles import Grant, Role, Scope
from storefront.staff import hall_words, target_desk, words
from tests.catalog.opening import opened
from tests.storefront.staff.conftest import Clerk, Counter, audited, hire

Hire = Callable[..., Clerk]
PATH = "/targets"


def row(code: str, **more: int) -> dict[str, Any]:
    return {"region_code": code, **dict.fromkeys(map(str, target_desk.COUNTED), 0), **more}


def target(subject: Subject, amount: int, region: str | None = None) -> dict[str, Any]:
    return {"subject": subject.value, "level": "county", "region_code": region, "amount": amount}


def test_a_region_is_held_to_its_own_target_before_everybodys() -> None:
    wanted = [
        target(Subject.PHYSICAL_HALL, 1),
        target(Subject.PHYSICAL_HALL, 3, "341321"),
        target(Subject.ONLINE_HALL, 1),
        target(Subject.ONLINE_HALL, 1) | {"level": "prefecture"},
        target(Subject.SALES, 1),
    ]
    one = target_desk.judged(row("341322", physical_hall=1, online_hall=1), wanted, RegionLevel.COUNTY)
    assert one == {"met": 2, "wanted": 2, "missing": []}
    other = target_desk.judged(row("341321", physical_hall=2, online_hall=1), wanted[::-1], RegionLevel.COUNTY)
    assert other == {"met": 1, "wanted": 2, "missing": ["physical_hall"]}


def test_equal_ones_share_a_rank_in_the_order_of_their_codes() -> None:
    rows = [
        row("3", accredited_products=1) | {"met": 1, "wanted": 5},
        row("2") | {"met": 1, "wanted": 5},
        row("1") | {"met": 1, "wanted": 5},
        row("4") | {"met": 2, "wanted": 2},
        row("0") | {"met": 0, "wanted": 0},
    ]
    ranked = [(one["rank"], one["region_code"]) for one in target_desk.ranked(rows)]
    assert ranked == [(1, "4"), (2, "3"), (3, "1"), (3, "2"), (5, "0")]


def test_sales_of_counties_add_up_to_the_shops(counter: Counter, codes: dict[str, str]) -> None:
    order = counter.buy()
    finance = counter.hire(Role.FINANCE)
    asked = finance.post(
        f"/orders/{order}/refunds",
        {"lines": [{"line": 1, "amount_fen": 100}], "reason": "少发"},
        **{"Idempotency-Key": "key-00000001"},
    )
    assert asked.json is not None
    counter.finish_refund(asked.json["refund"])
    analyst = counter.hire(Role.ANALYST)
    leagues = {level: analyst.get(f"/league?level={level}").get_json()["items"] for level in ("county", "prefecture")}
    with database.transaction() as session:
        epoch = clock.now().replace(year=2000)
        whole = sales.of_period(session, since=epoch, before=clock.now())
    net = whole.goods_fen - whole.refunded_goods_fen
    assert net > 0
    assert {sum(one["sales_fen"] for one in rows) for rows in leagues.values()} == {net}
    assert [one["region"] for one in leagues["prefecture"] if one["sales_fen"]] == ["宿州市"]
    scoped = hire(counter.app, Grant(role=Role.COUNTY, scope=Scope(area="341322")))
    seen = {one["region_code"]: one["sales_fen"] for one in scoped.get("/league").get_json()["items"]}
    assert {code for code, fen in seen.items() if fen is not None} == {"341322"}
    page = scoped.open(PATH).text
    assert "只有全省范围的账号能看" in page
    assert words.money(net) not in page


@pytest.mark.usefixtures("seeded")
def test_the_page_shows_progress_history_and_the_league(app: Flask, clerk: Hire) -> None:
    opened()
    admin = clerk(Role.ADMIN)
    page = admin.open(PATH).text
    assert "2020-09-30，已过，作为历史保留" in page
    assert "104 / 104" in page
    assert "/staff/halls?kind=zone&amp;presence=physical&amp;region=341321&amp;state=open" in page
    assert "商超 1" in page
    first = page.index("砀山县")
    assert first < page.index("瑶海区")
    city = admin.open(f"{PATH}?level=prefecture").text
    assert "所属市" in page
    assert "所属市" not in city
    assert "16 / 16" in city
    csv = admin.open(f"{PATH}.csv").text
    assert len([line for line in csv.splitlines() if line.startswith(("1,", "2,"))]) == 104
    assert "全省合计" in csv
    assert admin.open(f"{PATH}.xlsx").data.startswith(b"PK")


@pytest.mark.usefixtures("seeded")
def test_an_administrator_sets_targets_and_nobody_else(clerk: Hire) -> None:
    admin = clerk(Role.ADMIN)
    form = {"subject": "physical_hall", "level": "county", "region": "341321", "amount": "2", "due_on": "2026-12-31"}
    assert "done=target_saved" in admin.send(PATH, **form).location
    assert "2026-12-31</td>" in admin.open(PATH).text
    for wrong in ({"amount": "no"}, {"due_on": "2026-13-01"}, {"subject": "love"}, {"level": "town"}):
        assert "fault=form.target" in admin.send(PATH, **(form | wrong)).location
    assert "fault=catalog.target_invalid" in admin.send(PATH, **(form | {"region": "341300"})).location
    sales_form = {"subject": "sales", "level": "province", "region": "", "amount": "7000000000", "due_on": ""}
    assert "done=target_saved" in admin.send(PATH, **sales_form).location
    found = {one["key"]: one for one in admin.get(PATH).get_json()["items"]}
    assert (found["sales-province"]["amount"], found["sales-province"]["due_on"]) == (700_000_000_000, None)
    wanted = {"subject": "online_zone", "level": "county", "amount": 2, "due_on": "2027-01-31"}
    changed = admin.call("PUT", PATH, wanted).get_json()["items"]
    assert [one["amount"] for one in changed if one["key"] == "online-zone-county"] == [2]
    assert admin.call("PUT", PATH, wanted | {"subject": "cabinets"}).status_code == 422
    assert [act for act, _ in audited()] == ["target.set"] * 3
    scoped = clerk(Role.ADMIN, username="scoped", area="3413")
    assert scoped.call("PUT", PATH, wanted).status_code == 403
    county = clerk(Role.COUNTY, area="341321")
    assert county.send(PATH, **form).status_code == 403
    assert "保存目标" not in county.open(PATH).text


def test_every_subject_has_a_word() -> None:
    assert set(hall_words.SUBJECTS) == set(Subject)
