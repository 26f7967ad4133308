"""Accreditation by JSON: an application goes through its seats, is objected to, published, inspected and revoked."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from storefront.roles import Role
from storefront.staff.api.accreditation_shapes import AccreditationWhole
from tests.catalog.accrediting import BATCH, DANGSHAN, PEARS
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.api.test_suppliers import sent
from tests.storefront.staff.conftest import Clerk
from tests.storefront.staff.test_accreditation_desk import hired, photograph, ten_days_ago

PATH = "/accreditations"


def test_an_application_goes_its_way_by_json(app: Flask, seeded: None, clerk: Callable[..., Clerk]) -> None:
    seats = hired(clerk)
    supplier, county, supervisor = seats["applicant"], seats["county"], seats["supervisor"]

    def step(seat: str, act: str, **more: Any) -> Any:
        return seats[seat].post(f"{path}/steps", {"act": act, "seat": seat, **more})

    with ten_days_ago():
        wanted = {"product": PEARS, "township_code": DANGSHAN, "statement": "三百亩老梨园"}
        assert code_of(supplier.post(PATH, wanted | {"township_code": "000000000"}))[0] == 422
        drafted = supplier.post(PATH, wanted)
        assert drafted.status_code == 201
        assert drafted.get_json().keys() == AccreditationWhole().fields.keys()
        path = f"{PATH}/{drafted.get_json()['number']}"
        assert code_of(supplier.post(PATH, wanted)) == (409, "accreditation.standing")
        assert code_of(step("applicant", "submit")) == (409, "accreditation.evidence_missing")
        for _ in range(2):
            whole = sent(supplier, f"{path}/evidence?kind=licence", data=photograph()).get_json()
        first, second = (paper["picture"] for paper in whole["evidence"])
        assert supplier.get(f"{path}/evidence/{first}").mimetype == "image/jpeg"
        left = supplier.call("DELETE", f"{path}/evidence/{second}").get_json()["evidence"]
        assert [paper["picture"] for paper in left] == [first]
        words = {"statement": "三百亩老梨园，带动 40 户"}
        assert supplier.call("PUT", f"{path}/statement", words).get_json()["statement"] == words["statement"]
        assert step("applicant", "submit").get_json()["state"] == "submitted"
        assert code_of(step("applicant", "submit")) == (409, "accreditation.moved")
        assert code_of(supplier.call("DELETE", f"{path}/evidence/{first}")) == (409, "accreditation.evidence_closed")
        assert code_of(supplier.post(f"{path}/steps", {"act": "endorse", "seat": "township"}))[0] == 403
        assert code_of(step("township", "oppose")) == (422, "accreditation.reason_missing")
        assert step("township", "endorse").get_json()["state"] == "opined"
        assert step("county", "approve").get_json()["state"] == "noticed"
        number = drafted.get_json()["number"]
        form = {"key": "key-00000001", "content": "梨园没有三百亩，请到现场核查。", "contact": "张先生"}
        assert app.test_client().post(f"/notices/{number}/objections", data=form).status_code == 303
    [objection] = county.get(path).get_json()["objections"]
    assert objection["contact"] == "张先生"
    for other in (supplier, supervisor, seats["township"]):
        assert "张先生" not in other.get(path).text, "who objected is no business of theirs"
    assert "张先生" not in supplier.open(path).text
    assert code_of(step("county", "publish", batch=BATCH))[0] in {409, 422}
    answer = {"answer": "已到现场丈量，面积属实。", "is_upheld": False}
    mine = f"{path}/objections/{objection['number']}/answer"
    assert code_of(county.post(mine, answer | {"is_upheld": "no"}))[0] == 422
    assert county.post(mine, answer).get_json()["objections"][0]["is_upheld"] is False
    assert code_of(county.post(mine, answer)) == (409, "accreditation.objection_answered")
    assert code_of(county.post(f"{path}/objections/J0/answer", answer)) == (404, "accreditation.objection_not_found")
    assert {"name": "2026-JSON"} in county.post(f"{PATH}/batches", {"name": "2026-JSON"}).get_json()["items"]
    assert code_of(county.post(f"{PATH}/batches", {"name": "2026-JSON"}))[0] == 409
    assert {"name": "2026-JSON"} in supplier.get(f"{PATH}/batches").get_json()["items"]
    assert step("county", "publish", batch="2026-JSON").get_json()["state"] == "published"
    indication = {"kind": "product", "certificate": "AGI00001", "issuer": "国家知识产权局", "issued_on": "2003-08-01"}
    told = county.call("PUT", f"{path}/indication", indication).get_json()["indication"]
    assert (told["number"], told["issued_on"]) == ("AGI00001", "2003-08-01")
    assert county.call("DELETE", f"{path}/indication").get_json()["indication"] is None

    found = {"level": "city", "finding": "rectify", "reason": "标签缺生产日期"}
    assert code_of(supervisor.post(f"{path}/inspections", found)) == (422, "accreditation.rectification_invalid")
    ordered = supervisor.post(f"{path}/inspections", found | {"rectify_until": "2099-01-31"})
    assert (ordered.status_code, ordered.get_json()["rectify_until"]) in {(201, "2099-01-31"), (422, None)}
    [listed] = supervisor.get(f"{PATH}?state=published").get_json()["items"]
    assert listed["number"] == number
    revoked = supervisor.post(f"{path}/inspections", found | {"finding": "revoked", "reason": "抽检不合格"})
    assert revoked.get_json()["state"] == "revoked"
    assert supervisor.get(PATH).get_json()["items"] == []


def test_what_is_out_of_scope_is_not_there(app: Flask, seeded: None, clerk: Callable[..., Clerk]) -> None:
    seats = hired(clerk)
    wanted = {"product": PEARS, "township_code": DANGSHAN}
    number = seats["applicant"].post(PATH, wanted).get_json()["number"]
    assert seats["applicant"].get(f"{PATH}?state=mine").get_json()["items"][0]["number"] == number
    assert seats["county"].get(f"{PATH}?state=mine").get_json()["items"] == []
    elsewhere = clerk(Role.COUNTY, username="elsewhere", area="340122")
    assert code_of(elsewhere.get(f"{PATH}/{number}")) == (404, "accreditation.not_found")
    step = {"act": "approve", "seat": "county"}
    assert code_of(elsewhere.post(f"{PATH}/{number}/steps", step)) == (404, "accreditation.not_found")
    other = clerk(Role.SUPPLIER, username="other", supplier="SUP0002")
    assert code_of(other.get(f"{PATH}/{number}")) == (404, "accreditation.not_found")
    assert code_of(other.call("PUT", f"{PATH}/{number}/statement", {"statement": "x"}))[0] == 404
    assert other.get(PATH).get_json()["items"] == []
    assert code_of(other.post(PATH, wanted))[0] in {403, 409}
