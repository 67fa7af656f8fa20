"""Stored results become the table of a grid: repeats, and what the grid says about itself."""

import math

import pytest

from precision.analysis.collect import collect
from precision.grid import Store, expand, load_grid
from precision.trial import TrialResult

GRID = """\
name: test
datasets: [digits]
architectures: [lenet]
policies: [float32, float16]
runtime: {threads: [1, 2]}
repeats: 3
"""


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    grid, source = load_grid(tmp_path / "grid.yaml")
    cells = expand(grid, source)
    store = Store(tmp_path / "runs")

    def save(trial, seconds, status="ok", accuracy=0.5, machine="this one", **more):
        metrics = {"accuracy": accuracy, "loss": 1.0, "train_seconds": seconds, **more}
        store.save(
            TrialResult(
                trial,
                status,
                "" if status == "ok" else "why",
                metrics if status == "ok" else {},
                provenance={"machine": machine, "threads": "2", "cores": "8"},
            )
        )

    return cells, save, lambda: collect(grid, source, cells, store)


def test_times_are_medians_over_the_repeats_that_have_a_result(stored):
    cells, save, collected = stored
    for trial, seconds in zip(cells[0].trials(), (1.0, 9.0, 3.0), strict=True):
        save(trial, seconds)
    first, again, _ = cells[1].trials()
    save(first, 5.0)
    save(again, 0.0, status="killed")
    save(cells[2].repeats[0], 7.0)  # a repeat alone is no result
    frame = collected().cells()
    assert list(frame["repeats"]) == [3, 1, 0, 0]
    assert list(frame["train_seconds"][:2]) == [3.0, 5.0]
    assert list(frame["status"]) == ["ok", "ok", "pending", "pending"]
    assert list(frame["training"]) == ["threads=1", "threads=1", "threads=2", "threads=2"]
    assert math.isnan(frame["seconds_per_epoch"][0])


def test_the_epochs_of_a_training_that_goes_on_follow_those_before(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "name: test\ndatasets: digits\narchitectures: lenet\npolicies: [float32, float16]\n"
        "methods: [{name: qat, epochs: 2}, {name: qat, start: scratch, label: new}]\ntraining: {epochs: 3}\n"
    )
    grid, source = load_grid(path)
    cells, store = expand(grid, source), Store(tmp_path / "runs")
    numbers = {}
    for trial in {trial.id: trial for cell in cells for trial in (cell.trial, cell.trial.baseline)}.values():
        rows = [{"epoch": epoch, "loss": 1.0} for epoch in (1, 2)]
        store.save(TrialResult(trial, "ok", "", {"accuracy": 0.5}, history=rows))
    found = collect(grid, source, cells, store)
    for row in found.cells().itertuples():
        numbers[row.policy, row.method] = [line["epoch"] for line in found.histories[row.trial]]
    assert numbers == {
        ("float32", "qat"): [4, 5],
        ("float16", "qat"): [4, 5],
        ("float32", "new"): [1, 2],  # the baseline
        ("float16", "new"): [1, 2],
    }


def test_times_of_another_machine_do_not_count(stored):
    cells, save, collected = stored
    for trial, machine in zip(cells[0].trials(), ("this one", "another", "this one"), strict=True):
        save(trial, 1.0 + 8 * (machine == "another"), machine=machine)
    assert list(collected().cells().loc[0, ["repeats", "train_seconds"]]) == [2, 1.0]


def test_repeats_that_differ_are_told(stored):
    cells, save, collected = stored
    for trial, accuracy in zip(cells[0].trials(), (0.5, 0.5, 0.75), strict=True):
        save(trial, 1.0, accuracy=accuracy)
    with pytest.warns(
        UserWarning, match=r"digits lenet float32 ptq threads=1 0: .* differ in accuracy .*0\.75"
    ):
        results = collected()
    assert results.cells()["accuracy"][0] == 0.5


def test_what_was_chosen_is_told(stored):
    _, _, collected = stored
    options = collected().options
    assert options["runtime"] == "threads 1 or 2"
    assert options["repeats"] == "3 runs of each trial, for its times"


def test_how_far_the_times_of_repeats_lie_apart(stored):
    cells, save, collected = stored
    for trial, seconds in zip(cells[0].trials(), (4.0, 5.0, 4.5), strict=True):
        save(trial, seconds)
    save(cells[1].trial, 5.0)
    frame = collected().cells()
    assert frame["train_seconds_spread"][0] == pytest.approx(1 / 4.5)
    assert frame["train_seconds_spread"][1:].isna().all() and frame["latency_ms_spread"].isna().all()


def test_a_loop_is_compared_with_the_best_of_its_machine(stored):
    """Each trial has a process of its own, which may have been disturbed throughout."""
    cells, save, collected = stored
    loops = [("a", 30.0, 30.0), ("a", 21.0, 20.0), ("b", 99.0, 90.0)]
    for cell, (machine, loop, best) in zip(cells, loops, strict=False):
        save(cell.trial, 1.0, machine=machine, train_loop_ms=loop, best_loop_ms=best)
    frame = collected().cells()
    assert frame["best_loop_ms"].tolist()[:3] == [20.0, 20.0, 90.0]
    assert frame["train_disturbance"].tolist()[:3] == pytest.approx([1.5, 1.05, 1.1])
    assert frame[["train_disturbance", "best_loop_ms"]][3:].isna().to_numpy().all()


def test_on_what_a_trial_ran(stored):
    cells, save, collected = stored
    save(cells[0].trial, 1.0)
    frame = collected().cells()
    assert frame[["device", "threads", "cores"]].iloc[0].tolist() == ["cpu", 2, 8]
    assert frame["device"][1] == "" and frame[["threads", "cores"]].iloc[1].isna().all()
