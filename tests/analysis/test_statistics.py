import math

import pytest
from scipy import stats

from precision.analysis import estimate


def test_three_values_against_the_table_of_student():
    result = estimate([0.97, 0.98, 0.99])
    assert (result.mean, result.n) == (pytest.approx(0.98), 3)
    assert result.std == pytest.approx(0.01)
    # 4.3027 is the 97.5 % point of Student's t with two degrees of freedom.
    assert result.ci95 == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.9, 0.91, 0.95, 0.89, 0.93, 0.9, 0.92]])
def test_the_interval_agrees_with_scipy(values):
    result = estimate(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=result.mean, scale=stats.sem(values))
    assert result.mean - result.ci95 == pytest.approx(low)
    assert result.mean + result.ci95 == pytest.approx(high)


def test_one_value_has_no_interval():
    result = estimate([0.5])
    assert (result.mean, result.n) == (0.5, 1)
    assert math.isnan(result.std)
    assert math.isnan(result.ci95)


def test_values_that_are_not_finite_do_not_count():
    assert estimate([0.5, float("nan"), float("inf")]).n == 1
    assert estimate([]).n == 0
    assert math.isnan(estimate([float("nan")]).mean)


def test_equal_values_have_an_interval_of_zero():
    assert estimate([0.5, 0.5, 0.5]).ci95 == 0
