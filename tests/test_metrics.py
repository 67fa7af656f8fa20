"""A metric is one entry: whatever shows, aggregates or compares numbers of a trial follows from it."""

import csv
import math
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from precision import report
from precision.analysis import COLUMNS, SUMMARY_COLUMNS, summary
from precision.analysis.collect import collect
from precision.analysis.stored import STORED_COLUMNS, stored
from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.grid.execution.same_numbers import compare
from precision.metrics import KINDS, METRICS, Metric, Metrics
from precision.report.pages.columns import columns_document
from precision.tracking.description import Describer
from precision.trial import TrialResult

ADDED = (
    Metric("top5", "quality", "true class among the first five", "fraction", "Top 5", better="higher"),
    Metric("adders", "counted", "adders of a | chip", "", "Adders", "lower", dtype="Int64", cost=True),
    Metric("energy", "measured", "energy of the package", "J", "Energy J", "lower", cost=True),
    Metric("latency", "timed", "time of one image", "s", "s per image", "lower", cost=True),
    Metric(
        "ratio_of_adders",
        "counted",
        "adders per parameter",
        "ratio",
        "Adders per parameter",
        computed=lambda found: found["adders"] / found["parameters"],
    ),
)
NUMBERS = {"top5": 0.75, "adders": 12345, "energy": 0.0123456, "latency": 2.5}
OTHER = {"top5": 0.7, "adders": 12346, "energy": 0.5, "latency": 7.0}
GRID = """\
name: test
datasets: [digits]
architectures: [lenet]
policies: [float32, float16]
seeds: [0, 1]
repeats: 3
"""


@pytest.fixture
def added():
    for metric in ADDED:
        METRICS.add(metric)
    yield
    for metric in ADDED:
        METRICS.remove(metric.name)


def result(trial, **numbers):
    known = {"accuracy": 0.5, "loss": 1.0, "parameters": 100, "weight_bytes": 400, "train_seconds": 1.0}
    return TrialResult(
        trial,
        "ok",
        metrics={**known, **NUMBERS, **numbers},
        facts={"timing": "emulated" if trial.policy else "native"},
        provenance={"machine": "this one"},
    )


@pytest.fixture
def run(tmp_path):
    """A grid of two policies and two seeds with every result in a store; repeats 1 and 2 differ in time."""
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    grid, source = load_grid(path)
    cells = expand(grid, source)
    store = Store(tmp_path / "runs")
    for cell in cells:
        for number, trial in enumerate(cell.trials()):
            store.save(result(trial, latency=(2.5, 9.0, 3.0)[number], energy=0.0123456 + number))
    return path, store, cells, lambda: collect(grid, source, cells, store)


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_new_entry_is_all_that_a_new_metric_needs(added, run, tmp_path):
    path, store, cells, collected = run
    results = collected()
    frame = results.cells()
    # a time is the median over the repeats, all else is of the first run
    expected = {**NUMBERS, "latency": 3.0, "ratio_of_adders": 123.45}
    assert frame.loc[0, list(expected)].to_dict() == expected
    assert str(frame["adders"].dtype) == "Int64"

    report.write(results, tmp_path / "report")
    first = rows_of(tmp_path / "report" / "results.csv")[0]
    assert {name: float(first[name]) for name in expected} == expected
    over_seeds = rows_of(tmp_path / "report" / "summary.csv")[0]
    named = ("top5_mean", "adders", "energy", "latency", "ratio_of_adders")
    assert [float(over_seeds[name]) for name in named] == [0.75, 12345, 0.0123456, 3.0, 123.45]
    text = (tmp_path / "report" / "report.md").read_text()
    lines = [[word.strip() for word in line.split("|")[1:-1]] for line in text.splitlines()]
    place = text.splitlines().index("**digits, Adders**")
    assert lines[place + 2 : place + 5 : 2] == [
        ["Architecture", "float32", "float16"],
        ["lenet", "1.234e+04", "1.234e+04"],
    ]
    header = next(line for line in lines if line[:2] == ["Architecture", "Format"] and "Energy J" in line)
    row = dict(zip(header, lines[lines.index(header) + 2], strict=True))
    assert (row["Energy J"], row["s per image"]) == ("0.01235", "3.00 ± 108 %")
    assert "Top 5" not in text and "Adders per parameter" not in text  # no costs

    shown = ["results", str(path), "--store", str(store.root), "--columns", "policy,seed,adders,latency"]
    done = CliRunner().invoke(app, [*shown, "--where", "adders>12344"])
    assert done.exit_code == 0 and "adders" in done.output and "4 of 4 results" in done.output
    assert set(expected) < set(STORED_COLUMNS) and set(stored(store)["adders"]) == {12345}

    again = compare(result(cells[0].trial), result(cells[0].trial, **OTHER))
    assert [row.name for row in again.different] == ["top5", "adders"]

    end = Describer(store, cells, weights=False).end(result(cells[0].trial), retried=False, time=0.0)
    assert {name: end.metrics[f"result/{name}"] for name in NUMBERS} == NUMBERS

    assert "| `adders` " in columns_document() and r"adders of a \| chip" in columns_document()


