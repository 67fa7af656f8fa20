import pandas as pd
import pytest

from precision.analysis import Block, blocks, rows_of


def test_runs_are_paired_by_dataset_architecture_training_and_seed(run, frame):
    table = frame(
        run("float32", 0.99, seed=0),
        run("float32", 0.97, seed=1),
        run("float32", 0.90, seed=0, architecture="vgg"),
        run("float32", 0.80, seed=0, training="epochs=1"),
        run("fixed8", 0.98, seed=0),
        run("fixed8", 0.98, seed=1),
        run("fixed8", 0.80, seed=0, architecture="vgg"),
        run("fixed8", 0.81, seed=0, training="epochs=1"),
    )
    assert list(table["baseline_accuracy"]) == [0.99, 0.97, 0.90, 0.80, 0.99, 0.97, 0.90, 0.80]
    assert list(table["accuracy_difference"]) == pytest.approx([0, 0, 0, 0, -0.01, 0.01, -0.1, 0.01])


def test_the_baseline_of_another_method_serves_unless_the_method_has_its_own(run, frame):
    table = frame(
        run("float32", 0.99, method="ptq"),
        run("fixed8", 0.98, method="ptq"),
        run("fixed8", 0.97, method="qat"),
        run("float32", 0.90, method="native"),
        run("float16", 0.91, method="native"),
    )
    assert list(table["baseline_accuracy"]) == [0.99, 0.99, 0.99, 0.90, 0.90]


LONGER = {"method": "qat", "control": "float32 epochs=2 start=baseline"}


def test_a_method_that_goes_on_training_is_compared_with_float32_that_goes_on(run, frame):
    """MNIST, ResNet: 72.95 % before, 95 % after as many more epochs; fixed8 is no gain of 21.65 points."""
    table = frame(
        run("float32", 0.7295),
        run("fixed8", 0.70),
        run("float32", 0.95, **LONGER),
        run("fixed8", 0.946, **LONGER),
    )
    assert list(table["accuracy_difference"]) == pytest.approx([0, -0.0295, 0, -0.004])
    assert list(table["untouched_accuracy"][2:]) == [0.7295, 0.7295]
    assert table["untouched_accuracy"][:2].isna().all()
    assert list(rows_of(table, Block("mnist", "", "qat"), "float32").index) == [2, 3]


def test_the_untouched_baseline_is_no_substitute_for_it(run, frame):
    table = frame(run("float32", 0.7295), run("fixed8", 0.946, **LONGER))
    assert pd.isna(table.loc[1, "accuracy_difference"])
    assert list(rows_of(table, Block("mnist", "", "qat"), "float32").index) == [1]
    # of a method that trains alike it is
    other = {**LONGER, "method": "lsq"}
    table = frame(run("float32", 0.95, **LONGER), run("fixed8", 0.946, **other))
    assert table.loc[1, "accuracy_difference"] == pytest.approx(-0.004)


@pytest.mark.parametrize(
    "baseline",
    [{"status": "diverged", "accuracy": 0.1}, {"accuracy": None}, {"seed": 7}, {"policy": "fixed16"}],
)
def test_without_a_usable_baseline_the_difference_is_missing(run, frame, baseline):
    table = frame(run("float32", 0.99) | baseline, run("fixed8", 0.98))
    assert pd.isna(table.loc[1, "accuracy_difference"])


def test_a_run_that_is_not_ok_has_no_difference(run, frame):
    table = frame(run("float32", 0.99), run("fixed8", 0.1, status="diverged"))
    assert pd.isna(table.loc[1, "accuracy_difference"])
    assert table.loc[1, "baseline_accuracy"] == 0.99


def test_blocks_follow_the_grid_and_leave_out_a_method_of_the_baseline_alone(run, frame):
    table = frame(
        run("float32", 0.99, method="float32"),
        run("fixed8", 0.98, method="qat"),
        run("fixed8", 0.98, method="ptq"),
        run("fixed8", 0.98, method="ptq", dataset="a"),
    )
    assert blocks(table, "float32") == [
        Block("mnist", "", "qat"),
        Block("mnist", "", "ptq"),
        Block("a", "", "ptq"),
    ]
    assert blocks(table[table["policy"] == "float32"], "float32") == [Block("mnist", "", "float32")]
    assert blocks(table.iloc[:0], "float32") == []


def test_rows_of_a_block_are_its_method_and_one_baseline_per_run(run, frame):
    table = frame(
        run("float32", 0.99, method="ptq"),
        run("float32", 0.99, method="qat", shared=True),
        run("float32", 0.98, method="ptq", seed=1),
        run("float32", 0.90, method="ptq", architecture="vgg"),
        run("fixed8", 0.98, method="ptq"),
        run("fixed8", 0.97, method="qat"),
    )
    rows = rows_of(table, Block("mnist", "", "qat"), "float32")
    assert list(rows.index) == [1, 2, 5]  # its own baseline, the borrowed one of seed 1, its format
