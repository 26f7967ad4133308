"""A role narrowed to a branch of the placements: its own part on every face, the rest refused, both sums right."""

from datetime import timedelta

import pytest
from flask import Flask

from config import clock, database
from storefront.roles import Grant, Role, Scope
from storefront.staff import sight
from subway_campaign import alerts, costs, creatives
from subway_campaign.cost_models import CostKind
from subway_campaign.field_models import AlertKind
from tests.storefront.staff.conftest import Clerk, Counter, hire
from tests.storefront.staff.pages.test_report import cells

PANEL, CAR, TRAIN, LINE = "METRO.HF.L1.T01.C1.P01", "METRO.HF.L1.T01.C1", "METRO.HF.L1.T01", "METRO.HF.L1"
PAGES_OF_THE_WHOLE = ["/wall", "/wall/figures", "/finance", "/audit", "/accounts"]


def of(app: Flask, role: Role, *branches: str) -> Clerk:
    grants = [Grant(role=role, scope=Scope(area=branch)) for branch in branches]
    return hire(app, *grants, username=f"{role.value}-of-{len(branches)}-{branches[0].lower()[-3:]}")


def book(placement: str, amount_fen: int) -> str:
    day = clock.now().astimezone(clock.SHANGHAI).date()
    cost = costs.Cost(
        campaign="XFFP2020",
        placement=placement,
        kind=CostKind.MEDIA,
        amount_fen=amount_fen,
        from_day=day,
        to_day=day + timedelta(days=1),
        note="",
    )
    with database.transaction() as session:
        entry, _ = costs.enter(session, cost=cost, by="test", key=f"{placement}-key", now=clock.now())
    return entry.number


@pytest.fixture
def other(codes: dict[str, str]) -> str:
    """A light box of another line."""
    return next(number for number in codes if number.startswith("METRO.HF.L2."))


@pytest.fixture
def sold(counter: Counter, codes: dict[str, str], other: str) -> dict[str, str]:
    """Three orders: nobody's, one of line 1's train, one of line 2; by whose they are."""
    orders = {"nobody": counter.buy()}
    for key, place in (("one", PANEL), ("two", other)):
        counter.scan(codes[place])
        orders[key] = counter.buy(key=f"after-{key}-00")
    return orders


def test_a_line_is_seen_and_its_neighbours_are_not(counter: Counter, sold: dict[str, str], other: str) -> None:
    whole, part = counter.hire(Role.ANALYST), of(counter.app, Role.ANALYST, LINE)
    for level in ("", "&level=position", "&level=asset"):
        _, all_rows = cells(whole, f"/report.csv?span=today{level}&under={LINE}")
        _, own = cells(part, f"/report.csv?span=today{level}")
        ours = {name: row for name, row in own.items() if row["点位编号"]}
        theirs = {name: row for name, row in all_rows.items() if row["点位编号"].startswith(LINE)}
        assert {row["净额（元）"] for row in ours.values()} <= {row["净额（元）"] for row in theirs.values()}
        assert all(row["点位编号"].startswith(LINE) for row in ours.values())
        assert own["报表合计"]["净额（元）"] == "29.90"
        assert "商城订单账" not in own
        assert not any(name.startswith(("未归因", "不计入")) for name in own)
    file = part.open("/report.csv?span=today").get_data(as_text=True)
    assert "权限范围,1号线" in file
    assert "核对,权限范围内的点位，不与全店的订单账核对" in file
    page = part.open("/report?span=today").get_data(as_text=True)
    assert "只显示您权限范围内的点位：1号线" in page
    assert "2号线" not in page
    assert "商城订单账" not in page


@pytest.mark.parametrize("page", ["/report", "/report/compare", "/report/models", "/report/ways", "/metro"])
def test_what_lies_elsewhere_is_refused_on_every_page_of_the_report(
    counter: Counter, sold: dict[str, str], other: str, page: str
) -> None:
    part = of(counter.app, Role.ANALYST, LINE)
    for place in (other, "METRO.HF.L2", "BUS", "METRO"):
        for path in (f"{page}?under={place}", f"{page}.csv?under={place}"):
            assert part.open(path).status_code == 403, path
    for kind in ("", ".csv", ".xlsx"):
        answer = part.open(f"{page}{kind}?span=today&under={TRAIN}")
        assert answer.status_code == 200
        if kind != ".xlsx":
            assert "2号线" not in answer.get_data(as_text=True)
    assert part.open("/report/compare?against=place&vs_under=BUS").status_code == 403