def test_its_column_stands_with_those_of_its_kind(added):
    columns = list(COLUMNS)
    assert columns.index("top5") == columns.index("loss") + 1
    assert columns.index("adders") == columns.index("compression") + 1
    assert columns.index("energy") == columns.index("measured_image_joules") + 1
    assert columns.index("latency") == columns.index("inference_disturbance") + 1
    assert (COLUMNS["latency"].unit, SUMMARY_COLUMNS["latency"].meaning) == ("s", "mean over seeds")


def test_numbers_of_a_result_that_are_no_metric_break_nothing(run, tmp_path):
    """Such as those of a plugin that is not loaded."""
    _, store, cells, collected = run
    results = collected()
    report.write(results, tmp_path / "report")
    assert not {"adders", "latency"} & set(results.cells())
    assert "adders" not in stored(store)
    other = compare(result(cells[0].trial), result(cells[0].trial, adders=1))
    assert [row.name for row in other.different] == ["adders"]  # nobody says that a clock measured it
    end = Describer(store, cells, weights=False).end(result(cells[0].trial), retried=False, time=0.0)
    assert end.metrics["result/adders"] == 12345


def test_a_result_without_a_metric_has_an_empty_cell(added, run):
    _, store, cells, collected = run
    old = result(cells[0].trial)
    store.save(replace(old, metrics={"accuracy": 0.5, "loss": 1.0}))
    frame = collected().cells()
    assert frame.loc[0, ["adders", "ratio_of_adders", "compression"]].isna().all()


def test_means_of_what_a_machine_says_are_of_one_machine(added, run):
    _, store, cells, collected = run
    for trial in cells[1].trials():
        store.save(replace(result(trial), provenance={"machine": "another"}))
    row = summary(collected().cells()).iloc[0]
    assert math.isnan(row["energy"]) and math.isnan(row["latency"]) and row["adders"] == 12345


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (
            Metric("loss", "quality", "another", "", "Loss"),
            r"metric 'loss' is already registered \(mean over .*\); choose another name",
        ),
        (
            Metric("a name", "timed", "x", "s", "X"),
            "the name of a metric is letters, digits and '_', but got 'a name'",
        ),
        (
            Metric("x", "counted", "x", "", "X", summary={}, cost=True),
            "metric 'x' is a cost and needs a summary, such as {'mean': '...'}",
        ),
    ],
)
def test_an_entry_that_cannot_be(metric, text):
    with pytest.raises(PrecisionError, match=f"^{text}$"):
        METRICS.add(metric)
    assert metric not in METRICS.values()


def test_a_metric_cannot_take_the_place_of_another_column():
    METRICS.add(Metric("seed", "counted", "x", "", "X"))
    try:
        with pytest.raises(PrecisionError, match="two columns have the name 'seed'"):
            list(COLUMNS)
    finally:
        METRICS.remove("seed")


def test_every_entry_is_complete():
    assert list(Metrics(METRICS.values()).values()) == list(METRICS.values())
    for name, metric in METRICS.items():
        assert (
            metric.name == name and metric.kind in KINDS and metric.meaning and metric.unit and metric.title
        )
        assert not metric.cost or metric.better != "neither"
