"""The report page and its file."""

import csv
import io
from collections.abc import Callable

import pytest

from storefront.roles import Role
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


def test_the_file_adds_up(counter: Counter, codes: dict[str, str]) -> None:
    counter.buy()
    counter.scan(next(slug for number, slug in codes.items() if ".T01." in number))
    counter.buy(key="after-scan0")
    file = counter.hire(Role.ANALYST).open("/report.csv")
    assert file.mimetype == "text/csv"
    assert "attachment" in file.headers["Content-Disposition"]
    text = file.get_data(as_text=True)
    assert text.startswith("\ufeff")
    rows = {row[1]: row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff")))}
    net = {name: row[9] for name, row in rows.items()}
    assert net["报表合计"] == net["商城订单账"]
    parts = round(float(net["地铁"]) + float(net["未归因：没有扫码记录"]), 2)
    assert f"{parts:.2f}" == net["报表合计"]
    assert rows["差额"][-1] == "一致"


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
