"""Benefit entries: exact, once, taken back by refunds in any order and any parts, and equal to what orders say."""

import threading
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from storefront import benefit, benefit_links, orders
from storefront.benefit import Share
from storefront.benefit_models import Mode
from tests.storefront import benefiting
from tests.storefront.benefiting import NOW, drift, entries, linked, opened, paid, post, refunded, sku_of
from tests.storefront.conftest import Buyer

LATER = NOW + timedelta(hours=1)


def amount(order: str, line: int = 1) -> int:
    [(fen,)] = database.statement(
        "SELECT l.amount_fen FROM order_lines l JOIN orders o ON o.id = l.order_id"
        " WHERE o.number = %s AND l.line_no = %s",
        (order, line),
    )
    return int(fen)


@given(
    bps=st.lists(st.integers(1, 2000), min_size=1, max_size=5),
    refunds=st.lists(st.integers(1, 400), max_size=6),
    total=st.integers(0, 2400),
)
def test_any_refunds_leave_what_the_rest_is_worth_and_never_less_than_nothing(
    bps: list[int], refunds: list[int], total: int
) -> None:
    shares = [Share(at, bp) for at, bp in enumerate(bps)]
    held, net = benefit.split(total, shares), total
    assert sum(held) <= total
    assert all(abs(fen - total * share.bp / 10_000) < 1 for fen, share in zip(held, shares, strict=True))
    for fen in refunds:
        if fen > net:
            break
        moved = [a - b for a, b in zip(benefit.split(net - fen, shares), benefit.split(net, shares), strict=True)]
        net -= fen
        held = [a + b for a, b in zip(held, moved, strict=True)]
        assert held == benefit.split(net, shares)
        assert min(held) >= 0


def test_shares_of_the_whole_leave_nothing_to_nobody() -> None:
    thirds = [Share(1, 3334), Share(2, 3333), Share(3, 3333)]
    assert benefit.split(10_000, thirds) == [3334, 3333, 3333]
    assert benefit.split(1, thirds) == [1, 0, 0]
    assert benefit.split(0, thirds) == [0, 0, 0]


def test_a_sale_writes_each_link_that_held_when_it_was_paid(buyer: Buyer) -> None:
    group = opened()
    linked(group, 1250)
    linked(group, 333, Mode.GUIDANCE, ends_at=LATER)
    linked(group, 500, Mode.EMPLOYMENT, starts_at=LATER, ends_at=LATER + timedelta(days=1))
    linked(group, 9000, Mode.PROCESSING, product="huangshanmaofeng")
    order = paid(buyer, {sku_of(): 3}, at=LATER)
    fen = amount(order)
    assert post(order) == 2
    seed, employment = benefit.split(fen, [Share(1, 1250), Share(2, 500)])
    assert entries() == [("seed", None, seed), ("employment", None, employment)]
    assert (post(order), len(entries()), drift()) == (0, 2, [])


def test_an_order_without_links_or_money_writes_nothing(buyer: Buyer) -> None:
    linked(opened(), 1250)
    other = paid(buyer, {sku_of("huangshanmaofeng"): 1})
    pending = buyer.place({sku_of(): 1}, key="key-00000002")
    assert (post(other), post(pending), entries(), drift()) == (0, 0, [], [])


def test_refunds_take_back_with_the_shares_of_the_sale_though_links_have_ended(buyer: Buyer) -> None:
    group = opened()
    seed = linked(group, 3333)
    linked(group, 3333, Mode.GUIDANCE)
    order = paid(buyer, {sku_of(): 1})
    fen = amount(order)
    assert post(order) == 2
    with database.transaction() as session:
        benefit_links.end(session, number=seed, now=NOW + timedelta(days=1))
    refunded(order, {1: 7})
    assert post(order) == 2
    refunded(order, {1: fen - 7}, refund="R2", at=NOW + timedelta(days=2))
    assert (post(order), drift()) == (2, [])
    for mode in ("seed", "guidance"):
        assert sum(moved for of, _, moved in entries() if of == mode) == 0
    assert {refund for _, refund, _ in entries()} == {None, "R1", "R2"}


