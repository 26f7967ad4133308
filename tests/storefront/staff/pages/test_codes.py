"""Codes on pages."""

from collections.abc import Callable

import pytest

from config import database
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited

SPOT = "METRO.HF.L1.T01.C1.P01"


@pytest.fixture
def planner(clerk: Callable[..., Clerk], codes: dict[str, str]) -> Clerk:
    return clerk(Role.CAMPAIGN)


def test_codes_are_leafed_through_by_line(planner: Clerk, codes: dict[str, str]) -> None:
    page = planner.open("/codes?under=METRO.HF.L1.T01").get_data(as_text=True)
    assert page.count('class="mono" href="/staff/codes/') == 24
    assert "砀山酥梨" in page
    assert "下一页" in page
    found = planner.open(f"/codes?q={codes[SPOT].lower()}").get_data(as_text=True)
    assert "侧墙1号展板" in found
    assert "没有找到二维码" in planner.open("/codes?q=亚特兰蒂斯").get_data(as_text=True)


def test_codes_are_narrowed_to_what_they_hang_for(planner: Clerk, codes: dict[str, str]) -> None:
    page = planner.open("/codes?campaign=XFFP2020&under=METRO").text
    assert page.count('class="mono" href="/staff/codes/') == 24
    assert page.count("campaign=XFFP2020") >= 4, "sheet, files and the next page are of the same codes"
    assert 'href="/staff/codes?under=BUS&amp;campaign=XFFP2020"' in page, "another medium, the same campaign"
    assert "没有找到二维码" in planner.open("/codes?campaign=NOBODY").text
    database.statement(
        """
        WITH pear AS (
            INSERT INTO creatives (campaign_id, number, name)
            SELECT id, 'PEAR', '梨' FROM campaigns WHERE number = 'XFFP2020' RETURNING id
        )
        UPDATE code_bindings b SET creative_id = pear.id
        FROM pear, placements p WHERE p.id = b.placement_id AND p.number = %s RETURNING b.id
        """,
        [SPOT],
    )
    for path in ("/codes?creative=PEAR", "/codes.csv?creative=PEAR"):
        page = planner.open(path).text
        assert codes[SPOT] in page
        assert sum(code in page for code in codes.values()) == 1, path


def test_a_sheet_prints_what_the_list_shows(planner: Clerk) -> None:
    page = planner.open("/codes/sheet?under=METRO.HF.L1.T01.C1").get_data(as_text=True)
    assert page.count("<figure>") == 24
    assert "data-print" in page


def test_a_code_shows_where_it_hangs_and_what_is_printed(planner: Clerk, codes: dict[str, str]) -> None:
    page = planner.open(f"/codes/{codes[SPOT]}").get_data(as_text=True)
    assert "侧墙1号展板" in page
    assert "/print?format=svg" in page
    assert planner.open(f"/codes/{codes[SPOT]}/print?format=png").mimetype == "image/png"
    assert planner.open("/codes/0000000X").status_code == 404


def test_a_code_is_hung_by_a_form_once_at_a_time(planner: Clerk) -> None:
    code = planner.post("/codes", {"count": 1}).get_json()["items"][0]["code"]
    assert "还没有挂出" in planner.open(f"/codes/{code}").get_data(as_text=True)
    fields = {
        "placement": SPOT.lower(),
        "campaign": "XFFP2020",
        "kind": "product",
        "slug": "dangshansuli",
        "valid_from": "2026-12-01T08:00",
    }
    path = f"/codes/{code}/bindings"
    assert planner.send(path, **{**fields, "valid_from": "soon"}).headers["Location"].endswith("fault=form.binding")
    assert planner.send(path, **{**fields, "slug": "gone"}).headers["Location"].endswith("fault=staff.landing_unknown")
    assert planner.send(path, **fields).headers["Location"].endswith("done=bound")
    assert planner.send(path, **fields).headers["Location"].endswith("fault=campaign.binding_overlaps")
    assert planner.get(f"/codes/{code}").get_json()["bindings"][0]["valid_from"] == "2026-12-01T00:00:00+00:00"
    assert [act for act, _ in audited()] == ["codes.minted", "code.bound"]


def test_who_may_only_read_is_shown_no_form(clerk: Callable[..., Clerk], codes: dict[str, str]) -> None:
    page = clerk(Role.ANALYST).open(f"/codes/{codes[SPOT]}").get_data(as_text=True)
    assert "保存绑定" not in page
