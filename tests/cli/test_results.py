"""precision results, status and clean, on a store of made-up results."""

import json
import math
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from stored import make_result, make_samples, make_trial
from typer.testing import CliRunner

from precision.analysis import COLUMNS
from precision.analysis.stored import MORE, STORED_COLUMNS
from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid, schedule
from precision.report.pages.columns import columns_text
from precision.trial import Runtime

GRID = """\
name: made
datasets: [digits]
architectures: [lenet, {name: vgg, width: 0.25, label: thin}]
policies: {float32: float32, fixed8: "fixed(8,6)", fixed4: "fixed(4,3)"}
seeds: [0, 1]
training: {epochs: 2}
"""


def call(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def shown(*words):
    done = call(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


@pytest.fixture
def store(tmp_path, grid):
    """One trial of the grid has failed, one is pending, and one stored result is of no grid."""
    found = Store(tmp_path / "runs")
    found.create()
    trials = schedule(expand(*load_grid(grid)))
    for number, trial in enumerate(trials):
        metrics = {"accuracy": 0.9 - number / 100, "loss": 0.1, "seconds_per_epoch": math.nan}
        where = {"provenance": {"commit": f"c{number}", "machine": "m"}, "seconds": 1.5}
        if number == 3:
            found.save(make_result(trial, "failed", reason="it was\nmade to", predictions=None))
        elif number != 4:
            found.save(make_result(trial, metrics=metrics, **where))
    return found


def table(text):
    lines = text.splitlines()
    starts = [
        at for at, letter in enumerate(lines[1]) if letter == "-" and (at == 0 or lines[1][at - 1] == " ")
    ]
    ends = [*(start - 2 for start in starts[1:]), None]
    rows = [
        [line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in [lines[0], *lines[2:-2]]
    ]
    return rows[0], rows[1:]


def test_the_results_of_a_grid(grid, store):
    header, rows = table(shown("results", grid, "--store", store.root))
    assert header[:5] == ["dataset", "architecture", "policy", "method", "seed"], "training does not vary"
    assert len(rows) == 12
    assert [row[header.index("status")] for row in rows].count("pending") == 1
    words = (
        "--where",
        "accuracy>0.85",
        "--where",
        "architecture=lenet",
        "--columns",
        "policy,accuracy,commit",
    )
    text = shown("results", grid, "--store", store.root, *words, "--sort", "-accuracy")
    header, rows = table(text)
    assert header == ["policy", "accuracy", "commit"]
    accuracies = [float(row[1]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True) and min(accuracies) > 0.85
    assert text.endswith(f"\n{len(rows)} of 12 results\n")


def test_some_cells_keep_their_difference_to_the_baseline(grid, store):
    words = ("--only", "policy=fixed8", "--only", "seed=0", "--columns", "policy,accuracy_difference")
    _, rows = table(shown("results", grid, "--store", store.root, *words))
    assert len(rows) == 2 and any(float(row[1]) < 0 for row in rows if row[1])
    assert shown("results", grid, "--store", store.root, "--seeds", "1").endswith("6 of 6 results\n")


def test_all_results_of_a_store(store):
    header, rows = table(shown("results", "--store", store.root))
    assert len(rows) == 11 and "pending" not in {row[header.index("status")] for row in rows}
    assert {row[header.index("policy")] for row in rows} == {"float32", "fixed(8,6)", "fixed(4,3)"}
    assert {row[header.index("architecture")] for row in rows} == {"lenet", "vgg width=0.25"}
    words = (
        "--where",
        "policy=fixed(8,6)",
        "--columns",
        "training,training.epochs,seconds,training.learning_rate",
    )
    _, rows = table(shown("results", "--store", store.root, *words))
    assert rows[0] == ["epochs=2", "2", "1.5", ""]


def test_exports(grid, store, tmp_path):
    for ending in ("csv", "json", "md", "sqlite"):
        path = tmp_path / f"x.{ending}"
        assert (
            shown("results", grid, "--store", store.root, "--output", path) == f"{path}: 12 of 12 results\n"
        )
    frame = pd.read_csv(tmp_path / "x.csv")
    assert len(frame) == 12 and frame["reason"].dropna().tolist() == ["it was\nmade to"]
    assert list(json.loads((tmp_path / "x.json").read_text())[0]) == list(frame)
    connection = sqlite3.connect(tmp_path / "x.sqlite")
    assert connection.execute("SELECT count(*) FROM results WHERE accuracy > 0").fetchone() == (10,)
    connection.close()
    words = ("--columns", "trial,accuracy", "--output", tmp_path / "x.csv", "--where", "status=ok")
    shown("results", "--store", store.root, *words)
    assert list(pd.read_csv(tmp_path / "x.csv")) == ["trial", "accuracy"]


def test_an_export_to_parquet(grid, store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    shown("results", grid, "--store", store.root, "--output", tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").num_rows == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "acuracy>1"], "unknown column 'acuracy'; did you mean 'accuracy'"),
        (["--where", "shared=true"], "unknown column 'shared'"),
        (["--columns", "polcy"], "unknown column 'polcy'; did you mean 'policy'"),
        (["--sort", "sed"], "unknown column 'sed'; did you mean 'seed'"),
        (["--output", "x.xlsx"], "the ending says the format"),
        (["--seeds", "3"], "none is given; use --where"),
        (["--store", "nowhere"], "there is no such store"),
    ],
)
def test_what_is_refused(store, words, message):
    with pytest.raises(PrecisionError) as caught:
        call("results", "--store", store.root, *words)
    assert message in str(caught.value)


@pytest.mark.faults("an export into a store, also through a link")
def test_a_file_of_a_store_is_no_place_for_an_export(store, tmp_path, monkeypatch):
    shown("results", "--store", store.root)
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    other = Store(tmp_path / "other")
    other.create()
    (tmp_path / "link").symlink_to(store.root)
    (tmp_path / "out.json").symlink_to(store.root / "store.json")
    trial = next(iter(store.results()))
    monkeypatch.chdir(store.root)
    for path in (
        store.root / "index.sqlite",
        store.folder(trial) / "result.json",
        store.folder(trial) / "new.csv",
        Path("grids/x.json"),
        tmp_path / "link" / "locks" / "x.md",
        tmp_path / "out.json",
        other.root / "store.json",
        other.root / "search" / "x.csv",
    ):
        with pytest.raises(
            PrecisionError, match=r"this would be a file of the store .*; give another --output"
        ):
            call("results", "--store", store.root, "--output", path)
    assert {path: path.read_bytes() for path in before} == before
    call("results", "--store", store.root, "--output", store.root / "mine.csv")
    assert (store.root / "mine.csv").exists()


def test_an_empty_store(tmp_path):
    (tmp_path / "runs").mkdir()
    assert shown("results", "--store", tmp_path / "runs").endswith("\n0 of 0 results\n")
    shown("results", "--store", tmp_path / "runs", "--output", tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().startswith("trial,dataset,")


def test_one_sentence_and_exit_code_2(store):
    words = ["results", "--store", str(store.root), "--where", "seed=x"]
    code = "from precision.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "precision: the condition 'seed=x': a number must stand here, but got 'x'\n"


def test_status(grid, store):
    text = shown("status", grid, "--store", store.root)
    assert text.splitlines()[0] == "10 ok, 1 failed, 1 pending of 12 trials"
    assert "seed" in text.splitlines()[1] and "failed: it was" in text
    assert shown("status", grid, "--store", store.root, "--only", "architecture=thin").startswith(
        "6 ok of 6 trials"
    )


def test_one_trial(store):
    trial = make_trial(policy={"weights": "int(4)"})
    energy = {"energy_source": "not measurable here: no powercap"}
    store.save(make_result(trial, facts=energy, metrics={"accuracy": 0.75}, samples=make_samples(rise=1e8)))
    text = shown("show", trial.id[:9], "--store", store.root)
    words = [line.split() for line in text.splitlines()]
    assert ["accuracy", "0.75", "fraction"] in words and ["trial", trial.id] in words
    assert ["energy_source", *["not", "measurable", "here:", "no", "powercap"]] in words
    assert ["cpu_percent", "150", "150", "%"] in words
    assert ["memory_bytes", "1.224e+09", "1.374e+09", "byte"] in words
    why = "not measurable here: no sensor tells a temperature"
    assert ["temperature_celsius", "°C", *why.split()] in words
    assert text.splitlines()[-1] == "4 samples of 0.8 s"


def test_the_samples_of_one_trial_as_a_file(store, tmp_path):
    trial = make_trial(policy={"weights": "int(4)"})
    store.save(make_result(trial, samples=make_samples(rise=1e8)))
    output = tmp_path / "samples.csv"
    assert "4 samples" in shown("show", trial.id, "--store", store.root, "--output", output)
    table = pd.read_csv(output)
    assert list(table) == ["seconds", "cpu_percent", "memory_bytes"]
    assert table["memory_bytes"].tolist() == pytest.approx([2**30 + n * 10**8 for n in range(4)], rel=5e-6)


def test_a_trial_without_samples_or_result(store, tmp_path):
    trial = make_trial(policy={"weights": "int(4)"})
    store.save(make_result(trial))
    assert "no samples are kept of this trial" in shown("show", trial.id, "--store", store.root)
    with pytest.raises(PrecisionError, match="has no samples to write"):
        call("show", trial.id, "--store", store.root, "--output", tmp_path / "s.csv")
    with pytest.raises(PrecisionError, match=r"this would be a file of the store .*; give another --output"):
        call("show", trial.id, "--store", store.root, "--output", store.root / "trials" / "s.csv")
    (store.folder(trial.id) / "result.json").write_text("{")
    told = pytest.warns(UserWarning, match="cannot be trusted")
    with told, pytest.raises(PrecisionError, match="there is no result here that can be read"):
        call("show", trial.id, "--store", store.root)


def test_every_column_is_described():
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    assert columns_text(MORE) in page
    assert set(STORED_COLUMNS) < {*COLUMNS, *MORE} and not set(COLUMNS) & set(MORE)


def test_results_that_differ_in_nothing_else_show_what_they_depend_on(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    old, new = "3fa9c1d2" + 56 * "0", "77ab01c2" + 56 * "f"
    for seed, plugins in ((0, {"own": f"sha256 {old}"}), (0, {"own": f"sha256 {new}"}), (1, {})):
        trial = make_trial(seed, plugins=plugins)
        found.save(make_result(trial, provenance={"finished": f"2026-01-0{len(plugins) + 1}"}))
    header, rows = table(shown("results", "--store", found.root))
    at = header.index("depends_on")
    assert sorted(row[at] for row in rows) == ["", "own 3fa9c1d2", "own 77ab01c2"]
    assert header.index("seed") < at < header.index("status")
    header, _ = table(shown("results", "--store", found.root, "--where", "depends_on=*77ab01c2*"))
    assert "depends_on" in header  # of all results, not of the rows that are left
    for path in (tmp_path / "runs" / "trials").iterdir():
        if path.name != trial.id:
            last = path
    shutil.rmtree(last)
    header, _ = table(shown("results", "--store", found.root))
    assert "depends_on" not in header and "finished" not in header  # every row is told by what it is


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ([{"fingerprint": "1" * 64}, {"fingerprint": "2" * 64}], "depends_on"),
        ([{}, {"repeat": 1}], "repeat"),
        ([{}, {"runtime": Runtime(threads=2)}], "runtime.threads"),
    ],
)
def test_rows_of_other_data_runs_and_threads_are_told_apart(tmp_path, changes, column):
    found = Store(tmp_path / "runs")
    found.create()
    for change in changes:
        found.save(make_result(make_trial(**change)))
    header, rows = table(shown("results", "--store", found.root))
    assert len({row[header.index(column)] for row in rows}) == 2
