"""The menu: each page once, sections for who may open much, everything at once for who may open little."""

from collections.abc import Callable

from storefront.actors import Actor, ActorKind
from storefront.roles import Grant, Role, Scope
from storefront.staff.pages import menu
from tests.storefront.staff.conftest import Clerk


def who(*roles: Role, **scope: str) -> Actor:
    grants = tuple(Grant(role=role, scope=Scope(**scope)) for role in roles)
    return Actor(kind=ActorKind.STAFF, staff_id=1, username="x", grants=grants)


def test_every_page_stands_in_one_section() -> None:
    items = [item for section in menu.SECTIONS for item in section.items]
    assert len({item.key for item in items}) == len({item.path for item in items}) == len(items)


def test_who_may_open_much_sees_sections_and_the_pages_of_their_own() -> None:
    admin = menu.of(who(Role.ADMIN), "report")
    assert [title for _, title, _ in admin.upper] == ["今日", "效果", "订单", "商品", "县域", "投放", "财务", "管理"]
    assert [title for _, title, is_here in admin.upper if is_here] == ["效果"]
    assert [title for _, title, is_here in admin.lower if is_here] == ["点位报表"]
    assert menu.of(who(Role.ADMIN), "today").lower == ()


def test_who_may_open_little_sees_it_all_at_once() -> None:
    crew = menu.of(who(Role.CREW), "field")
    assert [title for _, title, _ in crew.upper] == ["今日", "现场", "本机"]
    assert crew.lower == ()
    scoped = menu.of(who(Role.ANALYST, area="3413"), "today")
    assert "点位报表" not in [title for _, title, _ in scoped.upper], "a report is of the whole shop"


def test_the_place_in_the_menu_is_told_to_who_listens(clerk: Callable[..., Clerk]) -> None:
    page = clerk(Role.ADMIN).open("/orders").get_data(as_text=True)
    assert '<a href="/staff/orders" aria-current="true">订单</a>' in page
    assert '<a href="/staff/orders" aria-current="page">订单</a>' in page
    assert page.count('aria-label="本栏页面"') == 1
