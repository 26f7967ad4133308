"""One shopper per (appid, openid), whatever races."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.exc import IntegrityError

from config import database
from storefront import shoppers
from storefront.actors import WeChatIdentity
from storefront.shopper_models import Shopper
from tests.storefront.conftest import NOW


def arrive(appid: str, openid: str, unionid: str | None = None) -> shoppers.ShopperView:
    with database.transaction() as session:
        identity = WeChatIdentity(appid=appid, openid=openid, unionid=unionid)
        return shoppers.arrive(session, identity=identity, now=NOW)


def test_the_same_openid_is_the_same_shopper(db: None) -> None:
    assert arrive("wx1", "oAAAAAA1") == arrive("wx1", "oAAAAAA1")


def test_an_openid_means_nothing_at_another_application(db: None) -> None:
    first, second = arrive("wx1", "oAAAAAA1"), arrive("wx2", "oAAAAAA1")
    assert first.shopper_id != second.shopper_id
    assert first.person != second.person
    assert first.number != second.number


def test_logins_at_once_make_one_shopper(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def race(openid: str) -> list[shoppers.ShopperView]:
        together = Barrier(8, timeout=60)

        def login(_: int) -> shoppers.ShopperView:
            together.wait()
            return arrive("wx1", openid)

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(login, range(8)))

    with monkeypatch.context() as off:
        off.setattr(Insert, "on_conflict_do_update", lambda self, **_: self)
        with pytest.raises(IntegrityError):
            race("oBBBBBB1")
    with database.transaction() as session:
        session.execute(delete(Shopper))
    assert len(set(race("oAAAAAA1"))) == 1
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Shopper)) == 1


def test_a_unionid_once_told_is_not_forgotten(db: None) -> None:
    shopper = arrive("wx1", "oAAAAAA1", "uAAAAAA1")
    arrive("wx1", "oAAAAAA1")
    with database.transaction() as session:
        identity = shoppers.wechat_identity(session, shopper_id=shopper.shopper_id)
    assert identity == WeChatIdentity(appid="wx1", openid="oAAAAAA1", unionid="uAAAAAA1")
    assert "oAAAAAA1" not in repr(identity)


def test_guests_are_all_different_and_have_no_openid(db: None) -> None:
    with database.transaction() as session:
        first = shoppers.arrive_as_guest(session, now=NOW)
        second = shoppers.arrive_as_guest(session, now=NOW)
        assert first.person != second.person
        assert shoppers.wechat_identity(session, shopper_id=first.shopper_id) is None
        assert shoppers.find(session, shopper_id=first.shopper_id) == first


def test_the_last_login_is_remembered(db: None) -> None:
    shopper = arrive("wx1", "oAAAAAA1")
    later = NOW + timedelta(days=1)
    with database.transaction() as session:
        shoppers.arrive(session, identity=WeChatIdentity(appid="wx1", openid="oAAAAAA1"), now=later)
        row = session.get_one(Shopper, shopper.shopper_id)
        assert (row.created_at, row.logged_in_at) == (NOW, later)
