"""The report page and its file."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest

from config import clock, database
from storefront.roles import Role
from storefront.staff import words
from subway_campaign import costs, influence
from subway_campaign.cost_models import CostKind
from tests.storefront.staff.conftest import Clerk, Counter


def test_a_reader_goes_down_the_tree_to_the_panel(counter: Counter, codes: dict[str, str]) -> None:
    spot = next(number for number in codes if ".T01.C1.P" in number)
    counter.scan(codes[spot])
    counter.buy()
    analyst = counter.hire(Role.ANALYST)
    labels = spot.split(".")
    root = analyst.open("/report").get_data(as_text=True)
    assert "<b>一致</b>" in root
    assert "商城订单账" in root
    for depth in range(1, len(labels)):
        node, below = ".".join(labels[:depth]), ".".join(labels[: depth + 1])
        page = analyst.open(f"/report?under={node}").get_data(as_text=True)
        assert "合计" in page
        if depth < len(labels) - 1:
            assert f"under={below}" in page
    assert "侧墙" in page


def cells(clerk: Clerk, path: str) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The headings of a file, and its rows by name."""
    file = clerk.open(path)
    assert file.mimetype == "text/csv"
    assert "attachment" in file.headers["Content-Disposition"]
    text = file.get_data(as_text=True)
    assert text.startswith("\ufeff")
    titles, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    return titles, {row[1]: dict(zip(titles, row, strict=True)) for row in rows if len(row) == len(titles)}


@pytest.fixture
def sold(counter: Counter, codes: dict[str, str]) -> str:
    """One order of nobody's and one of a panel in a train, whose number is returned."""
    counter.buy()
    spot = next(number for number in codes if ".T01.C1.P" in number)
    counter.scan(codes[spot])
    counter.buy(key="after-scan0")
    return spot


