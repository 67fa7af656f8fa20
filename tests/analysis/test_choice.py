import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from precision.analysis import pareto_front, smallest_within_tolerance, summary, with_differences


@pytest.fixture
def choose(run, frame):
    def of(*rows, tolerance=1.0, baseline="float32"):
        return smallest_within_tolerance(summary(frame(*rows)), baseline, tolerance)

    return of


@pytest.fixture
def measured(run, frame):
    """Two formats that agree with float32 on all but some of the test images, and the answer."""

    def of(images, accuracies, tolerance=1.0, **changes):
        labels = np.arange(images) % 10
        predicted = {}
        for policy, accuracy in accuracies.items():
            wrong = images - round(accuracy * images)
            predicted[policy] = np.where(np.arange(images) < wrong, labels + 1, labels)
        changes["test_images"] = images
        rows = [run(policy, (p == labels).mean(), **changes) for policy, p in predicted.items()]

        table = with_differences(frame(*rows), "float32", lambda trial: predicted[trial.split("-")[2]])
        return smallest_within_tolerance(summary(table), "float32", tolerance).iloc[0]

    return of


def seeds(run, policy, accuracies, **changes):
    return [run(policy, accuracy, seed=seed, **changes) for seed, accuracy in enumerate(accuracies)]


def test_the_smallest_format_that_is_shown_to_be_near_wins(run, choose):
    row = choose(
        *seeds(run, "float32", [0.99, 0.98, 0.99]),
        *seeds(run, "float16", [0.99, 0.98, 0.99]),
        *seeds(run, "fixed8", [0.985, 0.976, 0.984]),
        *seeds(run, "fixed4", [0.6, 0.6, 0.6]),
    ).iloc[0]
    assert (row["verdict"], row["policy"]) == ("found", "fixed8")
    assert row["sentence"] == (
        "lenet: fixed8 is the smallest format shown to stay within 1 percentage point of float32: "
        "98.17 % (-0.50 points; ± 0.25, n = 3), weights 4.0 times smaller than in "
        "float32."
    )


def test_a_format_whose_interval_leaves_the_tolerance_is_not_the_answer(run, choose):
    """-0.74 ± 2.11 at a tolerance of 1 once won."""
    float32, spread = 0.98, 2.11 / stats.t.ppf(0.975, 2) * math.sqrt(3) / 100
    losses = np.array([-1.0, 0.0, 1.0]) * spread - 0.0074
    rows = [*seeds(run, "float32", [float32] * 3), *seeds(run, "fixed4", float32 + losses)]
    row = choose(*rows).iloc[0]
    assert (row["verdict"], row["policy"]) == ("not shown", "fixed4")
    assert "the best candidate is fixed4 with 97.26 % (-0.74 points; ± 2.11, n = 3" in row["sentence"]
    wanted = next(n for n in range(4, 10_000) if stats.t.ppf(0.975, n - 1) * spread / n**0.5 <= 0.0026)
    assert f"about {wanted} seeds would show it" in row["sentence"]
    # a larger one that is shown is the answer, and the smaller one is told of
    safe = seeds(run, "fixed8", [float32 - 0.001] * 3)
    row = choose(*rows, *safe).iloc[0]
    assert (row["verdict"], row["policy"]) == ("found", "fixed8")
    assert "The smaller fixed4 is not shown to, with 97.26 % (-0.74 points; ± 2.11" in row["sentence"]


def test_with_one_seed_the_interval_is_over_the_test_images(measured):
    accuracies = {"float32": 0.98, "fixed8": 0.978, "fixed4": 0.973}
    row = measured(10_000, accuracies)
    assert (row["verdict"], row["policy"]) == ("found", "fixed4")
    assert row["sentence"].startswith(
        "lenet: fixed4 is the smallest format shown to stay within 1 percentage point of float32: "
        "97.30 % (-0.70 points; -0.88 to -0.55 over the test images, n = 1)"
    )
    row = measured(1000, accuracies)
    assert (row["verdict"], row["policy"]) == ("found", "fixed8")
    assert "The smaller fixed4 is not shown to, with 97.30 % (-0.70 points; -1.44 to " in row["sentence"]
    assert "test images in place of 1,000 would show it, or several seeds could" in row["sentence"]