def test_a_refund_told_before_its_sale_is_written_with_it(buyer: Buyer) -> None:
    linked(opened(), 1000)
    order = paid(buyer, {sku_of(): 1})
    fen = amount(order)
    refunded(order, {1: fen})
    assert post(order) == 2
    [tenth] = benefit.split(fen, [Share(1, 1000)])
    assert (entries(), drift()) == ([("seed", None, tenth), ("seed", "R1", -tenth)], [])


def test_refunds_that_come_in_another_order_than_they_were_paid_end_alike(buyer: Buyer) -> None:
    group = opened()
    for mode in (Mode.SEED, Mode.GUIDANCE, Mode.OTHER):
        linked(group, 3333, mode)
    order = paid(buyer, {sku_of(): 1})
    post(order)
    for turn in (2, 3, 1):
        refunded(order, {1: 10 + turn}, refund=f"R{turn}", at=NOW + timedelta(days=turn))
        assert (post(order), drift()) == (3, [])


def test_only_the_line_that_went_back_is_reversed(buyer: Buyer) -> None:
    linked(opened(), 1000)
    tea = opened("茶农组", county="341002")
    linked(tea, 2000, Mode.PROCESSING, product="huangshanmaofeng")
    order = paid(buyer, {sku_of(): 1, sku_of("huangshanmaofeng"): 1})
    [(line, fen)] = database.statement(
        "SELECT line_no, amount_fen FROM order_lines WHERE product_slug = 'huangshanmaofeng'"
    )
    refunded(order, {line: fen})
    assert post(order) == 3
    assert sum(moved for mode, _, moved in entries() if mode == "processing") == 0
    assert sum(moved for mode, _, moved in entries() if mode == "seed") > 0
    assert drift() == []


