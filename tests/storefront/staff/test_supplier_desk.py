"""Suppliers at work: a file is opened, filled in by its own people, admitted, suspended; nobody sees another's."""

import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog import suppliers
from catalog.errors import SupplierProfileInvalid
from config import clock, database
from storefront.roles import Role
from tests.catalog.supplying import COOP, OTHER, PEARS, PROFILE, admitted, code, on_sale, own, state
from tests.storefront.staff.conftest import Clerk, audited
from tests.storefront.staff.test_accreditation_desk import photograph

Hire = Callable[..., Clerk]
PATH = "/suppliers"
FORM = {
    "name": PROFILE.name,
    "entity_kind": "cooperative",
    "county_code": "341321",
    "credit_code": PROFILE.credit_code.lower(),
    "permit_class": "permit",
    "permit_number": "JY13413210000001",
    "contact_name": "李梨花",
    "contact_phone": "13905570001",
    "address": "良梨镇 1 号",
}

pytestmark = pytest.mark.usefixtures("app", "seeded")


def until() -> str:
    return (clock.now() + timedelta(days=400)).date().isoformat()


def step(clerk: Clerk, number: str, seat: str, act: str, reason: str = "") -> str:
    return str(clerk.send(f"{PATH}/{number}/steps", seat=seat, act=act, reason=reason).location)


def test_a_supplier_from_the_first_form_to_suspension(clerk: Hire) -> None:
    admin = clerk(Role.ADMIN)
    begun = admin.send(PATH, name="良梨合作社", kind="supplier")
    number = str(re.search(r"/suppliers/(S\w+)", begun.location)[1])  # type: ignore[index]
    coop = clerk(Role.SUPPLIER, supplier=number)
    assert number in coop.open(PATH).text
    assert "supplier.incomplete" in step(coop, number, "applicant", "apply")
    assert "done=saved" in coop.send(f"{PATH}/{number}/profile", **FORM, permit_until=until()).location
    for kind in ("licence", "food_permit"):
        upload = (io.BytesIO(photograph()), "paper.jpg")
        assert "done=evidence_added" in coop.send(f"{PATH}/{number}/papers", kind=kind, file=upload).location
    [picture, _] = dict.fromkeys(re.findall(r"papers/(PIC\w+)\?", coop.open(f"{PATH}/{number}").text))
    assert coop.open(f"{PATH}/{number}/papers/{picture}?small").mimetype == "image/jpeg"
    agreed = coop.send(f"{PATH}/{number}/agreement", version=suppliers.AGREEMENT_VERSION)
    assert "done=agreed" in agreed.location
    account = {"account_name": PROFILE.name, "bank": "砀山农商银行", "account": "6217 0000 1234 5678"}
    assert "done=saved" in coop.send(f"{PATH}/{number}/payee", **account).location
    assert "done=step_taken" in step(coop, number, "applicant", "apply")
    assert "staff.not_permitted" in step(coop, number, "operator", "admit")
    page = coop.open(f"{PATH}/{number}").text
    assert "****5678" in page
    assert "1234 5678" not in page
    assert "12345678" not in page
    assert "supplier.sealed" in coop.send(f"{PATH}/{number}/profile", **FORM, permit_until=until()).location
    assert "done=step_taken" in step(admin, number, "operator", "admit")
    own(number, PEARS)
    assert "staff.not_permitted" in coop.send(f"{PATH}/{number}/payee", **account).location
    assert "supplier.reason_missing" in step(admin, number, "operator", "suspend")
    assert "done=step_taken" in step(admin, number, "operator", "suspend", "抽检不合格")
    assert on_sale() == (False, "supplier")
    assert "抽检不合格" in coop.open(f"{PATH}/{number}").text
    renewed = admin.send(
        f"{PATH}/{number}/permits", permit_class="permit", permit_number="JY2", permit_until=until(), licence_until=""
    )
    assert "done=saved" in renewed.location
    assert "done=step_taken" in step(admin, number, "operator", "reinstate", "复检合格")
    assert on_sale() == (True, None)
    acts = [act for act, subject in audited() if subject == number]
    assert acts == [
        "supplier.opened",
        "supplier.amended",
        *["supplier.paper_added"] * 2,
        "supplier.agreed",
        "supplier.payee_entered",
        "supplier.apply",
        "supplier.admit",
        "supplier.suspend",
        "supplier.renewed",
        "supplier.reinstate",
    ]
    [(trail,)] = database.statement("SELECT string_agg(details::text, ' ') FROM staff_audit")
    assert "62170000" not in trail.replace(" ", "")


def test_a_supplier_sees_its_own_file_only(clerk: Hire) -> None:
    admitted(COOP)
    admitted(OTHER, goods="", name="另一家果业", credit_code=code("91341321MA2RKT6X3"))
    coop = clerk(Role.SUPPLIER, supplier=COOP)
    assert OTHER not in coop.open(PATH).text
    assert "另一家果业" not in coop.open(f"{PATH}?tab=admitted").text
    assert coop.open(f"{PATH}/{OTHER}").status_code == 404
    assert coop.open(f"{PATH}/{OTHER}/papers/PIC-{OTHER}-licence").status_code == 404
    assert coop.open(f"{PATH}/{COOP}/papers/PIC-{OTHER}-licence").status_code == 404
    for path, fields in (
        ("profile", {**FORM, "permit_until": until()}),
        ("payee", {"account_name": "某人", "bank": "某行", "account": "6217000099998888"}),
        ("agreement", {"version": suppliers.AGREEMENT_VERSION}),
        ("steps", {"seat": "applicant", "act": "apply"}),
        ("papers", {"kind": "licence", "file": (io.BytesIO(photograph()), "x.jpg")}),
    ):
        assert coop.send(f"{PATH}/{OTHER}/{path}", **fields).status_code == 404
    assert state(OTHER) == "admitted"


def test_a_county_reads_its_suppliers_without_papers_telephones_and_accounts(clerk: Hire) -> None:
    admitted(COOP)
    county = clerk(Role.COUNTY, area="341321")
    page = county.open(f"{PATH}/{COOP}").text
    assert PROFILE.name in page
    assert "13905570001" not in page
    assert "****5678" not in page
    assert county.open(f"{PATH}/{COOP}/papers/PIC-{COOP}-licence").status_code == 404
    elsewhere = clerk(Role.COUNTY, username="elsewhere", area="341322")
    assert elsewhere.open(f"{PATH}/{COOP}").status_code == 404
    assert PROFILE.name not in elsewhere.open(f"{PATH}?tab=admitted").text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"credit_code": "91350100M000100Y44"}, "统一社会信用代码不正确"),
        ({"permit_until": "31.3.2027"}, SupplierProfileInvalid.message),
        ({"entity_kind": "king"}, SupplierProfileInvalid.message),
        ({"county_code": "110101"}, f"{SupplierProfileInvalid.message}：所在县区"),
    ],
)
def test_what_was_typed_wrong_is_said_and_the_rest_kept(clerk: Hire, changes: dict[str, str], fault: str) -> None:
    with database.transaction() as session:
        suppliers.open(session, number=COOP, name="良梨合作社")
    coop = clerk(Role.SUPPLIER, supplier=COOP)
    answer = coop.send(f"{PATH}/{COOP}/profile", **FORM | {"permit_until": until(), "address": "良梨村 8 号"} | changes)
    assert answer.status_code == 422
    assert f"没有保存：{fault}" in answer.text
    assert "良梨村 8 号" in answer.text
    assert "还没有同意协议" in answer.text
