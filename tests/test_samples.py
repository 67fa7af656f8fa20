"""Any number of looks becomes a bounded number of samples, and what was thinned is still right."""

import numpy as np
import pytest

from precision.samples import MOST, QUANTITIES, Recorder, Samples, combined


def recorded(rows, most=MOST):
    recorder = Recorder(most)
    for number, row in enumerate(rows):
        recorder.add(0.25 * (number + 1), row)
    return recorder.samples({})


def test_few_looks_are_kept_as_they_are():
    kept = recorded([{"cpu_percent": 10.0 * n, "memory_bytes": 5.0} for n in range(7)])
    assert kept.seconds.tolist() == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert kept.series["cpu_percent"].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert set(kept.series) == {"cpu_percent", "memory_bytes"}  # of the others nothing was told


def test_no_run_is_too_long():
    for looks in (MOST - 1, MOST, MOST + 1, 7 * MOST):
        kept = recorded({"threads": 1.0} for _ in range(looks))
        assert MOST / 2 <= len(kept) < MOST or looks < MOST


@pytest.mark.parametrize("looks", [1, 7, 8, 9, 16, 33, 100, 129])
def test_means_stay_means_and_peaks_survive(looks):
    rng = np.random.default_rng(looks)
    work, memory = rng.random(looks), rng.random(looks)
    work[rng.random(looks) < 0.3] = np.nan  # not told
    kept = recorded(
        ({"cpu_percent": w, "memory_bytes": m} for w, m in zip(work, memory, strict=True)), most=8
    )
    stride = 1
    while looks // stride >= 8:
        stride *= 2
    starts = range(0, looks, stride)
    assert len(kept) == len(starts) < 8
    assert kept.seconds.tolist() == [0.25 * min(start + stride, looks) for start in starts]
    parts = [slice(start, start + stride) for start in starts]
    np.testing.assert_array_equal(kept.series["memory_bytes"], [memory[part].max() for part in parts])
    expected = [np.nanmean(work[p]) if np.isfinite(work[p]).any() else np.nan for p in parts]
    np.testing.assert_allclose(kept.series.get("cpu_percent", np.full(len(parts), np.nan)), expected)
    assert kept.peak("memory_bytes") == memory.max()


def test_a_series_that_ends_leaves_a_gap_and_no_other():
    kept = recorded([{"threads": 2.0, **({"gpu_watts": 9.0} if n < 3 else {})} for n in range(20)], most=8)
    assert kept.series["threads"].tolist() == [2.0] * 5
    np.testing.assert_array_equal(kept.series["gpu_watts"], [9.0, *[np.nan] * 4])
    assert kept.mean("gpu_watts") == kept.peak("gpu_watts") == 9.0
    assert np.isnan(kept.mean("cpu_percent")) and np.isnan(Samples(np.empty(0), {}).peak("threads"))


def test_several_looks_told_as_one():
    rows = [{"memory_bytes": 3.0, "cpu_percent": np.nan}, {"memory_bytes": 2.0, "cpu_percent": 50.0}, {}]
    assert combined(rows) == {"memory_bytes": 3.0, "cpu_percent": 50.0}
    assert combined([]) == {}


def test_every_quantity_says_what_it_is():
    for name, quantity in QUANTITIES.items():
        assert name.isidentifier() and quantity.title and quantity.unit and quantity.meaning
    assert MOST % 2 == 0
