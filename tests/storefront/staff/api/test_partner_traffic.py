"""Partners' webhooks by JSON: seen, sent once more, enabled again, and never a secret."""

from collections.abc import Callable

from flask import Flask

from storefront.roles import Role
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk
from tests.storefront.test_webhooks import endpoint, partner


def test_where_a_partner_is_told_what_without_its_secret(app: Flask, seeded: None, clerk: Callable[..., Clerk]) -> None:
    admin, of = clerk(Role.ADMIN), partner()
    opened = endpoint(of, "https://partner.example/hooks")
    seen = admin.get(f"/partners/{of}/webhooks")
    [shown] = seen.get_json()["endpoints"]
    assert (shown["url"], seen.get_json()["dead"], seen.get_json()["latest"]) == (
        "https://partner.example/hooks",
        [],
        [],
    )
    assert opened.secret not in seen.text
    assert "secret" not in seen.text
    assert "key" not in admin.get(f"/partners/{of}").get_json()
    again = admin.post(f"/partners/{of}/endpoints/{shown['number']}/enabling")
    assert again.get_json()["endpoints"] == [shown]
    other = partner()
    for path in (f"/partners/{other}/endpoints/{shown['number']}/enabling", f"/partners/{of}/endpoints/WE0/enabling"):
        assert code_of(admin.post(path)) == (404, "partner.endpoint_not_found")
    assert code_of(admin.post(f"/partners/{of}/deliveries/WD0/replay")) == (404, "partner.delivery_not_found")
    assert code_of(admin.get("/partners/PT0/webhooks")) == (404, "partner.not_found")
