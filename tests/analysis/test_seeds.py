"""Seeds and test images together, against an analysis of variance and what is drawn again and again."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from precision.analysis import summary, with_differences
from precision.analysis.images import Pair, over_images
from precision.analysis.seeds import UNSEEN, combined, covariance, quantile, tail
from precision.tasks import CLASSIFICATION, TASKS


def test_seeds_alone_have_the_t_interval():
    differences = [-0.004, -0.006, -0.001]
    found = combined(differences, math.nan, 10_000)
    expected = stats.t.interval(0.95, 2, np.mean(differences), stats.sem(differences))
    assert (found.mean - found.half(), found.mean + found.half()) == pytest.approx(expected)


def test_equal_seeds_leave_what_the_images_do():
    found = combined([-0.01] * 4, 1e-6, 10_000)
    assert found.half() == pytest.approx(1.9602 * 1e-3, rel=1e-4)
    assert combined([-0.01] * 4, math.nan).half() == 0
    assert combined([-0.01] * 4, 1e-6).freedom == math.inf


def test_fewer_than_two_have_no_error():
    assert math.isnan(combined([0.1], 0.1).half()) and math.isnan(combined([], 0.1).mean)


def test_the_freedom_lies_between_those_of_both():
    found = combined([0.0, 0.001, 0.002], 1e-7, 10_000)
    assert 2 < found.freedom < 9_999
    assert combined([0.0, 0.001, 0.002], -1.0).freedom == 2  # a covariance below nothing is none


@pytest.mark.parametrize("freedom", [1.0, 2.5, 40.0, math.inf])
def test_the_quantiles_are_those_of_scipy(freedom):
    assert quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom))
    assert tail(1.3, freedom) == pytest.approx(stats.t.sf(1.3, freedom))
    assert math.isnan(tail(math.nan, freedom))


def test_the_two_parts_are_those_of_an_analysis_of_variance():
    """Differences by seeds and images, complete: the mean squares have both parts, and the rest twice."""
    rng = np.random.default_rng(0)
    seeds, images = 6, 4000
    d = rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.5, images) + rng.normal(0, 0.3, (seeds, images))
    means = d.mean(axis=1)
    shared = np.mean([np.cov(d[s], d[t])[0, 1] for s in range(seeds) for t in range(s)]) / images
    rest = d - means[:, None] - d.mean(axis=0) + d.mean()
    of_seeds = images * means.var(ddof=1)
    of_images = seeds * d.mean(axis=0).var(ddof=1)
    of_rest = (rest**2).sum() / ((seeds - 1) * (images - 1))
    expected = (of_seeds + of_images - of_rest) / (seeds * images)
    assert combined(means, shared, images).error == pytest.approx(math.sqrt(expected), rel=1e-9)


def test_what_two_seeds_have_in_common_is_counted():
    """Of predictions: the same answer instead of the baseline's, or instead of the same one."""
    before = np.zeros(1000, np.uint8)
    one, two = before.copy(), before.copy()
    one[:30], two[10:50] = 1, 1  # 20 in common
    pairs = [Pair(0, "one", "base", -0.03), Pair(1, "two", "base", -0.04)]
    stored = {"base": before, "one": one, "two": two}
    found = over_images([pairs], CLASSIFICATION, stored.get)
    expected = ((20 + UNSEEN) / (1000 + UNSEEN) - 0.03 * 0.04) / 1000
    assert found["accuracy_difference_shared"].tolist() == pytest.approx([expected] * 2)
    assert found["changed"].tolist() == [30, 40]
    assert covariance(20, 1000, -0.03, -0.04) == pytest.approx(expected)


def test_labels_and_errors_have_it_too():
    rng = np.random.default_rng(3)
    labels = {"base": np.zeros((100, 3), np.uint8), "one": np.zeros((100, 3), np.uint8)}
    labels["one"][:5, 1] = 1
    labels["two"] = labels["one"].copy()
    pairs = [Pair(0, "one", "base", -0.05), Pair(1, "two", "base", -0.05)]
    found = over_images([pairs], CLASSIFICATION, labels.get)
    assert found["accuracy_difference_shared"].iloc[0] == pytest.approx(covariance(5, 100, -0.05, -0.05))
    errors = {name: rng.normal(0, 1, (300, 1)) for name in ("base", "rest")}
    errors |= {name: errors["base"] + rng.normal(0, 0.2, (300, 1)) for name in ("one", "two")}
    rises = {name: math.sqrt((e**2).mean() / (errors["base"] ** 2).mean()) - 1 for name, e in errors.items()}
    pairs = [Pair(n, name, "base", rises[name]) for n, name in enumerate(("one", "two"))]
    found = over_images([pairs], TASKS["regression"], errors.get)
    assert found["rmse_difference_error"].gt(0).all() and found["changed"].isna().all()
    assert abs(found["rmse_difference_shared"].iloc[0]) < found["rmse_difference_error"].max() ** 2


def test_every_pair_of_runs_with_predictions_has_an_interval(run, frame):
    rows = [
        run(p, a, seed=s, test_images=50) for p, a in (("float32", 0.9), ("fixed8", 0.88)) for s in (0, 1)
    ]
    predicted = {
        row["trial"]: (np.arange(50) >= round(50 * row["accuracy"])).astype(np.uint8) for row in rows
    }
    asked = []

    def predictions(trial):
        asked.append(trial)
        return predicted[trial]

    table = with_differences(frame(*rows), "float32", predictions)
    told = table[table["policy"] == "fixed8"]
    columns = ["accuracy_difference_low", "accuracy_difference_high", "accuracy_difference_shared"]
    assert told[columns].notna().all(axis=None) and told["changed_images"].tolist() == [1, 1]
    assert len(asked) == 4  # each once
    row = summary(table).set_index("policy").loc["fixed8"]
    assert row["accuracy_difference_high"] - row["accuracy_difference_low"] == pytest.approx(
        2 * row["accuracy_difference_ci95"]
    )
    assert row["accuracy_difference_ci95"] > 0 and pd.notna(row["accuracy_difference_freedom"])


def test_a_seed_without_predictions_leaves_the_seeds(run, frame):
    rows = [run(p, 0.9 - 0.001 * s, seed=s) for p in ("float32", "fixed8") for s in (0, 1, 2)]
    found = summary(with_differences(frame(*rows), "float32", lambda trial: None)).set_index("policy")
    assert found.loc["fixed8", "accuracy_difference_freedom"] == 2
