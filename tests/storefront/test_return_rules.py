"""The law's return classes and seven days, case by case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storefront import errors, return_rules
from storefront.claim_lifecycle import Cause, ClaimKind
from storefront.declaration_models import DeclarationKind
from storefront.return_rules import Piece

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
RETURN, REFUND = ClaimKind.RETURN, ClaimKind.REFUND
SEALED = (DeclarationKind.RETURNS_SEALED,)


def objection(
    kind: ClaimKind = RETURN,
    cause: Cause = Cause.NO_REASON,
    *,
    return_class: str = "allowed",
    is_shipped: bool = True,
    days: int | None = 1,
    is_sealed: bool = False,
    declared: tuple[DeclarationKind, ...] = (),
) -> Any:
    received_at = None if days is None else NOW - timedelta(days=days)
    piece = Piece(1, return_class, is_shipped, received_at)
    found = return_rules.objection(piece, kind=kind, cause=cause, is_sealed=is_sealed, declared=declared, now=NOW)
    return type(found) if found else None


def test_unsent_goods_are_refunded_and_never_returned() -> None:
    assert objection(REFUND, is_shipped=False, days=None) is None
    assert objection(REFUND, is_shipped=False, days=None, return_class="excluded_perishable") is None
    assert objection(RETURN, is_shipped=False, days=None) is errors.NothingToReturn


def test_sent_goods_go_back_for_their_money() -> None:
    assert objection(REFUND) is errors.ReturnRequired
    assert objection(RETURN) is None


@pytest.mark.parametrize(("days", "expected"), [(None, None), (0, None), (7, None), (8, errors.ReturnWindowOver)])
def test_seven_days_without_a_reason(days: int | None, expected: type | None) -> None:
    assert objection(days=days) is expected


def test_perishable_goods_are_outside_the_seven_days() -> None:
    assert objection(return_class="excluded_perishable") is errors.NotReturnable


def test_goods_bought_as_not_returnable_once_opened_must_be_unopened() -> None:
    assert objection(return_class="sealed_only", declared=SEALED) is errors.SealRequired
    assert objection(return_class="sealed_only", declared=SEALED, is_sealed=True) is None
    # Whoever was not asked at the purchase keeps the law's seven days, opened or not.
    assert objection(return_class="sealed_only") is None


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.is_fault])
@pytest.mark.parametrize("return_class", ["allowed", "sealed_only", "excluded_perishable"])
def test_what_the_shop_answers_for_is_never_refused_for_its_class_or_day(cause: Cause, return_class: str) -> None:
    for kind in (REFUND, RETURN):
        assert objection(kind, cause, return_class=return_class, days=200, declared=SEALED) is None