def test_two_reactions_at_once_write_each_entry_once(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the order's lock both write, and the database stops the second; with it the second has nothing to."""
    linked(opened(), 1000)
    rows, gate = benefit._rows, threading.Barrier(2)

    def race(order: str) -> list[object]:
        outcomes: list[object] = []

        def run() -> None:
            try:
                outcomes.append(post(order))
            except Exception as error:  # noqa: BLE001 - whatever the database says
                outcomes.append(type(error).__name__)

        racers = [threading.Thread(target=run) for _ in range(2)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(90)
        return sorted(outcomes, key=str)

    def unlocked(session: Session, number: str) -> orders.Standing:
        return orders._standing(session.execute(text(orders._STANDING), {"number": number}).one())

    def meet(*given: object, **named: object) -> object:
        """Both have found nothing posted before either writes."""
        gate.wait(60)
        return rows(*given, **named)  # type: ignore[arg-type]

    first = paid(buyer, {sku_of(): 1})
    with monkeypatch.context() as off:
        off.setattr(benefit.orders, "lock", unlocked)
        off.setattr(benefit, "_rows", meet)
        assert race(first) == [1, "IntegrityError"]
    second = paid(buyer, {sku_of(): 1}, key="key-00000002")
    assert race(second) == [0, 1]
    assert drift() == []


def test_entries_are_never_changed_and_never_fall_below_nothing(buyer: Buyer) -> None:
    linked(opened(), 1000)
    order = paid(buyer, {sku_of(): 1})
    post(order)
    for change in ("UPDATE benefit_entries SET fen = 0", "DELETE FROM benefit_entries"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            database.statement(change)
    with pytest.raises(psycopg.errors.CheckViolation):
        database.statement(
            "INSERT INTO benefit_entries (order_id, line_no, link_id, refund, share_bp, fen, occurred_at)"
            " SELECT order_id, line_no, link_id, 'R9', share_bp, -fen - 1, occurred_at FROM benefit_entries"
        )


def test_what_is_missing_is_rebuilt_and_what_is_wrong_is_told(buyer: Buyer) -> None:
    linked(opened(), 1000)
    first, second = (paid(buyer, {sku_of(): 1}, key=f"key-0000000{n}") for n in (1, 2))
    post(first)
    [missing] = drift()
    assert (missing.order, missing.posted_fen) == (second, 0)
    told: list[tuple[int, int]] = []
    assert benefit.rebuild(lambda done, total: told.append((done, total))) == 1
    assert (told, drift()) == ([(1, 1)], [])
    database.statement(
        "INSERT INTO benefit_entries (order_id, line_no, link_id, refund, share_bp, fen, occurred_at)"
        " SELECT order_id, line_no, link_id, 'R9', share_bp, 1, occurred_at FROM benefit_entries LIMIT 1"
    )
    assert benefit.rebuild(lambda done, total: None) == 0
    [wrong] = drift()
    assert wrong.posted_fen == wrong.expected_fen + 1


def test_totals_are_by_county_mode_and_month_on_the_day_of_the_move(buyer: Buyer) -> None:
    linked(opened(), 1000)
    linked(opened("合作社"), 500, Mode.LAND_SHARES)
    order = paid(buyer, {sku_of(): 1})
    seed, land = benefit.split(amount(order), [Share(1, 1000), Share(2, 500)])
    refunded(order, {1: amount(order)}, at=NOW + timedelta(days=20))
    post(order)
    with database.transaction() as session:
        rows = benefit.totals(session, areas=["3413"], since=NOW, before=NOW + timedelta(days=30))
        november = benefit.totals(session, areas=[""], since=NOW, before=NOW + timedelta(days=2))
        elsewhere = benefit.totals(session, areas=["3401"], since=NOW, before=NOW + timedelta(days=30))
    assert [(row["month"], row["mode"], row["net_fen"]) for row in rows] == [
        ("2026-12", "land_shares", -land),
        ("2026-12", "seed", -seed),
        ("2026-11", "land_shares", land),
        ("2026-11", "seed", seed),
    ]
    assert (rows[0]["county"], rows[0]["refunded_fen"], rows[2]["sold_fen"]) == ("砀山县", land, land)
    assert (november, elsewhere) == (rows[2:], [])


def test_everybody_is_told_of_five_households_or_more_only(buyer: Buyer) -> None:
    group = opened()
    linked(group, 1000)
    order = paid(buyer, {sku_of(): 1})
    post(order)

    def told() -> dict[str, object]:
        with database.transaction() as session:
            return benefit.shown_to_all(session)

    for n in range(4):
        household = benefiting.joined(group, phone=f"1380000111{n}")
    assert told() == {"counties": [], "groups": 0, "households": 0, "net_fen": 0}
    other = opened("另一组")
    for n in range(4):
        benefiting.joined(other, "李四", f"1390000111{n}")
    assert told()["counties"] == []
    for n in range(4, 7):
        benefiting.joined(other, "李四", f"1390000111{n}")
    # As on the pages: seven are told as five, and what the four had is in no figure.
    assert told() == {
        "counties": [{"county_code": "341321", "county": "砀山县", "groups": 1, "households": 5, "net_fen": 0}],
        "groups": 1,
        "households": 5,
        "net_fen": 0,
    }
    benefiting.joined(group, "王小五")
    [fen] = benefit.split(amount(order), [Share(1, 1000)])
    assert told()["counties"] == [
        {"county_code": "341321", "county": "砀山县", "groups": 2, "households": 10, "net_fen": fen}
    ]
    for n in range(3):
        benefiting.joined(group, "赵六", f"1370000111{n}")
    assert told()["households"] == 15
    with database.transaction() as session:
        benefiting.households.leave(session, number=household, now=NOW)
    assert told()["households"] == 10
