"""Checkout: server prices, all or nothing, one order a key however many ask at once."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from catalog import products, stock
from catalog.errors import NotDeliverable, NotForSale, OutOfStock, SkuUnknown
from config import database
from storefront import carts, checkout, declarations, errors
from storefront.declaration_models import DeclarationKind
from tests.storefront.conftest import NOW, Buyer, stock_of
from tests.waits import IN_A_QUEUE

# How many wait for their turn with a SKU.
WAITING = f"{IN_A_QUEUE} AND classid = %s AND objid = %s"


def count(table: str) -> int:
    return int(database.statement(f"SELECT count(*) FROM {table}")[0][0])


def test_an_order_charges_what_the_quote_said_and_holds_its_stock(buyer: Buyer, skus: list[str]) -> None:
    lines = {skus[0]: 2, skus[1]: 1}
    with database.transaction() as session:
        quote = checkout.quote(session, lines=lines, region_code="340102")
    number = buyer.place(lines)
    [(goods, freight, payable, state)] = database.statement(
        "SELECT goods_fen, freight_fen, payable_fen, state FROM orders"
    )
    assert (goods, freight, payable, state) == (quote.goods_fen, quote.freight_fen, quote.payable_fen, "pending")
    assert [stock_of(sku)[1] for sku in lines] == [2, 1]
    assert database.statement("SELECT name, key FROM facts") == [("order.placed", number)]


def test_lines_from_two_warehouses_make_two_consignments_that_share_the_freight(buyer: Buyer, skus: list[str]) -> None:
    buyer.place({skus[0]: 1, skus[1]: 1})
    rows = database.statement("SELECT consignment_no, freight_fen FROM consignments ORDER BY 1")
    [(freight,)] = database.statement("SELECT freight_fen FROM orders")
    assert [no for no, _ in rows] == [1, 2]
    assert sum(fen for _, fen in rows) == freight
    assert database.statement("SELECT count(DISTINCT consignment_no) FROM order_lines") == [(2,)]


def test_the_same_key_gives_the_same_order_and_another_body_is_refused(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1})
    assert buyer.place({skus[0]: 1}) == number
    with pytest.raises(errors.IdempotencyMismatch):
        buyer.place({skus[0]: 2})
    assert (count("orders"), stock_of(skus[0])[1]) == (1, 1)


def test_an_order_is_found_by_its_key_when_its_goods_are_no_longer_sold(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1})
    [(slug,)] = database.statement(
        "SELECT p.slug FROM products p JOIN skus s ON s.product_id = p.id WHERE s.number = %s", (skus[0],)
    )
    with database.transaction() as session:
        products.delist(session, slug=slug)
    assert buyer.place({skus[0]: 1}) == number
    with pytest.raises(errors.IdempotencyMismatch):
        buyer.place({skus[0]: 2})
    with pytest.raises(NotForSale):
        buyer.place({skus[0]: 1}, key="another-key")


def test_the_same_key_eight_times_at_once_gives_one_order(buyer: Buyer, skus: list[str]) -> None:
    barrier = Barrier(8, timeout=60)

    def place(_: int) -> str:
        barrier.wait()
        return buyer.place({skus[0]: 1})

    with ThreadPoolExecutor(8) as threads:
        numbers = set(threads.map(place, range(8)))
    assert len(numbers) == 1
    assert (count("orders"), stock_of(skus[0])[1]) == (1, 1)


def test_a_number_that_another_order_has_is_drawn_again(
    buyer: Buyer, skus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([7, 7, 8])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(draws))
    first = buyer.place({skus[0]: 1}, key="first-000")
    second = buyer.place({skus[0]: 1}, key="second-00")
    assert (first[-10:], second[-10:]) == ("0000000007", "0000000008")
    assert (count("orders"), stock_of(skus[0])[1]) == (2, 2)


def test_what_is_short_leaves_nothing_behind_and_says_what_is_left(buyer: Buyer, skus: list[str]) -> None:
    on_hand, _ = stock_of(skus[0])
    with pytest.raises(OutOfStock) as caught:
        buyer.place({skus[0]: on_hand + 1, skus[1]: 1})
    assert caught.value.details == {"lines": [{"sku": skus[0], "available": on_hand}]}
    assert (count("orders"), count("facts"), stock_of(skus[1])[1]) == (0, 0, 0)
    buyer.place({skus[0]: on_hand})


def test_goods_that_are_not_there_when_they_are_taken_are_not_sold_without_stock(
    monkeypatch: pytest.MonkeyPatch, buyer: Buyer, skus: list[str]
) -> None:
    hold_params = stock.hold_params
    monkeypatch.setattr(stock, "hold_params", lambda **given: hold_params(**{**given, "lines": {"N00000000GONE": 1}}))
    with pytest.raises(psycopg.errors.NotNullViolation):
        buyer.place({skus[0]: 1})
    assert (count("orders"), count("facts"), stock_of(skus[0])[1]) == (0, 0, 0)


def test_the_last_item_goes_to_one_of_eight(seeded: None, buyer: Buyer, skus: list[str]) -> None:
    on_hand, _ = stock_of(skus[0])
    buyer.place({skus[0]: on_hand - 1}, key="all-but-one")
    barrier = Barrier(8, timeout=60)

    def place(n: int) -> bool:
        barrier.wait()
        try:
            buyer.place({skus[0]: 1}, key=f"rival-0000{n}")
        except OutOfStock:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(place, range(8))) == 1
    assert stock_of(skus[0]) == (on_hand, on_hand)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections that are opened from now on wait for a lock as long as it takes eight of them to come there."""
    patient = "-c lock_timeout=60s -c statement_timeout=60s"
    monkeypatch.setattr(database, "_HOT_OPTIONS", f"{database._HOT_OPTIONS} {patient}")