def test_the_json_tells_the_same(counter: Counter, sold: dict[str, str]) -> None:
    part = of(counter.app, Role.ANALYST, TRAIN)
    today = clock.now().astimezone(clock.SHANGHAI).date()
    for level, placement in (("medium", TRAIN), ("line", TRAIN), ("asset", TRAIN), ("car", CAR), ("position", PANEL)):
        asked = f"/reports/placements?from={today}&to={today + timedelta(days=1)}&level={level}"
        report = part.get(asked).get_json()
        [row] = report["rows"]
        assert (row["placement"], row["scans"], row["visitors"], row["net_fen"]) == (placement, 1, 1, 2990)
        assert report["total"]["net_fen"] == 2990
        assert report["total"]["scans"] == 1
        assert {report[name] for name in ("sales", "difference", "undecided", "freight_fen")} == {None}
        assert report["unattributed"] == report["excluded"] == []


def test_the_train_the_map_and_the_first_page_are_of_the_branch(
    counter: Counter, sold: dict[str, str], other: str
) -> None:
    part, elsewhere = of(counter.app, Role.ANALYST, LINE), of(counter.app, Role.CAMPAIGN, "METRO.HF.L2")
    assert part.open("/train?span=today&kind=all").status_code == 200
    _, rows = cells(part, "/train.csv?span=today&kind=all")
    assert {row["点位编号"] for row in rows.values() if row["点位编号"]} == {PANEL}
    assert elsewhere.open(f"/train?train={TRAIN}").status_code == 403
    assert "点位清单里还没有列车" in elsewhere.open("/train").get_data(as_text=True)
    stations = [row["点位编号"] for row in cells(elsewhere, "/metro.csv?span=today")[1].values() if row["点位编号"]]
    assert stations == [other.rpartition(".")[0]]
    assert "主题列车" not in elsewhere.open("/metro.json?span=today").get_data(as_text=True)
    today = part.open("/").get_data(as_text=True)
    assert "只显示您权限范围内的点位：1号线" in today
    assert "¥</small>29.90" in today
    assert "比上周" not in today
    assert sum(part.open("/today.json").get_json()["series"][0]["data"]) == 1


def test_a_way_names_only_what_is_in_sight(counter: Counter, sold: dict[str, str]) -> None:
    part = of(counter.app, Role.ANALYST, LINE)
    page = part.open("/report/ways?span=today").get_data(as_text=True)
    assert "2号线" not in page
    models = part.open("/report/models?span=today").get_data(as_text=True)
    assert "身份断开" not in models
    assert "(1 / 1 笔" in models.replace("（", "(").replace("）", ")") or "1 / 2 笔" in models


def test_an_order_is_explained_to_whom_it_touched(counter: Counter, sold: dict[str, str]) -> None:
    one, two = of(counter.app, Role.ANALYST, TRAIN), of(counter.app, Role.ANALYST, "BUS")
    assert one.open(f"/orders/{sold['one']}/attribution").status_code == 200
    assert one.get(f"/orders/{sold['one']}/attribution").status_code == 200
    for path in (f"/orders/{sold['nobody']}/attribution", f"/orders/{sold['nobody']}/attribution.csv"):
        assert one.open(path).status_code == 404
    assert two.get(f"/orders/{sold['one']}/attribution").status_code == 404


