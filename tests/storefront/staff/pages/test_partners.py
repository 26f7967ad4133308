"""Partners at the desk: added, given a key that is shown once, shut out; by page and by JSON."""

from collections.abc import Callable

from flask import Flask

from config import clock, database
from storefront import partner_keys
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited
from tests.storefront.test_webhooks import endpoint, partner


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


def message(number: str, at: str, **values: object) -> None:
    """A message to an endpoint as rows alone."""
    row = {"state": "waiting", "attempts": 0, "answer": None, "fault": None} | values
    database.statement(
        "INSERT INTO webhook_deliveries (number, endpoint_id, event, body, queued_at, since, due_at, ended_at,"
        f" {', '.join(row)}) SELECT %s, id, 'products.changed', '{{}}', now(), now(), now(),"
        f" CASE WHEN %s <> 'waiting' THEN now() END, {', '.join(['%s'] * len(row))}"
        " FROM webhook_endpoints WHERE number = %s RETURNING 1",
        (number, row["state"], *row.values(), at),
    )


def test_what_became_of_each_message_is_told_with_what_to_do(
    app: Flask, seeded: None, clerk: Callable[..., Clerk]
) -> None:
    admin, of = clerk(Role.ADMIN), partner()
    good = endpoint(of, "https://good.example/hooks").endpoint.number
    stopped = endpoint(of, "https://stopped.example/hooks").endpoint.number
    database.statement("UPDATE webhook_endpoints SET disabled_at = now() WHERE number = %s RETURNING 1", (stopped,))
    message("WD1", good)
    message("WD2", good, attempts=3, answer=503)
    message("WD3", good, state="delivered", attempts=1, answer=204)
    message("WD4", good, state="dead", attempts=24, fault="certificate")
    message("WD5", stopped, attempts=24, fault="timeout")
    message("WD6", stopped, state="dead", attempts=24, answer=404)
    rows = {row.partition("<")[0]: row for row in admin.open(f"/partners/{of}").text.split('<td class="lead mono">')}
    assert "待发送" in rows["WD1"]
    assert all(words in rows["WD2"] for words in ("重试中", "下次 ", "拒收（503）", "https://good.example/hooks"))
    assert all(words in rows["WD3"] for words in ("已送达", "收到（204）", "重发</button>"))
    assert all(words in rows["WD4"] for words in ("已放弃", "证书有误", "重发</button>"))
    assert all(words in rows["WD5"] for words in ("停发中", "超时"))
    assert all(words in rows["WD6"] for words in ("已放弃", "拒收（404）", "先恢复地址"))
    assert not any("重发</button>" in rows[number] for number in ("WD1", "WD2", "WD5", "WD6"))


def test_what_cannot_be_undone_is_confirmed_first(clerk: Callable[..., Clerk]) -> None:
    admin, of = clerk(Role.ADMIN), partner()
    admin.send(f"/partners/{of}/keys", label="商城同步", scope=["products.read"])
    page = admin.open(f"/partners/{of}").text
    for words in ("确认停用，不能恢复", "确认撤销，对方马上不能用"):
        assert "<details" in page[: page.index(words)].rpartition("<form")[0][-200:]
