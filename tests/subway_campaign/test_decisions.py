from uuid import uuid4

import pytest

from config import database
from subway_campaign import decisions, errors, lifecycle, visits
from tests.subway_campaign.conftest import World, beijing


def explain(order: str) -> dict:
    with database.transaction() as session:
        return decisions.explain(session, order=order)


def test_i09_an_explanation_repeats_the_decision(world: World) -> None:
    rider = world.scan("A", beijing(2, 1)).visitor
    world.scan("A", beijing(3, 1), rider)
    world.scan("B", beijing(3, 2), rider)
    visits.open(slug=world.codes["C"], visitor=rider, now=beijing(3, 3), method="HEAD")
    world.scan("C", beijing(3, 4, 8, 1), rider)
    world.order("N1", rider, beijing(3, 4), 6_000, 3_990, paid_at=beijing(3, 4, 8, 2))
    world.refund("N1", "R1", beijing(3, 5), {2: 1_000})
    found = explain("N1")
    assert found["recomputed_equal"]
    assert (found["outcome"], found["reason"], found["words"]) == (
        "attributed",
        "eligible_touch",
        "归因成功：销售额记入有效触点所在的点位。",
    )
    verdicts = {touch["verdict"] for touch in found["touches"]}
    assert verdicts == {"expired_window", "eligible", "head", "after_order"}
    assert [share["numerator"] for share in found["weights"]["linear"]] == [1, 1]
    last = [row for row in found["ledger"] if row["model"] == "last"]
    assert [(row["entry"], row["line"], row["fen"]) for row in last] == [
        ("sale", 1, 6_000),
        ("sale", 2, 3_990),
        ("refund", 2, -1_000),
    ]
    assert {row["placement"] for row in last} == {world.numbers["B"]}


def test_an_order_that_nobody_earned_is_explained_too(world: World) -> None:
    world.order("N1", uuid4(), beijing(3, 4))
    found = explain("N1")
    assert (found["outcome"], found["reason"], found["touches"]) == ("unattributed", "no_touch", [])
    assert found["recomputed_equal"]
    world.order("N2", uuid4(), beijing(3, 4), by_staff=True)
    assert explain("N2")["recomputed_equal"]


def test_an_unpaid_order_has_no_decision_and_an_unknown_one_no_explanation(world: World) -> None:
    world.order("N1", uuid4(), beijing(3, 4), pay=False)
    assert explain("N1")["words"] == "订单尚未支付，未作归因。"
    with pytest.raises(errors.UnknownConversion):
        explain("N2")


def test_every_verdict_and_reason_has_words() -> None:
    verdicts = {*lifecycle.Drop, *lifecycle.Exclusion, "share_open", "scan_longpress", "revisit", "unconfirmed"}
    verdicts |= {"orphan_code", "expired_window", "after_order", "eligible"}
    verdicts |= {"continued_elsewhere", "fraud_hold", "already_credited"}
    assert {str(verdict) for verdict in verdicts} == set(decisions.RULES)
    reasons = {"eligible_touch", "no_touch", "orphan_code", "expired_window", "shared_only", "late_touch_only"}
    reasons |= {"continued_elsewhere", "fraud_hold", "already_credited"}
    assert {*reasons, *(str(reason) for reason in lifecycle.Exclusion)} == set(decisions.WORDS)