def test_seeds_are_not_asked_for_where_the_network_came_with_its_weights(measured, run, choose):
    accuracies = {"float32": 0.98, "fixed4": 0.973}
    sentence = measured(1000, accuracies, epochs=0)["sentence"]
    assert sentence.endswith("test images in place of 1,000 would show it.") and "seeds" not in sentence
    row = choose(run("float32", 0.99, epochs=0), run("fixed8", 0.99, epochs=0)).iloc[0]
    assert row["sentence"].endswith("more test images could show it; other seeds round the same weights.")
    apart = [0.97, 0.98, 0.99]
    base = seeds(run, "float32", [0.98] * 3, epochs=0)
    row = choose(*base, *seeds(run, "fixed4", apart, epochs=0)).iloc[0]
    assert row["sentence"].endswith("more test images could show it; other seeds round the same weights.")
    row = choose(*base, *seeds(run, "fixed4", apart, epochs=2)).iloc[0]  # trained on, each in its own way
    assert "seeds would show it" in row["sentence"]


def test_the_number_of_test_images_that_is_asked_for_does_show_it(measured):
    accuracies = {"float32": 0.98, "fixed8": 0.973}
    row = measured(1000, accuracies)
    assert row["verdict"] == "not shown"
    number = int(row["sentence"].split("about ")[1].split(" test")[0].replace(",", ""))
    assert measured(number, accuracies)["verdict"] == "found"
    assert measured(number // 3, accuracies)["verdict"] == "not shown"


def test_without_predictions_nothing_is_shown_by_one_seed(run, choose):
    row = choose(run("float32", 0.99), run("fixed8", 0.99)).iloc[0]
    assert row["verdict"] == "not shown"
    assert "(+0.00 points; n = 1: no interval): several seeds could show it." in row["sentence"]


def test_a_gain_is_no_loss_however_uncertain(run, choose):
    rows = [*seeds(run, "float32", [0.9, 0.9, 0.9]), *seeds(run, "fixed8", [0.93, 0.95, 0.97])]
    assert choose(*rows).loc[0, "verdict"] == "found"


def test_a_loss_of_exactly_the_tolerance_is_within_it(run, choose):
    assert 0.98 - 0.99 < -0.01  # in binary
    rows = [*seeds(run, "float32", [0.99, 0.99]), *seeds(run, "fixed8", [0.98, 0.98])]
    assert choose(*rows, tolerance=1.0).loc[0, "verdict"] == "found"
    assert choose(*rows, tolerance=0.99).loc[0, "verdict"] == "none"
    row = choose(run("float32", 0.99), run("fixed8", 0.98)).iloc[0]
    assert row["verdict"] == "not shown"
    assert "its loss is the tolerance itself, which no number of runs can show" in row["sentence"]


def test_ties_of_bytes_go_to_fewer_activation_bits_then_to_accuracy(run, choose):
    narrow = run("fixed16", 0.985, activation_bits=8.0)
    assert choose(run("float32", 0.99), run("float16", 0.99), narrow).loc[0, "policy"] == "fixed16"
    better = choose(run("float32", 0.99), run("float16", 0.985), run("bfloat16", 0.989))
    assert better.loc[0, "policy"] == "bfloat16"
    unknown = run("fixed16", 0.99, activation_bits=None)
    assert choose(run("float32", 0.99), unknown, run("float16", 0.985)).loc[0, "policy"] == "float16"


def test_equal_weights_count_as_smaller_only_with_fewer_activation_bits(run, choose):
    full = {"weight_bits": 32.0, "weight_bytes": 4000, "compression": 1.0}
    wide = run("fixed16", 0.99, activation_bits=32.0, **full)
    assert choose(run("float32", 0.99), wide).loc[0, "verdict"] == "none"
    narrow = run("fixed16", 0.99, activation_bits=16.0, **full)
    assert choose(run("float32", 0.99), narrow).loc[0, "policy"] == "fixed16"


def test_when_no_format_is_near_the_closest_is_named(run, choose):
    row = choose(run("float32", 0.99), run("fixed8", 0.9), run("fixed4", 0.2), tolerance=0.5).iloc[0]
    assert row["verdict"] == "none"
    assert row["sentence"] == (
        "lenet: no smaller format stays within 0.5 percentage points of float32 (99.00 %); "
        "the closest is fixed8 with 90.00 % (-9.00 points; n = 1: no interval)."
    )


def test_a_format_with_a_failed_seed_is_not_chosen(run, choose):
    rows = [run("float32", 0.99, seed=s) for s in (0, 1)] + [run("float16", 0.99, seed=s) for s in (0, 1)]
    failed = [run("fixed8", 0.99), run("fixed8", None, seed=1, status="diverged")]
    assert choose(*rows, *failed).loc[0, "policy"] == "float16"


def test_several_seeds_are_paired(run, choose):
    rows = [run("float32", 0.99, seed=0), run("float32", 0.97, seed=1)]
    rows += [run("fixed8", 0.98, seed=0), run("fixed8", 0.97, seed=1)]
    row = choose(*rows).iloc[0]
    assert row["judged"] == "underpowered"
    assert row["accuracy_difference_mean"] == pytest.approx(-0.005)
    assert "(-0.50 points; ± 6.35, n = 2)" in row["sentence"]


def test_methods_and_architectures_are_answered_apart(run, choose):
    table = choose(
        run("float32", 0.99),
        run("fixed8", 0.9),
        run("fixed8", 0.99, method="qat"),
        run("float32", 0.99, architecture="vgg"),
        run("fixed8", 0.99, architecture="vgg"),
    )
    answers = {(row["method"], row["architecture"]): row["verdict"] for _, row in table.iterrows()}
    assert answers == {("ptq", "lenet"): "none", ("ptq", "vgg"): "not shown", ("qat", "lenet"): "not shown"}


@pytest.mark.parametrize(
    ("rows", "verdict", "words"),
    [
        ([("fixed8", 0.9, {})], "no baseline", "the grid has no float32"),
        ([("float32", None, {"status": "timeout"}), ("fixed8", 0.9, {})], "no baseline", "(timeout)"),
        ([("float32", None, {}), ("fixed8", 0.9, {})], "no baseline", "(no accuracy)"),
        ([("float32", 0.9, {}), ("fixed8", None, {"status": "failed"})], "no result", "no format but"),
        ([("float32", 0.9, {})], "no result", "no format but float32"),
        ([("float32", 0.9, {}), ("fixed8", 0.9, {"seed": 3})], "no result", "no format but"),
    ],
)
def test_what_cannot_be_answered_is_said(run, choose, rows, verdict, words):
    row = choose(*(run(policy, accuracy, **changes) for policy, accuracy, changes in rows)).iloc[0]
    assert row["verdict"] == verdict
    assert words in row["sentence"]


def test_another_policy_can_be_the_baseline(run, frame):
    from precision.analysis import with_differences

    table = with_differences(frame(run("float16", 0.99), run("fixed8", 0.98)), "float16")
    assert smallest_within_tolerance(summary(table), "float16", 2.0).loc[0, "policy"] == "fixed8"


def test_the_pareto_front_leaves_out_what_is_beaten_or_unknown():
    table = pd.DataFrame(
        {"cost": [4, 4, 2, 1, 1, None], "gain": [0.9, 0.8, 0.9, 0.5, None, 0.99]}, index=list("abcdef")
    )
    assert list(pareto_front(table, "cost", "gain")) == [False, False, True, True, False, False]
    equal = pd.DataFrame({"cost": [1, 1], "gain": [0.5, 0.5]})
    assert pareto_front(equal, "cost", "gain").all()


def test_the_energy_that_is_saved_is_told(run, choose):
    rows = [*seeds(run, "float32", [0.9] * 3, energy_modelled_pj=900.0)]
    rows += seeds(run, "fixed8", [0.9] * 3, energy_modelled_pj=200.0)
    row = choose(*rows).iloc[0]
    assert (row["verdict"], row["judged"], row["energy_times"]) == ("found", "equivalent", 4.5)
    assert row["sentence"].endswith(
        "times smaller than in float32, 4.5 times less modelled energy than float32."
    )


def test_seeds_that_are_asked_for_do_show_it(run, choose):
    """Two formats, so that each has to be shown at half of the level."""
    lost = np.array([-0.8, -0.7, -0.3, -0.5]) / 100
    rows = [*seeds(run, "float32", [0.9] * 4), *seeds(run, "fixed8", 0.9 + lost)]
    rows += seeds(run, "fixed4", 0.9 + 8 * lost)
    row = choose(*rows).iloc[0]
    assert row["verdict"] == "not shown" and row["policy"] == "fixed8"
    number = int(row["sentence"].split("about ")[1].split(" seeds")[0])
    spread = lost.std(ddof=1)
    half = {n: stats.t.ppf(1 - 0.025 / 2, n - 1) * spread / n**0.5 for n in (number - 1, number)}
    assert half[number] <= 0.01 + lost.mean() < half[number - 1]
