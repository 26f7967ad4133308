"""The crew's pages: a photo is enough, a form counts once, and the office sees and plans."""

import io
import re
from collections.abc import Callable
from uuid import uuid4

import pytest
import segno
from flask import Flask
from PIL import Image
from sqlalchemy import select
from werkzeug.test import TestResponse

from config import clock, database
from storefront.roles import Role
from storefront.staff import field_desk
from subway_campaign import alerts, bindings, crews, plans, posters, signals, watch
from subway_campaign.field_models import AlertKind
from subway_campaign.signal_models import FraudSignal
from tests.storefront.api.conftest import Caller, shopper  # noqa: F401 - fixture
from tests.storefront.staff.conftest import Clerk, audited

PLACE, OTHER = "METRO.HF.L1.S04.LB1", "METRO.HF.L1.S05.LB1"


def photo(*slugs: str, colour: str = "grey") -> bytes:
    """A photo of the printed codes."""
    picture = Image.new("RGB", (1000, 700), colour)
    for at, slug in enumerate(slugs):
        out = io.BytesIO()
        segno.make_qr(posters.link(slug), error="m").save(out, kind="png", scale=8)
        picture.paste(Image.open(out).convert("RGB"), (60 + 460 * at, 90))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70)
    return out.getvalue()


def send(clerk: Clerk, act: str, body: bytes | None = None, **fields: str) -> TestResponse:
    files = {"photo": (io.BytesIO(body), "photo.jpg")} if body is not None else {}
    return clerk.send("/field/scans", **{"key": str(uuid4()), "act": act} | fields, **files)


def hanging(slug: str) -> list[str]:
    with database.transaction() as session:
        return [one["placement"] for one in bindings.find(session, code=slug).bindings if one["valid_until"] is None]


