import pandas as pd
import pytest

from precision.analysis import pareto_front, smallest_within_tolerance, summary


@pytest.fixture
def choose(run, frame):
    def of(*rows, tolerance=1.0, baseline="float32"):
        return smallest_within_tolerance(summary(frame(*rows)), baseline, tolerance)

    return of


def test_the_smallest_near_format_wins(run, choose):
    row = choose(run("float32", 0.99), run("float16", 0.99), run("fixed8", 0.985), run("fixed4", 0.6)).iloc[0]
    assert (row["verdict"], row["policy"]) == ("found", "fixed8")
    assert row["sentence"] == (
        "lenet: fixed8 is the smallest format within 1 percentage point of float32: "
        "98.50 % (-0.50 points; n = 1: no interval), weights 4.0 times smaller than in float32."
    )


def test_a_loss_of_exactly_the_tolerance_is_within_it(run, choose):
    assert 0.98 - 0.99 < -0.01  # in binary
    rows = [run("float32", 0.99), run("fixed8", 0.98)]
    assert choose(*rows, tolerance=1.0).loc[0, "policy"] == "fixed8"
    assert choose(*rows, tolerance=0.99).loc[0, "verdict"] == "none"


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


def test_several_seeds_are_paired_and_called_underpowered(run, choose):
    rows = [run("float32", 0.99, seed=0), run("float32", 0.97, seed=1)]
    rows += [run("fixed8", 0.98, seed=0), run("fixed8", 0.97, seed=1)]
    row = choose(*rows).iloc[0]
    assert row["accuracy_difference_mean"] == pytest.approx(-0.005)
    assert "(-0.50 points; ± 6.35, n = 2, underpowered (n < 6))" in row["sentence"]


def test_methods_and_architectures_are_answered_apart(run, choose):
    table = choose(
        run("float32", 0.99),
        run("fixed8", 0.9),
        run("fixed8", 0.99, method="qat"),
        run("float32", 0.99, architecture="vgg"),
        run("fixed8", 0.99, architecture="vgg"),
    )
    answers = {(row["method"], row["architecture"]): row["verdict"] for _, row in table.iterrows()}
    assert answers == {("ptq", "lenet"): "none", ("ptq", "vgg"): "found", ("qat", "lenet"): "found"}


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
