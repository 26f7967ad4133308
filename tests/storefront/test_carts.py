"""Carts: quantities of ours, prices of the catalog's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors as catalog_errors
from catalog import products, stock
from config import database
from storefront import addresses, carts, login, sessions, shoppers
from storefront.errors import CartFull, CartLineNotFound
from subway_campaign import seeding as campaign
from subway_campaign import visits
from subway_campaign.landing import Landing, LandingKind
from tests.emulator.conftest import Wechat
from tests.storefront.conftest import NOW

HOME = addresses.check(name="王小明", phone="13800001234", region_code="340102", detail="明光路 1 号")
Filler = Callable[..., carts.CartView]


@pytest.fixture
def put(guest: int) -> Filler:
    def fill(
        session: Session, sku: str, quantity: int = 1, shopper_id: int = guest, minutes: int = 0
    ) -> carts.CartView:
        now = NOW + timedelta(minutes=minutes)
        return carts.put(session, shopper_id=shopper_id, sku=sku, quantity=quantity, now=now)

    return fill


def quantities(session: Session, shopper_id: int) -> dict[str, int]:
    return {line.sku: line.quantity for line in carts.view(session, shopper_id=shopper_id).lines}


def test_a_cart_shows_today_s_prices_in_the_order_it_was_filled(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[1], 2)
        cart = put(session, skus[0], 3, minutes=1)
        assert [(line.sku, line.quantity) for line in cart.lines] == [(skus[1], 2), (skus[0], 3)]
        assert cart.pieces == 5
        assert cart.goods_fen == sum(line.price_fen * line.quantity for line in cart.lines) > 0
        products.reprice(session, sku=skus[0], price_fen=12345, now=NOW)
        again = carts.view(session, shopper_id=guest)
        assert again.lines[1].price_fen == 12345
        assert again.goods_fen == cart.lines[0].amount_fen + 3 * 12345


def test_putting_again_replaces_the_quantity_and_keeps_the_place(skus: list[str], put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[0], 2)
        put(session, skus[1], 1, minutes=1)
        cart = put(session, skus[0], 5, minutes=2)
        assert [(line.sku, line.quantity) for line in cart.lines] == [(skus[0], 5), (skus[1], 1)]


def test_what_cannot_be_bought_stays_marked_and_uncounted(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[0], 2)
        cart = put(session, skus[1], 1, minutes=1)
        assert [line.is_available for line in cart.lines] == [True, True]
        products.delist(session, slug=cart.lines[0].product_slug)
        again = carts.view(session, shopper_id=guest)
        assert [line.is_available for line in again.lines] == [False, True]
        assert (again.pieces, again.goods_fen) == (1, again.lines[1].amount_fen)
        with pytest.raises(catalog_errors.NotForSale):
            put(session, skus[0], 1)


def test_sold_out_is_marked(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE stock_levels SET on_hand = 5 FROM skus WHERE skus.id = sku_id AND number = :sku"),
            {"sku": skus[0]},
        )
        assert put(session, skus[0], 5).lines[0].is_available
        assert not put(session, skus[0], 6).lines[0].is_available
        put(session, skus[0], 5)
        stock.hold(session, reference="L1", lines={skus[0]: 1}, now=NOW)
        assert not carts.view(session, shopper_id=guest).lines[0].is_available


@pytest.mark.parametrize("quantity", [0, -1, 1000, 10**12, -(10**30)])
def test_impossible_quantities_are_refused(skus: list[str], guest: int, put: Filler, quantity: int) -> None:
    with database.transaction() as session:
        with pytest.raises(catalog_errors.QuantityInvalid):
            put(session, skus[0], quantity)
        assert carts.view(session, shopper_id=guest) == carts.CartView(lines=(), pieces=0, goods_fen=0)


@pytest.mark.parametrize("sku", ["", "nothing", "'; DROP TABLE skus; --", "中文"])
def test_unknown_skus_are_refused(skus: list[str], guest: int, put: Filler, sku: str) -> None:
    with database.transaction() as session:
        with pytest.raises(catalog_errors.SkuUnknown):
            put(session, sku)
        with pytest.raises(CartLineNotFound):
            carts.remove(session, shopper_id=guest, sku=sku)


def test_a_line_is_taken_out_once(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[0])
        put(session, skus[1], minutes=1)
        assert [line.sku for line in carts.remove(session, shopper_id=guest, sku=skus[0]).lines] == [skus[1]]
        with pytest.raises(CartLineNotFound):
            carts.remove(session, shopper_id=guest, sku=skus[0])
        carts.clear(session, shopper_id=guest, skus=[*skus, "nothing"])
        assert quantities(session, guest) == {}


def test_carts_are_private(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        other = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        put(session, skus[0])
        assert quantities(session, other) == {}
        with pytest.raises(CartLineNotFound):
            carts.remove(session, shopper_id=other, sku=skus[0])
        assert quantities(session, guest) == {skus[0]: 1}


def test_a_full_cart_takes_no_more_but_can_be_changed(
    skus: list[str], put: Filler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carts, "MOST_LINES", 2)
    with database.transaction() as session:
        put(session, skus[0])
        put(session, skus[1])
        assert put(session, skus[1], 7).pieces == 8
        with pytest.raises(CartFull):
            put(session, skus[2])


def test_many_tabs_cannot_overfill_a_cart(
    skus: list[str], guest: int, put: Filler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def race(before_commit: Callable[[], object] = lambda: None) -> int:
        together = Barrier(6, timeout=60)

        def go(sku: str) -> None:
            together.wait()
            try:
                with database.transaction() as session:
                    put(session, sku)
                    before_commit()
            except CartFull:
                return

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(go, skus[:6]))
        with database.transaction() as session:
            held = quantities(session, guest)
            carts.clear(session, shopper_id=guest, skus=list(held))
        return len(held)

    monkeypatch.setattr(carts, "MOST_LINES", 2)
    with monkeypatch.context() as off:
        off.setattr(carts, "_lock", lambda session, shopper_id: None)
        # Nobody commits before everybody has counted and put.
        assert race(Barrier(6, timeout=60).wait) == 6, "without the lock the cart overflows"
    assert [race() for _ in range(3)] == [2, 2, 2]


def test_a_cart_moves_and_the_larger_quantity_stays(
    skus: list[str], guest: int, put: Filler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        owner = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        put(session, skus[0], 5)
        put(session, skus[1], 1, minutes=1)
        put(session, skus[2], 1, minutes=2)
        put(session, skus[3], 1, minutes=3)
        put(session, skus[0], 2, shopper_id=owner)
        put(session, skus[1], 9, shopper_id=owner)
        monkeypatch.setattr(carts, "MOST_LINES", 3)
        carts.move(session, from_shopper=guest, to_shopper=owner)
        assert quantities(session, owner) == {skus[0]: 5, skus[1]: 9, skus[2]: 1}
        assert quantities(session, guest) == {skus[3]: 1}
        carts.move(session, from_shopper=guest, to_shopper=owner)
        assert quantities(session, owner) == {skus[0]: 5, skus[1]: 9, skus[2]: 1}


def test_the_cart_and_the_addresses_of_a_guest_follow_the_login(skus: list[str], desk: Wechat) -> None:
    with database.transaction() as session:
        entered = login.guest(session, now=NOW)
    guest = sessions.verify(entered.opened.token, now=NOW).shopper_id
    assert guest is not None
    with database.transaction() as session:
        carts.put(session, shopper_id=guest, sku=skus[0], quantity=4, now=NOW)
        addresses.keep(session, shopper_id=guest, delivery=HOME, now=NOW)
    code = desk.control("POST", "/js_codes", person="李明")["js_code"]
    known = login.miniprogram(js_code=code, visitor_token=None, previous=entered.opened.token, now=NOW)
    shopper = sessions.verify(known.opened.token, now=NOW).shopper_id
    assert shopper is not None
    with database.transaction() as session:
        assert quantities(session, shopper) == {skus[0]: 4}
        assert [view.delivery for view in addresses.listing(session, shopper_id=shopper)] == [HOME]
        assert quantities(session, guest) == {}


def test_a_cart_is_a_stage_of_the_journey_that_led_to_it(guest: int, skus: list[str]) -> None:
    visitor = uuid4()
    landing = [Landing(kind=LandingKind.PRODUCT, slug="anything")]
    campaign.seed(lambda what, done, total: None, now=NOW - timedelta(days=1), landings=landing)
    [(slug,)] = database.statement("SELECT slug FROM codes ORDER BY slug LIMIT 1")
    visits.open(slug=slug, visitor=visitor, now=NOW - timedelta(minutes=5))
    with database.transaction() as session:
        carts.put(session, shopper_id=guest, sku=skus[0], quantity=1, visitor=visitor, now=NOW)
    assert database.statement("SELECT stage FROM journey_stages ORDER BY stage") == [("cart",), ("view",)]


def test_a_line_is_changed_only_while_it_is_there(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        with pytest.raises(CartLineNotFound):
            carts.change(session, shopper_id=guest, sku=skus[0], quantity=2, now=NOW)
        put(session, skus[0])
        assert carts.change(session, shopper_id=guest, sku=skus[0], quantity=4, now=NOW).pieces == 4
        assert carts.holds(session, shopper_id=guest, lines={skus[0]: 4})
        assert not carts.holds(session, shopper_id=guest, lines={skus[0]: 3})
        assert not carts.holds(session, shopper_id=guest, lines={skus[0]: 4, skus[1]: 1})


def ticked(session: Session, shopper_id: int) -> list[str]:
    return [line.sku for line in carts.view(session, shopper_id=shopper_id).chosen]


def test_a_line_without_its_tick_is_in_no_order_until_more_is_put_in(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[0])
        put(session, skus[1], minutes=1)
        carts.tick(session, shopper_id=guest, sku=skus[0], is_ticked=False)
        assert ticked(session, guest) == [skus[1]]
        assert carts.view(session, shopper_id=guest).pieces == 2
        assert not carts.holds(session, shopper_id=guest, lines={skus[0]: 1})
        assert carts.holds(session, shopper_id=guest, lines={skus[1]: 1})
        assert carts.change(session, shopper_id=guest, sku=skus[0], quantity=3, now=NOW).unticked == {skus[0]}
        assert not carts.add(session, shopper_id=guest, sku=skus[0], quantity=1, now=NOW).unticked
        carts.tick_all(session, shopper_id=guest, is_ticked=False)
        assert ticked(session, guest) == []
        carts.tick(session, shopper_id=guest, sku=skus[1], is_ticked=True)
        assert ticked(session, guest) == [skus[1]]
        carts.tick_all(session, shopper_id=guest, is_ticked=True)
        assert ticked(session, guest) == skus[:2]


def test_only_one_s_own_lines_are_ticked(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        put(session, skus[0])
        other = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        for sku in (skus[0], skus[1], "NOPE"):
            with pytest.raises(CartLineNotFound):
                carts.tick(session, shopper_id=other, sku=sku, is_ticked=False)
        carts.tick_all(session, shopper_id=other, is_ticked=False)
        assert ticked(session, guest) == [skus[0]]


def test_a_tick_moves_with_its_line_and_one_in_either_cart_is_enough(skus: list[str], guest: int, put: Filler) -> None:
    with database.transaction() as session:
        owner = shoppers.arrive_as_guest(session, now=NOW).shopper_id
        for sku in skus[:4]:
            put(session, sku)
        for sku in skus[:3]:
            put(session, sku, shopper_id=owner)
        for shopper_id, sku in (
            (guest, skus[0]),
            (guest, skus[2]),
            (guest, skus[3]),
            (owner, skus[1]),
            (owner, skus[2]),
        ):
            carts.tick(session, shopper_id=shopper_id, sku=sku, is_ticked=False)
        carts.move(session, from_shopper=guest, to_shopper=owner)
        assert sorted(ticked(session, owner)) == sorted(skus[:2])


def test_two_who_put_the_same_in_at_once_both_count(
    skus: list[str], guest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def race() -> int:
        def go(_: int) -> None:
            with database.transaction() as session:
                carts.add(session, shopper_id=guest, sku=skus[0], quantity=1, now=NOW)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(go, range(4)))
        with database.transaction() as session:
            [held] = quantities(session, guest).values()
            carts.clear(session, shopper_id=guest, skus=skus)
        return held

    with monkeypatch.context() as off:
        together, held = Barrier(4, timeout=60), carts._held

        def seen_by_all(session: Session, shopper_id: int) -> dict[str, int]:
            found = held(session, shopper_id)
            together.wait()
            return found

        off.setattr(carts, "_lock", lambda session, shopper_id: None)
        off.setattr(carts, "_held", seen_by_all)
        assert race() == 1, "without the lock three pieces are lost"
    assert race() == 4


def test_only_a_session_that_lives_has_pieces_to_count(skus: list[str]) -> None:
    with database.transaction() as session:
        entered = login.guest(session, now=NOW)
    token = entered.opened.token
    guest = sessions.verify(token, now=NOW).shopper_id
    assert guest is not None
    with database.transaction() as session:
        carts.put(session, shopper_id=guest, sku=skus[0], quantity=3, now=NOW)
        carts.put(session, shopper_id=guest, sku=skus[1], quantity=2, now=NOW)
    assert carts.pieces(token=token, now=NOW) == 5
    assert carts.pieces(token=token, now=entered.opened.expires_at) == 0
    with database.transaction() as session:
        sessions.leave(session, token=token, now=NOW)
    assert carts.pieces(token=token, now=NOW) == 0
