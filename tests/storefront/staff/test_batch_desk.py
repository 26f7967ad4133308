"""Batches at work: entered by a supplier, named on a parcel, traced by whoever eats it, recalled by the county."""

import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from PIL import Image

from config import database
from storefront.roles import Grant, Role, Scope
from tests.catalog.accrediting import PEARS
from tests.storefront.staff.conftest import Clerk, Counter, audited, hire

Hire = Callable[..., Clerk]
FORM = {
    "product": PEARS,
    "lot": "20261120-01",
    "made_on": "2026-11-20",
    "origin": "砀山县良梨镇良梨村",
    "lab": "宿州市产品质量监督检验所",
    "report": "SZ-2026-1101",
    "reported_on": "2026-11-21",
    "verdict": "passed",
}


def entered(supplier: Clerk, **changes: str) -> str:
    sent = supplier.send("/batches", **{**FORM, **changes})
    return str(re.search(r"/batches/(B\w+)\?done=saved", sent.location)[1])  # type: ignore[index]


def photograph() -> io.BytesIO:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(out, "JPEG")
    out.seek(0)
    return out


def test_pears_from_the_lot_to_the_parcel_and_back(counter: Counter) -> None:
    admin = counter.hire(Role.ADMIN)
    code, other = entered(admin), entered(admin, lot="20261120-02")
    waiting, sent = counter.buy(settle=False), counter.buy(settle=False, key="key-00000002")
    counter.desk.drain()
    line = database.statement(
        "SELECT l.product_slug FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.number = %s", (sent,)
    )[0][0]
    assert line == PEARS
    page = admin.open(f"/orders/{sent}").text
    assert f'<option value="{code}">20261120-01' in page
    form = {"carrier": "中通快递", "tracking_number": "73111222333", "consignment": "1"}
    assert "fault=batch.not_found" in admin.send(f"/orders/{sent}/shipments", **form, batch1="B000").location
    assert "done=shipped" in admin.send(f"/orders/{sent}/shipments", **form, batch1=code.lower()).location
    assert admin.get(f"/orders/{sent}").json["lines"][0]["batch"] == code  # type: ignore[index]
    traced = counter.app.test_client().get(f"/trace/{code.lower()}")
    assert traced.status_code == 200
    for words in ("砀山酥梨", "20261120-01", "良梨村", "SZ-2026-1101", "合格", "没有认定证书"):
        assert words in traced.text
    assert "召回" not in traced.text

    assert "done=recalled" in admin.send(f"/batches/{code}/recall", reason="检出农残超标").location
    counter.desk.drain()
    warned = counter.app.test_client().get(f"/trace/{code}").text
    assert "停止食用" in warned
    assert "检出农残超标" in warned
    listed = admin.open(f"/batches/{code}").text
    assert f"/staff/orders/{sent}" in listed
    assert f"/staff/orders/{waiting}" in listed
    assert "有批次被召回" in admin.open(f"/orders/{waiting}").text
    assert code not in admin.open(f"/orders/{waiting}").text.split("批次（选填）")[1]
    refused = admin.post(
        f"/orders/{waiting}/shipments",
        {"carrier": "中通快递", "tracking_number": "73111222444", "batches": [{"line": 1, "batch": code}]},
    )
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "batch.barred")  # type: ignore[index]
    shipped = admin.post(
        f"/orders/{waiting}/shipments",
        {"carrier": "中通快递", "tracking_number": "73111222444", "batches": [{"line": 1, "batch": other}]},
    )
    assert shipped.json["lines"][0]["batch"] == other  # type: ignore[index]
    assert ("batch.recalled", code) in audited()


@pytest.mark.usefixtures("seeded")
def test_a_report_is_pictures_that_anybody_may_see(app: Flask, clerk: Hire) -> None:
    supplier = clerk(Role.SUPPLIER, supplier="SUP0001")
    code, other = entered(supplier), entered(supplier, lot="2")
    assert "done=evidence_added" in supplier.send(f"/batches/{code}/pages", file=(photograph(), "1.jpg")).location
    forged = supplier.send(f"/batches/{code}/pages", file=(io.BytesIO(b"%PDF-1.7 forged"), "1.jpg"))
    assert "fault=picture.refused" in forged.location
    [(picture,)] = database.statement("SELECT picture FROM batch_pages")
    public = app.test_client()
    assert f"/trace/{code}/pages/{picture}?small" in public.get(f"/trace/{code}").text
    assert public.get(f"/trace/{code}/pages/{picture}?small").mimetype == "image/jpeg"
    assert public.get(f"/trace/{other}/pages/{picture}").status_code == 404


