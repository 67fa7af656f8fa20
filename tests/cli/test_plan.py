"""plan and validate: what they say of a grid."""

import numpy as np
import pytest
from typer.testing import CliRunner

from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid, schedule
from precision.grid.forecast.counted import Counted
from precision.grid.progress.duration import between, roughly
from precision.measure.machine.environment import machine
from precision.trial import TrialResult

GRID = """\
name: small
datasets: [digits]
architectures: [lenet, {name: vgg, width: {each: [0.25, 0.5]}}]
policies: [float32, "fixed(8,4)", float16]
training: {epochs: 2, learning_rate: [1e-3, null]}
repeats: 2
report: {baseline: float32}
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


def command(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, PrecisionError):  # as main() does
        raise done.exception
    return done


def save(store, trial, seconds):
    metrics = {"accuracy": 0.5, "train_seconds": seconds - 1} if trial.method.name == "float32" else {}
    result = TrialResult(trial, "ok", "", metrics, provenance={"machine": machine()})
    result.predictions, result.seconds = np.zeros(4, np.uint8), seconds
    Store(store).save(result)


@pytest.fixture(autouse=True)
def _slow(monkeypatch):
    """A machine of a third of the speed at which work is counted."""
    monkeypatch.setattr("precision.grid.forecast.counted.speed", lambda backend, measure: 3.0)


def test_a_plan_counts_what_there_is_and_estimates_the_rest(grid, tmp_path):
    store = tmp_path / "runs"
    done = command("plan", grid, "--store", store)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "architecture       3  lenet, vgg width=0.25, vgg width=0.5" in lines
    assert "training           2  learning_rate=0.001, learning_rate=default" in lines
    assert "repeats            2" in lines
    assert "18 cells, 36 trials with their baselines: 0 done, 36 to run" in lines
    trials = schedule(expand(*load_grid(grid)))
    counted = Counted()
    counted.check(trials)
    works = [counted(trial) for trial in trials]
    seconds = 3 * sum(work.train + work.rest for work in works)
    assert lines[-2] == f"time: about {roughly(seconds)} ({between(seconds / 2, seconds * 2)})"
    assert lines[-1] == "      36 trials from the speed of this machine"
    assert not store.exists()  # a plan writes nothing there

    cells = [cell for cell in expand(*load_grid(grid)) if cell.policy == "float16"]
    save(store, cells[0].trial, 10.0)
    for trial in cells[1].trials():
        save(store, trial, 20.0)
    lines = command("plan", grid, "--store", store, "--jobs", 2).output.splitlines()
    states = [line.split()[-1] if "done" not in line else "done" for line in lines if "float16" in line]
    assert sum("1 of 2 done" in line for line in lines) == 1
    assert len(states) == 7  # six cells, and the axis
    assert "18 cells, 36 trials with their baselines: 3 done, 33 to run" in lines
    assert next(line for line in lines if line.startswith("time: about ")).endswith("beside each other")
    bases = dict(line.split(" trials from ")[::-1] for line in lines if " trials from " in line)
    assert {basis: int(count) for basis, count in bases.items()} == {
        # Of lenet 7 that are rounded, and 6 of the thin vgg: both formats are lattices.
        "results of the same data, network, method, formats and runtime": 13,
        "results of the same method and family of formats on other networks": 8,
        "the speed of this machine": 12,  # how fast networks train, no result tells
    }


def test_a_plan_tells_what_does_not_fit(grid):
    """As a run would, and with the line."""
    grid.write_text(GRID.replace("float16]", '{weights: "fixed(8,4)", layers: {"block1*": float16}}]'))
    with pytest.raises(PrecisionError, match=r"grid.yaml:4: .* 'block1\*' matches no layer"):
        command("plan", grid)


def test_a_second_plan_builds_nothing(grid, monkeypatch):
    first = command("plan", grid).output
    monkeypatch.setattr("precision.grid.execution.known.elsewhere", None)
    assert command("plan", grid).output == first


def test_a_plan_without_networks_builds_none(grid, tmp_path, monkeypatch):
    monkeypatch.setattr("precision.grid.execution.known.elsewhere", None)
    monkeypatch.setenv("PRECISION_CACHE", str(tmp_path / "empty"))
    lines = command("plan", grid, "--no-networks").output.splitlines()
    assert lines[-1] == "time: unknown, because nothing like these trials has a result yet"


def test_images_of_ones_own_are_counted_once_they_were_loaded(grid, tmp_path):
    images = np.zeros((40, 28, 28), np.uint8)
    np.savez(tmp_path / "mine.npz", x=images, y=np.arange(40) % 2)
    grid.write_text(GRID.replace("digits", "{name: npz, path: mine.npz}"))
    lines = command("plan", grid).output.splitlines()
    assert lines[-2] == "time: unknown, because nothing like these trials has a result yet"
    assert "never loaded here" in lines[-1] and "--networks" in lines[-1]
    known = command("plan", grid, "--networks").output
    assert "36 trials from the speed of this machine" in known
    assert command("plan", grid).output == known


def test_a_plan_of_a_part(grid):
    done = command("plan", grid, "--only", "policy=fixed*", "--only", "architecture=lenet", "--seeds", "4")
    assert "8 cells, 24 trials with their baselines: 0 done, 24 to run" in done.output
    done = command(
        "plan", grid, "--set", "training.learning_rate=1", "--set", "repeats=1", "--only", "seed=0"
    )
    assert "9 cells, 9 trials with their baselines" in done.output
    with pytest.raises(PrecisionError, match="no cell has the policy 'half'"):
        command("plan", grid, "--only", "policy=half")


def test_a_long_plan_lists_its_beginning(grid):
    done = command("plan", grid, "--seeds", "10")
    assert done.output.count("to run\n") == 51  # 50 rows, and the sum
    assert "... and 130 more cells; --all lists them" in done.output
    assert command("plan", grid, "--seeds", "10", "--all").output.count("to run\n") == 181


def test_every_file_is_validated(grid, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(GRID.replace("lenet", "lennet"))
    other = tmp_path / "other.yaml"
    other.write_text("extends: grid.yaml\nrepeats: 1\n")
    done = command("validate", wrong, grid, tmp_path / "none.yaml", other)
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        f"{grid}: ok, 18 cells, 36 trials",
        f"{other}: ok, 18 cells, 18 trials",
    ]
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert "wrong.yaml:3: architectures: unknown architecture 'lennet'" in errors[0]
    assert "none.yaml: there is no such file" in errors[1]
    assert command("validate", grid).exit_code == 0
