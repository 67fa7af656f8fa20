"""Speed-up and the fit of Amdahl's law, against exact times and against SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from precision.analysis.speedup import GROUP, amdahl, fits, speedups


@pytest.mark.parametrize("serial", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("threads", [[1, 2], [1, 2, 4], [2, 3, 16]])
def test_exact_times_give_their_serial_share_back(serial, threads):
    fit = amdahl(threads, [8.0 * (serial + (1 - serial) / n) for n in threads])
    assert fit.serial == pytest.approx(serial, abs=1e-12) and fit.one == pytest.approx(8.0)
    assert fit.residual == pytest.approx(0, abs=1e-12)
    assert fit.speedup(4) == pytest.approx(1 / (serial + (1 - serial) / 4))


times = st.lists(st.floats(0.01, 100.0), min_size=2, max_size=8)


@given(times, st.randoms(use_true_random=False))
def test_the_fit_is_the_least_squares_with_neither_part_below_zero(measured, random):
    threads = random.sample(range(1, 33), len(measured))
    parts = np.stack([np.ones(len(threads)), 1 / np.asarray(threads)], axis=1)
    (serial, parallel), missed = nnls(parts, np.asarray(measured))
    fit = amdahl(threads, measured)
    assert fit.one == pytest.approx(serial + parallel, rel=1e-6)
    assert fit.serial == pytest.approx(serial / (serial + parallel), abs=1e-6)
    assert fit.residual == pytest.approx(missed / len(threads) ** 0.5 / fit.one, rel=1e-5, abs=1e-9)


def test_threads_that_slow_down_are_all_serial_and_leave_a_residual():
    fit = amdahl([1, 2, 4], [4.0, 5.0, 6.0])
    assert fit.serial == 1.0 and fit.residual == pytest.approx(np.std([4.0, 5.0, 6.0]) / 5.0)


def test_one_number_of_threads_has_no_fit():
    assert amdahl([2, 2], [1.0, 1.1]) is None


def cells(*rows, **more):
    fixed = {
        "dataset": "mnist",
        "architecture": "lenet",
        "policy": "float32",
        "method": "ptq",
        "status": "ok",
        "timing": "native",
        "machine": "here",
        "cores": 4,
        "latency_ms": np.nan,
        "inference_images_per_second": 100.0,
        "train_disturbance": 1.0,
        "inference_disturbance": 2.0,
        **more,
    }
    frame = pd.DataFrame([{**fixed, **row} for row in rows])
    frame["training"] = [f"epochs=3 device={row.device} threads={row.threads}" for row in frame.itertuples()]
    frame["threads"] = frame["threads"].astype("Int64")
    return frame


def row(device, threads, seconds, **more):
    return {"device": device, "threads": threads, "train_seconds": seconds, **more}


def test_speedup_and_efficiency_against_the_fewest_threads_of_the_cpu():
    table = speedups(cells(row("gpu", 1, 2.0), row("cpu", 2, 12.0), row("cpu", 1, 20.0), row("cpu", 4, 8.0)))
    found = {(one.device, one.threads): (one.speedup, one.efficiency) for one in table.itertuples()}
    assert found.pop(("gpu", 1))[0] == 10.0 and table["efficiency"].isna().sum() == 1
    assert found == {("cpu", 2): (20 / 12, 20 / 24), ("cpu", 1): (1.0, 1.0), ("cpu", 4): (2.5, 0.625)}
    assert set(table["others"]) == {"epochs=3"} and set(table["time"]) == {"train_seconds"}
    assert set(table["disturbed"]) == {1.0}
    (fit,) = (fit for key, fit in fits(table).items() if key[-1] == "cpu")
    assert fit.serial == pytest.approx(0.2)


def test_seeds_are_averaged_and_failures_left_out():
    table = speedups(
        cells(
            row("cpu", 1, 10.0), row("cpu", 1, 14.0), row("cpu", 2, 6.0), row("gpu", 1, 1.0, status="skipped")
        )
    )
    assert table["speedup"].tolist() == [1.0, 2.0] and table["value"].tolist() == [12.0, 6.0]


def test_what_did_not_train_is_compared_by_its_inference():
    rows = [
        {
            **row("cpu", n, np.nan),
            "policy": "fixed8",
            "timing": "emulated",
            "inference_images_per_second": rate,
        }
        for n, rate in ((1, 50.0), (2, 75.0))
    ]
    table = speedups(cells(*rows))
    assert table["speedup"].tolist() == [1.0, 1.5] and table["disturbed"].tolist() == [2.0, 2.0]
    timed = speedups(cells(*({**one, "latency_ms": ms} for one, ms in zip(rows, (4.0, 1.0), strict=True))))
    assert timed["speedup"].tolist() == [1.0, 4.0] and timed["seconds"].tolist() == [0.004, 0.001]


def test_machines_and_timings_are_not_compared():
    apart = cells(row("cpu", 1, 10.0, machine="a"), row("cpu", 2, 6.0, machine="b"))
    assert speedups(apart).empty
    mixed = cells(row("cpu", 1, 10.0), row("cpu", 2, 6.0, timing="emulated"))
    assert speedups(mixed).empty
    assert speedups(cells(row("cpu", 1, 10.0))).empty


def test_threads_that_take_turns_are_left_out_of_the_fit():
    table = speedups(cells(row("cpu", 1, 10.0), row("cpu", 2, 6.0), row("cpu", 4, 9.0), cores=2))
    (fit,) = fits(table).values()
    assert fit.serial == pytest.approx(0.2) and len(table) == 3
    assert list(table.columns[: len(GROUP)]) == GROUP
