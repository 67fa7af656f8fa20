"""``precision compare`` and requirements, on results made up in a store."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from commands import here
from stored import make_result

from precision.grid import Store, expand, load_grid

GRID = """\
name: g
datasets: [digits]
architectures: [mlp]
policies: {float32: float32, half: float16, fixed8: "fixed(8,6)"}
"""
RIGHT = {"float32": 95, "half": 95, "fixed8": 80}


def fill(root, grid, right=RIGHT, machine="this one"):
    store = Store(root)
    store.create()
    for cell in expand(*load_grid(grid)):
        number = right[cell.policy]
        store.save(
            make_result(
                cell.trial,
                metrics={"accuracy": number / 100, "loss": 1.0, "weight_bytes": 10, "test_images": 100},
                predictions=(np.arange(100) >= number).astype(np.uint8),
                provenance={"machine": machine},
                history=[],
            )
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A grid with two stores, of which the second has another fixed8, and the report of the first."""
    path = tmp_path_factory.mktemp("compare")
    (path / "grid.yaml").write_text(GRID)
    fill(path / "runs", path / "grid.yaml")
    fill(path / "other", path / "grid.yaml", RIGHT | {"fixed8": 60}, "another")
    assert here(path, "report", "grid.yaml", "--output", "report").returncode == 0
    return path


def test_a_report_and_the_results_it_was_made_from_are_the_same(folder):
    done = here(folder, "compare", "report", "grid.yaml", "--output", "out")
    assert done.returncode == 0, done.stderr
    assert "3 cells: 3 same." in done.stdout and "comparison: out/compare.md" in done.stdout
    told = json.loads((folder / "out" / "compare.json").read_text())
    assert [row["change"] for row in told["cells"]] == ["same"] * 3 and told["broken"] == []
    table = pd.read_csv(folder / "out" / "compare.csv")
    assert table["change"].tolist() == ["same"] * 3


def test_two_stores_of_a_grid(folder):
    done = here(folder, "compare", "runs", "other", "--grid", "grid.yaml", "--output", "out2")
    assert "3 cells: 2 same, 1 worse." in done.stdout and "fixed8" in done.stdout
    text = (folder / "out2" / "compare.md").read_text()
    assert "## What changed" in text and "| machine | this one | another |" in " ".join(text.split())
    # without the grid by what the trials are
    done = here(folder, "compare", "runs", "other")
    assert "3 cells: 2 same, 1 worse." in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("require", "told"),
    [
        ("{policy: half, max_loss: 1}", []),
        ("{policy: half, max_loss: 1, shown: true}", ["digits mlp half ptq: may lose 3.70 points"]),
        (
            "[{min_accuracy: 70}, {policy: fixed8, max_loss: 10}]",
            ["digits mlp fixed8 ptq: loses 15.00 points"],
        ),
        ("{max_drop: 10}", []),
    ],
)
def test_a_requirement_that_is_not_met_is_named(folder, tmp_path, require, told):
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"{GRID}report: {{require: {require}}}\n")
    done = here(folder, "report", grid, "--output", tmp_path / "report")
    assert done.returncode == bool(told)
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == len(told)
    for line, expected in zip(lines, told, strict=True):
        assert line.startswith(f"requirement broken: {expected}")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## Requirements" in text and ("broken: " in text) == bool(told)


def test_a_drop_breaks_a_comparison(folder, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"{GRID}report: {{require: {{max_drop: 10}}}}\n")
    done = here(folder, "compare", "runs", "other", "--grid", grid, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "digits mlp fixed8 ptq: loses 20.00 points against the other results, more than 10" in done.stderr
    assert (
        json.loads((tmp_path / "out" / "compare.json").read_text())["broken"][0]["cell"]
        == "digits mlp fixed8 ptq"
    )
    assert "1 of 1 broken" in (tmp_path / "out" / "compare.md").read_text()
    assert here(folder, "compare", "other", "runs", "--grid", grid).returncode == 0


@pytest.mark.parametrize(
    ("require", "told"),
    [
        ("{}", "grid.yaml:5: report.require: a requirement has at least one of min_accuracy, max_rmse"),
        (
            "{policy: hlaf, max_loss: 1}",
            "grid.yaml:5: policy 'hlaf' is not in the grid; did you mean 'half'?",
        ),
        ("{min_acuracy: 9}", "grid.yaml:5: unknown key 'min_acuracy'; did you mean 'min_accuracy'?"),
        ("{max_loss: -1}", "grid.yaml:5: report.require.max_loss: "),
        ("{max_loss: 1, shown: 1}", "grid.yaml:5: report.require.shown: "),
    ],
)
def test_a_requirement_that_is_none(folder, tmp_path, require, told):
    (tmp_path / "grid.yaml").write_text(f"{GRID}report: {{require: {require}}}\n")
    done = here(tmp_path, "validate", "grid.yaml")
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere", "report"), "nowhere: there is no such file; compare takes a grid file (.yaml)"),
        ((".", "report"), ".: this folder is neither a store nor a report; compare takes"),
        (("bad.csv", "report"), "bad.csv: the column 'dataset' of a results.csv is missing"),
        (
            ("odd/results.csv", "report"),
            "odd/results.csv: results: the column 'seed' must hold whole numbers",
        ),
    ],
)
def test_what_is_no_set_of_results(folder, words, told):
    (folder / "bad.csv").write_text("a,b\n1,2\n")
    (folder / "odd").mkdir(exist_ok=True)
    text = (folder / "report" / "results.csv").read_text().splitlines()
    seed = text[0].split(",").index("seed")
    cells = text[1].split(",")
    cells[seed] = "many"
    (folder / "odd" / "results.csv").write_text(f"{text[0]}\n{','.join(cells)}\n")
    done = here(folder, "compare", *words)
    assert done.returncode == 2 and done.stderr.startswith(f"precision: {told}"), done.stderr


def test_a_report_of_an_older_version_lacks_columns(folder, tmp_path):
    shutil.copytree(folder / "report", tmp_path / "old")
    table = pd.read_csv(tmp_path / "old" / "results.csv")
    kept = ["trial", "dataset", "architecture", "policy", "method", "training", "seed", "status", "accuracy"]
    table[kept].to_csv(tmp_path / "old" / "results.csv", index=False)
    assert "3 cells: 3 same." in here(folder, "compare", tmp_path / "old" / "report.md", "report").stdout