@pytest.mark.usefixtures("seeded")
def test_an_unknown_code_gets_a_friendly_page(app: Flask) -> None:
    answer = app.test_client().get("/trace/B000", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "没有这个溯源码" in answer.text


@pytest.mark.usefixtures("seeded")
def test_what_is_out_of_scope_is_not_found_and_not_entered(clerk: Hire) -> None:
    code = entered(clerk(Role.SUPPLIER, supplier="SUP0001"))
    stranger = clerk(Role.SUPPLIER, username="stranger", supplier="SUP0002")
    assert stranger.open(f"/batches/{code}").status_code == 404
    assert "还没有批次" in stranger.open("/batches").text
    assert stranger.send("/batches", **FORM).status_code == 403
    assert stranger.send(f"/batches/{code}/recall", reason="不行").status_code == 404
    county = clerk(Role.COUNTY, area="341321")
    assert code in county.open("/batches").text
    assert county.send("/batches", **FORM).status_code == 403
    assert clerk(Role.COUNTY, username="far", area="341322").open(f"/batches/{code}").status_code == 404


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("wrong", [{"made_on": ""}, {"lab": ""}, {"reported_on": ""}, {"verdict": "maybe"}])
def test_a_form_that_is_not_whole_comes_back_with_what_was_typed(clerk: Hire, wrong: dict[str, str]) -> None:
    supplier = clerk(Role.SUPPLIER, supplier="SUP0001")
    sent = supplier.send("/batches", **{**FORM, **wrong})
    assert "fault=batch.incomplete" in sent.location
    shown = supplier.open(sent.location.removeprefix("/staff")).text
    assert 'value="20261120-01"' in shown
    assert database.statement("SELECT 1 FROM production_batches") == []


def test_a_batch_is_traced_as_json_and_named_on_the_slip_of_its_parcel(counter: Counter) -> None:
    admin = counter.hire(Role.ADMIN)
    code = entered(admin)
    number = counter.buy()
    public = counter.app.test_client()
    traced = public.get(f"/api/v1/trace/{code.lower()}").get_json()
    told = {name: traced[name] for name in ("code", "lot", "origin", "verdict", "report_number", "made_on")}
    assert told == {
        "code": code,
        "lot": "20261120-01",
        "origin": "砀山县良梨镇良梨村",
        "verdict": "passed",
        "report_number": "SZ-2026-1101",
        "made_on": "2026-11-20",
    }
    assert (traced["pages"], traced["certificate"], traced["recalled_at"]) == ([], None, None)
    assert not {"entered_by", "recalled_by", "supplier"} & traced.keys()
    missing = public.get("/api/v1/trace/B000")
    assert (missing.status_code, missing.get_json()["error"]["code"]) == (404, "batch.not_found")

    slip = f"/orders/{number}/slips/1"
    assert admin.open(slip).status_code == 409, "nothing left yet"
    form = {"carrier": "中通快递", "tracking_number": "73111222333", "consignment": "1", "batch1": code}
    assert "done=shipped" in admin.send(f"/orders/{number}/shipments", **form).location
    assert f"/staff{slip}?size=a6" in admin.open(f"/orders/{number}").text
    for size in ("a6", "a4"):
        page = admin.open(f"{slip}?size={size}").text
        assert f'<body class="{size}">' in page
        for words in (number, "砀山酥梨", code, "data:image/svg+xml", "73111222333"):
            assert words in page
        for secret in ("王小明", "13800001234", "明光路"):
            assert secret not in page
    assert '<body class="a6">' in admin.open(f"{slip}?size=a0").text
    for wrong in ("2", "0", "x", "99999"):
        assert admin.open(f"/orders/{number}/slips/{wrong}").status_code == 404
    other = hire(counter.app, Grant(role=Role.FULFILMENT, scope=Scope(area="3401")), username="elsewhere")
    assert other.open(slip).status_code == 404
    admin.send(f"/batches/{code}/recall", reason="检出农残超标")
    assert public.get(f"/api/v1/trace/{code}").get_json()["recall_reason"] == "检出农残超标"
