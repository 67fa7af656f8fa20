import math

import pandas as pd
import pytest

from precision.analysis import SUMMARY_COLUMNS, pivot, summary
from precision.analysis.tables import outcome


@pytest.fixture
def two_seeds(run, frame):
    return frame(
        run("float32", 0.99, seed=0, train_seconds=10.0, peak_memory_bytes=100),
        run("float32", 0.97, seed=1, train_seconds=20.0, peak_memory_bytes=300),
        run("fixed8", 0.98, seed=0),
        run("fixed8", 0.97, seed=1),
        run("fixed4", 0.50, seed=0),
        run("fixed4", None, seed=1, status="diverged", reason="loss is NaN"),
        run("float32", 0.95, seed=0, architecture="alexnet"),
        run("fixed8", None, seed=0, architecture="alexnet", status="timeout"),
        run("fixed8", None, seed=1, architecture="alexnet", status="pending"),
    )


def test_summary_of_two_seeds_by_hand(two_seeds):
    table = summary(two_seeds).set_index(["architecture", "policy"])
    assert list(summary(two_seeds).columns) == list(SUMMARY_COLUMNS)

    baseline = table.loc[("lenet", "float32")]
    assert baseline["accuracy_mean"] == pytest.approx(0.98)
    assert baseline["accuracy_std"] == pytest.approx(0.01 * math.sqrt(2))
    assert baseline["accuracy_ci95"] == pytest.approx(12.7062 * 0.01, rel=1e-5)  # t with one degree
    assert baseline["train_seconds"] == 15.0
    assert baseline["peak_memory_bytes"] == 300

    # Differences -0.01 and 0.00: paired, so narrower than the two intervals of the means suggest.
    fixed8 = table.loc[("lenet", "fixed8")]
    assert fixed8["accuracy_difference_mean"] == pytest.approx(-0.005)
    assert fixed8["accuracy_difference_ci95"] == pytest.approx(12.7062 * 0.005, rel=1e-5)
    assert (fixed8["n"], fixed8["pairs"], fixed8["failed"]) == (2, 2, 0)


def test_summary_counts_failed_and_pending_seeds(two_seeds):
    table = summary(two_seeds).set_index(["architecture", "policy"])
    fixed4 = table.loc[("lenet", "fixed4")]
    assert (fixed4["n"], fixed4["failed"], fixed4["status"]) == (1, 1, "ok")
    assert math.isnan(fixed4["accuracy_ci95"])
    gone = table.loc[("alexnet", "fixed8")]
    assert (gone["n"], gone["failed"], gone["pending"], gone["status"]) == (0, 1, 1, "timeout")
    assert math.isnan(gone["accuracy_mean"])
    assert gone["weight_bytes"] == 1000


def test_skipped_seeds_are_neither_failed_nor_pending(run, frame):
    cells = [run("fixed8", None, seed=seed, status="skipped", reason="no gpu") for seed in (0, 1)]
    row = summary(frame(run("float32", 0.9), *cells)).set_index("policy").loc["fixed8"]
    assert (row["n"], row["failed"], row["skipped"], row["pending"], row["status"]) == (0, 0, 2, 0, "skipped")


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (["skipped", "pending", "ok"], "ok"),
        (["skipped", "skipped", "killed"], "killed"),
        (["pending", "skipped"], "skipped"),
        (["pending"], "pending"),
        ([], ""),
    ],
)
def test_what_stands_for_several_runs(statuses, found):
    assert outcome(pd.Series(statuses, dtype="str")) == found


def test_times_of_several_machines_are_not_averaged(run, frame):
    table = summary(
        frame(run("float32", 0.9, machine="a"), run("float32", 0.9, seed=1, machine="b", train_seconds=1.0))
    )
    assert table.loc[0, "machine"] == "several"
    assert math.isnan(table.loc[0, "inference_images_per_second"])


def test_summary_of_nothing_has_the_columns(run, frame):
    empty = summary(frame(run("float32", 0.9)).iloc[:0])
    assert empty.empty
    assert list(empty.columns) == list(SUMMARY_COLUMNS)


def test_pareto_is_per_method(run, frame):
    table = summary(
        frame(
            run("float32", 0.99),
            run("float16", 0.99),
            run("fixed8", 0.98),
            run("fixed4", 0.5),
            run("fixed16", 0.97),
            run("fixed4", 0.99, method="qat"),
        )
    )
    assert list(table["pareto"]) == [False, True, True, True, False, True]


def test_pivot_keeps_the_order_of_the_grid(two_seeds):
    table = pivot(two_seeds, "accuracy", dataset="mnist", method="ptq")
    assert list(table.index) == ["lenet", "alexnet"]
    policies = list(dict.fromkeys(table.columns.get_level_values("policy")))
    assert policies == ["float32", "fixed8", "fixed4"]


def test_pivot_cells_hold_mean_number_interval_and_status(two_seeds):
    table = pivot(two_seeds, "accuracy", dataset="mnist", method="ptq")
    cell = table["float32"].loc["lenet"]
    assert cell["mean"] == pytest.approx(0.98)
    assert (cell["n"], cell["failed"], cell["status"]) == (2, 0, "ok")
    assert cell["ci95"] == pytest.approx(12.7062 * 0.01, rel=1e-5)
    failed = table["fixed8"].loc["alexnet"]
    assert (failed["n"], failed["failed"], failed["status"]) == (0, 1, "timeout")
    absent = table["fixed4"].loc["alexnet"]
    assert (absent["n"], absent["status"]) == (0, "")


def test_pivot_of_one_method_borrows_only_the_baseline(run, frame):
    table = frame(
        run("float32", 0.99), run("fixed8", 0.98), run("fixed16", 0.97), run("fixed8", 0.96, method="qat")
    )
    qat = pivot(table, "accuracy", dataset="mnist", method="qat")
    assert list(dict.fromkeys(qat.columns.get_level_values("policy"))) == ["float32", "fixed8"]
    assert qat["fixed8"].loc["lenet", "mean"] == 0.96


def test_the_most_frequent_failure_is_the_status(run, frame):
    statuses = ["pending", "pending", "pending", "killed", "diverged", "diverged"]
    rows = [run("fixed8", None, seed=i, status=status) for i, status in enumerate(statuses)]
    assert summary(frame(*rows)).loc[0, "status"] == "diverged"
    assert summary(frame(*rows[:3])).loc[0, "status"] == "pending"


def test_an_ok_run_without_accuracy_is_no_value(run, frame):
    row = summary(frame(run("float32", float("nan")))).loc[0]
    assert (row["n"], row["failed"], row["status"]) == (0, 0, "ok")
    assert pd.isna(row["accuracy_mean"])
