"""Requirements of a grid file: which cells meet them."""

import pandas as pd
import pytest

from precision.analysis import judged, summary, with_differences
from precision.analysis.gates import Gate, broken


@pytest.fixture
def faults(run, frame):
    def of(*gates, rows=None):
        rows = rows or [
            *(run("float32", 0.98, seed=s) for s in (0, 1, 2)),
            *(run("fixed8", 0.975 + 0.002 * s, seed=s) for s in (0, 1, 2)),
            run("fixed4", None, status="diverged", reason="loss is NaN"),
        ]
        table = judged(summary(frame(*rows)), "float32", 1.0)
        return [f"{one.cell}: {one.why}" for one in broken(gates, table, "float32")]

    return of


CELL = "mnist lenet fixed8 ptq"


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ({"min_accuracy": 97.7}, []),
        ({"min_accuracy": 97.8}, [f"{CELL}: accuracy 97.70 % is below 97.8 %"]),
        ({"max_loss": 0.3}, []),
        ({"max_loss": 0.2}, [f"{CELL}: loses 0.30 points against float32, more than 0.2"]),
        ({"max_loss": 0.8, "shown": True}, []),
        (
            {"max_loss": 0.7, "shown": True},
            [f"{CELL}: may lose 0.80 points against float32, more than 0.7 is not excluded"],
        ),
        ({"max_rmse": 0.1}, []),
        ({"max_drop": 0.0}, []),  # of compare only
    ],
)  # fmt: skip
def test_what_a_cell_has_to_reach(faults, gate, told):
    assert faults(Gate(policy=["fixed8"], **gate)) == told


def test_the_baseline_loses_nothing_and_has_an_accuracy(faults):
    assert faults(Gate(policy=["float32"], max_loss=0.0)) == []
    assert faults(Gate(policy=["float32"], min_accuracy=99)) == [
        "mnist lenet float32 ptq: accuracy 98.00 % is below 99 %"
    ]


def test_a_cell_without_a_result_meets_nothing(faults, run):
    assert faults(Gate(policy=["fixed4"], min_accuracy=0)) == ["mnist lenet fixed4 ptq: no result (diverged)"]
    rows = [run("float32", 0.9), run("fixed8", 0.9), run("fixed8", None, seed=1, status="timeout")]
    assert faults(Gate(max_loss=5), rows=rows) == [f"{CELL}: 1 of its seeds failed"]
    rows = [run("float32", 0.9), run("fixed8", None, status="skipped", reason="no gpu")]
    assert faults(Gate(max_loss=5), rows=rows) == []


def test_wildcards_choose_cells(faults):
    assert len(faults(Gate(policy=["fixed*"], min_accuracy=99))) == 2
    assert faults(Gate(policy=["fixed*"], architecture=["vgg*"], min_accuracy=99)) == []
    assert faults(Gate(policy=["*"], method=["qat"], min_accuracy=99)) == []


def test_a_drop_is_asked_of_another_run(run, frame):
    before, after = run("fixed8", 0.98), run("fixed8", 0.97)
    drops = summary(with_differences(frame(before | {"policy": "float32"}, after), "float32"))
    drops = drops[drops["policy"] == "fixed8"]
    table = summary(frame(after))
    (one,) = broken([Gate(max_drop=0.5)], table, "float32", drops)
    assert one.why == "loses 1.00 points against the other results, more than 0.5"
    assert str(one) == f"{CELL}: {one.why} (required: every cell: max_drop 0.5)"
    assert broken([Gate(max_drop=1)], table, "float32", drops) == []
    assert (
        "may lose an unknown loss" in broken([Gate(max_drop=1, shown=True)], table, "float32", drops)[0].why
    )


def test_a_regression_has_limits_of_its_own(run, frame):
    rows = [
        run(policy, None, task="regression", rmse=error)
        for policy, error in (("float32", 10.0), ("fixed8", 10.4))
    ]
    table = judged(summary(with_differences(pd.DataFrame(frame(*rows)), "float32")), "float32", 1.0)
    faults = broken([Gate(max_rmse=10.2), Gate(max_loss=3), Gate(min_accuracy=90)], table, "float32")
    assert [one.why for one in faults] == [
        "RMSE 10.4 is above 10.2",
        "loses 4.00 % against float32, more than 3",
    ]
