"""Codes over HTTP: minted, listed, printed, hung once at a time."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from storefront.roles import Role
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk, audited

SPOT = "METRO.HF.L1.T01.C1.P01"


@pytest.fixture
def planner(clerk: Callable[..., Clerk], codes: dict[str, str]) -> Clerk:
    return clerk(Role.CAMPAIGN)


def hanging(**changes: Any) -> dict[str, Any]:
    return {
        "campaign": "XFFP2020",
        "landing": {"kind": "product", "slug": "dangshansuli"},
        "valid_from": "2026-12-01T00:00:00+08:00",
        "valid_until": "2026-12-08T00:00:00+08:00",
        **changes,
    }


def mint(planner: Clerk) -> str:
    return str(planner.post("/codes", {"count": 1}).get_json()["items"][0]["code"])


def test_codes_are_minted_by_number_or_by_placement(planner: Clerk) -> None:
    loose = planner.post("/codes", {"count": 3}).get_json()["items"]
    assert [item["placement"] for item in loose] == [None] * 3
    assert len({item["code"] for item in loose}) == 3
    placed = planner.post("/codes", {"placements": [SPOT], "binding": hanging()}).get_json()["items"]
    assert [(item["placement"], item["bound"]) for item in placed] == [(SPOT, True)]
    shown = planner.get(f"/codes/{placed[0]['code']}").get_json()
    assert [binding["placement"] for binding in shown["bindings"]] == [SPOT]
    assert [act for act, _ in audited()] == ["codes.minted", "codes.minted"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "request.invalid")),
        ({"count": 0}, (422, "request.invalid")),
        ({"count": 501}, (422, "request.invalid")),
        ({"count": 1, "placements": [SPOT]}, (422, "request.invalid")),
        ({"count": 1, "binding": hanging()}, (422, "request.invalid")),
        ({"placements": ["NOWHERE"]}, (404, "campaign.unknown_placement")),
        (
            {"placements": [SPOT], "binding": hanging(landing={"kind": "product", "slug": "gone"})},
            (422, "staff.landing_unknown"),
        ),
    ],
)
def test_what_cannot_be_minted_leaves_no_code(planner: Clerk, body: dict[str, Any], expected: tuple[int, str]) -> None:
    before = len(planner.get("/codes?q=nothing&limit=1").get_json()["items"])
    assert code_of(planner.post("/codes", body)) == expected
    assert len(planner.get("/codes?q=nothing&limit=1").get_json()["items"]) == before
    assert audited() == []


def test_a_code_hangs_at_one_place_at_a_time(planner: Clerk) -> None:
    code = mint(planner)
    bound = planner.post(f"/codes/{code.lower()}/bindings", {"placement": SPOT, **hanging()})
    assert bound.status_code == 201
    assert bound.get_json()["bindings"][0]["landing"]["name"] == "砀山酥梨"
    overlapping = hanging(valid_from="2026-12-07T23:59:59+08:00", valid_until=None)
    other = "METRO.HF.L1.T01.C2.P01"
    answer = planner.post(f"/codes/{code}/bindings", {"placement": other, **overlapping})
    assert code_of(answer) == (409, "campaign.binding_overlaps")
    after = hanging(valid_from="2026-12-08T00:00:00+08:00", valid_until=None)
    assert planner.post(f"/codes/{code}/bindings", {"placement": other, **after}).status_code == 201
    assert [act for act, _ in audited()].count("code.bound") == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"placement": "NOWHERE"}, (404, "campaign.unknown_placement")),
        ({"campaign": "NONE"}, (404, "campaign.unknown_campaign")),
        ({"landing": {"kind": "hall", "slug": "atlantis"}}, (422, "staff.landing_unknown")),
        ({"landing": {"kind": "url", "slug": "https://evil.example"}}, (422, "request.invalid")),
        ({"valid_until": "2026-11-01T00:00:00+08:00"}, (422, "campaign.impossible_period")),
        ({"valid_from": "2026-12-01T00:00:00"}, (422, "request.invalid")),
        ({"valid_from": "0001-01-01T00:00:00Z"}, (422, "request.invalid")),
        ({"valid_from": "20261201T000000+0800"}, (422, "request.invalid")),
    ],
)
def test_a_wrong_binding_is_refused(planner: Clerk, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    code = mint(planner)
    assert code_of(planner.post(f"/codes/{code}/bindings", {"placement": SPOT, **hanging(**changes)})) == expected
    assert planner.get(f"/codes/{code}").get_json()["bindings"] == []


def test_a_walk_gives_every_code_with_its_placement(planner: Clerk, codes: dict[str, str]) -> None:
    loose = mint(planner)
    seen: list[tuple[str, str | None]] = []
    query: dict[str, str] = {"limit": "100"}
    while True:
        page = planner.client.get(
            "/api/staff/v1/codes", query_string=query, headers={"Authorization": f"Bearer {planner.token}"}
        ).get_json()
        seen += [(item["code"], item["placement"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen[-1] == (loose, None)
    assert dict(seen[:-1]) == {slug: number for number, slug in codes.items()}
    assert len(seen) == len(codes) + 1
    assert code_of(planner.get("/codes?cursor=junk")) == (422, "staff.cursor_invalid")


def test_what_is_printed_scans(planner: Clerk, codes: dict[str, str]) -> None:
    code = codes[SPOT]
    picture = planner.get(f"/codes/{code}/print?format=png")
    assert picture.mimetype == "image/png"
    [read] = zxingcpp.read_barcodes(Image.open(BytesIO(picture.data)).convert("L"))
    assert read.text == planner.get(f"/codes/{code}").get_json()["url"]
    drawing = planner.get(f"/codes/{code}/print")
    assert drawing.mimetype == "image/svg+xml"
    assert "主题列车1号车厢" in drawing.get_data(as_text=True)
    assert code_of(planner.get(f"/codes/{code}/print?format=gif")) == (422, "request.invalid")
    assert code_of(planner.get("/codes/0000000X")) == (404, "campaign.unknown_code")
