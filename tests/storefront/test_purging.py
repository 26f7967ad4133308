"""Purging: what docs/privacy.md says is over goes, and nothing else."""

import re
from datetime import date, datetime, timedelta
from typing import Any

from catalog.cache import Cache
from config import database, jobs
from storefront import addresses, carts, login, order_links, orders, purging, sessions
from storefront.actors import ActorKind
from storefront.app import create_app
from storefront.order_lifecycle import CancelledBy
from storefront.staff import delays
from subway_campaign import reports
from tests.storefront.conftest import NOW, Buyer

DAY = timedelta(days=1)
YEARS = timedelta(days=3 * 366 + 1)


def count(table: str) -> int:
    return int(database.statement(f"SELECT count(*) FROM {table}")[0][0])


def order() -> dict[str, Any]:
    columns = ("visitor", "remark", "address", "payable_fen", "state")
    [row] = database.statement(f"SELECT {', '.join(columns)} FROM orders")
    return dict(zip(columns, row, strict=True))


def test_logins_sessions_and_delays_go_when_they_are_over(guest: int) -> None:
    with database.transaction() as session:
        sessions.open_for_shopper(session, shopper_id=guest, kind=ActorKind.GUEST, now=NOW)
        login.start(session, next_path="/", now=NOW)
        delays.count(session, username="wang", network="192.0.2.0/24", now=NOW)
    purging.purge(now=NOW)
    assert [count(table) for table in ("sessions", "login_states", "login_delays")] == [1, 1, 1]
    purging.purge(now=NOW + 2 * DAY)
    assert [count(table) for table in ("sessions", "login_states", "login_delays")] == [1, 0, 0]
    purging.purge(now=NOW + 91 * DAY)
    assert count("sessions") == 0


def test_a_guest_whose_cookie_is_over_leaves_no_address_and_no_cart(buyer: Buyer, skus: list[str]) -> None:
    with database.transaction() as session:
        sessions.open_for_shopper(session, shopper_id=buyer.shopper_id, kind=ActorKind.GUEST, now=NOW)
        addresses.add(session, shopper_id=buyer.shopper_id, **buyer.address, is_default=True, now=NOW)
        carts.put(session, shopper_id=buyer.shopper_id, sku=skus[0], quantity=1, now=NOW)
    purging.purge(now=NOW + 89 * DAY)
    assert (count("addresses"), count("cart_lines")) == (1, 1)
    purging.purge(now=NOW + 91 * DAY)
    assert (count("addresses"), count("cart_lines"), count("shoppers")) == (0, 0, 1)


def test_an_order_forgets_its_scan_in_half_a_year_and_its_recipient_in_three(buyer: Buyer, skus: list[str]) -> None:
    number = buyer.place({skus[0]: 1}, remark="请放门卫")
    with database.transaction() as session:
        orders.cancel(session, number=number, by=CancelledBy.SHOPPER, now=NOW)
        order_links.issue(session, order_number=number, now=NOW)
    placed = order()
    purging.purge(now=NOW + 179 * DAY)
    assert order() == placed
    purging.purge(now=NOW + 181 * DAY)
    assert order() == placed | {"visitor": None}
    assert count("order_links") == 1
    purging.purge(now=NOW + YEARS)
    address = {"name": "", "phone": "", "detail": "", "region": "", "region_code": "340102"}
    assert order() == placed | {"visitor": None, "remark": "", "address": address}
    assert count("order_links") == 0


def test_an_order_under_way_keeps_its_recipient_however_long_it_takes(buyer: Buyer, skus: list[str]) -> None:
    buyer.place({skus[0]: 1})
    purging.purge(now=NOW + YEARS)
    assert order()["address"]["phone"] == buyer.address["phone"]


def test_jobs_that_failed_long_ago_go_and_those_that_wait_stay(db: None) -> None:
    with database.transaction() as session:
        jobs.defer(session, *[("facts.dispatch", "money", {"fact_id": n}) for n in range(2)])
    database.statement("UPDATE procrastinate_jobs SET status = 'failed' WHERE args->>'fact_id' = '1'")
    purging.purge(now=datetime.now(NOW.tzinfo))
    assert count("procrastinate_jobs") == 2
    purging.purge(now=datetime.now(NOW.tzinfo) + 31 * DAY)
    assert database.statement("SELECT status FROM procrastinate_jobs") == [("todo",)]


def test_pushes_of_an_unknown_kind_go_after_a_month(db: None) -> None:
    for outcome in ("ignored", "applied"):
        database.statement(
            "INSERT INTO wechat_pushes (identity, event, content, outcome, received_at) VALUES (%s, 'x', '{}', %s, %s)",
            (outcome, outcome, NOW),
        )
    purging.purge(now=NOW + 29 * DAY)
    assert count("wechat_pushes") == 2
    purging.purge(now=NOW + 31 * DAY)
    assert database.statement("SELECT outcome FROM wechat_pushes") == [("applied",)]


def test_more_than_one_batch_is_finished(buyer: Buyer, skus: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "AT_ONCE", 2)
    for n in range(5):
        buyer.place({skus[0]: 1}, key=f"key-0000000{n}")
    told: list[tuple[str, int, int]] = []
    purging.purge(now=NOW + 181 * DAY, progress=lambda *said: told.append(said))
    assert database.statement("SELECT count(*) FROM orders WHERE visitor IS NOT NULL") == [(0,)]
    assert ("visitors of orders", 1, 1) in told


def test_the_command_says_what_it_does_and_leaves_the_report_alone(
    settings: Any, buyer: Buyer, skus: list[str]
) -> None:
    buyer.place({skus[0]: 1})
    with database.transaction() as session:
        before = reports.placements(session, from_day=date(2026, 1, 1), to_day=date(2027, 1, 1))
    Cache.forget_all()
    result = create_app(settings).test_cli_runner().invoke(args=["purge"])
    assert result.exit_code == 0, result.output
    assert re.fullmatch("Purging done: .*, sessions, .*\n", result.output)
    with database.transaction() as session:
        assert reports.placements(session, from_day=date(2026, 1, 1), to_day=date(2027, 1, 1)) == before
