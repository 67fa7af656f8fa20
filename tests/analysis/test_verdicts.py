"""Verdicts and the p-values behind them, against scipy, brute force and cases by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from precision.analysis import VERDICTS, judged, smallest_within_tolerance, summary, with_differences
from precision.analysis.evidence import within
from precision.analysis.verdicts import adjusted, p_values

LABELS = np.arange(2000) % 10


@pytest.fixture
def told(run, frame):
    """The judged summary of formats that differ from float32, for each seed, on (better, worse) images."""

    def of(tolerance=1.0, **formats):
        images = {
            "float32": np.where(np.arange(2000) < 100, LABELS + 1, LABELS)
        }  # wrong on the first hundred
        rows, predicted = [], {}
        for policy, seeds in {"float32": [(0, 0)] * len(next(iter(formats.values()))), **formats}.items():
            for seed, (better, worse) in enumerate(seeds):
                now = images["float32"].copy()
                now[:better] = LABELS[:better]
                now[2000 - worse :] = LABELS[2000 - worse :] + 1
                rows.append(run(policy, (now == LABELS).mean(), seed=seed, test_images=2000))
                predicted[rows[-1]["trial"]] = now
        table = with_differences(frame(*rows), "float32", predicted.get)
        return judged(summary(table), "float32", tolerance).set_index("policy")

    return of


def seeds_of(*differences):
    error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    mean = float(np.mean(differences))
    return {
        "task": "",
        "pairs": len(differences),
        "accuracy_difference_mean": mean,
        "accuracy_difference_error": error,
        "accuracy_difference_freedom": len(differences) - 1.0,
        "accuracy_difference_low": mean - half,
        "accuracy_difference_high": mean + half,
    }


def test_seeds_alone_are_tested_by_students_t():
    differences = [-0.004, -0.006, -0.001, -0.003]
    found = p_values(seeds_of(*differences), 1.0)
    expected = (
        stats.ttest_1samp(differences, 0).pvalue,
        2 * stats.ttest_1samp(differences, -0.01, alternative="greater").pvalue,
        2 * stats.ttest_1samp(differences, 0.01, alternative="less").pvalue,
    )
    assert found == pytest.approx(expected)


def test_one_seed_is_tested_by_mcnemar_and_its_interval(told):
    row = told(fixed8=[(3, 15)]).loc["fixed8"]
    assert row["changed_images"] == 18
    assert row["p_difference"] == pytest.approx(stats.binomtest(3, 18).pvalue)
    assert row["accuracy_difference_low"] < -0.006 < row["accuracy_difference_high"]
    # The p of a loss of the tolerance is 5 % where the end of the 95 % interval is the tolerance.
    edge = -100 * row["accuracy_difference_low"]
    for tolerance, shown in ((edge + 1e-6, True), (edge - 1e-6, False)):
        assert told(tolerance, fixed8=[(3, 15)]).loc["fixed8", "shown"] == shown
        assert within(row["accuracy_difference_low"], tolerance) == shown


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ([(0, 0)], "equivalent"),
        ([(2, 10)], "equivalent"),  # 0.4 points are lost, which is within
        ([(0, 50)], "worse"),
        ([(80, 2)], "better"),
        ([(90, 90)], "underpowered"),  # 0.0 +- 1.3
        ([(7, 20)], "worse"),  # -0.65, which may be more than 1
        ([(7, 17)], "no difference shown"),
        ([(0, 0)] * 3, "equivalent"),
        ([(2, 50), (0, 60), (3, 47)], "worse"),
        ([(0, 0), (40, 0)], "underpowered"),
    ],
)
def test_each_verdict(told, changes, verdict):
    assert told(fixed8=changes).loc["fixed8", "verdict"] == verdict
    assert verdict in VERDICTS


def test_the_baseline_and_what_has_no_pair_have_no_verdict(told, run, frame):
    assert told(fixed8=[(0, 0)]).loc["float32", "verdict"] == ""
    table = judged(summary(frame(run("float32", 0.9), run("fixed8", None, status="failed"))), "float32", 1.0)
    assert table["verdict"].tolist() == ["", ""] and not table["shown"].any()


def test_without_predictions_one_seed_is_underpowered(run, frame):
    table = judged(summary(frame(run("float32", 0.9), run("fixed8", 0.9))), "float32", 1.0)
    assert table["verdict"].tolist() == ["", "underpowered"] and table["p_loss"].isna().all()


def test_the_more_formats_the_more_it_takes(told):
    alone = told(fixed8=[(4, 14)]).loc["fixed8"]
    beside = told(fixed8=[(4, 14)], fixed4=[(30, 31)], fixed16=[(30, 30)], float16=[(29, 30)])
    assert alone["p_difference"] < 0.05 < beside.loc["fixed8", "p_difference"] == 4 * alone["p_difference"]
    assert (alone["compared"], beside.loc["fixed8", "compared"]) == (1, 4)


def test_the_adjusted_p_are_those_of_closed_testing():
    """Every set of hypotheses that can be true together is tested by Bonferroni, one by one."""
    rng = np.random.default_rng(4)
    for _ in range(40):
        raw = rng.random((3, 3)) ** 3 / 3
        found = adjusted(raw)
        for row, column in np.ndindex(3, 3):
            others = [[*raw[other], None] for other in range(3) if other != row]
            worst = raw[row, column]
            for one in others[0]:
                for two in others[1]:
                    true = [p for p in (raw[row, column], one, two) if p is not None]
                    worst = max(worst, min(1.0, len(true) * min(true)))
            assert found[row, column] >= worst - 1e-12  # never less strict
            assert found[row, column] <= min(1.0, 3 * raw.max())
    assert np.isnan(adjusted([(math.nan,) * 3])).all()
    assert adjusted([(0.01, 0.9, 0.9), (math.nan,) * 3])[0, 0] == 0.01


def test_a_tolerance_of_nothing_cannot_be_shown(told):
    row = told(0.0, fixed8=[(10, 10)]).loc["fixed8"]
    assert row["verdict"] == "no difference shown"
    assert told(0.0, fixed8=[(0, 40)]).loc["fixed8", "verdict"] == "worse"


def test_the_answer_is_as_strict_as_the_verdicts(told, run, frame):
    table = told(fixed8=[(4, 13)], fixed4=[(0, 100)], fixed16=[(30, 30)], float16=[(29, 30)]).reset_index()
    assert not table.set_index("policy").loc["fixed8", "shown"]
    choice = smallest_within_tolerance(table, "float32", 1.0).iloc[0]
    assert choice["verdict"] == "not shown" and choice["policy"] == "fixed8"


def test_an_rmse_is_tested_in_its_logarithm(run, frame):
    rng = np.random.default_rng(1)
    errors = {"float32": rng.normal(0, 1, (500, 1))}
    errors["fixed8"] = errors["float32"] * 1.02 + rng.normal(0, 0.05, (500, 1))
    rows = [
        run(policy, None, task="regression", rmse=float(np.sqrt((e**2).mean())), test_images=500)
        for policy, e in errors.items()
    ]
    table = with_differences(frame(*rows), "float32", lambda trial: errors[trial.split("-")[2]])
    high = 100 * summary(table).set_index("policy").loc["fixed8", "rmse_difference_high"]
    for tolerance, shown in ((high + 1e-4, True), (high - 1e-4, False)):
        row = judged(summary(table), "float32", tolerance).set_index("policy").loc["fixed8"]
        assert row["shown"] == shown
    assert row["verdict"] == "worse" and pd.isna(row["changed_images"])
