from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import attribution, shares

weights = st.lists(st.integers(1, 10**6), min_size=1, max_size=8).map(
    lambda units: [Fraction(unit, sum(units)) for unit in units]
)


def test_r13_golden_splits() -> None:
    third = [Fraction(1, 3)] * 3
    position = [Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)]
    decay = attribution.decay([timedelta(days=7), timedelta(days=3.5), timedelta()], half_life=timedelta(days=7))
    assert shares.split(10_000, third) == [3334, 3333, 3333]
    assert shares.split(9_990, position) == [3996, 1998, 3996]
    assert shares.split(10_000, decay) == [2265, 3204, 4531]


def test_r14_golden_reversals() -> None:
    position = [Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)]
    assert shares.reversal(before_fen=9_990, after_fen=6_660, weights=position) == [-1332, -666, -1332]
    assert shares.reversal(before_fen=6_660, after_fen=0, weights=position) == [-2664, -1332, -2664]
    sevenths = [Fraction(1, 7), Fraction(3, 7), Fraction(3, 7)]
    assert shares.reversal(before_fen=4, after_fen=3, weights=sevenths) == [1, -1, -1]


@given(st.integers(0, 6 * 10**11), weights)
def test_r13_parts_sum_to_the_whole(total: int, parts: list[Fraction]) -> None:
    split = shares.split(total, parts)
    assert sum(split) == total
    assert all(abs(part - total * weight) < 1 for part, weight in zip(split, parts, strict=True))


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=6), weights)
def test_r14_any_sequence_of_refunds_nets_every_part_to_zero(refunds: list[int], parts: list[Fraction]) -> None:
    net = sum(refunds)
    held = shares.split(net, parts)
    for refund in refunds:
        moves = shares.reversal(before_fen=net, after_fen=net - refund, weights=parts)
        net -= refund
        held = [have + move for have, move in zip(held, moves, strict=True)]
        assert sum(moves) == -refund
        assert sum(held) == net
    assert held == [0] * len(parts)
