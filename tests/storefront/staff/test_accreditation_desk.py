"""Accreditation at work: each seat in its area, on the pages that its holder opens, from application to revocation."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from PIL import Image

from config import clock, database
from storefront import benefit
from storefront.roles import Grant, Role, Scope
from storefront.staff import words
from tests.catalog.accrediting import BATCH, DANGSHAN, PEARS, shelf, standing
from tests.storefront.staff.conftest import Clerk, Counter, audited, hire

Hire = Callable[..., Clerk]
SUPPLIER = "SUP0001"
PATH = "/accreditations"


@contextmanager
def ten_days_ago() -> Iterator[None]:
    with clock.frozen(clock.now() - timedelta(days=10)):
        yield


def photograph() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(out, "JPEG")
    return out.getvalue()


def hired(clerk: Hire) -> dict[str, Clerk]:
    """One person in each seat, with the scope of Dangshan."""
    return {
        "applicant": clerk(Role.SUPPLIER, supplier=SUPPLIER),
        "township": clerk(Role.TOWNSHIP, area=DANGSHAN),
        "county": clerk(Role.COUNTY, area="341321"),
        "supervisor": clerk(Role.SUPERVISOR, area="3413"),
    }


def applied(supplier: Clerk) -> str:
    """Fill in the form of an application and attach the licence; returns its number."""
    assert "砀山酥梨" in supplier.open(f"{PATH}/new").text
    assert DANGSHAN in supplier.open(f"{PATH}/new?product={PEARS}").text
    begun = supplier.send(PATH, product=PEARS, township=DANGSHAN, statement="三百亩老梨园，带动 40 户")
    number = str(re.search(r"/accreditations/(C\w+)", begun.location)[1])  # type: ignore[index]
    added = supplier.send(f"{PATH}/{number}/evidence", kind="licence", file=(io.BytesIO(photograph()), "licence.jpg"))
    assert "done=evidence_added" in added.location
    return number


def step(clerk: Clerk, number: str, seat: str, act: str, **more: str) -> str:
    """Take a step on the page and return where the browser is led."""
    return str(clerk.send(f"{PATH}/{number}/steps", seat=seat, act=act, **more).location)


def noticed(seats: dict[str, Clerk]) -> str:
    """An application whose notice began ten days ago."""
    with ten_days_ago():
        number = applied(seats["applicant"])
        for seat, act in (("applicant", "submit"), ("township", "endorse"), ("county", "approve")):
            assert "done=step_taken" in step(seats[seat], number, seat, act)
    return number


def benefiting_from_pears(county: Clerk) -> str:
    """Open a household group on the page and let it have an eighth of what is paid for the pears."""
    opened = county.send("/benefit/groups", kind="households", county="341321", name="梨农一组")
    group = str(re.search(r"/groups/(G\w+)", opened.location)[1])  # type: ignore[index]
    form = {"product": PEARS, "mode": "guaranteed_price", "share": "12.5"}
    assert "done=benefit_linked" in county.send(f"/benefit/groups/{group}/links", **form).location
    form = {"name": "欧阳大山", "consented_on": "2020-11-01"}
    assert "done=household_added" in county.send(f"/benefit/groups/{group}/households", **form).location
    return group


def benefit_of(county: Clerk) -> tuple[int, int]:
    """What the page says that sales brought this year, and what of it went back, in fen."""
    today = clock.now().astimezone(clock.SHANGHAI).date()
    query = f"from={today.replace(month=1, day=1)}&to={today + timedelta(days=1)}"
    [row] = county.get(f"/benefit/totals?{query}").get_json()["items"]
    assert words.money(row["net_fen"]) in county.open("/benefit").text
    return row["sold_fen"], row["refunded_fen"]


def eighth(fen: int) -> int:
    """An eighth of so many fen, as largest remainder rounds it."""
    return benefit.split(fen, [benefit.Share(1, 1250)])[0]


def test_pears_from_application_through_objection_to_the_shelf_and_off_it(
    counter: Counter, codes: dict[str, str]
) -> None:
    """The whole way by pages; then sold from a scan on the train, revoked, and given back in part.

    What went back is taken off the order's money, the placement's credit and the household group's benefit.
    """

    def clerk(role: Role, **scope: str) -> Clerk:
        return hire(counter.app, Grant(role=role, scope=Scope(**scope)))

    seats = hired(clerk)
    number = noticed(seats)
    public = counter.app.test_client()
    with ten_days_ago():
        assert number in public.get("/notices", headers={"Accept": "text/html"}).text
        form = {"key": "key-00000001", "content": "梨园没有三百亩，请到现场核查。", "contact": "张先生"}
        objected = public.post(f"/notices/{number}/objections", data=form)
        assert public.post(f"/notices/{number}/objections", data=form).location == objected.location
        group = benefiting_from_pears(seats["county"])
    assert "fault=accreditation.objections_open" in step(seats["county"], number, "county", "publish", batch=BATCH)
    objection = str(re.search(r"objected=(J\w+)", objected.location)[1])  # type: ignore[index]
    page = seats["county"].open(f"{PATH}/{number}").text
    assert "张先生" in page
    seats["county"].send(f"{PATH}/{number}/objections/{objection}", answer="已到现场丈量，面积属实。", upheld="no")
    assert "已到现场丈量" in public.get(f"/notices/{number}").text
    assert "张先生" not in public.get(f"/notices/{number}").text
    seats["county"].send(f"{PATH}/batches", name=BATCH)
    assert "done=step_taken" in step(seats["county"], number, "county", "publish", batch=BATCH)
    assert shelf()[0]

    counter.scan(codes["METRO.HF.L1.T01.C1.P01"])
    [(sku,)] = database.statement(
        "SELECT k.number FROM skus k JOIN products p ON p.id = k.product_id WHERE p.slug = %s AND k.position = 1",
        (PEARS,),
    )
    order = counter.buy(lines={sku: 2})
    [(line_fen,)] = database.statement(
        "SELECT amount_fen FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.number = %s", (order,)
    )
    assert benefit_of(seats["county"]) == (eighth(line_fen), 0)
    assert "done=inspected" in str(
        seats["supervisor"]
        .send(f"{PATH}/{number}/inspections", level="city", finding="revoked", reason="抽检不合格")
        .location
    )
    counter.desk.drain()
    assert (standing(number), shelf()) == ("revoked", (False, None))
    finance = counter.hire(Role.FINANCE)
    assert "商品认定已失效" in finance.open(f"/orders/{order}").text
    asked = finance.post(
        f"/orders/{order}/refunds",
        {"lines": [{"line": 1, "amount_fen": line_fen // 2}], "reason": "认定撤销"},
        **{"Idempotency-Key": "key-00000009"},
    )
    assert asked.json is not None
    counter.finish_refund(asked.json["refund"])
    [row] = counter.desk.report()["rows"]
    assert row["placement"] == "METRO.HF.L1.T01.C1.P01"
    assert (row["gross_fen"], row["refunded_fen"]) == (line_fen, line_fen // 2)
    shown = finance.get(f"/orders/{order}").get_json()
    assert (shown["refunded_fen"], shown["refunding_fen"]) == (line_fen // 2, 0)
    [(owed,)] = database.statement("SELECT -sum(amount_fen)::bigint FROM ledger_entries WHERE account = 'payables'")
    assert owed == shown["payable_fen"] - line_fen // 2
    sold, back = benefit_of(seats["county"])
    assert (sold, sold - back) == (eighth(line_fen), eighth(line_fen - line_fen // 2))
    with database.transaction() as session:
        assert benefit.verify(session) == []
    assert {("accreditation.publish", number), ("benefit.group_opened", group)} <= set(audited())


@pytest.mark.usefixtures("seeded")
def test_what_lies_outside_the_area_is_not_found(clerk: Hire) -> None:
    number = noticed(hired(clerk))
    for role, scope in (
        (Role.COUNTY, {"area": "341322"}),
        (Role.TOWNSHIP, {"area": "341321103"}),
        (Role.SUPPLIER, {"supplier": "SUP0002"}),
    ):
        stranger = clerk(role, username=f"stranger-{role.value}", **scope)
        assert stranger.open(f"{PATH}/{number}").status_code == 404
        assert number not in stranger.open(f"{PATH}?tab=noticed").text
        assert stranger.send(f"{PATH}/{number}/steps", seat="county", act="refuse", reason="不行").status_code == 404


@pytest.mark.usefixtures("seeded")
def test_nobody_acts_in_a_seat_that_is_not_theirs(clerk: Hire) -> None:
    seats = hired(clerk)
    number = noticed(seats)
    assert "fault=" in step(seats["township"], number, "county", "refuse", reason="不行")
    assert "fault=" in step(seats["county"], number, "clock", "lapse")
    assert "fault=form.reason" in step(seats["county"], number, "county", "no-such-act")
    assert standing(number) == "noticed"


@pytest.mark.usefixtures("seeded")
def test_a_supplier_applies_for_own_products_only(clerk: Hire) -> None:
    stranger = clerk(Role.SUPPLIER, supplier="SUP0002")
    assert "没有可以申请的产品" in stranger.open(f"{PATH}/new").text
    assert stranger.send(PATH, product=PEARS, township=DANGSHAN, statement="别人的梨").status_code == 403


@pytest.mark.usefixtures("seeded")
def test_papers_are_pictures_and_seen_by_who_sees_the_application(clerk: Hire) -> None:
    seats = hired(clerk)
    number = applied(seats["applicant"])
    [(picture,)] = database.statement("SELECT picture FROM accreditation_evidence")
    paper = f"{PATH}/{number}/evidence/{picture}"
    assert seats["county"].open(paper).mimetype == "image/jpeg"
    assert clerk(Role.COUNTY, username="far-away", area="340").open(paper).status_code == 404
    forged = seats["applicant"].send(
        f"{PATH}/{number}/evidence", kind="licence", file=(io.BytesIO(b"%PDF-1.7 forged"), "licence.jpg")
    )
    assert forged.location.endswith("fault=picture.refused.not_a_picture")
    page = seats["applicant"].open(f"{PATH}/{number}?fault=picture.refused.not_a_picture").text
    assert "只接受 JPEG、PNG 或 WebP 照片。" in page
    assert "鲜活易腐不退" in seats["county"].open(f"{PATH}/{number}").text
    assert "fault=form.evidence" in seats["applicant"].send(f"{PATH}/{number}/evidence", kind="nothing").location
    seats["applicant"].send(f"{paper}/removal")
    assert seats["county"].open(paper).status_code == 404


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("content", ["", "太短", "长" * 2001, "\x00" * 20])
def test_an_objection_needs_words(app: Flask, clerk: Hire, content: str) -> None:
    number = noticed(hired(clerk))
    with ten_days_ago():
        answer = app.test_client().post(f"/notices/{number}/objections", data={"content": content, "key": "k"})
    assert answer.status_code == 422
    assert database.statement("SELECT 1 FROM accreditation_objections") == []


@pytest.mark.usefixtures("seeded")
def test_an_objection_after_the_notice_is_told_so(app: Flask, clerk: Hire) -> None:
    number = noticed(hired(clerk))
    answer = app.test_client().post(
        f"/notices/{number}/objections", data={"content": "我来晚了，但是还想提异议。", "key": "key-00000001"}
    )
    assert answer.status_code == 409
    assert "公示期已结束" in answer.text
    assert app.test_client().get("/notices/C000", headers={"Accept": "text/html"}).status_code == 404


@pytest.mark.usefixtures("seeded")
def test_the_county_enters_a_geographical_indication_and_the_product_page_shows_it(app: Flask, clerk: Hire) -> None:
    seats = hired(clerk)
    number = noticed(seats)
    path = f"{PATH}/{number}/indication"
    form = {"kind": "trademark", "certificate": "1299947", "issuer": "国家知识产权局", "issued_on": "2003-07-28"}
    assert (
        "fault=accreditation.indication_invalid" in seats["county"].send(path, **{**form, "kind": "hearsay"}).location
    )
    assert seats["applicant"].send(path, **form).status_code == 403
    assert "done=saved" in seats["county"].send(path, **form).location
    assert "1299947" in seats["county"].open(f"{PATH}/{number}").text
    shown = app.test_client().get(f"/p/{PEARS}").text
    assert "地理标志证明商标" in shown
    assert "2003年7月28日" in shown
    assert "done=saved" in seats["county"].send(path, do="take_back").location
    assert ("indication.taken_back", number) in audited()


@pytest.mark.usefixtures("seeded")
def test_a_supervisor_is_offered_the_findings_of_a_check(clerk: Hire) -> None:
    seats = hired(clerk)
    number = noticed(seats)
    seats["county"].send(f"{PATH}/batches", name=BATCH)
    step(seats["county"], number, "county", "publish", batch=BATCH)
    page = seats["supervisor"].open(f"{PATH}/{number}").text
    offered = re.search(r'<select id="finding".*?</select>', page)
    assert offered is not None
    assert re.findall(r'value="(\w+)"', offered[0]) == ["passed", "rectify", "suspended", "revoked"]
