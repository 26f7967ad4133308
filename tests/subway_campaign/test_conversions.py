import threading
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database
from config import settings as process_settings
from config.settings import Settings
from subway_campaign import bindings, conversions, decisions, errors
from subway_campaign.landing import Landing, LandingKind
from tests.subway_campaign.conftest import World, beijing


def test_r07_r08_last_scan_before_the_order_earns_it(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.scan("B", beijing(3, 2), rider)
    world.scan("C", beijing(3, 4, 8, 3), rider)
    world.order("N1", rider, beijing(3, 4), 9_990, paid_at=beijing(3, 4, 8, 5))
    assert world.credits("N1") == {"B": 9_990}
    assert world.credits("N1", "first") == {"A": 9_990}
    assert world.credits("N1", "linear") == {"A": 4_995, "B": 4_995}


def test_r08_only_late_touches(world: World) -> None:
    rider = world.scan("C", beijing(3, 4, 8, 3)).visitor
    world.order("N1", rider, beijing(3, 4), paid_at=beijing(3, 4, 8, 5))
    assert world.credits("N1") == {None: 9_900}
    assert world.reason("N1") == "late_touch_only"


def test_r06_an_order_confirms_the_scan_whose_beacon_was_lost(world: World) -> None:
    rider = world.scan("A", beijing(3, 4), confirm=False).visitor
    world.order("N1", rider, beijing(3, 4, 9))
    assert world.credits("N1") == {"A": 9_900}


def test_r12_a_swap_moves_only_later_scans(world: World) -> None:
    code = world.codes["A"]
    with database.transaction() as session:
        bindings.take_down(session, code=code, at=beijing(2, 10, 3))
        bindings.bind(
            session,
            code=code,
            placement=world.numbers["C"],
            campaign="DRIVE",
            landing=Landing(LandingKind.PRODUCT, "tea"),
            valid_from=beijing(2, 10, 3),
        )
    before = world.scan("A", beijing(2, 10, 2, 59, 59)).visitor
    after = world.scan("A", beijing(2, 10, 3)).visitor
    world.order("N1", before, beijing(2, 11))
    world.order("N2", after, beijing(2, 11))
    assert world.credits("N1") == {"A": 9_900}
    assert world.credits("N2") == {"C": 9_900}


def test_r12_a_code_that_hangs_nowhere_makes_an_orphan(world: World) -> None:
    with database.transaction() as session:
        bindings.take_down(session, code=world.codes["A"], at=beijing(2, 9, 23, 40))
    opened = world.scan("A", beijing(2, 10, 1, 10))
    assert opened.is_orphan
    assert opened.landing == Landing(LandingKind.PRODUCT, "tea")
    world.order("N1", opened.visitor, beijing(2, 10, 8))
    assert world.reason("N1") == "orphan_code"


def test_r13_lines_are_split_one_by_one_and_sum_to_what_was_paid(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.scan("B", beijing(3, 2), rider)
    world.scan("C", beijing(3, 3), rider)
    world.order("N1", rider, beijing(3, 4), 5_000, 5_000, 1, freight_fen=800)
    assert sum(world.credits("N1", "linear").values()) == 10_001
    assert world.credits("N1", "linear") == {"A": 3_335, "B": 3_334, "C": 3_332}


def test_r14_partial_and_full_refunds_reverse_with_the_original_weights(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.scan("B", beijing(3, 2), rider)
    world.scan("C", beijing(3, 3), rider)
    world.order("N1", rider, beijing(3, 4), 9_990)
    assert world.refund("N1", "R1", beijing(3, 5), {1: 3_330})
    assert world.credits("N1", "position") == {"A": 2_664, "B": 1_332, "C": 2_664}
    assert not world.refund("N1", "R1", beijing(3, 5), {1: 3_330})
    assert world.refund("N1", "R2", beijing(3, 6), {1: 6_660})
    for model in ("last", "first", "linear", "position", "decay"):
        assert set(world.credits("N1", model).values()) == {0}


def test_r14_any_sequence_of_partials_reverses_all_of_the_credit_and_no_more(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.scan("B", beijing(3, 2), rider)
    world.scan("C", beijing(3, 3), rider)
    left = {1: 1_001, 2: 4, 3: 9_990}
    world.order("N1", rider, beijing(3, 4), *left.values())
    models = ("last", "first", "linear", "position", "decay")
    parts = [(1, 1), (3, 3_331), (2, 3), (1, 999), (3, 1), (1, 1), (2, 1), (3, 6_658)]
    for turn, (line, fen) in enumerate(parts):
        left[line] -= fen
        world.refund("N1", f"R{turn}", beijing(3, 5, turn), {line: fen})
        for model in models:
            assert sum(world.credits("N1", model).values()) == sum(left.values())
    assert left == {1: 0, 2: 0, 3: 0}
    assert all(set(world.credits("N1", model).values()) == {0} for model in models)


def test_r14b_one_line_returned_moves_only_its_rows(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 6_000, 3_990)
    world.refund("N1", "R1", beijing(3, 5), {2: 3_990})
    assert world.credits("N1") == {"A": 6_000}


def test_r14b_more_than_the_net_is_rejected(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 6_000)
    world.refund("N1", "R1", beijing(3, 5), {1: 4_000})
    world.refund("N1", "R2", beijing(3, 5), {1: 2_001})
    world.refund("N1", "R3", beijing(3, 5), {7: 1})
    assert world.credits("N1") == {"A": 2_000}
    with database.transaction() as session:
        states = session.execute(text("SELECT refund, state FROM conversion_refunds ORDER BY refund")).all()
    assert [tuple(row) for row in states] == [("R1", "applied"), ("R2", "rejected"), ("R3", "rejected")]


def test_r14b_a_refund_before_its_payment_waits_for_it(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    assert world.refund("N1", "R1", beijing(3, 5), {1: 1_000})
    world.order("N1", rider, beijing(3, 4), 6_000, freight_fen=500)
    assert world.credits("N1") == {"A": 5_000}


def test_r14c_an_unpaid_order_sells_nothing(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), pay=False)
    assert world.credits("N1") == {}


def test_r16_the_owner_decides_and_staff_entries_are_excluded(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), by_staff=True)
    assert world.credits("N1") == {None: 9_900}
    assert world.reason("N1") == "excluded_staff"


def test_r17_every_order_in_the_window_is_credited(world: World) -> None:
    rider = world.scan("A", beijing(3, 2)).visitor
    world.order("N1", rider, beijing(3, 3))
    world.order("N2", rider, beijing(3, 4))
    world.scan("B", beijing(3, 5), rider)
    assert world.credits("N1") == world.credits("N2") == {"A": 9_900}
    with database.transaction() as session:
        assert decisions.explain(session, order="N1")["flags"] == []
        assert decisions.explain(session, order="N2")["flags"] == ["repeat_no_new_scan"]


def test_r17_once_a_scan_earns_the_first_order_only_and_a_new_scan_the_next(world: World, settings: Settings) -> None:
    process_settings.use(replace(settings, attribution_repeat="once"))
    rider = world.scan("A", beijing(3, 2)).visitor
    world.order("N1", rider, beijing(3, 3))
    world.order("N2", rider, beijing(3, 4))
    world.scan("B", beijing(3, 5), rider)
    world.order("N3", rider, beijing(3, 6))
    assert [world.credits(order) for order in ("N1", "N2", "N3")] == [{"A": 9_900}, {None: 9_900}, {"B": 9_900}]
    assert world.reason("N2") == "already_credited"
    with database.transaction() as session:
        assert decisions.explain(session, order="N2")["params"]["repeat"] == "once"


def test_i04_replaying_any_event_changes_nothing(world: World) -> None:
    rider = world.scan("A", beijing(3, 2)).visitor
    for _ in range(2):
        world.order("N1", rider, beijing(3, 3), 5_000)
        world.refund("N1", "R1", beijing(3, 4), {1: 2_000})
    assert world.credits("N1") == {"A": 3_000}


def test_paying_an_unknown_order_is_refused_until_it_is_placed(world: World) -> None:
    with pytest.raises(errors.UnknownConversion):
        world.pay("N1", beijing(3, 4), 100)


def test_a_free_order_is_one_conversion_of_no_money(world: World) -> None:
    rider = world.scan("A", beijing(3, 2)).visitor
    world.order("N1", rider, beijing(3, 3), 0)
    assert world.credits("N1") == {}
    with database.transaction() as session:
        assert decisions.explain(session, order="N1")["outcome"] == "attributed"


def _pay_together(world: World, order: str) -> list[object]:
    """Two workers take the same payment in at once; returns what each got."""
    ready = threading.Barrier(2, timeout=60)
    found: list[object] = []

    def pay() -> None:
        ready.wait()
        try:
            found.append(world.pay(order, beijing(3, 4, 9), 9_900))
        except IntegrityError as refused:
            found.append(refused)

    threads = [threading.Thread(target=pay) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_race_the_same_payment_twice_credits_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    for number in range(8):
        world.order(f"N{number}", rider, beijing(3, 4), pay=False)
    with monkeypatch.context() as patch:
        # Without the lock both workers read "not paid"; only the unique index is left to stop the second.
        both_read = threading.Barrier(2, timeout=60)
        real = conversions._find

        def slow_find(session: Session, order: str) -> Any:
            found = real(session, order)
            both_read.wait(timeout=60)
            return found

        patch.setattr(conversions, "lock", lambda session, order: None)
        patch.setattr(conversions, "_find", slow_find)
        assert any(isinstance(result, IntegrityError) for result in _pay_together(world, "N0"))
    for number in range(1, 8):
        assert sorted(map(repr, _pay_together(world, f"N{number}"))) == ["False", "True"]
        assert world.credits(f"N{number}") == {"A": 9_900}


def test_a_buyer_without_cookie_or_login_has_no_touch(world: World) -> None:
    world.scan("A", beijing(3, 3))
    world.order("N1", None, beijing(3, 4))
    world.order("N2", uuid4(), beijing(3, 4), person=uuid4())
    assert world.reason("N1") == world.reason("N2") == "no_touch"


def test_a_payment_told_in_whole_seconds_may_seem_to_precede_its_order(world: World) -> None:
    rider = world.scan("A", beijing(3, 4, 8, 0, 2)).visitor
    world.order("N1", rider, beijing(3, 4, 8, 0, 3), paid_at=beijing(3, 4, 8, 0, 1))
    assert world.credits("N1") == {"A": 9_900}


def test_a_line_that_cost_nothing_gives_nothing_back(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    world.order("N1", rider, beijing(3, 4), 6_000, 0)
    world.refund("N1", "R1", beijing(3, 5), {1: 6_000, 2: 0})
    world.refund("N1", "R2", beijing(3, 5), {2: 0})
    assert world.credits("N1") == {"A": 0}
    with database.transaction() as session:
        assert set(session.execute(text("SELECT state FROM conversion_refunds")).scalars()) == {"applied"}


def test_race_a_payment_and_its_refund_in_any_order(world: World) -> None:
    rider = world.scan("A", beijing(3, 3)).visitor
    for number in range(6):
        order, ready = f"N{number}", threading.Barrier(3, timeout=60)
        world.order(order, rider, beijing(3, 4), pay=False)
        events = [
            lambda order=order: world.pay(order, beijing(3, 4, 9), 9_900),
            lambda order=order: world.refund(order, f"{order}a", beijing(3, 5), {1: 4_000}),
            lambda order=order: world.refund(order, f"{order}b", beijing(3, 5), {1: 5_900}),
        ]
        threads = [
            threading.Thread(target=lambda event=event, ready=ready: (ready.wait(), event())) for event in events
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert world.credits(order) == {"A": 0}
