"""Grids with formats of plugins: from the grid file and --plugin to the workers and the results."""

import hashlib
import json
from dataclasses import replace

import inside
import pytest
from commands import here
from commands import precision as command

import precision
from precision import plugins
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid, schedule
from precision.grid.execution import runner
from precision.grid.execution.worker import Setup
from precision.trial import NUMERICS_VERSION, Runtime

QUARTERS = """\
from precision.formats import Codebook, register_format


@register_format("quarters")
def quarters():
    return Codebook("quarters", 4, [i / 4 for i in range(-8, 8)])
"""

# Rounds by code of its own, in the graph of the network and on arrays.
EIGHTHS = """\
import numpy as np

from precision.formats import NumberFormat, register_format


class Eighths(NumberFormat):
    bits = 6
    roundings = ("nearest",)

    def __init__(self, broken_from):
        self.name, self.broken_from = "late" if broken_from < 99 else "eighths", broken_from

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        import keras  # not sooner: planning and reporting stay quick

        if x.shape[-1] == self.broken_from:
            raise IndexError("this size is wrong")
        xp = np if isinstance(x, np.ndarray) else keras.ops
        return xp.clip(xp.round(x * 8) / 8, -4.0, 3.875)

    def values(self):
        return np.arange(-32, 32, dtype=np.float32) / 8


@register_format("eighths")
def eighths():
    return Eighths(99)


@register_format("late")
def late():
    return Eighths(10)
"""

GRID = """\
name: own
plugins: [formats/quarters.py]
datasets: [{name: digits, train_size: 200, test_size: 50}]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  fixed: fixed(6,3)
  quarters: {weights: quarters, layers: {"*": {activations: "block(quarters,8)"}}}
  eighths: eighths
  late: late
training: {epochs: 2, batch_size: 32, learning_rate: 1e-2}
"""


@pytest.fixture(autouse=True)
def _forget_plugins():
    yield
    plugins.load([])


def write(folder, grid=GRID):
    (folder / "formats").mkdir(exist_ok=True)
    (folder / "formats" / "quarters.py").write_text(QUARTERS)
    (folder / "eighths.py").write_text(EIGHTHS)
    (folder / "own.yaml").write_text(grid)
    return folder


def refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("precision: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


PLUGIN = ("--plugin", "eighths.py")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of the grid: its folder, and what it printed."""
    folder = write(tmp_path_factory.mktemp("finished"))
    return folder, here(folder, "run", "own.yaml", *PLUGIN)


def results(folder):
    found = [json.loads(path.read_text()) for path in (folder / "runs").rglob("result.json")]
    return {result["trial"]["policy"].get("weights", "float32"): result for result in found}


def test_a_run_with_plugins(finished):
    folder, done = finished
    assert done.returncode == 1, done.stderr
    assert "1 of 5 trials gave no result" in done.stderr and "Traceback" not in done.stderr
    found = results(folder)
    assert {name: r["status"] for name, r in found.items()} == {
        "float32": "ok",
        "fixed(6,3)": "ok",
        "quarters": "ok",
        "eighths": "ok",
        "late": "failed",
    }
    assert found["eighths"]["metrics"]["weight_bits"] == 6
    assert found["eighths"]["metrics"]["accuracy"] > 0.3
    assert found["quarters"]["metrics"]["weight_bits"] < 5  # biases stay float32


def test_a_quantize_that_fails_in_a_trial_is_told_with_its_line(finished):
    reason = results(finished[0])["late"]["reason"]
    line = EIGHTHS.split("\n").index('            raise IndexError("this size is wrong")') + 1
    assert reason.startswith(f"eighths.py:{line}: quantize of format 'late' must round float32 of any shape")
    assert "it raised IndexError: this size is wrong; try 'precision formats check late'" in reason
    assert "Arguments received" not in reason


def test_results_say_which_plugin_they_are_of(finished):
    found = results(finished[0])
    digest = hashlib.sha256(QUARTERS.encode()).hexdigest()
    assert found["quarters"]["trial"]["plugins"] == {"quarters": f"sha256 {digest}"}
    assert found["quarters"]["provenance"]["plugins"] == f"quarters: formats/quarters.py sha256 {digest}"
    assert f"quarters.py sha256 {digest}" in (finished[0] / "reports/own/report.md").read_text()
    digest = hashlib.sha256(EIGHTHS.encode()).hexdigest()
    assert found["late"]["provenance"]["plugins"] == f"late: eighths.py sha256 {digest}"
    for name in ("float32", "fixed(6,3)"):
        assert "plugins" not in found[name]["trial"] and "plugins" not in found[name]["provenance"]


def test_a_trial_without_plugins_is_the_trial_that_it_was(finished):
    for name in ("float32", "fixed(6,3)"):
        result = results(finished[0])[name]
        keys = {"dataset", "architecture", "method", "policy", "training", "seed", "fingerprint"}
        assert set(result["trial"]) == keys
        content = json.dumps({"numerics": NUMERICS_VERSION, **result["trial"]}, sort_keys=True)
        assert result["id"] == hashlib.sha256(content.encode()).hexdigest()[:12]


def test_plan_status_and_report(finished):
    folder, _ = finished
    assert (
        "5 trials with their baselines: 4 done, 1 to run" in here(folder, "plan", "own.yaml", *PLUGIN).stdout
    )
    status = here(folder, "status", "own.yaml", *PLUGIN)
    assert "4 ok, 1 failed of 5 trials" in status.stdout and "eighths.py:" in status.stdout
    assert here(folder, "report", "own.yaml", *PLUGIN, "--output", "again").returncode == 0
    assert (folder / "again/report.md").read_bytes() == (folder / "reports/own/report.md").read_bytes()
    without = here(folder, "report", "own.yaml")
    assert (
        without.returncode == 2 and "own.yaml:9: policies.eighths: unknown format 'eighths'" in without.stderr
    )


def test_a_second_run_only_repeats_what_failed_and_from_python_too(finished, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}
    frame = precision.load_results("own.yaml", plugins=["eighths.py"])
    assert list(frame.status) == ["ok", "ok", "ok", "ok", "failed"]
    with inside.trials():
        again = precision.run("own.yaml", plugins=[folder / "eighths.py"], output="out", quiet=True)
    assert list(again.cells().trial) == list(frame.trial)
    changed = [p for p, t in before.items() if p.stat().st_mtime_ns != t]
    assert [json.loads(p.read_text())["status"] for p in changed] == ["failed"]


def states(folder):
    """Return whether each policy of the grid has its result in the store."""
    cells = expand(*load_grid(folder / "own.yaml", [folder / "eighths.py"]))
    store = Store(folder / "runs")
    return {cell.policy: store.finished(cell.trial) for cell in cells if cell.policy != "late"}


def test_another_plugin_file_makes_only_its_own_results_stale(finished):
    folder, _ = finished
    done = {"float32": True, "fixed": True, "quarters": True, "eighths": True}
    assert states(folder) == done
    try:
        (folder / "formats" / "quarters.py").write_text(QUARTERS.replace("i / 4", "i / 2"))
        assert states(folder) == {**done, "quarters": False}
        (folder / "formats" / "quarters.py").write_text(QUARTERS)
        (folder / "eighths.py").write_text(EIGHTHS + "# a word more\n")
        assert states(folder) == {**done, "eighths": False}
    finally:
        write(folder)
    assert states(folder) == done


def test_the_baseline_of_a_trial_has_no_plugin(finished):
    cells = expand(*load_grid(finished[0] / "own.yaml", [finished[0] / "eighths.py"]))
    assert len({trial.baseline.id for trial in schedule(cells)}) == 1
    assert not any(trial.baseline.plugins for trial in schedule(cells))


def test_a_plugin_that_is_gone(finished):
    folder, _ = finished
    (folder / "formats" / "quarters.py").rename(folder / "formats" / "moved.py")
    try:
        for word in ("report", "run"):
            text = refused(here(folder, word, "own.yaml", *PLUGIN))
            assert (
                "own.yaml:2: plugins: formats/quarters.py: there is no such file; formats has moved.py"
                in text
            )
    finally:
        write(folder)
    assert "none.py: there is no such file" in refused(
        here(folder, "plan", "own.yaml", "--plugin", "none.py")
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x * 8) / 8, -4.0, 3.875)", "x * 8) / 8, -4.0, 3.875)[..., 0]", "it returned the shape"),
        ("return xp.clip", "1 / 0; return xp.clip", "it raised ZeroDivisionError"),
        ("xp = np if isinstance(x, np.ndarray) else keras.ops", "xp = np", "for a tensor of shape (None, 3)"),
        ("return Eighths(99)", "Eighths(99)", "must return a NumberFormat, but it returned None"),
        ("import numpy as np\n", "import nunpy as np\n", "install what it imports"),
        ("import numpy as np\n", "import numpy as = 3\n", "eighths.py:1: the plugin is not Python"),
        ('register_format("late")', 'register_format("quarters")', "already registered by eighths.py"),
    ],
)
def test_a_broken_plugin_ends_the_run_before_anything_is_trained(tmp_path, monkeypatch, old, new, message):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eighths.py").write_text(EIGHTHS.replace(old, new))
    with pytest.raises(PrecisionError) as caught:
        precision.run("own.yaml", plugins=["eighths.py"])
    text = str(caught.value)
    assert message in text and "\n" not in text and ("eighths.py:" in text or "quarters.py:" in text)
    assert not list((tmp_path / "runs").rglob("result.json"))


def test_a_broken_plugin_on_the_command_line(tmp_path):
    write(tmp_path)
    broken = EIGHTHS.replace("import keras", "import keras; x + undefined")
    (tmp_path / "eighths.py").write_text(broken.replace("return np.arange", "undefined; return np.arange"))
    text = refused(here(tmp_path, "run", "own.yaml", *PLUGIN))
    assert "eighths.py:" in text and "NameError: name 'undefined' is not defined" in text
    for words in (("show", "eighths"), ("compare", "eighths", "fixed(8,4)")):
        done = here(tmp_path, "formats", *words, *PLUGIN)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert "precision: eighths.py:" in done.stderr and "NameError" in done.stderr
    (tmp_path / "eighths.py").write_text(EIGHTHS.replace("import numpy", "import keras, numpy"))
    done = command(tmp_path, "plan", "own.yaml", *PLUGIN)
    assert done.returncode == 0 and done.stderr == ""  # TensorFlow's remarks are not shown


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("quarters.py", "plugins: must be a list of Python files such as .*but got 'quarters.py'"),
        ("[3]", "plugins: a plugin is the path of a Python file such as takum8.py, but got 3"),
        ("[own.yaml]", "plugins: .*own.yaml: a plugin is a Python file whose name ends in .py"),
        ("[formats/quaters.py]", "plugins: .*no such file; .*formats has quarters.py"),
    ],
)
def test_wrong_entries_under_plugins(tmp_path, entry, message):
    write(tmp_path, GRID.replace("[formats/quarters.py]", entry))
    with pytest.raises(PrecisionError, match=rf"own\.yaml:2: {message}"):
        load_grid(tmp_path / "own.yaml")


def test_the_same_file_by_grid_and_option_and_none_at_all(tmp_path):
    text = "\n".join(line for line in GRID.splitlines() if "eighths" not in line and "late" not in line)
    write(tmp_path, text)
    grid, source = load_grid(tmp_path / "own.yaml", [tmp_path / "formats" / "quarters.py"])
    assert len(expand(grid, source)) == 3
    write(tmp_path, text.replace("plugins: [formats/quarters.py]", "plugins:"))
    with pytest.raises(PrecisionError, match="unknown format 'quarters'"):  # that of the last grid is gone
        load_grid(tmp_path / "own.yaml")


def test_a_worker_refuses_other_code_than_the_trial_is_of(tmp_path):
    write(tmp_path)
    cells = expand(*load_grid(tmp_path / "own.yaml", [tmp_path / "eighths.py"]))
    trial = next(cell.trial for cell in cells if cell.policy == "eighths")
    runner._check_plugins(trial)
    (tmp_path / "eighths.py").write_text(EIGHTHS.replace("3.875", "3.75"))
    load_grid(tmp_path / "own.yaml", [tmp_path / "eighths.py"])
    with pytest.raises(PrecisionError, match="another one gives eighths now; run the same command again"):
        runner._check_plugins(trial)


def test_a_plugin_that_fails_in_the_worker_is_told_by_its_trials_alone(tmp_path):
    write(tmp_path)
    cells = expand(*load_grid(tmp_path / "own.yaml", [tmp_path / "eighths.py"]))
    trial = next(cell.trial for cell in cells if cell.policy == "eighths")
    broken = plugins.Plugin("eighths.py", b"raise OSError('not on this machine')")
    run = runner.runner(Setup(tmp_path / "runs", plugins=(broken,)), lambda *_: None)
    with pytest.raises(PrecisionError, match=r"eighths\.py:1: .*not on this machine"):
        run(trial)
    with pytest.raises(PrecisionError, match="tensorflow finds no gpu here"):
        run(replace(trial.baseline, runtime=Runtime(device="gpu")))
