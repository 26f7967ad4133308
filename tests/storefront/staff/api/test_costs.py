from collections.abc import Callable
from typing import Any

from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited
from tests.subway_campaign.conftest import World, world  # noqa: F401 - fixture

COST = {
    "campaign": "DRIVE",
    "placement": "METRO.HF.L1",
    "kind": "media",
    "amount_fen": 310_000,
    "from": "2026-03-01",
    "to": "2026-04-01",
}
ESTIMATE = {"from": "2026-03-01", "to": "2026-04-01", "passers": 1000, "seen_low": 300, "seen": 500, "seen_high": 800}
KEY = {"Idempotency-Key": "5f0d1c9e"}


def code(answer: Any) -> str:
    return str(answer.get_json()["error"]["code"])


def test_a_cost_is_entered_once_shown_and_taken_back(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    entered = campaign.post("/costs", COST, **KEY)
    assert (entered.status_code, campaign.post("/costs", COST, **KEY).status_code) == (201, 200)
    assert code(campaign.post("/costs", COST | {"amount_fen": 1}, **KEY)) == "idempotency.mismatch"
    number = entered.get_json()["number"]
    report = campaign.get("/reports/placements?from=2026-03-01&to=2026-03-11&level=line").get_json()
    assert [(row["placement"], row["cost_fen"]) for row in report["rows"]] == [("METRO.HF.L1", 100_000)]
    assert report["total"]["cost_fen"] == 100_000
    back = campaign.post(f"/costs/{number}/reversal", {"note": "金额写错"})
    assert (back.status_code, back.get_json()["amount_fen"]) == (201, -310_000)
    assert campaign.post(f"/costs/{number}/reversal", {"note": "再点一次"}).status_code == 200
    assert (
        code(campaign.post(f"/costs/{back.get_json()['number']}/reversal", {"note": "x"}))
        == "campaign.cost_is_reversal"
    )
    page = campaign.get("/costs?limit=1").get_json()
    assert page["items"][0]["reverses"] == number
    rest = campaign.get(f"/costs?limit=1&cursor={page['next_cursor']}").get_json()
    assert (rest["items"][0]["number"], rest["next_cursor"]) == (number, None)
    assert audited() == [("cost.entered", number), ("cost.reversed", number)]


def test_bad_costs_have_their_codes(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    for wrong, expected in (
        ({"amount_fen": -1}, "request.invalid"),
        ({"amount_fen": 10**14}, "request.invalid"),
        ({"from": "2026-05-01"}, "campaign.impossible_period"),
        ({"to": "2099-01-01"}, "campaign.cost_implausible"),
        ({"placement": "METRO.HF.L9"}, "campaign.unknown_placement"),
        ({"campaign": "NONE"}, "campaign.unknown_campaign"),
    ):
        assert code(campaign.post("/costs", COST | wrong, **KEY)) == expected
    assert campaign.post("/costs", COST).status_code == 422
    assert code(campaign.get("/costs?cursor=CE0")) == "staff.cursor_invalid"
    assert code(campaign.post("/costs/CE0/reversal", {"note": "x"})) == "campaign.unknown_cost"
    assert audited() == []


def test_a_role_within_an_area_sees_no_costs(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    local = clerk(Role.CAMPAIGN, area="3413")
    assert code(local.get("/costs")) == code(local.post("/costs", COST, **KEY)) == "staff.not_permitted"
    assert code(local.get("/placements/METRO/return?from=2026-03-01&to=2026-04-01")) == "staff.not_permitted"


def test_a_return_says_what_it_does_not_prove(clerk: Callable[..., Clerk], world: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    campaign.post("/costs", COST, **KEY)
    wanted = ESTIMATE | {"source": "示例", "is_illustrative": True}
    path = "/placements/METRO.HF.L1"
    made = [campaign.post(f"{path}/exposures", wanted, **KEY) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 200]
    assert code(campaign.post(f"{path}/exposures", wanted | {"seen": 1}, **KEY)) == "campaign.exposure_implausible"
    assert campaign.get(f"{path}/exposures").get_json()["items"] == [made[0].get_json()]
    found = campaign.get(f"{path}/return?from=2026-03-01&to=2026-04-01").get_json()
    assert (found["caveat"], found["cost_fen"], found["roi"]) == ("归因结果，不代表因果", 310_000, None)
    assert found["roi_wait"] == {"needed": 10, "have": 0, "days": None}
    assert found["impressions"] == {"count": 15500, "low": 9300, "high": 24800, "days": 31, "is_illustrative": True}
    assert found["cost_per_mille_fen"]["value"] == 20_000
    assert (
        code(campaign.get("/placements/METRO.HF.L9/return?from=2026-03-01&to=2026-04-01"))
        == "campaign.unknown_placement"
    )
    assert code(campaign.get("/placements/METRO.HF.L9/exposures")) == "campaign.unknown_placement"