def place_together(buyer: Buyer, sku: str) -> list[str | OutOfStock]:
    """Let eight order one of a SKU after all of them saw at a glance that there is one."""

    def place(n: int) -> str | OutOfStock:
        try:
            return buyer.place({sku: 1}, key=f"rival-0000{n}")
        except OutOfStock as refusal:
            return refusal

    [(sku_id,)] = database.statement("SELECT id FROM skus WHERE number = %s", (sku,))
    database.statement("UPDATE stock_levels SET reserved = on_hand - 1 WHERE sku_id = %s", (sku_id,))
    database.statement("SELECT pg_advisory_lock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
    with ThreadPoolExecutor(8) as threads:
        orders = [threads.submit(place, n) for n in range(8)]
        while database.statement(WAITING, (stock.SKU_QUEUE, sku_id)) != [(8,)]:
            assert not any(order.done() for order in orders)
        database.statement("SELECT pg_advisory_unlock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
        return [order.result() for order in orders]


def test_the_last_item_goes_to_all_of_eight_without_the_check(buyer: Buyer, skus: list[str], patience: None) -> None:
    """The race is real: eight that have seen what is free before the first of them takes it are all sold the last."""
    on_hand, _ = stock_of(skus[0])
    database.statement("ALTER TABLE stock_levels DROP CONSTRAINT ck_stock_levels_never_oversold")
    try:
        assert len({order for order in place_together(buyer, skus[0]) if isinstance(order, str)}) == 8
        assert stock_of(skus[0]) == (on_hand, on_hand + 7)
    finally:
        database.statement("UPDATE stock_levels SET reserved = 0")
        database.statement(
            "ALTER TABLE stock_levels ADD CONSTRAINT ck_stock_levels_never_oversold"
            " CHECK (0 <= reserved AND reserved <= on_hand)"
        )


def test_whoever_grasps_too_late_has_written_nothing_and_is_told_what_is_left(
    buyer: Buyer, skus: list[str], patience: None
) -> None:
    outcomes = place_together(buyer, skus[0])
    late = [outcome.details for outcome in outcomes if isinstance(outcome, OutOfStock)]
    assert late == [{"lines": [{"sku": skus[0], "available": 0}]}] * 7
    tables = ("orders", "order_lines", "consignments", "facts", "open_facts", "reservations")
    assert [count(table) for table in tables] == [1] * len(tables)
    assert count("stock_moves WHERE kind = 'held'") == 1


def test_the_transaction_of_whoever_grasps_too_late_goes_on(buyer: Buyer, skus: list[str]) -> None:
    """Another takes all but one while this order waits for its turn; what the transaction wrote before is kept."""
    on_hand, _ = stock_of(skus[0])
    [(sku_id,)] = database.statement("SELECT id FROM skus WHERE number = %s", (skus[0],))
    wanted = {"shopper_id": buyer.shopper_id, "person": buyer.person, "visitor": None, "address": buyer.address}

    def order_two_then_one() -> str:
        with database.transaction() as session:
            carts.put(session, shopper_id=buyer.shopper_id, sku=skus[1], quantity=1, now=NOW)
            with pytest.raises(OutOfStock) as caught:
                checkout.place(session, **wanted, key="too-late-0", lines={skus[0]: 2}, now=NOW)
            assert caught.value.details == {"lines": [{"sku": skus[0], "available": 1}]}
            return checkout.place(session, **wanted, key="in-time-00", lines={skus[0]: 1}, now=NOW).number

    database.statement("SELECT pg_advisory_lock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
    with ThreadPoolExecutor(1) as threads:
        order = threads.submit(order_two_then_one)
        while database.statement(WAITING, (stock.SKU_QUEUE, sku_id)) != [(1,)]:
            assert not order.done()
        database.statement("UPDATE stock_levels SET reserved = on_hand - 1 WHERE sku_id = %s", (sku_id,))
        database.statement("SELECT pg_advisory_unlock(%s, %s::int)", (stock.SKU_QUEUE, sku_id))
    assert database.statement("SELECT number FROM orders") == [(order.result(),)]
    assert (stock_of(skus[0]), count("cart_lines")) == ((on_hand, on_hand), 1)


@pytest.mark.parametrize("is_alone", [True, False])
def test_an_order_is_placed_alone_or_in_the_transaction_of_its_caller(
    buyer: Buyer, skus: list[str], is_alone: bool
) -> None:
    """Both ways write the same, and what the caller takes back is gone with all that hangs on it."""
    wanted = {"shopper_id": buyer.shopper_id, "person": buyer.person, "visitor": None, "address": buyer.address}
    wanted |= {"key": "key-00000001", "lines": {skus[0]: 1}, "now": NOW}
    if is_alone:
        assert checkout.place(None, **wanted).shown["state"] == "pending"
    else:
        with pytest.raises(ZeroDivisionError), database.transaction() as session:
            checkout.place(session, **wanted)
            raise ZeroDivisionError
    expected = int(is_alone)
    tables = ("orders", "order_lines", "consignments", "facts", "open_facts", "reservations")
    assert [count(table) for table in tables] == [expected] * len(tables)
    assert stock_of(skus[0])[1] == expected
    assert count("procrastinate_jobs") == 0, "nobody waits for what follows from a placed order"


def test_what_is_ordered_leaves_the_cart(buyer: Buyer, skus: list[str]) -> None:
    with database.transaction() as session:
        for sku in skus[:2]:
            carts.put(session, shopper_id=buyer.shopper_id, sku=sku, quantity=1, now=NOW)
    buyer.place({skus[0]: 3})
    with database.transaction() as session:
        assert [line.sku for line in carts.view(session, shopper_id=buyer.shopper_id).lines] == [skus[1]]


def test_the_price_is_the_catalogs_at_the_moment_of_the_order(buyer: Buyer, skus: list[str]) -> None:
    buyer.place({skus[0]: 1}, key="before-00")
    with database.transaction() as session:
        products.reprice(session, sku=skus[0], price_fen=4321, now=NOW)
    buyer.place({skus[0]: 1}, key="after-000")
    [(before,), (after,)] = database.statement("SELECT price_fen FROM order_lines ORDER BY order_id")
    assert after == 4321 != before


@pytest.mark.parametrize("region", ["710000", "810000"])
def test_a_region_that_is_not_delivered_to_is_refused_before_paying(buyer: Buyer, skus: list[str], region: str) -> None:
    with pytest.raises(NotDeliverable):
        buyer.place({skus[0]: 1}, address={**buyer.address, "region_code": region})
    assert count("orders") == 0


def test_unknown_goods_no_lines_and_too_many_lines_are_refused(buyer: Buyer, skus: list[str]) -> None:
    with pytest.raises(SkuUnknown):
        buyer.place({"NO-SUCH-SKU": 1})
    with pytest.raises(errors.LinesInvalid):
        buyer.place({})
    with pytest.raises(errors.LinesInvalid):
        buyer.place(dict.fromkeys(skus[: checkout.MAX_LINES + 1], 1))
    assert count("orders") == 0


def test_what_was_confirmed_for_an_order_is_kept_with_it(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1}, declared=[DeclarationKind.RETURNS_PERISHABLE])
    buyer.place({skus[0]: 1}, declared=[DeclarationKind.RETURNS_PERISHABLE])
    with database.transaction() as session:
        assert declarations.listing(session, order=number) == [DeclarationKind.RETURNS_PERISHABLE]
