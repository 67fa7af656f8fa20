import io

import pytest
from rich.console import Console

from precision.grid import expand, load_grid, schedule
from precision.grid.forecast.estimator import Estimator
from precision.grid.forecast.work import Work
from precision.grid.progress import ConsoleWatcher, duration
from precision.grid.progress.duration import between, roughly
from precision.trial import TrialResult

GRID = """\
name: t
datasets: [digits]
architectures: [lenet, vgg]
policies: {a: float16, b: "fixed(8,4)"}
report: {baseline: a}
"""


def work(trial):
    """Seconds of the training and of the rest."""
    return Work(10.0 if trial.method.name == "float32" else 0.0, 1.0)


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "t.yaml").write_text(GRID)
    return expand(*load_grid(tmp_path / "t.yaml"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"), (7380, "2 h 03 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.2, "8 s"),
        (89, "89 s"),
        (95, "2 min"),
        (35 * 60, "35 min"),
        (5399, "90 min"),
        (7900, "2 h 10 min"),
        (86400, "24 h"),
    ],
)
def test_an_estimate_has_few_digits(seconds, text):
    assert roughly(seconds) == text


def test_bounds_name_their_unit_once():
    assert between(20 * 60, 60 * 60) == "20 to 60 min"
    assert between(30, 300) == "30 s to 5 min"
    assert between(3600, 7200) == "60 min to 2 h 00 min"


def test_without_counts_a_run_learns_from_equal_trials(cells):
    trials = schedule(cells)  # per network: float32, a, b
    again = [*trials, *(trial.repeated(1) for trial in trials)]
    watcher = ConsoleWatcher(again, cells, Console(quiet=True))
    assert watcher._seconds_left() is None
    for trial, seconds in zip(trials, (100, 2, 3, 50, 4, 5), strict=True):
        watcher.finished(trial, TrialResult(trial, "ok", metrics={"accuracy": 0.5}), seconds)
    assert watcher._seconds_left() == pytest.approx(164)


def test_a_line_per_trial_without_a_terminal(cells):
    trials, out = schedule(cells), io.StringIO()
    console = Console(file=out, width=200)
    with ConsoleWatcher(trials, cells, console, estimator=Estimator(trials, work)) as watcher:
        watcher.QUIET = 0
        watcher.started(trials[0])
        watcher.epoch(trials[0], {"epoch": 1, "val_accuracy": 0.5, "seconds": 3})
        watcher.finished(trials[0], TrialResult(trials[0], "ok", metrics={"accuracy": 0.98765}), 10)
        watcher.finished(trials[1], TrialResult(trials[1], "failed", reason="[red]no[/red]"), 1)
        watcher.waiting(trials[2])
        watcher.waiting(trials[2])
    assert out.getvalue().splitlines() == [
        "digits lenet float32 seed 0: epoch 1, 50.00 % (3 s)",
        "[1/6] digits lenet float32 seed 0: 98.77 % (10 s), about 14 s left",
        "[2/6] digits lenet a ptq seed 0: failed: [red]no[/red], about 13 s left",
        "digits lenet b ptq seed 0: another run is at it; waiting for its result",
    ]


def test_the_view_of_a_terminal(cells):
    trials, out = schedule(cells), io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    estimator = Estimator(trials, work, speed=2.0)
    with ConsoleWatcher(trials, cells, console, jobs=2, estimator=estimator) as watcher:
        first = shown(watcher)
        assert "0/6 done, about 26 s left" in first and "running" not in first
        for trial in (trials[0], trials[3]):
            watcher.started(trial)
        watcher.epoch(trials[0], {"epoch": 2, "val_accuracy": 0.875, "seconds": 3})
        watcher.sample(trials[0], {"seconds": 1, "cpu_percent": 90, "memory_bytes": 1.5 * 2**30})
        lines = shown(watcher).splitlines()
        assert lines[0].split("  ")[0] == "running"
        for part in ("digits lenet float32 seed 0", "2/5", "87.50 %", "1.5 GiB"):
            assert part in lines[1]
        assert "digits vgg float32 seed 0" in lines[2] and "%" not in lines[2]
        watcher.finished(trials[0], TrialResult(trials[0], "ok", metrics={"accuracy": 0.5}), 10)
        watcher.retried(trials[3], TrialResult(trials[3], "killed", reason="[b]gone[/b]"))
        watcher.finished(trials[3], TrialResult(trials[3], "failed", reason="no"), 10)
        last = shown(watcher)
        assert "2/6 done, 1 failed, about 4 s left" in last and "running" not in last
        watcher.finished(trials[1], TrialResult(trials[1], "skipped", reason="no gpu"), 1)
        assert "3/6 done, 1 failed, 1 skipped" in shown(watcher)
    assert "killed: [b]gone[/b]; it is tried again" in out.getvalue()


def shown(watcher):
    out = io.StringIO()
    Console(file=out, width=100).print(watcher._view)
    return out.getvalue()
