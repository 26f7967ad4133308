"""The inventory tree over HTTP."""

from collections.abc import Callable

import pytest

from storefront.roles import Role
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk, audited


@pytest.fixture
def planner(clerk: Callable[..., Clerk]) -> Clerk:
    return clerk(Role.CAMPAIGN)


def test_a_walk_sees_every_code_once(planner: Clerk, codes: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    cursor = ""
    while True:
        page = planner.get(f"/placements?limit=100{cursor and f'&cursor={cursor}'}").get_json()
        for node in page["items"]:
            seen |= dict.fromkeys(node["codes"], node["number"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == {slug: number for number, slug in codes.items()}


def test_a_branch_is_itself_and_what_is_below(planner: Clerk, codes: dict[str, str]) -> None:
    items = planner.get("/placements?under=METRO.HF.L1.T01.C1&limit=100").get_json()["items"]
    assert items[0]["number"] == "METRO.HF.L1.T01.C1"
    assert all(item["parent"] == "METRO.HF.L1.T01.C1" for item in items[1:])
    assert planner.get("/placements?under=METRO.HF.L").get_json()["items"] == []


def test_a_placement_is_added_once_and_renamed(planner: Clerk, codes: dict[str, str]) -> None:
    wanted = {"parent": "METRO.HF.L1.T01.C1", "level": "position", "label": "P99", "name": "侧墙99号展板"}
    made = planner.post("/placements", wanted)
    number = "METRO.HF.L1.T01.C1.P99"
    assert (made.status_code, made.get_json()["number"]) == (201, number)
    assert code_of(planner.post("/placements", wanted)) == (409, "campaign.placement_conflict")
    renamed = planner.call("PATCH", f"/placements/{number}", {"name": "侧墙末号展板"})
    assert renamed.get_json()["name"] == "侧墙末号展板"
    assert audited() == [("placement.created", number), ("placement.renamed", number)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"level": "position", "label": "P1", "name": "x", "parent": "NOWHERE"}, (404, "campaign.unknown_placement")),
        ({"level": "position", "label": "P1", "name": "x"}, (409, "campaign.placement_conflict")),
        ({"level": "shelf", "label": "P1", "name": "x"}, (422, "request.invalid")),
        ({"level": "medium", "label": "p1", "name": "x"}, (422, "request.invalid")),
        ({"level": "medium", "label": "P1", "name": ""}, (422, "request.invalid")),
        ({"level": "medium", "label": "P1", "name": "x", "cost": 1}, (422, "request.invalid")),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_trace(
    planner: Clerk, body: dict[str, str], expected: tuple[int, str]
) -> None:
    assert code_of(planner.post("/placements", body)) == expected
    assert audited() == []
