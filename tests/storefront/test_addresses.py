"""Address books: deliverable, one shopper's own, at most one default."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from config import database
from storefront import addresses, shoppers
from storefront.errors import AddressInvalid, AddressNotFound, TooManyAddresses
from storefront.shopper_models import Address
from tests.storefront.conftest import NOW

DANGSHAN = "341321"
GOOD = {"name": "李明", "phone": "13800001234", "region_code": DANGSHAN, "detail": "砀城镇梨花路 1 号"}


def add(session: Session, shopper_id: int, *, is_default: bool = False, **changed: Any) -> addresses.AddressView:
    return addresses.add(session, shopper_id=shopper_id, is_default=is_default, now=NOW, **{**GOOD, **changed})


def defaults(session: Session, shopper_id: int) -> list[str]:
    return [view.number for view in addresses.listing(session, shopper_id=shopper_id) if view.is_default]


def test_an_address_is_kept_tidied_up(guest: int) -> None:
    with database.transaction() as session:
        added = add(session, guest, name="  李明 ", phone="+86 138-0000-1234", detail=" 梨花路 1 号\u3000")
        assert added.is_default
        assert addresses.find(session, shopper_id=guest, number=added.number) == added
    assert added.delivery == addresses.Delivery(
        name="李明",
        phone="13800001234",
        region_code=DANGSHAN,
        region="安徽省 宿州市 砀山县",
        detail="梨花路 1 号",
    )


@pytest.mark.parametrize(
    "phone", ["13800001234", "１３８００００１２３４", "0557-8021234", "(010) 12345678", "+8613800001234"]
)
def test_telephones_that_ring(phone: str) -> None:
    assert addresses.check(**{**GOOD, "phone": phone}).phone.isdigit()


@pytest.mark.parametrize(
    "phone",
    [
        "",
        "1380000123",
        "138000012345",
        "12800001234",
        "110",
        "13800001234\n1",
        "1380000123x",
        "+1 2025550123",
        "१३८००००१२३४x",
    ],
)
def test_telephones_that_do_not(phone: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        addresses.check(**{**GOOD, "phone": phone})
    assert set(refused.value.details["fields"]) == {"phone"}


@pytest.mark.parametrize(
    "region", ["", "34", "340000", "341300", "999999", "341321000", "中文", "341321\x00", "341321 "]
)
def test_a_region_is_a_division_without_further_parts(region: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        addresses.check(**{**GOOD, "region_code": region})
    assert set(refused.value.details["fields"]) == {"region_code"}


def test_cities_without_counties_and_counties_without_cities_will_do() -> None:
    assert addresses.check(**{**GOOD, "region_code": "441900"}).region == "广东省 东莞市"
    assert addresses.check(**{**GOOD, "region_code": "429004"}).region == "湖北省 仙桃市"


def test_an_old_code_is_kept_as_its_successor() -> None:
    delivery = addresses.check(**{**GOOD, "region_code": "340221"})
    assert (delivery.region_code, delivery.region) == ("340210", "安徽省 芜湖市 湾沚区")


@pytest.mark.parametrize("name", ["李明👨\u200d👩\u200d👧", "𠮷野家", "O'Brien; DROP TABLE", "阿依古丽·买买提", "é"])
def test_names_people_have(guest: int, name: str) -> None:
    with database.transaction() as session:
        added = add(session, guest, name=name)
        session.expire_all()
        assert addresses.find(session, shopper_id=guest, number=added.number).delivery.name == name


@pytest.mark.parametrize(
    "text", ["", "   ", "李\x00明", "李\n明", "李\x7f明", "\u202e明李", "李\u2028明", "\ud800", "\ue000", "x" * 200]
)
@pytest.mark.parametrize("field", ["name", "detail"])
def test_text_that_no_waybill_prints(field: str, text: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        addresses.check(**{**GOOD, field: text})
    assert set(refused.value.details["fields"]) == {field}


def test_every_fault_is_told_at_once_and_nothing_is_kept(guest: int) -> None:
    with database.transaction() as session:
        with pytest.raises(AddressInvalid) as refused:
            add(session, guest, name="", phone="1", region_code="0", detail="")
        assert set(refused.value.details["fields"]) == set(GOOD)
        assert addresses.listing(session, shopper_id=guest) == []


def test_there_is_one_default(guest: int) -> None:
    with database.transaction() as session:
        first, second = add(session, guest), add(session, guest)
        assert defaults(session, guest) == [first.number]
        third = add(session, guest, is_default=True)
        assert defaults(session, guest) == [third.number]
        changed = addresses.change(
            session, shopper_id=guest, number=second.number, is_default=True, now=NOW, **{**GOOD, "name": "王芳"}
        )
        assert (changed.is_default, changed.delivery.name) == (True, "王芳")
        assert defaults(session, guest) == [second.number]
        kept = addresses.change(session, shopper_id=guest, number=second.number, is_default=False, now=NOW, **GOOD)
        assert kept.is_default


def test_the_default_passes_on_when_it_is_removed(guest: int) -> None:
    with database.transaction() as session:
        first, second, third = (add(session, guest) for _ in range(3))
        later = NOW + timedelta(hours=1)
        addresses.change(session, shopper_id=guest, number=second.number, is_default=False, now=later, **GOOD)
        addresses.remove(session, shopper_id=guest, number=first.number)
        assert defaults(session, guest) == [second.number]
        addresses.remove(session, shopper_id=guest, number=third.number)
        addresses.remove(session, shopper_id=guest, number=second.number)
        assert addresses.listing(session, shopper_id=guest) == []


def test_other_people_s_addresses_do_not_exist(guest: int) -> None:
    with database.transaction() as session:
        mine = add(session, guest)
        other = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        assert addresses.listing(session, shopper_id=other) == []
        with pytest.raises(AddressNotFound):
            addresses.find(session, shopper_id=other, number=mine.number)
        with pytest.raises(AddressNotFound):
            addresses.change(session, shopper_id=other, number=mine.number, is_default=True, now=NOW, **GOOD)
        with pytest.raises(AddressNotFound):
            addresses.remove(session, shopper_id=other, number=mine.number)
        with pytest.raises(AddressNotFound):
            addresses.find(session, shopper_id=guest, number="A0")
        assert addresses.find(session, shopper_id=guest, number=mine.number) == mine


def test_a_book_has_an_end(guest: int) -> None:
    with database.transaction() as session:
        for _ in range(addresses.MOST):
            add(session, guest)
        with pytest.raises(TooManyAddresses):
            add(session, guest)


def test_two_tabs_at_once_respect_the_end_and_the_default(guest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 3)

    def race(*, is_default: bool, before_commit: Callable[[], object] = lambda: None) -> int:
        together = Barrier(6, timeout=60)

        def go(_: int) -> bool:
            together.wait()
            try:
                with database.transaction() as session:
                    add(session, guest, is_default=is_default)
                    before_commit()
            except TooManyAddresses:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            return sum(pool.map(go, range(6)))

    with database.transaction() as session:
        first = add(session, guest)
    with monkeypatch.context() as off:
        off.setattr(addresses, "_lock_book", lambda session, shopper_id: None)
        # Nobody commits before everybody has counted and added.
        assert race(is_default=False, before_commit=Barrier(6, timeout=60).wait) == 6, "the book overflows"
    with database.transaction() as session:
        session.execute(delete(Address).where(Address.number != first.number))
    assert race(is_default=True) == 2
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Address)) == 3
        assert len(defaults(session, guest)) == 1


HOME = addresses.check(**GOOD)
WORK = addresses.check(**{**GOOD, "name": "王芳"})


def test_what_is_kept_stands_in_the_book_once_and_the_first_is_the_default(guest: int) -> None:
    with database.transaction() as session:
        for delivery in (HOME, HOME, WORK, HOME):
            addresses.keep(session, shopper_id=guest, delivery=delivery, now=NOW)
        book = addresses.listing(session, shopper_id=guest)
        assert [(view.delivery, view.is_default) for view in book] == [(HOME, True), (WORK, False)]


def test_a_full_book_keeps_nothing_more_and_refuses_nothing(guest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 1)
    with database.transaction() as session:
        for delivery in (HOME, WORK):
            addresses.keep(session, shopper_id=guest, delivery=delivery, now=NOW)
        assert [view.delivery for view in addresses.listing(session, shopper_id=guest)] == [HOME]


def test_two_orders_at_once_keep_an_address_once(guest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def race(before_commit: Callable[[], object] = lambda: None) -> int:
        def go(_: int) -> None:
            with database.transaction() as session:
                addresses.keep(session, shopper_id=guest, delivery=HOME, now=NOW)
                before_commit()

        with database.transaction() as session:
            addresses.keep(session, shopper_id=guest, delivery=WORK, now=NOW)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(go, range(4)))
        with database.transaction() as session:
            kept = [view.delivery for view in addresses.listing(session, shopper_id=guest)].count(HOME)
            session.execute(delete(Address))
        return kept

    with monkeypatch.context() as off:
        off.setattr(addresses, "_lock_book", lambda session, shopper_id: None)
        assert race(before_commit=Barrier(4, timeout=60).wait) == 4, "without the lock it stands there four times"
    assert race() == 1


def test_a_book_moves_and_what_stands_in_both_stands_there_once(guest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 3)
    third, fourth = (addresses.check(**{**GOOD, "name": name}) for name in ("赵云", "孙策"))
    with database.transaction() as session:
        owner = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        for delivery in (HOME, third, fourth):
            addresses.keep(session, shopper_id=guest, delivery=delivery, now=NOW)
        for delivery in (WORK, HOME):
            addresses.keep(session, shopper_id=owner, delivery=delivery, now=NOW)
        addresses.move(session, from_shopper=guest, to_shopper=owner)
        book = addresses.listing(session, shopper_id=owner)
        assert (book[0].delivery, len(defaults(session, owner))) == (WORK, 1)
        assert {view.delivery for view in book} > {HOME, WORK}
        assert len(book) == 3
        assert len(addresses.listing(session, shopper_id=guest)) == 1


def test_a_book_that_moves_to_nobody_s_keeps_its_default(guest: int) -> None:
    with database.transaction() as session:
        for delivery in (HOME, WORK):
            addresses.keep(session, shopper_id=guest, delivery=delivery, now=NOW)
        [number] = defaults(session, guest)
        owner = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        addresses.move(session, from_shopper=guest, to_shopper=owner)
        assert defaults(session, owner) == [number]
        assert addresses.listing(session, shopper_id=guest) == []
