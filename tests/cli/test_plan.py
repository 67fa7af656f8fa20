"""plan and validate: what they say of a grid."""

import numpy as np
import pytest
from typer.testing import CliRunner

from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
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
    predictions = np.zeros(4, np.uint8)
    result = TrialResult(trial, "ok", "", {"accuracy": 0.5}, provenance={"machine": machine()})
    result.predictions, result.seconds = predictions, seconds
    Store(store).save(result)


def test_a_plan_counts_what_there_is_and_estimates_the_rest(grid, tmp_path):
    store = tmp_path / "runs"
    done = command("plan", grid, "--store", store)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "architecture       3  lenet, vgg width=0.25, vgg width=0.5" in lines
    assert "training           2  learning_rate=0.001, learning_rate=default" in lines
    assert "repeats            2" in lines
    assert "18 cells, 36 trials with their baselines: 0 done, 36 to run" in lines
    assert lines[-1] == "time: unknown, because nothing like these trials has a result yet"
    assert not store.exists()  # a plan writes nothing

    cells = [cell for cell in expand(*load_grid(grid)) if cell.policy == "float16"]
    save(store, cells[0].trial, 10.0)
    for trial in cells[1].trials():
        save(store, trial, 20.0)
    lines = command("plan", grid, "--store", store, "--jobs", 2).output.splitlines()
    states = [line.split()[-1] if "done" not in line else "done" for line in lines if "float16" in line]
    assert sum("1 of 2 done" in line for line in lines) == 1
    assert len(states) == 7  # six cells, and the axis
    assert "18 cells, 36 trials with their baselines: 3 done, 33 to run" in lines
    # lenet: 7 at 10 s; 0.25 wide: 6 at 20 s; 0.5 wide: 8 at 20 s; nothing of the float32 trainings is known.
    assert "time: at least 2 min 55 s with 2 trials beside each other" in lines
    assert lines[-1] == "      12 trials unknown: nothing like them has a result yet"


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
