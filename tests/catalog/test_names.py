"""What things are called, and which goods lie in a scope."""

import pytest

from catalog import halls, names, products
from config import database


def test_names_are_found_by_public_keys(seeded: None) -> None:
    with database.transaction() as session:
        assert names.products(session, ["dangshansuli", "gone"]) == {"dangshansuli": "砀山酥梨"}
        assert names.halls(session, ["dangshan-xian"]) == {"dangshan-xian": "砀山县地方馆"}
        assert names.warehouses(session, ["suzhou", "suzhou"]).keys() == {"suzhou"}
        assert names.products(session, []) == {}


def test_what_exists_exists_off_sale_too(seeded: None) -> None:
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
        assert products.exists(session, slug="dangshansuli")
        assert not products.exists(session, slug="gone")
        assert halls.exists(session, slug="dangshan-xian")
        assert not halls.exists(session, slug="gone")


@pytest.mark.parametrize("area", ["34", "3413", "341321"])
def test_a_region_holds_the_goods_of_everything_below(seeded: None, area: str) -> None:
    with database.transaction() as session:
        found = products.within(session, area=area, supplier=None)
        assert "dangshansuli" in found
        everything = products.within(session, area=None, supplier=None)
    origins = dict(database.statement("SELECT slug, origin_code FROM products"))
    assert set(found) == {slug for slug, origin in origins.items() if origin.startswith(area)}
    assert set(everything) == origins.keys()


def test_a_supplier_holds_its_own_goods(seeded: None) -> None:
    sold = database.statement("SELECT u.number, p.slug FROM products p JOIN suppliers u ON u.id = p.supplier_id")
    supplier = sold[0][0]
    with database.transaction() as session:
        found = products.within(session, area=None, supplier=supplier)
        assert products.within(session, area=None, supplier="nobody") == []
        assert products.within(session, area="99", supplier=supplier) == []
    assert set(found) == {slug for number, slug in sold if number == supplier}
