"""Reviews of prices at work: the county decides in its area, the supplier reads why."""

from collections.abc import Callable

import pytest

from catalog import price_guard, products
from config import clock, database
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]
pytestmark = pytest.mark.usefixtures("seeded")


def opened() -> str:
    with database.transaction() as session:
        products.reprice(session, sku="AH001A", price_fen=99_900, now=clock.now())
    price_guard.review_due(now=clock.now())
    [(number,)] = database.statement(
        "SELECT r.number FROM price_reviews r JOIN skus s ON s.id = r.sku_id WHERE s.number = 'AH001A'"
    )
    return str(number)


def test_the_county_asks_for_another_price_and_the_supplier_reads_why(clerk: Hire) -> None:
    number = opened()
    county, supplier = clerk(Role.COUNTY, area="341321"), clerk(Role.SUPPLIER, supplier="SUP0001")
    page = county.open("/prices").text
    for words in (number, "砀山酥梨", "199.80", "全省同类中位数"):
        assert words in page
    form = {"seen": "open", "reason": "明显高于同类，请说明或改价"}
    assert supplier.send(f"/prices/{number}/decision", act="accept", **form).status_code == 403
    path = f"/prices/{number}/decision"
    assert "fault=price_review.reason_missing" in county.send(path, act="ask", seen="open", reason="").location
    assert "fault=form.reason" in county.send(path, act="shout", **form).location
    assert "done=price_decided" in county.send(path, act="ask", **form).location
    assert "fault=price_review.moved" in county.send(path, act="accept", **form).location
    assert "明显高于同类" in supplier.open("/prices?tab=asked").text
    assert ("price.asked", number) in audited()


def test_what_is_out_of_scope_is_not_found(clerk: Hire) -> None:
    number = opened()
    far = clerk(Role.COUNTY, area="341322")
    assert number not in far.open("/prices").text
    sent = far.send(f"/prices/{number}/decision", act="accept", seen="open", reason="")
    assert "fault=price_review.not_found" in sent.location
    assert number not in clerk(Role.SUPPLIER, supplier="SUP0002").open("/prices").text
