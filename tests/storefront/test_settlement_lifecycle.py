"""What is owed for a line, what is taken back of it, and until when it waits: for any numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storefront import claim_lifecycle, settlement_lifecycle
from storefront.settlement_lifecycle import TRANSITIONS, Period, StatementState, Sums, Terms, may_follow

FEN = st.integers(0, 10**9)
TERMS = st.one_of(
    st.builds(lambda price, fee: Terms(price_fen=price, fee_bp=fee), st.integers(0, 10**6), st.integers(0, 10_000)),
    st.builds(lambda share, fee: Terms(share_bp=share, fee_bp=fee), st.integers(0, 10_000), st.integers(0, 10_000)),
)


def test_a_share_and_a_price_are_worth_what_was_agreed() -> None:
    share, price = Terms(share_bp=8_000, fee_bp=60), Terms(price_fen=3_000)
    assert settlement_lifecycle.goods(share, quantity=2, amount_fen=11_980) == Sums(11_980, 9_584, 71)
    assert settlement_lifecycle.goods(price, quantity=2, amount_fen=11_980) == Sums(11_980, 6_000, 0)
    assert settlement_lifecycle.goods(share, quantity=2, amount_fen=11_980).net_fen == 9_513


def test_freight_belongs_to_whoever_pays_the_courier() -> None:
    assert settlement_lifecycle.freight(Terms(share_bp=1), freight_fen=800) == Sums(800, 0, 0)
    assert settlement_lifecycle.freight(Terms(share_bp=1, freight_is_theirs=True), freight_fen=800) == Sums(800, 800)


@pytest.mark.parametrize(
    "given_terms",
    [{}, {"price_fen": 1, "share_bp": 1}, {"price_fen": -1}, {"share_bp": 10_001}, {"share_bp": 1, "fee_bp": -1}],
)
def test_terms_that_mean_nothing_cannot_be_made(given_terms: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"either|negative"):
        Terms(**given_terms)


@given(terms=TERMS, quantity=st.integers(1, 999), amount=FEN, cuts=st.lists(st.integers(0, 10**9), max_size=8))
def test_what_goes_back_in_any_parts_takes_everything_back(
    terms: Terms, quantity: int, amount: int, cuts: list[int]
) -> None:
    left = settlement_lifecycle.goods(terms, quantity=quantity, amount_fen=amount)
    for cut in cuts:
        part = cut % (left.gross_fen + 1)
        taken = left.taken(part)
        assert taken.gross_fen == -part
        left += taken
        assert left.gross_fen >= 0
        assert left.owed_fen >= 0
        assert left.fee_fen >= 0
    assert left + left.taken(left.gross_fen) == Sums()


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.datetimes(datetime(2020, 2, 1), datetime(2035, 2, 1))
)
def test_what_is_settled_can_no_longer_be_returned(received: datetime, settled: datetime) -> None:
    received_at, end = received.replace(tzinfo=UTC), Period.of(settled.replace(tzinfo=UTC)).ends_at
    is_over = claim_lifecycle.no_reason_until(received_at) <= end
    assert (received_at < settlement_lifecycle.received_before(end)) is is_over


def test_a_month_is_beijings() -> None:
    last = datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    assert Period.of(last) == Period("2026-11")
    assert Period.of(last + timedelta(minutes=1)) == Period("2026-12")
    assert Period("2026-11").ends_at == last + timedelta(minutes=1)
    assert (Period("2026-01").before, Period("2026-12").ends_at.year) == (Period("2025-12"), 2027)
    for wrong in ("2026-1", "2026-13", "november", ""):
        with pytest.raises(ValueError, match="is no month"):
            Period(wrong)


def test_a_statement_moves_only_along_its_table() -> None:
    assert set(TRANSITIONS) == set(StatementState)
    assert not may_follow(StatementState.DRAFTED, StatementState.PAID_OUT)
    assert not may_follow(StatementState.APPROVED, StatementState.DRAFTED)
    assert may_follow(StatementState.PAID_OUT, StatementState.INVOICED)
