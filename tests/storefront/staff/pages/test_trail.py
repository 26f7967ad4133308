"""The audit trail on a page."""

from collections.abc import Callable

from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk


def test_an_administrator_reads_who_did_what(clerk: Callable[..., Clerk]) -> None:
    planner, admin = clerk(Role.CAMPAIGN, username="chen"), clerk(Role.ADMIN)
    code = planner.post("/codes", {"count": 2}).get_json()["items"][0]["code"]
    page = admin.open("/audit").get_data(as_text=True)
    assert "生成二维码" in page
    assert "数量 2" in page
    assert "chen" in admin.open(f"/audit?subject={code}").get_data(as_text=True)
    assert "没有符合的记录" in admin.open("/audit?username=nobody").get_data(as_text=True)


def test_a_walk_misses_no_entry(clerk: Callable[..., Clerk]) -> None:
    planner, admin = clerk(Role.CAMPAIGN), clerk(Role.ADMIN)
    for _ in range(51):
        assert planner.post("/codes", {"count": 1}).status_code == 201
    first = admin.open("/audit").get_data(as_text=True)
    assert first.count("生成二维码") == 50
    older = first.split('rel="next" href="/staff')[1].split('"')[0]
    assert admin.open(older).get_data(as_text=True).count("生成二维码") == 1
    for junk in ("zz", "-1", "f" * 40, "1.5"):
        assert admin.open(f"/audit?cursor={junk}").status_code == 422
