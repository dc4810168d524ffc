"""Statistics of measured values: the median, the bad end, the ratio, and whether a target is met.
No test here says how fast anything is.
"""

import pytest

from bench.harness.figures import Figure, Target, Values, quantile

HUNDRED = tuple(float(n) for n in range(101))


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.95, 7.0),
        ([1.0, 2.0], 0.5, 1.5),
        (HUNDRED, 0.95, 95.0),
        (HUNDRED, 0.0, 0.0),
        (HUNDRED, 1.0, 100.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
    ],
)
def test_a_quantile_interpolates_between_values_in_any_order(values, share, expected):
    assert quantile(values, share) == pytest.approx(expected)


def test_a_quantile_of_no_values_raises():
    with pytest.raises(ValueError, match="nothing was measured"):
        quantile([], 0.5)


def test_p95_is_the_slow_end_of_times_and_the_low_end_of_rates():
    assert Values(HUNDRED).p95 == pytest.approx(95)
    assert Values(HUNDRED, more_is_better=True).p95 == pytest.approx(5)
    assert Values(HUNDRED).median == Values(HUNDRED, more_is_better=True).median == 50


@pytest.mark.parametrize(("more_is_better", "ratio"), [(True, 4.0), (False, 0.25)])
def test_a_ratio_above_one_means_that_ours_is_better(more_is_better, ratio):
    figure = Figure("x", "s", [8, 8], "peer", [2, 2], more_is_better)
    assert figure.ratio == pytest.approx(ratio)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], []), ([1.0], [0.0]), ([0.0], [1.0])])
def test_there_is_no_ratio_without_a_peer_or_with_a_zero(ours, theirs):
    assert Figure("x", "s", ours, "peer", theirs).ratio is None


@pytest.mark.parametrize(
    ("target", "more_is_better", "is_reached"),
    [
        (None, False, None),
        (Target("ratio", 5), True, True),
        (Target("ratio", 11), True, False),
        (Target("median", 50), False, True),
        (Target("median", 49), False, False),
        (Target("p95", 95), False, True),
        (Target("p95", 90), False, False),
        (Target("p95", 5), True, True),
        (Target("p95", 6), True, False),
    ],
)
def test_a_target_is_compared_in_the_right_direction(target, more_is_better, is_reached):
    figure = Figure("x", "s", HUNDRED, "peer", [5.0], more_is_better, target)
    assert figure.is_reached is is_reached


def test_an_unmeasured_ratio_is_neither_reached_nor_missed():
    assert Figure("x", "s", [1.0], target=Target("ratio", 5)).is_reached is None