def test_costs_estimates_and_returns_are_of_the_branch(app: Flask, codes: dict[str, str], other: str) -> None:
    own, foreign = book(PANEL, 100_00), book(other, 200_00)
    part = of(app, Role.CAMPAIGN, LINE)
    assert [item["number"] for item in part.get("/costs").get_json()["items"]] == [own]
    assert foreign not in part.open("/costs.csv").get_data(as_text=True)
    assert part.open(f"/costs/{own}").status_code == 200
    assert part.open(f"/returns/{PANEL}").status_code == 200
    assert "METRO.HF<" not in part.open(f"/returns/{PANEL}").get_data(as_text=True)
    for path in (f"/costs/{foreign}", "/costs?under=BUS", f"/returns/{other}", f"/returns/{other}/exposures.csv"):
        assert part.open(path).status_code == 403, path
    assert part.send(f"/costs/{foreign}/reversal", note="不是我的").status_code == 403
    new = {
        "campaign": "XFFP2020",
        "placement": other,
        "kind": "production",
        "amount_fen": 100,
        "from": "2026-11-01",
        "to": "2026-11-02",
    }
    assert part.post("/costs", new, **{"Idempotency-Key": "branch-key-01"}).status_code == 403
    inside = part.post("/costs", new | {"placement": PANEL}, **{"Idempotency-Key": "branch-key-02"})
    assert inside.status_code == 201, inside.get_json()


def test_codes_are_seen_bound_and_printed_where_they_hang(app: Flask, codes: dict[str, str], other: str) -> None:
    part = of(app, Role.CAMPAIGN, CAR, "METRO.HF.L2")
    seen, cursor = [], ""
    while cursor is not None:
        page = part.get(f"/codes?limit=7{cursor}").get_json()
        seen += [item["placement"] for item in page["items"]]
        cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    within = sorted(number for number in codes if sight.roles.lies_in(number, [CAR, "METRO.HF.L2"]))
    assert seen == within
    tree, after = [], ""
    while after is not None:
        page = part.get(f"/placements?limit=9{after}").get_json()
        tree += [item["number"] for item in page["items"]]
        after = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    assert tree == sorted(tree)
    assert set(within) <= set(tree)
    assert all(sight.roles.lies_in(number, [CAR, "METRO.HF.L2"]) for number in tree)
    foreign = next(code for number, code in codes.items() if number.startswith("BUS."))
    assert part.open(f"/codes/{codes[PANEL]}").status_code == 200
    for path in (f"/codes/{foreign}", f"/codes/{foreign}/print", f"/codes/{foreign}/bindings.csv", "/codes?under=BUS"):
        assert part.open(path).status_code == 403, path
    assert part.open(f"/codes/{foreign}/print?format=pdf").status_code == 403
    for minted in ({"placements": [PANEL]}, {"count": 1}):
        assert part.post("/codes", minted).status_code == 201
    assert part.post("/codes", {"placements": ["BUS"]}).status_code == 403
    pack = part.post("/packs", {"under": CAR})
    assert pack.status_code == 201
    assert part.post("/packs", {"under": "BUS"}).status_code == 403
    elsewhere = of(app, Role.CAMPAIGN, "BUS")
    assert elsewhere.get("/packs").get_json() == {"items": []}
    assert elsewhere.get(f"/packs/{pack.get_json()['number']}").status_code == 404
    assert [item["title"] for item in part.get("/packs").get_json()["items"]] == ["主题列车1号车厢"]


def test_alerts_are_of_the_branch_and_those_of_no_place_are_the_wholes(
    app: Flask, codes: dict[str, str], other: str
) -> None:
    now = clock.now()
    with database.transaction() as session:
        for place in (PANEL, other, None):
            subject = codes[place] if place else "SG1"
            kind = AlertKind.SILENT if place else AlertKind.SIGNAL
            evidence = (
                {"silent_days": 3, "siblings": 5, "others": 60, "chance": 0.001}
                if place
                else {"words": "短时间扫了很多码", "touches": 9}
            )
            alerts.open(session, kind=kind, subject=subject, evidence=evidence, placement=place, now=now)
    part, whole = of(app, Role.CAMPAIGN, LINE), hire(app, Grant(role=Role.CAMPAIGN), username="whole")
    numbers = {item["placement"]: item["number"] for item in whole.get("/alerts").get_json()["items"]}
    assert [item["placement"] for item in part.get("/alerts").get_json()["items"]] == [PANEL]
    assert part.post(f"/alerts/{numbers[PANEL]}/owner").status_code == 200
    for place in (other, None):
        assert part.get(f"/alerts/{numbers[place]}").status_code == 403
        assert part.post(f"/alerts/{numbers[place]}/owner").status_code == 403
        assert part.open(f"/alerts/{numbers[place]}").status_code == 403
    for page in ("/alerts", "/alerts/codes"):
        assert codes[other] in whole.open(f"{page}?under=METRO.HF.L2").get_data(as_text=True)
        assert codes[PANEL] not in whole.open(f"{page}?under=METRO.HF.L2").get_data(as_text=True)
        assert codes[PANEL] in whole.open(f"{page}.csv?under={LINE}").get_data(as_text=True)
        assert part.open(f"{page}?under=METRO.HF.L2").status_code == 403
    assert codes[PANEL] not in whole.open("/alerts?kind=signal").get_data(as_text=True)
    assert codes[other] not in part.open("/alerts/codes.csv").get_data(as_text=True)
    assert codes[PANEL] in part.open("/alerts/codes.csv").get_data(as_text=True)
    assert "<b>1</b>待处理的告警" in part.open("/").get_data(as_text=True)


