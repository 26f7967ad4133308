"""Saved views: one's own, shared within a role, and nobody else's to delete."""

from collections.abc import Callable
from typing import Any

import pytest

from config import clock, database
from storefront.errors import NotPermitted, TooManyViews, ViewNotFound
from storefront.roles import Role
from storefront.staff import saved_views
from tests.storefront.staff.conftest import Clerk, audited


def save(clerk: Clerk, name: str, query: str = "span=7d", role: Role | None = None) -> str:
    with database.transaction() as session:
        return saved_views.save(session, clerk.actor, name=name, query=query, role=role, now=clock.now())


def seen(clerk: Clerk) -> list[tuple[str, str, bool]]:
    with database.transaction() as session:
        return [(view.name, view.query, view.is_own) for view in saved_views.listing(session, clerk.actor)]


def test_a_view_is_ones_own_until_it_is_shared_with_the_role(clerk: Callable[..., Clerk]) -> None:
    li, wang, boss = clerk(Role.ANALYST, "li"), clerk(Role.ANALYST, "wang"), clerk(Role.FINANCE, "boss")
    number = save(li, "一号线", "under=METRO.HF.L1")
    assert seen(li) == [("一号线", "under=METRO.HF.L1", True)]
    assert seen(wang) == []
    assert save(li, "一号线", "under=METRO.HF.L1&span=30d", Role.ANALYST) == number
    assert seen(wang) == [("一号线", "under=METRO.HF.L1&span=30d", False)]
    assert seen(boss) == []
    with database.transaction() as session, pytest.raises(ViewNotFound):
        saved_views.remove(session, wang.actor, number=number, now=clock.now())
    with database.transaction() as session:
        saved_views.remove(session, li.actor, number=number, now=clock.now())
    assert seen(wang) == []
    assert audited() == [("view.saved", number), ("view.saved", number), ("view.deleted", number)]


def test_nobody_shares_with_a_role_that_is_not_theirs(clerk: Callable[..., Clerk]) -> None:
    li, boss = clerk(Role.ANALYST, "li"), clerk(Role.FINANCE, "boss")
    save(li, "全部", role=Role.FINANCE)
    assert seen(boss) == []


def test_an_account_saves_only_so_many(clerk: Callable[..., Clerk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    li = clerk(Role.ANALYST)
    for name in ("一", "二", "二"):
        save(li, name)
    with pytest.raises(TooManyViews):
        save(li, "三")


def test_who_reads_no_reports_saves_none(clerk: Callable[..., Clerk]) -> None:
    packer = clerk(Role.FULFILMENT)
    for act in (lambda: save(packer, "一"), lambda: seen(packer)):
        with pytest.raises(NotPermitted):
            act()


def test_a_view_is_saved_opened_and_deleted_on_the_page(clerk: Callable[..., Clerk]) -> None:
    li = clerk(Role.ANALYST, "li")
    fields: dict[str, Any] = {"span": "30d", "level": "car", "sort": "-net_fen", "evil": "x"}
    assert "done=view_saved" in li.send("/report/views", name=" 每月\t车厢 ", role="analyst", **fields).location
    page = li.open("/report").get_data(as_text=True)
    assert 'href="/staff/report?span=30d&amp;level=car&amp;sort=-net_fen">每月 车厢</a>' in page
    assert "已分享给分析" in page
    with database.transaction() as session:
        [view] = saved_views.listing(session, li.actor)
    assert li.open(f"/report?{view.query}").status_code == 200
    assert "done=view_deleted" in li.send(f"/report/views/{view.number}/removal").location
    assert "fault=staff.view_not_found" in li.send(f"/report/views/{view.number}/removal").location
    assert "fault=form.view" in li.send("/report/views", name=" ").location
