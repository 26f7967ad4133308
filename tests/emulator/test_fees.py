"""Fees: rounded as WeChat rounds them, and given back to the last part."""

from hypothesis import given
from hypothesis import strategies as st

from emulator import fees


def test_a_fee_is_rounded_half_up_to_the_fen() -> None:
    assert fees.charge(690, rate_bp=60, places=2) == 4 * fees.PER_FEN
    assert fees.charge(1, rate_bp=100, places=2) == 0
    assert fees.charge(75, rate_bp=100, places=2) == fees.PER_FEN
    assert fees.yuan(fees.charge(76, rate_bp=60, places=5)) == "0.00456"
    assert (fees.yuan(-36_000), fees.rate(60)) == ("-0.36000", "0.60%")


@given(st.integers(1, 10**7), st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_the_shares_of_all_refunds_are_the_whole_fee(total: int, parts: list[int]) -> None:
    fee, back, returned = fees.charge(total, rate_bp=60, places=2), 0, 0
    for part in [*parts, total]:
        step = min(part, total - back)
        back += step
        share = fees.give_back(fee, total_fen=total, refunded_fen=back, returned=returned, places=2)
        assert 0 <= share <= fee
        returned += share
    assert (back, returned) == (total, fee)
