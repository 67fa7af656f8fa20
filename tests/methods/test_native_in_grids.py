"""The native method as a user meets it: in a grid file, and in the report of a run."""

import re
from pathlib import Path

import inside
import pandas as pd
import pytest

import precision
from precision.errors import PrecisionError
from precision.grid import expand, load_grid, schedule

GRID = """\
name: halves
datasets: [{name: digits, train_size: 100, test_size: 50}]
architectures: [{name: mlp, width: 0.25}]
policies: {float32: float32, half: float16, brain: bfloat16}
methods: [ptq, native, {name: native, mixed: true, label: native mixed}]
training: {epochs: 2, batch_size: 50, learning_rate: 1e-2}
"""


def cells(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return expand(*load_grid(path))


def test_a_policy_that_is_no_type_of_the_computer_is_told_with_its_line(tmp_path):
    text = GRID.replace("policies: {", "policies:\n  {").replace("brain: bfloat16", "small: bfp(8)")
    with pytest.raises(PrecisionError) as caught:
        cells(tmp_path, text)
    assert "grid.yaml:5: policy 'small' cannot run under method 'native': " in str(caught.value)
    assert "use ptq or qat" in str(caught.value)
    assert cells(tmp_path, text + 'exclude: [{method: "native*", policy: small}]\n')


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("mixed: 1", "needs 'mixed' to be true or false"),
        ("start: middle", "needs 'start' to be baseline or scratch"),
        ("epochs: -1", "needs 'epochs' to be a whole number of at least 0"),
        ("epochs: 0", "starts from scratch"),
        ("learning_rate: 0", "needs 'learning_rate' to be"),
        ("loss_scale: large", "needs 'loss_scale' to be auto, dynamic, null or a finite number above 0"),
        ("loss_scale: 0", "needs 'loss_scale' to be"),
        ("dtype: float16", "has no option 'dtype'"),
    ],
)
def test_wrong_options(tmp_path, option, message):
    with pytest.raises(PrecisionError, match=message):
        cells(tmp_path, GRID.replace("methods: [ptq, native,", f"methods: [{{name: native, {option}}},"))


def test_the_fragment_of_the_documentation(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text().split("## native")[1]
    fragment = re.search(r"```yaml\n(.*?)```", page, re.S)[1]
    found = cells(tmp_path, "name: x\ndatasets: digits\narchitectures: lenet\n" + fragment)
    assert {cell.method for cell in found} == {"native", "native mixed", "native cast"}
    assert len(found) == 9


def test_a_baseline_is_trained_only_where_it_is_needed(tmp_path):
    text = GRID.replace("float32: float32, ", "").replace("ptq, ", "").replace("halves", "h")
    text += "report: {baseline: half}\n"
    assert {t.method.name for t in schedule(cells(tmp_path, text))} == {"native"}
    started = text.replace("methods: [native,", "methods: [{name: native, start: baseline},")
    assert {t.method.name for t in schedule(cells(tmp_path, started))} == {"native", "float32"}


def test_a_run_and_its_report(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    with inside.trials():
        results = precision.run(
            tmp_path / "grid.yaml", store=tmp_path / "runs", output=tmp_path / "out", quiet=True
        )
    table = results.cells()
    assert set(table["status"]) == {"ok"}
    rows = table.set_index(["method", "policy"])
    for policy in ("half", "brain"):
        assert rows.loc[("ptq", policy), "timing"] == "emulated"
        for method, bits in (("native", 16), ("native mixed", 32)):
            row = rows.loc[(method, policy)]
            assert row["timing"] == "native"
            assert row["weight_bits"] == bits and row["weight_bytes"] == row["parameters"] * bits // 8
            assert row["activation_bits"] == 16
            assert row["train_seconds"] >= row["seconds_per_epoch"] > 0
            assert row["epochs"] == 2
    text = (tmp_path / "out" / "report.md").read_text()
    measured = text.split("### Measured, native")[1].split("\n##")[0]
    emulated = text.split("### Measured, native")[1].split("\n##")[1]
    for name in ("float32", "half", "brain"):
        assert f"| {name} " in measured
    assert "native mixed" in measured
    assert "half" in emulated and "ptq" in emulated and "native mixed" not in emulated
    again = pd.read_csv(tmp_path / "out" / "results.csv")
    assert sorted(again["timing"].unique()) == ["emulated", "native"]