def test_the_file_adds_up(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    _, rows = cells(analyst, "/report.csv")
    net = {name: row["净额（元）"] for name, row in rows.items()}
    assert net["报表合计"] == net["商城订单账"]
    parts = round(float(net["地铁"]) + float(net["未归因：没有扫码记录"]), 2)
    assert f"{parts:.2f}" == net["报表合计"]
    assert net["差额"] == "0.00"
    assert "核对,一致" in analyst.open("/report.csv").get_data(as_text=True)
    with zipfile.ZipFile(io.BytesIO(analyst.open("/report.xlsx").get_data())) as book:
        assert f"<v>{float(net['报表合计']):.10g}</v>" in book.read("xl/worksheets/sheet1.xml").decode()


def test_every_level_is_one_click_and_sorted(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    _, rows = cells(analyst, "/report.csv?level=car&sort=-net_fen")
    assert next(row["点位编号"] for row in rows.values()) == sold.rpartition(".")[0]
    assert {row["层级"] for row in rows.values() if row["点位编号"]} == {"车厢"}
    page = analyst.open("/report?level=car&sort=-net_fen").get_data(as_text=True)
    assert 'aria-sort="descending"' in page
    assert "全部车厢" in page


@pytest.mark.parametrize("page", ["", "/compare", "/models", "/ways"])
def test_both_sums_stand_under_every_filter(counter: Counter, sold: str, page: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    for query in (
        "",
        "under=METRO",
        "campaign=XFFP2020",
        "product=dangshansuli",
        "hall=dangshan-xian&view=cash",
        "product=nothing",
        "campaign=XFFP2020&product=dangshansuli&under=METRO.HF",
        "level=position",
        "from=2020-01-01&to=2020-01-02",
    ):
        answer = analyst.open(f"/report{page}?{query}")
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200, query
        assert "不一致" not in text, query


def test_goods_are_compared_with_the_same_goods(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    today = clock.now().astimezone(clock.SHANGHAI).date()
    days = f"from={today}&to={today + timedelta(days=1)}"
    whole = analyst.get(f"/reports/placements?{days}").get_json()
    slugs = [slug for (slug,) in database.statement("SELECT DISTINCT product_slug FROM order_lines")]
    parts = [analyst.get(f"/reports/placements?{days}&product={slug}").get_json() for slug in [*slugs, "nothing"]]
    assert sum(part["sales"]["gross_fen"] for part in parts) == whole["sales"]["gross_fen"] > 0
    assert sum(part["rows"][0]["gross_fen"] for part in parts) == whole["rows"][0]["gross_fen"] > 0
    assert {part["freight_fen"] for part in parts} == {None}
    for found in (whole, *parts):
        assert set(found["difference"].values()) == {0}
    assert analyst.get(f"/reports/placements?{days}&campaign=nothing").status_code == 404
    assert analyst.get(f"/reports/placements?{days}&hall=nothing").get_json()["sales"]["gross_fen"] == 0


def test_two_periods_and_two_places(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    page = analyst.open("/report/compare?span=today").get_data(as_text=True)
    assert "哪里变了" in page
    assert "变化" in page
    page = analyst.open(f"/report/compare?span=today&against=place&vs_under={sold}").get_data(as_text=True)
    assert "哪里变了" not in page
    _, rows = cells(analyst, "/report/models.csv?span=today")
    assert len({rows["地铁"][f"{title}（元）"] for title in words.MODELS.values()}) == 1
    assert rows["地铁"]["最多相差（元）"] == "0.00"
    page = analyst.open("/report/models?span=today").get_data(as_text=True)
    assert "<b>100.0%</b> 的归因订单只经过一个点位" in page
    page = analyst.open("/report/ways?span=today").get_data(as_text=True)
    assert "其他（1 条很少人走的路径）" in page, "one rider's way is nobody's business"


def test_ways_are_narrowed_as_the_report_is(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    page = analyst.open("/report/ways?span=today").text
    assert all(f'name="{name}"' in page for name in ("from", "to", "under", "campaign", "creative", "hall", "product"))
    for query in ("campaign=XFFP2020", "product=dangshansuli", "hall=dangshan-xian"):
        page = analyst.open(f"/report/ways?span=today&{query}").text
        assert "其他（1 条很少人走的路径）" in page, query
        assert "去掉这些条件" in page, query
        assert "（1 / 1 笔" in analyst.open(f"/report/models?span=today&{query}").text, query
    assert "还没有归因到点位的付款订单" in analyst.open("/report/models?span=today&product=nothing").text
    assert "没有归因到点位的付款订单" in analyst.open("/report/ways?span=today&product=nothing").text
    assert analyst.open("/report/ways?campaign=nothing").status_code == 404
    assert "跨度过长" in analyst.open("/report/ways?from=2001-01-01&to=2026-11-01").text


@pytest.mark.parametrize(
    "query",
    ["from=x&to=y", "from=2026-13-01", "from=0001-01-01&to=9999-12-31", "model=magic&view=odd", "from=2026-11-30"],
)
def test_an_unreadable_choice_becomes_the_usual_one(clerk: Callable[..., Clerk], query: str) -> None:
    page = clerk(Role.ANALYST).open(f"/report?{query}")
    assert page.status_code == 200


def test_a_place_that_does_not_exist_is_not_found(clerk: Callable[..., Clerk]) -> None:
    assert clerk(Role.ANALYST).open("/report?under=ATLANTIS").status_code == 404


def test_two_years_are_enough(clerk: Callable[..., Clerk]) -> None:
    answer = clerk(Role.ANALYST).open("/report?from=2001-01-01&to=2026-11-01")
    assert answer.status_code == 422
    assert "跨度过长" in answer.get_data(as_text=True)


def test_a_name_is_no_formula(counter: Counter, codes: dict[str, str]) -> None:
    planner = counter.hire(Role.CAMPAIGN)
    assert planner.call("PATCH", "/placements/METRO", {"name": "=HYPERLINK(1)"}).status_code == 200
    counter.scan(next(slug for number, slug in codes.items() if ".T01." in number))
    assert "METRO,'=HYPERLINK(1)," in planner.open("/report.csv").get_data(as_text=True)


def test_a_cost_is_shown_with_its_return_or_with_how_little_is_known(counter: Counter, sold: str) -> None:
    planner = counter.hire(Role.CAMPAIGN)
    today = clock.now().astimezone(clock.SHANGHAI).date()
    line = ".".join(sold.split(".")[:3])
    with database.transaction() as session:
        cost = costs.Cost(
            campaign="XFFP2020",
            placement=line,
            kind=CostKind.MEDIA,
            amount_fen=10_000,
            from_day=today,
            to_day=today + timedelta(days=1),
        )
        costs.enter(session, cost=cost, by="li", key="cost-0001", now=clock.now())
    _, rows = cells(planner, "/report.csv?span=today&level=line")
    row = next(row for row in rows.values() if row["点位编号"] == line)
    assert (row["成本（元）"], row["每次扫码成本（元）"], row["每单成本（元）"]) == ("100.00", "100.00", "100.00")
    assert (row["回报率"], row["回报率说明"]) == ("", "数据不足")
    page = planner.open("/report?span=today&level=line").get_data(as_text=True)
    assert f'href="/staff/returns/{line}?from={today}&amp;to={today}"' in page


def test_the_models_say_what_broken_identities_may_have_cost(counter: Counter, sold: str) -> None:
    analyst = counter.hire(Role.ANALYST)
    assert "这段时间没有这样的订单" in analyst.open("/report/models?span=today").get_data(as_text=True)
    assert "可能是身份断开的（估计）" in analyst.open("/report/models.csv?span=today").get_data(as_text=True)


def test_the_nights_study_has_a_sheet_for_each_level(counter: Counter, sold: str) -> None:
    now = clock.now()
    for level in influence.LEVELS:
        influence.study(level=level, to_day=now.astimezone(clock.SHANGHAI).date() + timedelta(days=1), now=now)
    file = counter.hire(Role.ANALYST).open("/report/models.xlsx?span=today")
    book = zipfile.ZipFile(io.BytesIO(file.data)).read("xl/workbook.xml").decode()
    sheets = re.findall(r'<sheet name="([^"]+)"', book)
    assert sorted(sheets) == sorted(["五种模型", "媒介的移除效应与夏普利值", "线路的移除效应与夏普利值", "说明"])
