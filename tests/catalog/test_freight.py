"""Freight: by ship-from, weight and zone, and said before anybody pays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import errors, freight, pricing, products
from catalog.freight import Rate
from config import database

RATE = Rate(3000, 800, 1000, 100, 6900, True)


def quote(lines: dict[str, int], region_code: str) -> dict[str, int]:
    with database.transaction() as session:
        consignments = freight.quote(session, lines=products.price(session, lines), region_code=region_code)
    return {consignment.ship_from: consignment.freight_fen for consignment in consignments}


def test_each_ship_from_sends_one_consignment(seeded: None) -> None:
    assert quote({"AH004A": 1, "AH034A": 1, "AH001A": 1}, "341321") == {"luan": 0, "suzhou": 1000}


def test_freight_grows_with_distance_and_weight(seeded: None) -> None:
    costs = [quote({"AH016A": 1}, code)["fuyang"] for code in ("340104", "440103", "110101", "210102", "650102")]
    assert costs == [1100, 1600, 2100, 3000, 5000]
    assert quote({"AH016A": 2}, "650102")["fuyang"] == 11000


def test_goods_enough_travel_free(seeded: None) -> None:
    assert quote({"AH001A": 2}, "340104") == {"suzhou": 1100}
    assert quote({"AH001A": 3}, "340104") == {"suzhou": 0}


def test_fresh_goods_do_not_go_to_the_far_west(seeded: None) -> None:
    with pytest.raises(errors.NotDeliverable) as refusal:
        quote({"AH001A": 1, "AH034A": 1, "AH005A": 1}, "540102")
    assert refusal.value.details == {
        "lines": [{"sku": "AH001A"}, {"sku": "AH005A"}],
        "region": "西藏自治区拉萨市城关区",
    }
    assert quote({"AH034A": 1}, "540102") == {"luan": 2000}


@pytest.mark.parametrize("region_code", ["710000", "810000", "820000"])
def test_some_regions_are_not_served(seeded: None, region_code: str) -> None:
    with pytest.raises(errors.NotDeliverable):
        quote({"AH034A": 1}, region_code)


@pytest.mark.parametrize("region_code", ["340000", "341300", "999999", "", "\x00"])
def test_a_region_that_no_address_ends_in_is_refused(seeded: None, region_code: str) -> None:
    with pytest.raises(errors.RegionInvalid):
        quote({"AH034A": 1}, region_code)


def test_odd_divisions_are_served(seeded: None) -> None:
    for region_code in ("441900", "429004", "659001", "110101"):
        assert quote({"AH034A": 1}, region_code)["luan"] >= 0


def test_every_province_has_a_zone(seeded: None) -> None:
    assert database.statement("SELECT count(*) FROM freight_zones") == [(34,)]
    assert database.statement("SELECT count(DISTINCT warehouse_id), count(*) FROM freight_rates") == [(16, 80)]


@given(st.integers(1, 999), st.integers(1, 50_000), st.integers(1, 100_000))
def test_a_started_step_is_a_step(quantity: int, weight_g: int, price_fen: int) -> None:
    line = line_of(quantity, weight_g, price_fen)
    fen = freight.charge(RATE, [line])
    if line.amount_fen >= 6900:
        assert fen == 0
    else:
        steps = max(0, -(-(weight_g * quantity - 3000) // 1000))
        assert fen == 800 + 100 * steps


def test_without_a_threshold_nothing_travels_free() -> None:
    assert freight.charge(Rate(3000, 2000, 1000, 1000, None, False), [line_of(999, 1, 100_000)]) == 2000


def line_of(quantity: int, weight_g: int, price_fen: int) -> pricing.PricedLine:
    return pricing.PricedLine(
        sku="A",
        product_slug="a",
        title="a",
        spec="a",
        price_fen=price_fen,
        quantity=quantity,
        ship_from="hefei",
        is_on_sale=True,
        is_display_only=False,
        available=999,
        weight_g=weight_g,
        return_class="allowed",
        delivery_class="parcel",
        image="a",
    )
