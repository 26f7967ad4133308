"""Partners at the desk: added, given a key that is shown once, shut out; by page and by JSON."""

from collections.abc import Callable

from config import clock
from storefront import partner_keys
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited


def key_in(page: str) -> str:
    found = partner_keys.KEY.search(page)
    assert found
    return found[0]


def test_a_partner_is_added_given_a_key_and_shut_out(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    assert "还没有合作伙伴" in admin.open("/partners").text
    made = admin.send("/partners", kind="seller", name="  某某 电商 ", seller="S0001").location
    path = made.removeprefix("/staff").partition("?")[0]
    assert "还没有密钥" in admin.open(path).text
    shown = admin.send(f"{path}/keys", label="商城同步", scope=["products.read", "statistics.read"])
    assert shown.headers["Cache-Control"] == "no-store"
    key = key_in(shown.text)
    caller = partner_keys.verify(key, now=clock.now())
    assert {scope.value for scope in caller.scopes} == {"products.read", "statistics.read"}
    page = admin.open(path).text
    assert not partner_keys.KEY.search(page)
    prefix = key.split("_")[1]
    assert f"hall_{prefix}" in page
    assert admin.send(f"{path}/keys/{prefix}/revocation").location.endswith("done=partner_key_revoked")
    assert admin.send(f"{path}/keys/{prefix}/revocation").location.endswith("fault=partner.key_not_found")
    assert "已撤销" in admin.open(path).text
    assert admin.send(f"{path}/closure").location.endswith("done=partner_closed")
    assert admin.send(f"{path}/closure").location.endswith("fault=partner.closed")
    assert admin.send(f"{path}/keys", label="x", scope="products.read").location.endswith("fault=partner.closed")
    assert "已停用" in admin.open("/partners").text
    number = path.rpartition("/")[2]
    acts = ["added", "key_issued", "key_revoked", "closed"]
    assert audited() == [(f"partner.{act}", number) for act in acts]
    trail = admin.open("/audit").text
    assert key.rpartition("_")[2] not in trail
    assert "签发接口密钥" in trail


def test_wrong_forms_change_nothing(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    for form in (
        {"kind": "friend", "name": "某某"},
        {"kind": "buyer", "name": "某"},
        {"kind": "seller", "name": "某某"},
    ):
        assert admin.send("/partners", **form).location == "/staff/partners?fault=form.partner"
    admin.send("/partners", kind="seller", name="某某电商", seller="S0001")
    assert admin.send("/partners", kind="seller", name="某某", seller="S0001").location.endswith("partner.seller_taken")
    path = "/partners/PTNOBODY"
    assert admin.open(path).status_code == 404
    assert admin.send(f"{path}/keys", label="x", scope="products.read").location.endswith("fault=partner.not_found")


def test_the_same_as_json(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    made = admin.post("/partners", {"kind": "buyer", "name": "某某医院"})
    assert made.status_code == 201
    path = f"/partners/{made.get_json()['number']}"
    issued = admin.post(f"{path}/keys", {"label": "同步", "scopes": ["products.read"]})
    assert partner_keys.KEY.fullmatch(issued.get_json()["key"])
    body = admin.get(path).get_json()
    assert [key["prefix"] for key in body["keys"]] == [issued.get_json()["prefix"]]
    assert admin.post(f"{path}/keys", {"label": "同步", "scopes": ["codes.write"]}).status_code == 422
    revoked = admin.post(f"{path}/keys/{issued.get_json()['prefix']}/revocation")
    assert revoked.get_json()["keys"][0]["revoked_at"]
    assert admin.post(f"{path}/closure").get_json()["closed_at"]
    assert [one["number"] for one in admin.get("/partners").get_json()["items"]] == [made.get_json()["number"]]
    assert clerk(Role.FINANCE).get("/partners").status_code == 403
