"""Results of regressions: less is better, differences are shares of the baseline's RMSE."""

import numpy as np
import pandas as pd
import pytest

from precision.analysis import (
    ReportSettings,
    Results,
    checked,
    smallest_within_tolerance,
    summary,
    with_differences,
)

ERRORS = {"float32": 10.0, "float16": 10.02, "fixed8": 10.4, "fixed4": 30.0}


@pytest.fixture
def rows(run):
    """Two seeds, of which the second is worse throughout by a tenth."""

    def make(seeds=(0, 1), **errors):
        return [
            run(
                policy,
                None,
                dataset="houses",
                task="regression",
                balanced_accuracy=None,
                rmse=error * (1 + 0.1 * seed),
                mae=0.8 * error,
                r2=0.5,
                seed=seed,
            )
            for policy, error in {**ERRORS, **errors}.items()
            for seed in seeds
        ]

    return make


def test_differences_are_shares_of_the_baseline(rows):
    frame = with_differences(checked(pd.DataFrame(rows())), "float32")
    fixed8 = frame[frame["policy"] == "fixed8"]
    assert fixed8["baseline_rmse"].tolist() == pytest.approx([10, 11])
    assert fixed8["rmse_difference"].tolist() == pytest.approx([0.04, 0.04])
    assert fixed8["accuracy_difference"].isna().all()


def test_a_summary_knows_that_less_is_better(rows):
    table = summary(with_differences(checked(pd.DataFrame(rows(float16=9.0, fixed8=9.5))), "float32"))
    found = table.set_index("policy")
    assert found["rmse_mean"].to_dict() == pytest.approx(
        {"float32": 10.5, "float16": 9.45, "fixed8": 9.975, "fixed4": 31.5}
    )
    assert found["n"].tolist() == found["pairs"].tolist() == [2, 2, 2, 2]
    # The smaller float16 beats float32; the others are smaller still, and worse.
    assert found["pareto"].to_dict() == {"float32": False, "float16": True, "fixed8": True, "fixed4": True}


@pytest.mark.parametrize(
    ("tolerance", "verdict", "policy"), [(0.1, "none", None), (1, "found", "float16"), (5, "found", "fixed8")]
)
def test_the_tolerance_is_in_per_cent_of_the_baseline(rows, tolerance, verdict, policy):
    table = summary(with_differences(checked(pd.DataFrame(rows())), "float32"))
    (choice,) = smallest_within_tolerance(table, "float32", tolerance).to_dict("records")
    assert choice["verdict"] == verdict
    if policy is None:
        assert "no smaller format stays within 0.1 % of the RMSE of float32 (RMSE 10.5)" in choice["sentence"]
        assert "the closest is float16 with RMSE 10.52 (+0.20 %; " in choice["sentence"]
    else:
        assert choice["policy"] == policy and choice["task"] == "regression"
        assert choice["baseline_rmse_mean"] == pytest.approx(10.5)
        assert (
            f"{policy} is the smallest format shown to stay within {tolerance} % of the RMSE"
            in choice["sentence"]
        )


def test_one_seed_is_compared_over_the_test_images(rows):
    rng = np.random.default_rng(2)
    errors = {"float32": rng.normal(0, 10, (300, 1))}
    for policy, noise in {"float16": 0.01, "fixed8": 3.0, "fixed4": 30.0}.items():
        errors[policy] = errors["float32"] + rng.normal(0, noise, (300, 1))
    rmse = {name: float(np.sqrt((e**2).mean())) for name, e in errors.items()}
    frame = pd.DataFrame(rows(seeds=(0,), **rmse))
    trials = dict(zip(frame["trial"], frame["policy"], strict=True))
    results = Results(
        "houses", "", frame, {}, ReportSettings(tolerance=1), predictions=lambda trial: errors[trials[trial]]
    )
    cells = results.cells().set_index("policy")
    for policy in ("float16", "fixed8", "fixed4"):
        row = cells.loc[policy]
        assert row["rmse_difference_low"] < rmse[policy] / rmse["float32"] - 1 < row["rmse_difference_high"]
    assert np.isnan(cells.loc["float32", "rmse_difference_low"])
    (choice,) = smallest_within_tolerance(summary(results.cells()), "float32", 1).to_dict("records")
    assert (choice["verdict"], choice["policy"]) == ("found", "float16")
    # What would show that fixed8 is near needs more images, and none would if its mean were beyond.
    (choice,) = smallest_within_tolerance(summary(results.cells()), "float32", 8).to_dict("records")
    lost = cells.loc["fixed8", "rmse_difference_high"]
    assert choice["policy"] == ("fixed8" if lost <= 0.08 else "float16")


def test_both_kinds_in_one_grid(rows, run):
    classes = [run(policy, 0.9 - 0.01 * n) for n, policy in enumerate(ERRORS)]
    table = summary(with_differences(checked(pd.DataFrame([*rows(), *classes])), "float32"))
    choices = smallest_within_tolerance(table, "float32", 1)
    assert set(choices["dataset"]) == {"houses", "mnist"}
    sentences = " ".join(choices["sentence"])
    assert "% of the RMSE" in sentences and "percentage point" in sentences


def test_a_baseline_without_any_error_has_no_share(rows):
    frame = with_differences(checked(pd.DataFrame(rows(float32=0.0))), "float32")
    assert frame["rmse_difference"].isna().all()
