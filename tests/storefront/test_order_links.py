"""Links that open one order."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from config import database
from storefront import order_links
from storefront.errors import LinkNotFound
from storefront.shopper_models import OrderLink
from tests.storefront.conftest import NOW


def issue(order: str = "L1") -> str:
    with database.transaction() as session:
        return order_links.issue(session, order_number=order, now=NOW)


def test_a_link_opens_its_order_until_it_is_revoked(db: None) -> None:
    link = issue()
    assert len(link) == 22
    assert issue() == link
    with database.transaction() as session:
        assert order_links.resolve(session, link=link) == "L1"
        order_links.revoke(session, order_number="L1", now=NOW)
        with pytest.raises(LinkNotFound):
            order_links.resolve(session, link=link)
        with pytest.raises(LinkNotFound):
            order_links.revoke(session, order_number="L1", now=NOW)
    assert issue() != link


def test_orders_have_links_of_their_own(db: None) -> None:
    first, second = issue("L1"), issue("L2")
    with database.transaction() as session:
        assert order_links.resolve(session, link=first) == "L1"
        assert order_links.resolve(session, link=second) == "L2"


def test_two_pages_at_once_show_the_same_link(db: None) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(lambda _: issue(), range(6)))) == 1


def test_the_table_alone_opens_nothing(db: None) -> None:
    link = issue()
    with database.transaction() as session:
        row = session.scalars(select(OrderLink)).one()
        assert link.encode() not in (row.seed, row.link_digest)


@pytest.mark.parametrize("link", ["", "x", "A" * 22, "A" * 21 + "\n", "中" * 22, "A" * 21 + "\x00", "A" * 5000])
def test_other_text_opens_nothing(db: None, link: str) -> None:
    issue()
    with database.transaction() as session, pytest.raises(LinkNotFound):
        order_links.resolve(session, link=link)
