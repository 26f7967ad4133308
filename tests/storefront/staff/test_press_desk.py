"""Who may send what to press, over pages and JSON."""

import io
import zipfile
from collections.abc import Callable

import pytest

from config import clock
from storefront.roles import Role
from subway_campaign import packs
from tests.storefront.staff.conftest import Clerk, audited

SPOT = "METRO.HF.L1.T01.C1.P01"


@pytest.fixture
def planner(clerk: Callable[..., Clerk], codes: dict[str, str]) -> Clerk:
    return clerk(Role.CAMPAIGN)


def test_a_pack_over_json_is_one_however_often_it_is_asked_for(planner: Clerk) -> None:
    asked = planner.post("/packs", {"under": SPOT})
    assert asked.status_code == 201
    number = asked.get_json()["number"]
    again = planner.post("/packs", {"under": SPOT})
    assert (again.status_code, again.get_json()["number"]) == (200, number)
    early = planner.get(f"/packs/{number}/archive")
    assert (early.status_code, early.get_json()["error"]["code"]) == (409, "campaign.pack_not_ready")
    assert packs.build_due(now=clock.now()) == 1
    assert planner.get(f"/packs/{number}").get_json()["state"] == "ready"
    assert planner.get("/packs").get_json()["items"][0]["number"] == number
    fetched = planner.get(f"/packs/{number}/archive")
    assert fetched.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(fetched.data)) as archive:
        assert [name.split("/")[0] for name in archive.namelist()] == ["svg", "pdf", "manifest.csv", "manifest.json"]
    assert [act for act, _ in audited()] == ["pack.asked"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"under": "NOWHERE"}, (404, "campaign.unknown_placement")),
        ({"under": "x y"}, (422, "request.invalid")),
        ({"under": 1}, (422, "request.invalid")),
        ({"under": "METRO", "all": True}, (422, "request.invalid")),
    ],
)
def test_wrong_wishes_are_refused(planner: Clerk, body: dict, expected: tuple[int, str]) -> None:
    answer = planner.post("/packs", body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == expected


def test_who_may_only_read_may_fetch_and_not_ask(clerk: Callable[..., Clerk], codes: dict[str, str]) -> None:
    analyst = clerk(Role.ANALYST)
    assert analyst.post("/packs", {}).status_code == 403
    assert analyst.get("/packs").status_code == 200
    assert "开始制作" not in analyst.open("/packs").get_data(as_text=True)
    assert clerk(Role.FULFILMENT).get("/packs").status_code == 403
    assert clerk(Role.FULFILMENT, username="other").open("/packs").status_code == 403


def test_the_pdf_of_one_code(planner: Clerk, codes: dict[str, str]) -> None:
    # The codes are random, and preflight refuses one in some hundreds: then another is printed.
    answers = [planner.get(f"/codes/{code}/print?format=pdf") for code in (codes[SPOT], *list(codes.values())[:2])]
    assert {answer.status_code for answer in answers} <= {200, 409}
    pdf = next(answer for answer in answers if answer.status_code == 200)
    assert (pdf.mimetype, pdf.data[:5]) == ("application/pdf", b"%PDF-")
    assert planner.get("/codes/0000000X/print?format=pdf").status_code == 404


def test_the_pages_ask_wait_and_hand_out(planner: Clerk, codes: dict[str, str]) -> None:
    assert "还没有印刷包" in planner.open("/packs").get_data(as_text=True)
    assert planner.send("/packs", under="NOWHERE").headers["Location"].endswith("fault=campaign.unknown_placement")
    sent = planner.send("/packs", under=SPOT.lower())
    path, _, query = sent.headers["Location"].removeprefix("/staff").partition("?")
    assert query == "done=pack_asked"
    assert planner.send("/packs", under=SPOT).headers["Location"].endswith("done=pack_known")
    waiting = planner.open(path)
    assert "正在制作和检验" in waiting.get_data(as_text=True)
    assert waiting.headers["Refresh"] == f"3; url=/staff{path}"
    assert planner.open(f"{path}/archive").headers["Location"].endswith("fault=campaign.pack_not_ready")
    packs.build_due(now=clock.now())
    ready = planner.open(path)
    assert "可以交给印厂" in ready.get_data(as_text=True)
    assert "Refresh" not in ready.headers
    handed = planner.open(f"{path}/archive")
    assert handed.headers["Content-Disposition"].startswith('attachment; filename="PK')
    assert "已完成" in planner.open("/packs").get_data(as_text=True)
    assert planner.open("/packs/PK00").status_code == 404


def test_a_code_page_says_how_it_is_printed(planner: Clerk, codes: dict[str, str]) -> None:
    page = planner.open(f"/codes/{codes[SPOT]}").get_data(as_text=True)
    assert "车厢展板，按 1 米外扫码" in page
    assert "100 mm，连静区 132 mm" in page
    assert planner.open(f"/codes/{codes[SPOT]}/print?format=pdf").mimetype == "application/pdf"
