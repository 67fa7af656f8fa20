"""The choice of a range against brute force, NumPy's quantiles and divergences worked out by hand."""

import numpy as np
import pytest
from scipy.stats import entropy

from precision.errors import PrecisionError
from precision.formats import parse
from precision.quantization.calibration.observers import choose_range
from precision.quantization.calibration.range_search import divergence
from precision.quantization.calibration.statistics import Histogram, Statistics, statistics_of
from precision.registry import OBSERVERS


def integers(bits):
    """A symmetric quantizer to integers in -2^(bits-1)+1 .. 2^(bits-1)-1, with a real scale per row."""
    top = 2 ** (bits - 1) - 1

    def rounds(points, low, high):
        bound = np.maximum(-low, high).astype(float)
        scale = np.where(bound > 0, bound / top, 1)[:, None]
        return np.clip(np.rint(points / scale), -top, top) * scale

    return rounds


def affine(bits):
    """A quantizer to 2^bits integers with a zero point, from low to high of each row."""
    steps = 2**bits - 1

    def rounds(points, low, high):
        scale = np.where(high > low, (high.astype(float) - low) / steps, 1)[:, None]
        zero = np.rint(-low[:, None].astype(float) / scale)
        return (np.clip(np.rint(points / scale) + zero, 0, steps) - zero) * scale

    return rounds


def unused(points, low, high):
    raise AssertionError("an observer of the values alone rounded something")


