"""The interval of a difference over the same test images, against published values and by simulation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from precision.analysis.paired import between, exact_p, of_counts, over_errors, over_images, score_interval


def test_a_published_interval():
    """M. Fagerland, S. Lydersen and P. Laake 2014, Statistics in Medicine 33: 1 and 7 of 21 pairs differ."""
    assert score_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("images", [30, 360, 10_000])
def test_without_a_difference_the_width_is_that_of_the_score(images):
    low, high = score_interval(0, 0, images)
    assert (high, -low) == pytest.approx((1.96**2 / (images + 1.96**2),) * 2, rel=1e-4)


@pytest.mark.parametrize(
    ("better", "worse", "images"), [(1, 7, 21), (40, 60, 10_000), (0, 3, 50), (9, 2, 80)]
)
def test_the_ends_are_where_the_likelihood_says(better, worse, images):
    """The variance under a supposed difference, by maximising the likelihood numerically."""
    for end, sign in zip(score_interval(better, worse, images), (1, -1), strict=True):

        def unlikely(share, end=end):  # share of pairs that are worse; better ones are so many more
            return -sum(
                count * math.log(max(p, 1e-300))
                for count, p in (
                    (better, share + end),
                    (worse, share),
                    (images - better - worse, 1 - 2 * share - end),
                )
                if count
            )

        inside = (max(0.0, -end) + 1e-12, (1 - end) / 2 - 1e-12)
        share = optimize.minimize_scalar(
            unlikely, bounds=inside, method="bounded", options={"xatol": 1e-12}
        ).x
        error = math.sqrt((2 * share + end - end**2) / images)
        assert ((better - worse) / images - end) / error == pytest.approx(sign * 1.96, abs=0.005)


def test_it_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0)
    images, better, worse = 400, 0.01, 0.03
    counts = draws.multinomial(images, [better, worse, 1 - better - worse], 1000)
    found = [score_interval(b, w, images) for b, w, _ in counts]
    assert 0.93 < np.mean([low <= better - worse <= high for low, high in found]) < 0.97


def test_the_predictions_tell_no_less_than_the_labels():
    draws = np.random.default_rng(1)
    labels = draws.integers(0, 10, 2000)
    one, other = (np.where(draws.random(2000) < p, labels, draws.integers(0, 10, 2000)) for p in (0.9, 0.92))
    right, rights = one == labels, other == labels
    exact = score_interval(int((right & ~rights).sum()), int((rights & ~right).sum()), 2000)
    found = over_images(one, other, right.mean() - rights.mean())
    assert found.images == 2000
    assert found.low <= exact[0] and exact[1] <= found.high
    assert found.high - found.low < 1.2 * (exact[1] - exact[0])


def test_predictions_of_other_images_are_not_compared():
    assert over_images(np.zeros(3), np.zeros(4), 0.0) is None
    assert over_images(np.zeros(0), np.zeros(0), 0.0) is None


def test_the_interval_of_an_rmse_is_that_of_the_bootstrap():
    """Pairs of errors drawn again and again, without any assumption on how they are distributed."""
    rng = np.random.default_rng(5)
    other = rng.standard_t(8, (400, 2)) * [1, 3]
    one = 1.05 * other + rng.normal(0, 0.8, other.shape)
    found = over_errors(one.astype(np.float32), other.astype(np.float32))
    drawn = rng.integers(0, 400, (4000, 400))
    squares = [(errors**2).mean(axis=1)[drawn].mean(axis=1) for errors in (one, other)]
    ratios = np.sqrt(squares[0] / squares[1]) - 1
    assert (found.low, found.high) == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=0.004)
    assert found.images == 400 and found.low < np.sqrt((one**2).mean() / (other**2).mean()) - 1 < found.high


@pytest.mark.parametrize(("images", "noise"), [(30, 0.3), (89, 0.3), (89, 2.0), (1000, 0.3)])
def test_the_interval_of_an_rmse_has_the_truth_in_it_as_often_as_it_says(images, noise):
    """Errors of two networks that go together, of which the true rise of the RMSE is known."""
    rng = np.random.default_rng(images)
    truth = math.sqrt(1 + noise**2) - 1
    held = 0
    for _ in range(400):
        other = rng.normal(0, 1, (images, 1))
        found = over_errors(other + rng.normal(0, noise, other.shape), other)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_what_is_stored_decides_on_the_interval():
    errors = np.random.default_rng(0).normal(0, 1, (50, 1)).astype(np.float32)
    assert between(errors, errors, 0.0)[:2] == (0, 0)  # the format changes nothing
    labels = np.array([[0, 1], [1, 1]] * 50, np.uint8)
    other = labels.copy()
    other[:3, 1] ^= 1
    right = (labels == [0, 1]).all(axis=1)
    one = (other == [0, 1]).all(axis=1)
    difference = one.mean() - right.mean()
    # An image with any label otherwise is another answer, as with classes.
    assert between(other, labels, difference) == over_images(
        other[:, 1] + 2 * other[:, 0], labels[:, 1] + 2 * labels[:, 0], difference
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.ones((1, 1)), np.ones((1, 1))),
        (np.ones((4, 1)), np.zeros((4, 1))),
        (np.ones((4, 1)), np.ones((5, 1))),
        (np.array([[1.0], [np.inf]]), np.ones((2, 1))),
    ],
)
def test_errors_without_an_interval(one, other):
    assert over_errors(one, other) is None


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (0, 5), (3, 3), (4, 11), (311, 479), (2000, 1)])
def test_the_exact_p_is_that_of_the_binomial_test(better, worse):
    expected = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert exact_p(better, worse) == pytest.approx(expected)


def test_a_stricter_interval_contains_the_usual_one():
    usual, strict = of_counts(40, -12, 1000), of_counts(40, -12, 1000, 3.29)
    assert strict.low < usual.low < -0.012 < usual.high < strict.high
