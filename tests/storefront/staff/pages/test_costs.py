from collections.abc import Callable
from typing import Any

import pytest

from config import database
from storefront.roles import Role
from subway_campaign import costs
from tests.storefront.staff.conftest import Clerk
from tests.subway_campaign.conftest import World, beijing, world  # noqa: F401 - fixture

FORM = {
    "key": "form-0001",
    "campaign": "DRIVE",
    "placement": "metro.hf.l1",
    "kind": "media",
    "amount": "3100.00",
    "from": "2026-03-01",
    "to": "2026-03-31",
    "note": "合同 7",
}
ESTIMATE = {"key": "form-0002", "from": "2026-03-01", "to": "2026-03-31", "passers": "1000", "seen_low": "0.3",
            "seen": "0.5", "seen_high": "0.8", "source": "示例", "illustrative": "yes"}  # fmt: skip


def entries() -> list[costs.Entry]:
    with database.transaction() as session:
        return costs.listing(session)


def test_a_form_that_is_sent_twice_enters_one_cost(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    assert "还没有登记成本" in campaign.open("/costs").text
    said = [campaign.send("/costs", **FORM).location for _ in range(2)]
    assert said == ["/staff/costs?done=cost_entered", "/staff/costs?done=cost_known"]
    (entry,) = entries()
    assert (entry.cost.amount_fen, str(entry.cost.to_day), entry.cost.placement) == (
        310_000,
        "2026-04-01",
        "METRO.HF.L1",
    )
    page = campaign.open("/costs").text
    assert "3,100.00" in page
    assert "2026-03-31" in page
    assert "合同 7" in campaign.open("/costs.csv").text
    assert campaign.open("/costs.xlsx").data.startswith(b"PK")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"amount": "-5"}, "form.cost"),
        ({"amount": "0"}, "form.cost"),
        ({"amount": "1e9"}, "form.cost"),
        ({"from": "2026-13-01"}, "form.cost"),
        ({"key": ""}, "form.cost"),
        ({"kind": "bribe"}, "form.cost"),
        ({"to": "2026-02-01"}, "campaign.impossible_period"),
        ({"placement": "NOWHERE"}, "campaign.unknown_placement"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(
    clerk: Callable[..., Clerk],
    world: World,  # noqa: F811
    wrong: dict[str, Any],
    fault: str,
) -> None:
    campaign = clerk(Role.CAMPAIGN)
    assert campaign.send("/costs", **(FORM | wrong)).location == f"/staff/costs?fault={fault}"
    assert 'role="alert"' in campaign.open(f"/costs?fault={fault}").text
    assert entries() == []


def test_a_cost_is_taken_back_on_its_own_page(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    campaign.send("/costs", **FORM)
    path = f"/costs/{entries()[0].number}"
    assert "冲销这笔成本" in campaign.open(path).text
    assert "冲销这笔成本" not in clerk(Role.ANALYST).open(path).text
    assert campaign.send(f"{path}/reversal", note=" ").location == f"/staff{path}?fault=form.reason"
    assert campaign.send(f"{path}/reversal", note="写错").location == f"/staff{path}?done=cost_reversed"
    assert "冲销这笔成本" not in campaign.open(path).text
    assert [entry.cost.amount_fen for entry in entries()] == [-310_000, 310_000]


def test_a_return_waits_for_data_then_draws_its_interval(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    period = "?from=2026-03-01&to=2026-03-31"
    page = campaign.open(f"/returns/METRO.HF.L1{period}").text
    assert "归因结果，不代表因果" in page
    assert "数据不足" in page
    assert "没有客流数据" in page
    campaign.send("/costs", **FORM)
    for i in range(12):
        rider = world.scan("A", beijing(3, 2, 8, i)).visitor
        world.order(f"N{i}", rider, beijing(3, 2, 9, i), 99_000)
    assert campaign.send("/returns/METRO.HF.L1/exposures", **ESTIMATE).location.endswith("done=exposure_entered")
    page = campaign.open(f"/returns/METRO.HF.L1{period}").text
    assert page.count('<svg class="interval"') == 2
    assert "283.2%" in page
    assert "约还需" in page
    assert "示例，并非统计" in page
    assert campaign.send("/returns/METRO.HF.L1/exposures", **(ESTIMATE | {"seen": "many"})).location.endswith(
        "form.exposure"
    )
    assert campaign.open("/returns/METRO.HF.L9").status_code == 404


def test_costs_are_narrowed_to_a_campaign_and_to_days(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    april = {"key": "form-0003", "from": "2026-04-01", "to": "2026-04-30", "note": "合同 8"}
    for form in (FORM, FORM | april):
        assert campaign.send("/costs", **form).location.endswith("done=cost_entered")
    for query, notes in (
        ("", {"合同 7", "合同 8"}),
        ("campaign=DRIVE", {"合同 7", "合同 8"}),
        ("campaign=OTHER", set()),
        ("from=2026-03-31&to=2026-03-31", {"合同 7"}),
        ("from=2026-04-01", {"合同 8"}),
        ("to=2026-03-31", {"合同 7"}),
        ("under=METRO&campaign=DRIVE&from=2026-03-31&to=2026-04-01", {"合同 7", "合同 8"}),
        ("from=never", {"合同 7", "合同 8"}),
    ):
        page, sheet = campaign.open(f"/costs?{query}").text, campaign.open(f"/costs.csv?{query}").text
        for told in (page, sheet):
            assert {note for note in ("合同 7", "合同 8") if note in told} == notes, query
        assert ("没有符合条件的成本" in page) is (not notes), query