def test_a_photo_takes_down_and_puts_up_and_counts_once(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    crew, code = clerk(Role.CREW, "wang"), codes[PLACE]
    fields = {"key": str(uuid4())}
    first = send(crew, "taken_down", photo(code), **fields)
    again = send(crew, "taken_down", photo(code), **fields)
    assert first.status_code == again.status_code == 303
    assert first.location == again.location
    assert hanging(code) == []
    page = crew.open(first.location.removeprefix("/staff")).get_data(as_text=True)
    assert "在这里挂上新码" in page
    number = first.location.split("/")[-1].split("?")[0]
    shown = crew.open(f"/field/scans/{number}/photo.webp")
    assert (shown.mimetype, Image.open(io.BytesIO(shown.data)).width) == ("image/webp", 1000)
    assert "no-store" not in shown.headers["Cache-Control"]

    page = crew.open("/field/scan?act=put_up").get_data(as_text=True)
    assert PLACE in page
    put_up = send(crew, "put_up", photo(code), placement=OTHER)
    assert put_up.status_code == 303
    assert hanging(code) == [OTHER]
    assert [act for act, _ in audited() if act.startswith("code.")] == ["code.taken_down", "code.put_up"]
    home = crew.open("/field").get_data(as_text=True)
    assert home.count(code) == 2


def test_a_photo_without_our_code_is_kept_and_the_code_typed(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    crew, code = clerk(Role.CREW), codes[PLACE]
    refused = send(crew, "taken_down", photo())
    page = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert "没有读到我们的二维码" in page
    picture = page.split('name="picture" value="')[1].split('"')[0]
    both = send(crew, "taken_down", photo(code, codes[OTHER]))
    assert "照片里有几个码" in both.get_data(as_text=True)
    assert "只接受 JPEG" in send(crew, "taken_down", b"GIF89a").get_data(as_text=True)
    assert "拍一张照片" in send(crew, "taken_down").get_data(as_text=True)
    assert hanging(code) == [PLACE]
    done = send(crew, "taken_down", picture=picture, code=code.lower())
    assert done.status_code == 303
    assert hanging(code) == []
    again = send(crew, "taken_down", photo(code))
    assert again.status_code == 409
    assert "clerk-crew 已经拆下" in again.get_data(as_text=True)


def test_only_links_of_this_shop_are_codes() -> None:
    code = "7K3M9X2P"
    with pytest.raises(field_desk.CodeUnreadable):
        field_desk._read([f"HTTPS://ELSEWHERE.EXAMPLE/S/{code}", "7K3M9X2P", "WIFI:S:x"], "PIC0")


def test_the_office_plans_and_the_crew_finds_the_plan(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    office, crew, code = clerk(Role.CAMPAIGN), clerk(Role.CREW), codes[PLACE]
    send(crew, "taken_down", photo(code))
    plan = {"placement": OTHER.lower(), "campaign": "XFFP2020", "kind": "product", "slug": "dangshansuli"}
    assert office.send(f"/codes/{code}/plan", **plan).status_code == 303
    assert code in crew.open("/field").get_data(as_text=True)
    assert hanging(code) == []
    shown = crew.open(f"/field/scan?act=put_up&code={code}").get_data(as_text=True)
    assert "这个码安排挂在" in shown
    assert OTHER in office.open(f"/codes/{code}/plan").get_data(as_text=True)
    assert send(crew, "put_up", photo(code)).status_code == 303
    assert hanging(code) == [OTHER]
    assert office.send(f"/codes/{code}/plan", **plan | {"slug": "nothing"}).location.endswith("landing_unknown")
    office.send(f"/codes/{code}/plan", **plan)
    office.send(f"/codes/{code}/plan", do="withdraw")
    with database.transaction() as session:
        assert plans.of(session, code=code) is None


def test_an_inspection_opens_an_alert_that_the_office_takes_and_closes(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    office, crew, code = clerk(Role.CAMPAIGN, "li"), clerk(Role.CREW), codes[PLACE]
    buses = re.findall(r"<h2>(\d+)路 ", crew.open("/field/round?under=BUS").text)
    assert buses == sorted(buses, key=int) != sorted(buses), "line 9 comes before line 10"
    route = crew.open("/field/round?under=METRO.HF.L1.S04").get_data(as_text=True)
    assert code in route
    assert "挂出后还没检查过" in route
    assert send(crew, "inspected", photo(), code=code, finding="covered").status_code == 303
    assert "有告警" in crew.open("/field/round?under=METRO.HF.L1.S04").get_data(as_text=True)
    with database.transaction() as session:
        (alert,) = alerts.listing(session, is_open=True, kind=AlertKind.INSPECTION)
    path = f"/alerts/{alert['number']}"
    assert "被遮挡或贴盖" in office.open("/alerts").get_data(as_text=True)
    assert "被遮挡或贴盖" in office.open(path).get_data(as_text=True)
    assert office.send(f"{path}/owner").location.endswith("done=taken")
    assert office.send(f"{path}/end", resolution="fixed", note="x").location.endswith("form.resolution")
    assert office.send(f"{path}/end", resolution="fixed", note="撕掉了贴纸").location.endswith("done=closed")
    assert office.send(f"{path}/end", resolution="fixed", note="再一次").location.endswith("alert_closed")
    assert "撕掉了贴纸" in office.open(path).get_data(as_text=True)
    assert code in office.open("/alerts?state=closed").get_data(as_text=True)
    assert "没有可比的码" in office.open("/alerts/codes").get_data(as_text=True) or code in office.open(
        "/alerts/codes"
    ).get_data(as_text=True)
    assert [act for act, _ in audited()][-3:] == ["code.inspected", "alert.taken", "alert.closed"]


def test_an_artwork_has_products_and_a_picture(app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]) -> None:
    office = clerk(Role.CAMPAIGN)
    given = {"number": "spring-1", "campaign": "XFFP2020", "name": "春茶", "products": "dangshansuli，nothing"}
    assert office.send("/creatives", **given).location.endswith("products_unknown")
    given["products"] = "dangshansuli"
    made = office.send("/creatives", **given, picture=(io.BytesIO(photo()), "p.jpg"), valid_from="2026-11-01T00:00")
    assert made.location.endswith("/staff/creatives/SPRING-1?done=creative_saved")
    assert "春茶" in office.open("/creatives").get_data(as_text=True)
    page = office.open("/creatives/SPRING-1").get_data(as_text=True)
    assert 'value="2026-11-01T00:00"' in page
    assert office.open("/creatives/SPRING-1/picture.webp").mimetype == "image/webp"
    assert office.send("/creatives/SPRING-1", name="夏茶", products="").status_code == 303
    assert office.open("/creatives/SPRING-1/picture.webp").status_code == 200
    assert office.send("/creatives", **given).location.endswith("creative_taken")
    assert office.send("/creatives", **given | {"number": "!"}).location.endswith("form.creative")


def test_a_crew_s_phone_is_kept_apart_as_the_crew_s(app: Flask, db: None, clerk: Callable[..., Clerk]) -> None:
    assert clerk(Role.CREW).send("/phone/mark", label="小王的手机").status_code == 303
    assert database.statement("SELECT reason FROM excluded_identities") == [("excluded_crew",)]


def test_a_scan_is_shown_to_those_who_work_there_only(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    crew = clerk(Role.CREW)
    send(crew, "inspected", photo(codes[PLACE]))
    with database.transaction() as session:
        (kept,) = crews.latest(session)
    assert kept["scanned_at"] <= clock.now()
    analyst = clerk(Role.ANALYST)
    for path in (f"/field/scans/{kept['number']}", f"/field/scans/{kept['number']}/photo.webp", "/field"):
        assert analyst.open(path).status_code == 403
    assert crew.open("/field/scans/CS0").status_code == 404


def test_closing_the_alert_of_a_suspicion_closes_the_suspicion(
    app: Flask, db: None, clerk: Callable[..., Clerk]
) -> None:
    office, now = clerk(Role.CAMPAIGN), clock.now()
    with database.transaction() as session:
        suspicion = signals.suspect(session, kind="sweep", now=now, evidence={"codes": 12}, visitor=uuid4())
    assert (watch.watch_due(now=now), watch.watch_due(now=now)) == (1, 0)
    with database.transaction() as session:
        (alert,) = alerts.listing(session, is_open=True, kind=AlertKind.SIGNAL)
    assert alert["subject"] == suspicion
    path = f"/alerts/{alert['number']}"
    assert "像是逐个测试" in office.open(path).get_data(as_text=True)
    assert office.send(f"{path}/end", resolution="harmless", note="验收人员").location.endswith("done=closed")
    with database.transaction() as session:
        assert signals.open_list(session) == []
        assert session.scalars(select(FraudSignal.resolution)).all() == ["harmless"]


def test_a_crew_with_an_area_acts_and_looks_in_it_only(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    crew = clerk(Role.CREW, "line1", area="METRO.HF.L1")
    whole = clerk(Role.CREW, "everywhere")
    elsewhere = next(number for number in codes if number.startswith("METRO.HF.L2."))
    for act in ("taken_down", "inspected"):
        refused = send(crew, act, photo(codes[elsewhere]))
        assert refused.status_code == 403
        assert "这个点位不在您负责的范围" in refused.get_data(as_text=True)
    assert hanging(codes[elsewhere]) == [elsewhere], "what was begun is undone"
    assert send(crew, "taken_down", photo(codes[PLACE])).status_code == 303
    assert send(crew, "put_up", photo(codes[PLACE]), placement=elsewhere).status_code == 403
    assert hanging(codes[PLACE]) == []
    assert send(crew, "put_up", photo(codes[PLACE]), placement=PLACE).status_code == 303
    assert [act for act, _ in audited() if act.startswith("code.")] == ["code.taken_down", "code.put_up"]

    theirs = send(whole, "inspected", photo(codes[elsewhere])).location.partition("?")[0].removeprefix("/staff")
    for path in (theirs, f"{theirs}/photo.webp", "/field/round?under=METRO.HF.L2"):
        assert crew.open(path).status_code == 403, path
    assert "您负责：1号线" in crew.open("/field").get_data(as_text=True)
    route = crew.open("/field/round").get_data(as_text=True)
    assert codes[OTHER] in route
    assert codes[elsewhere] not in route
    assert '<option value="METRO.HF.L2"' not in route
    assert "该检查的码" in crew.open("/").get_data(as_text=True)


def test_open_alerts_are_among_the_days_tasks_of_those_who_close_them(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    send(clerk(Role.CREW), "inspected", photo(), code=codes[PLACE], finding="covered")
    send(clerk(Role.CREW, "other"), "inspected", photo(codes[PLACE]), finding="covered")
    office = clerk(Role.CAMPAIGN).open("/").get_data(as_text=True)
    assert '<a href="/staff/alerts" class="is-due"><b>1</b>待处理的告警' in office
    assert "待处理的告警" not in clerk(Role.ANALYST).open("/").get_data(as_text=True)
