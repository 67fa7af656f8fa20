import io

import pytest
from rich.console import Console

from precision.grid import expand, load_grid, schedule
from precision.grid.plan.forecast import Estimator
from precision.grid.progress import ConsoleWatcher, duration
from precision.grid.store.reading import summary
from precision.trial import Choice, Training, Trial, TrialResult

GRID = """\
name: t
datasets: [digits]
architectures: [lenet, vgg]
policies: {a: float16, b: "fixed(8,4)"}
report: {baseline: a}
"""


TIMES = {"float32": 80.0, "ptq": 10.0}
HERE = "a processor, 2 cores"


def known(architecture, method, seconds):
    """What a store tells of a result on digits."""
    trial = Trial(Choice("digits"), Choice(architecture), Choice(method), {}, Training(), 0)
    found = {**vars(TrialResult(trial, "ok", provenance={"machine": HERE})), "trial": trial.to_json()}
    return summary(trial.id, {**found, "seconds": seconds})


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


def test_the_estimate_prefers_what_is_alike(cells):
    trials = schedule(cells)  # per network: float32, a, b
    estimator = Estimator(trials)

    def add(number, seconds):
        estimator.add(TrialResult(trials[number], "ok"), seconds)
        return estimator.forecast().seconds

    assert estimator.forecast().unknown == 6
    assert add(0, 100) == 5 * 100
    assert add(1, 2) == 2 + 100 + 2 + 2
    add(3, 300)
    assert add(4, 6) == 2 + 6


def test_a_line_per_trial_without_a_terminal(cells):
    trials, out = schedule(cells), io.StringIO()
    with ConsoleWatcher(trials, cells, Console(file=out, width=200)) as watcher:
        watcher.QUIET = 0
        watcher.started(trials[0])
        watcher.epoch(trials[0], {"epoch": 1, "val_accuracy": 0.5, "seconds": 3})
        watcher.finished(trials[0], TrialResult(trials[0], "ok", metrics={"accuracy": 0.98765}), 10)
        watcher.finished(trials[1], TrialResult(trials[1], "failed", reason="[red]no[/red]"), 1)
        watcher.waiting(trials[2])
        watcher.waiting(trials[2])
    assert out.getvalue().splitlines() == [
        "digits lenet float32 seed 0: epoch 1, 50.00 % (3 s)",
        "[1/6] digits lenet float32 seed 0: 98.77 % (10 s), about 50 s left",
        "[2/6] digits lenet a ptq seed 0: failed: [red]no[/red], about 13 s left",
        "digits lenet b ptq seed 0: another run is at it; waiting for its result",
    ]


def test_the_view_of_a_terminal(cells):
    trials, out = schedule(cells), io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    stored = [known(name, method, seconds) for name in ("lenet", "vgg") for method, seconds in TIMES.items()]
    with ConsoleWatcher(trials, cells, console, jobs=2, estimator=Estimator(trials, stored, HERE)) as watcher:
        first = shown(watcher)
        assert "0/6 done, about 1 min 40 s left" in first and "running" not in first
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
        assert "2/6 done, 1 failed, about 20 s left" in last and "running" not in last
    assert "killed: [b]gone[/b]; it is tried again" in out.getvalue()


def shown(watcher):
    out = io.StringIO()
    Console(file=out, width=100).print(watcher._view)
    return out.getvalue()
