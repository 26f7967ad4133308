"""Suppliers by JSON: the same steps as on the pages, each refusal with its code, and nobody's file but one's own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalog import suppliers
from config import clock
from storefront.roles import Role
from storefront.staff.api.supplier_shapes import SupplierWhole
from tests.catalog.supplying import COOP, OTHER, PROFILE, admitted, code
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk
from tests.storefront.staff.test_accreditation_desk import photograph

pytestmark = pytest.mark.usefixtures("app", "seeded")
Hire = Callable[..., Clerk]


def sent(clerk: Clerk, path: str, **options: Any) -> Any:
    return clerk.client.post(
        f"/api/staff/v1{path}",
        headers={"Authorization": f"Bearer {clerk.token}"},
        content_type="application/octet-stream",
        **options,
    )


def test_a_supplier_from_its_first_line_to_suspension(clerk: Hire) -> None:
    admin = clerk(Role.ADMIN)
    opened = admin.post("/suppliers", {"name": "良梨合作社", "kind": "supplier"})
    assert opened.status_code == 201
    assert opened.get_json().keys() == SupplierWhole().fields.keys()
    path = f"/suppliers/{opened.get_json()['number']}"
    coop = clerk(Role.SUPPLIER, supplier=opened.get_json()["number"])
    step = {"act": "apply", "seat": "applicant"}
    assert code_of(coop.post(f"{path}/steps", step)) == (409, "supplier.incomplete")
    profile = {
        "name": PROFILE.name,
        "entity_kind": "cooperative",
        "county_code": "341321",
        "credit_code": PROFILE.credit_code,
        "permit_class": "permit",
        "permit_number": "JY13413210000001",
        "permit_until": (clock.now() + timedelta(days=400)).date().isoformat(),
        "contact_phone": "13905570001",
    }
    for wrong in ({"county_code": "34"}, {"entity_kind": "x"}, {"permit_until": "tomorrow"}, {"extra": 1}):
        assert code_of(coop.call("PUT", f"{path}/profile", profile | wrong))[0] == 422
    assert code_of(coop.call("PUT", f"{path}/profile", profile | {"credit_code": "X"}))[0] == 422
    assert coop.call("PUT", f"{path}/profile", profile).get_json()["county_code"] == "341321"
    for kind in ("licence", "food_permit"):
        added = sent(coop, f"{path}/papers?kind={kind}", data=photograph())
    assert added.status_code == 201
    [first, _] = added.get_json()["papers"]
    assert coop.get(f"{path}/papers/{first['picture']}?size=320").mimetype == "image/jpeg"
    assert code_of(sent(coop, f"{path}/papers?kind=licence", data=b"<svg/>")) == (422, "picture.refused")
    assert code_of(sent(coop, f"{path}/papers?kind=poem", data=photograph()))[0] == 422
    assert code_of(coop.post(f"{path}/agreement", {"version": "1999"})) == (409, "supplier.agreement_outdated")
    assert coop.post(f"{path}/agreement", {"version": suppliers.AGREEMENT_VERSION}).get_json()["has_agreed"]
    account = {"account_name": PROFILE.name, "bank": "砀山农商银行", "account": "6217 0000 1234 5678"}
    entered = coop.call("PUT", f"{path}/payee", account)
    assert entered.get_json()["payee"]["account"] == "****5678"
    assert "1234" not in entered.text
    assert coop.post(f"{path}/steps", step).get_json()["state"] == "applied"
    assert code_of(coop.post(f"{path}/steps", {"act": "admit", "seat": "operator"})) == (403, "staff.not_permitted")
    whole = admin.post(f"{path}/steps", {"act": "admit", "seat": "operator"}).get_json()
    assert (whole["state"], whole["steps"][-1]["taken_by"]) == ("admitted", admin.actor.username)
    suspend = {"act": "suspend", "seat": "operator"}
    assert code_of(admin.post(f"{path}/steps", suspend)) == (422, "supplier.reason_missing")
    assert admin.post(f"{path}/steps", suspend | {"reason": "抽检不合格"}).get_json()["state"] == "suspended"
    assert code_of(admin.post(f"{path}/steps", step)) == (409, "supplier.moved")
    permits = {"permit_class": "permit", "permit_number": "JY2", "permit_until": profile["permit_until"]}
    assert admin.call("PUT", f"{path}/permits", permits).get_json()["permit_number"] == "JY2"
    [listed] = admin.get("/suppliers?state=suspended").get_json()["items"]
    assert listed["number"] == whole["number"]
    page = admin.get("/suppliers?limit=1").get_json()
    assert (len(page["items"]), page["next_cursor"]) == (1, "1")
    assert code_of(admin.get("/suppliers?cursor=x"))[0] == 422


def test_another_s_file_is_not_there(clerk: Hire) -> None:
    admitted(COOP)
    admitted(OTHER, goods="", name="另一家果业", credit_code=code("91341321MA2RKT6X3"))
    coop = clerk(Role.SUPPLIER, supplier=COOP)
    assert [each["number"] for each in coop.get("/suppliers").get_json()["items"]] == [COOP]
    for method, tail, body in (
        ("GET", "", None),
        ("POST", "/agreement", {"version": suppliers.AGREEMENT_VERSION}),
        ("POST", "/steps", {"act": "apply", "seat": "applicant"}),
        ("PUT", "/payee", {"account_name": "某人", "bank": "某行", "account": "6217000099998888"}),
        ("GET", f"/papers/PIC-{OTHER}-licence", None),
    ):
        assert code_of(coop.call(method, f"/suppliers/{OTHER}{tail}", body)) == (404, "supplier.not_found"), tail
    county = clerk(Role.COUNTY, area="341321")
    seen = county.get(f"/suppliers/{COOP}").get_json()
    assert (seen["payee"], seen["papers"], seen["contact_phone"], seen["seats"]) == (None, [], "", [])