def test_tests_by_turns_are_of_who_has_all_their_units(app: Flask, codes: dict[str, str], other: str) -> None:
    stations = sorted({number.rpartition(".")[0] for number in codes if number.startswith("METRO.HF.L1.S")})[:4]
    monday = clock.now().astimezone(clock.SHANGHAI).date()
    monday += timedelta(days=7 - monday.weekday())
    plan = {"name": "1号线", "units": stations, "weeks": 4, "starts_on": monday.isoformat()}
    part, elsewhere = of(app, Role.CAMPAIGN, LINE), of(app, Role.CAMPAIGN, "METRO.HF.L2")
    made = part.post("/trials", plan, **{"Idempotency-Key": "turns-key-01"})
    assert made.status_code == 201, made.get_json()
    number = made.get_json()["number"]
    assert [item["number"] for item in part.get("/trials").get_json()["items"]] == [number]
    assert elsewhere.get("/trials").get_json() == {"items": []}
    for answer in (
        elsewhere.get(f"/trials/{number}"),
        elsewhere.post(f"/trials/{number}/start"),
        elsewhere.open(f"/trials/{number}"),
        elsewhere.open(f"/trials/{number}/schedule.csv"),
        part.post("/trials", plan | {"units": [*stations, other]}, **{"Idempotency-Key": "turns-key-02"}),
    ):
        assert answer.status_code == 403


def test_artworks_are_everybodys_to_see_and_the_wholes_to_change(app: Flask, codes: dict[str, str]) -> None:
    with database.transaction() as session:
        number = creatives.listing(session)[0]["number"]
    part = of(app, Role.CAMPAIGN, LINE)
    page = part.open("/creatives").get_data(as_text=True)
    assert number in page
    assert "新建素材" not in page
    assert part.open(f"/creatives/{number}").status_code == 200
    assert part.send(f"/creatives/{number}", name="别的名字").status_code in {303, 403}
    with database.transaction() as session:
        assert creatives.find(session, number=number)["name"] != "别的名字"


def test_a_plan_is_made_where_the_code_and_the_place_are_in_sight(
    app: Flask, codes: dict[str, str], other: str
) -> None:
    part = of(app, Role.CAMPAIGN, LINE)
    form = {"campaign": "XFFP2020", "kind": "product", "slug": "dangshansuli"}
    assert part.send(f"/codes/{codes[PANEL]}/plan", placement=other, **form).status_code == 403
    assert part.send(f"/codes/{codes[other]}/plan", placement=PANEL, **form).status_code == 403
    assert part.send(f"/codes/{codes[PANEL]}/plan", placement=PANEL, **form).status_code == 303


def test_what_is_the_whole_shops_stays_so_and_is_not_in_the_menu(app: Flask, codes: dict[str, str]) -> None:
    part = of(app, Role.CAMPAIGN, LINE)
    for path in PAGES_OF_THE_WHOLE:
        assert part.open(path).status_code == 403, path
    menu = part.open("/").get_data(as_text=True).split("</header>")[0]
    assert "大屏" not in menu
    for title in ("点位报表", "地铁图", "列车", "成本", "二维码", "素材", "现场", "告警"):
        assert f">{title}</a>" in menu or "效果" in menu, title