def skewed(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return np.float32(np.concatenate([rng.normal(0.3, 1, n), rng.exponential(2, n // 10), [9.0, -4.0]]))


def error(values, rounds, low, high):
    rounded = rounds(values[None], np.array([low]), np.array([high]))[0]
    return float(np.mean((rounded - values.astype(np.float64)) ** 2))


def test_minmax_is_the_extremes_and_zero():
    values = np.float32([[-3, 1, 2], [0.5, 2, 7], [-8, -5, -6]])
    low, high = choose_range(statistics_of(values, 0), "minmax", symmetric=False, rounds=unused)
    assert low.tolist() == [-3, 0, -8] and high.tolist() == [2, 7, 0]
    assert low.dtype == high.dtype == np.float32
    whole = choose_range(statistics_of(values), "minmax", symmetric=True, rounds=unused)
    assert [a.tolist() for a in whole] == [[-8], [7]]


def test_moving_average_takes_the_averages():
    one = np.float32([1])
    seen = Statistics(-4 * one, 5 * one, -2 * one, 3 * one, one[None], np.ones((1, 1), np.int64))
    low, high = choose_range(seen, "moving_average", symmetric=True, rounds=unused)
    assert (low, high) == (-2, 3)


@pytest.mark.parametrize("percentile", [50.5, 75, 90, 99, 99.9, 99.999])
@pytest.mark.parametrize("symmetric", [True, False])
def test_percentiles_are_those_of_numpy(percentile, symmetric):
    rng = np.random.default_rng(1)
    points = np.float32(rng.normal(0, 1, (3, 40)).round(1))  # with equal values in one channel
    counts = rng.integers(0, 30, (3, 40))
    counts[2, 5:] = 0
    written = [np.repeat(p, c) for p, c in zip(points, counts, strict=True)]
    extreme = [np.float32([f(v) for v in written]) for f in (np.min, np.max)]
    seen = Statistics(*extreme, *extreme, points, counts)
    low, high = choose_range(seen, "percentile", percentile=percentile, symmetric=symmetric, rounds=unused)
    for channel, values in enumerate(written):
        values = values.astype(np.float64)
        if symmetric:
            bound = np.percentile(np.abs(values), percentile)
            assert max(-low[channel], high[channel]) == pytest.approx(bound, rel=1e-6)
        else:
            ends = np.percentile(values, [100 - percentile, percentile])
            expected = [min(ends[0], 0), max(ends[1], 0)]
            assert [low[channel], high[channel]] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
def test_percentiles_of_an_array_by_channel(symmetric):
    values = np.float32(np.random.default_rng(6).normal(0, [1, 5, 0.1], (501, 3)))
    low, high = choose_range(
        statistics_of(values, 1), "percentile", percentile=97.5, symmetric=symmetric, rounds=unused
    )
    if symmetric:
        assert np.maximum(-low, high) == pytest.approx(np.percentile(np.abs(values), 97.5, axis=0))
    else:
        assert np.stack([low, high]) == pytest.approx(np.percentile(values, [2.5, 97.5], axis=0), rel=1e-5)


def test_the_percentile_100_is_the_extremes_also_of_a_histogram():
    ends = np.float32([-1]), np.float32([1])
    histogram = Histogram(*ends, 4)
    histogram.add(np.linspace(-1, 1, 101, dtype=np.float32)[:, None])
    seen = Statistics(*ends, *ends, *histogram.sample())
    for symmetric in (True, False):
        low, high = choose_range(seen, "percentile", percentile=100, symmetric=symmetric, rounds=unused)
        assert (low, high) == (-1, 1) and seen.points.max() < 1


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_mse_is_as_good_as_a_search_of_every_threshold(bits):
    values, rounds = skewed(), integers(bits)
    low, high = choose_range(statistics_of(values), "mse", symmetric=True, rounds=rounds)
    every = [error(values, rounds, -t, t) for t in np.linspace(0.001, 1, 4000) * np.abs(values).max()]
    found = error(values, rounds, low[0], high[0])
    assert found <= 1.01 * min(every)
    assert bits == 8 or found < 0.8 * every[-1]  # which minmax would have


@pytest.mark.parametrize("bits", [3, 4])
def test_mse_moves_both_ends_of_a_quantizer_with_a_zero_point(bits):
    values, rounds = skewed(600), affine(bits)
    low, high = choose_range(statistics_of(values), "mse", symmetric=False, rounds=rounds)
    steps = np.linspace(0.02, 1, 50)
    every = [error(values, rounds, a * values.min(), b * values.max()) for a in steps for b in steps]
    assert error(values, rounds, low[0], high[0]) <= 1.03 * min(every)


def test_mse_finds_the_best_power_of_two():
    def rounds(points, low, high):
        scale = 2.0 ** np.ceil(np.log2(np.maximum(-low, high)))[:, None] / 8
        return np.clip(np.rint(points / scale), -8, 7) * scale

    for seed in range(5):
        values = np.float32(np.random.default_rng(seed).standard_t(2, 2000))
        low, high = choose_range(statistics_of(values), "mse", symmetric=True, rounds=rounds)
        every = [error(values, rounds, -(2.0**k), 2.0**k) for k in range(-6, 12)]
        assert error(values, rounds, low[0], high[0]) == pytest.approx(min(every), rel=1e-12)


def test_mse_puts_values_in_the_middle_of_a_tapered_format():
    posit = parse("posit(8,2)")

    def rounds(points, low, high):
        scale = np.float32(np.maximum(-low, high) / posit.max)[:, None]
        return posit.quantize(np.float32(points / scale)) * scale

    values = np.float32(np.random.default_rng(3).normal(0, 1, 1000))
    top = np.abs(values).max()
    low, high = choose_range(statistics_of(values), "mse", symmetric=True, rounds=rounds)
    every = [error(values, rounds, -top * f, top * f) for f in 2.0 ** np.arange(-1, 30, 0.05)]
    assert (
        error(values, rounds, low[0], high[0]) <= 1.02 * min(every) < 0.01 * error(values, rounds, -top, top)
    )


def test_mse_of_many_values_reads_a_histogram_of_them():
    values = np.float32(np.random.default_rng(5).standard_t(4, 60_000))
    low, high = choose_range(statistics_of(values), "mse", symmetric=True, rounds=integers(4))
    every = [error(values, integers(4), -t, t) for t in np.linspace(0.01, 1, 300) * np.abs(values).max()]
    assert error(values, integers(4), low[0], high[0]) <= 1.02 * min(every)


def test_a_quantizer_that_overflows_is_not_chosen():
    def rounds(points, low, high):
        bound = np.maximum(-low, high)[:, None]
        return np.where(np.abs(points) > bound, np.inf, integers(2)(points, low, high))

    values = skewed()
    for observer in ("mse", "entropy"):
        low, high = choose_range(statistics_of(values), observer, symmetric=True, rounds=rounds)
        assert max(-low, high) >= np.abs(values).max()


def test_divergence_worked_out_by_hand():
    points = np.float32([[1, 2, 3, 4, 5, 6, 7, 8]])
    counts = np.array([[8, 4, 4, 0, 2, 1, 0, 1]])
    levels = np.float32([[2, 2, 2, 5, 5, 5, 5, 5]])
    found = divergence(points, counts, np.float32([0]), np.float32([5]), levels)
    # Up to 5: 1, 2 and 3 share their 16 equally, 5 stands alone; 6 and 8 are clipped and count at 5.
    p, q = [8, 4, 4, 2 + 2], [16 / 3, 16 / 3, 16 / 3, 2]
    assert found == pytest.approx([entropy(p, q)])
    # Up to 8, as the quantizer now returns 8: nothing is clipped, and 5 to 8 share 4 among three bins.
    levels = np.float32([[2, 2, 2, 2, 8, 8, 8, 8]])
    found = divergence(points, counts, np.float32([0]), np.float32([5]), levels)
    assert found == pytest.approx([entropy([8, 4, 4, 2, 1, 1], [16 / 3] * 3 + [4 / 3] * 3)])
    # From both sides: 1 is clipped to 2, and 7 and 8 to 6; every value has a level of its own.
    levels = np.clip(points, 2, 6)
    found = divergence(points, counts, np.float32([2]), np.float32([6]), levels)
    assert found == pytest.approx([entropy([12, 4, 2, 2], [4, 4, 2, 1])])
    # Of one bin nothing could diverge.
    found = divergence(points, counts, np.float32([0]), np.float32([1]), np.ones((1, 8)))
    assert found == np.inf


def migacz(histogram, starts, levels):
    """The loop of the slides of 2017, with clipped values in the last bin that is not empty."""
    found = {}
    for i in starts:
        kept = histogram[:i].astype(float)
        occupied = np.flatnonzero(kept)
        p = kept.copy()
        p[occupied[-1]] += histogram[i:].sum()
        q = np.zeros(i)
        groups = np.arange(i) * levels // i
        for level in range(levels):
            members = occupied[groups[occupied] == level]
            q[members] = kept[members].sum() / max(len(members), 1)
        found[i] = entropy(p[occupied], q[occupied])
    return found


def test_entropy_chooses_what_the_published_loop_chooses():
    values = np.abs(np.random.default_rng(7).standard_t(3, 40_000))
    histogram, edges = np.histogram(values, 2000, (0, values.max()))
    width = edges[1]
    centres = np.float32((edges[1:] + edges[:-1]) / 2)[None]

    def rounds(points, low, high):
        inside = np.rint(high / width)[:, None]
        place = np.minimum(np.floor(points / width), inside - 1)
        return np.floor(place * 32 / inside) * high[:, None] / 32  # the lower end of the level

    ends = np.zeros(1, np.float32), np.float32(edges[-1:])
    seen = Statistics(*ends, *ends, centres, histogram[None])
    low, high = choose_range(seen, "entropy", symmetric=True, rounds=rounds)
    found = migacz(histogram, range(140, 2001, 20), 32)  # the hundredths above a sixteenth
    best = min(found, key=found.get)
    assert best < 1000 and low == 0
    assert high / width == pytest.approx(best)


def test_entropy_clips_outliers():
    rng = np.random.default_rng(0)
    values = np.float32(np.concatenate([rng.normal(0, 1, 50_000), [30, -25, 28]]))
    for symmetric, rounds in ((True, integers(4)), (False, affine(4))):
        low, high = choose_range(statistics_of(values), "entropy", symmetric=symmetric, rounds=rounds)
        assert 1.8 < high < 6 and -6 < low < -1.8
    # Without them there is little to gain, and at 8 bits less.
    low, high = choose_range(statistics_of(values[:50_000]), "entropy", symmetric=True, rounds=integers(8))
    assert high > 3


def test_entropy_leaves_channels_of_few_values_whole():
    values = np.float32(np.random.default_rng(2).normal(0, 0.1, (400, 30)))
    for symmetric, rounds in ((True, integers(4)), (False, affine(4)), (True, integers(8))):
        low, high = choose_range(statistics_of(values, 1), "entropy", symmetric=symmetric, rounds=rounds)
        assert np.array_equal(low, values.min(axis=0)) and np.array_equal(high, values.max(axis=0))


def test_zeros_do_not_change_the_entropy_range():
    values = np.maximum(skewed(40_000), 0)
    values = values[values > 0]
    many = np.concatenate([values, np.zeros(8 * len(values), np.float32)])
    alone, among = (
        choose_range(statistics_of(v), "entropy", symmetric=True, rounds=integers(5)) for v in (values, many)
    )
    # A zero more or less moves no bin of a histogram that begins at zero.
    shifted = np.concatenate([values, [0]])
    assert choose_range(statistics_of(shifted), "entropy", symmetric=True, rounds=integers(5))[1] == among[1]
    assert alone[1] == pytest.approx(among[1], rel=0.1)


ODD = {
    "zeros": np.zeros(50),
    "constant": np.full(50, 0.7),
    "negative constant": np.full(50, -3.0),
    "one sided": np.maximum(skewed(50), 0)[:50],
    "two values": np.repeat([-1.0, 4.0], 25),
    "tiny": np.linspace(-1e-38, 1e-38, 50),
    "subnormal": np.linspace(0, 1e-44, 50),
    "huge": np.linspace(-3e38, 3e38, 50),
    "outlier": np.concatenate([np.linspace(-1, 1, 49), [1e6]]),
    "usual": skewed(50)[:50],
}


@pytest.mark.parametrize("observer", list(OBSERVERS))
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_channel_is_treated_as_if_it_were_alone(observer, symmetric):
    rounds = integers(4) if symmetric else affine(4)
    together = np.float32(list(ODD.values()))
    low, high = choose_range(statistics_of(together.T, 1), observer, symmetric=symmetric, rounds=rounds)
    for channel, (name, values) in enumerate(ODD.items()):
        alone = choose_range(statistics_of(values), observer, symmetric=symmetric, rounds=rounds)
        assert (low[channel], high[channel]) == alone, name
        assert np.isfinite(alone).all() and alone[0] <= 0 <= alone[1], name
    assert low[0] == high[0] == 0
    assert (high[1], low[1]) == pytest.approx((0.7, 0)) and (high[2], low[2]) == (0, -3)
    assert low[3] == 0


@pytest.mark.parametrize("observer", list(OBSERVERS))
@pytest.mark.parametrize("symmetric", [True, False])
def test_one_value_is_a_tensor_too(observer, symmetric):
    rounds = integers(4) if symmetric else affine(4)
    seen = statistics_of(np.float32([[2, -5, 0]]), 1)
    low, high = choose_range(seen, observer, symmetric=symmetric, rounds=rounds)
    assert low.tolist() == [0, -5, 0] and high.tolist() == [2, 0, 0]


def test_channels_lie_along_any_axis():
    values = np.random.default_rng(0).normal(size=(3, 4, 5))
    for axis in (0, 1, 2, -1, -2):
        seen = statistics_of(values, axis)
        others = tuple(a for a in range(3) if a != axis % 3)
        assert np.array_equal(seen.low, np.float32(values.min(axis=others)))
        assert np.array_equal(seen.high, np.float32(values.max(axis=others)))
        assert seen.points.shape == seen.counts.shape == (values.shape[axis], 60 // values.shape[axis])
        moved = np.moveaxis(np.float32(values), axis, 0).reshape(values.shape[axis], -1)
        assert np.array_equal(np.sort(seen.points), np.sort(moved))


def test_a_histogram_counts_every_value_once():
    rng = np.random.default_rng(4)
    values = np.float32(rng.normal(0, [1, 3, 1e-3], (70_001, 3)))
    values[::3] = 0
    values[:, 2] += 5
    histogram = Histogram(values.min(axis=0), values.max(axis=0))
    for part in np.array_split(values, 7):
        histogram.add(part)
    points, counts = histogram.sample()
    assert counts.sum(axis=1).tolist() == [70_001] * 3
    assert (np.diff(points, axis=1) >= 0).all()
    for channel in range(3):
        assert counts[channel, points[channel] == 0].sum() == (values[:, channel] == 0).sum()
        mean = values[:, channel].mean(dtype=np.float64)
        assert np.average(points[channel], weights=counts[channel]) == pytest.approx(mean, rel=1e-6, abs=1e-7)
        # Between two points lie at most the values of their bins.
        width = np.ptp(values[:, channel]) / 2048
        for fraction in (0.01, 0.3, 0.77, 0.999):
            below = np.searchsorted(np.cumsum(counts[channel]), fraction * 70_001)
            assert abs(points[channel, below] - np.quantile(values[:, channel], fraction)) <= 1.01 * width


def test_pixels_are_kept_exactly():
    pixels = np.random.default_rng(0).integers(0, 256, (5000, 1)).astype(np.float32) / np.float32(255)
    histogram = Histogram(pixels.min(axis=0), pixels.max(axis=0))
    histogram.add(pixels)
    points, counts = histogram.sample()
    values, times = np.unique(pixels, return_counts=True)
    assert np.array_equal(points[counts > 0], values) and np.array_equal(counts[counts > 0], times)


def test_weighted_values_count_as_often_as_they_say():
    values = np.float32([[1, -2], [3, 0], [7, 5]])
    histogram = Histogram(np.float32([1, -2]), np.float32([7, 5]), 4)
    histogram.add(values, np.array([[2, 1], [3, 4], [1, 2]]))
    points, counts = histogram.sample()
    assert points[counts > 0].tolist() == [1, 3, 7, -2, 0, 5]
    assert counts[counts > 0].tolist() == [2, 3, 1, 1, 4, 2]


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_values_that_are_not_finite_are_an_error(value, text):
    values = np.float32([[1, 2], [value, 3]])
    with pytest.raises(PrecisionError, match=rf"^the kernel of 'conv1': .*finite.* got {text}"):
        statistics_of(values, 1, location="the kernel of 'conv1'")


def test_mistakes_are_named():
    with pytest.raises(PrecisionError, match="at least one value, but got none"):
        statistics_of(np.zeros((0, 3)), 1)
    seen = statistics_of([1.0, 2.0])
    with pytest.raises(PrecisionError, match=r"unknown observer 'minmaks'; did you mean 'minmax'\?"):
        choose_range(seen, "minmaks", symmetric=True, rounds=unused)
    for percentile in (50, 0.999, 100.1, np.nan):
        with pytest.raises(PrecisionError, match="percentile must be above 50 and at most 100, but got"):
            choose_range(seen, "percentile", percentile=percentile, symmetric=True, rounds=unused)
