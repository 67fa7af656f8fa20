"""What names, errors and files hold steers no terminal and no table, whichever way it goes out."""

import ast
import io
import json
import sqlite3
import warnings
from pathlib import Path

import pytest
from commands import here
from rich.console import Console
from stored import make_result, make_trial

from precision.errors import PrecisionError, said, trouble
from precision.grid import Store
from precision.grid.execution import worker
from precision.grid.execution.lost_trials import sentence
from precision.grid.execution.worker import Setup
from precision.grid.progress import ConsoleWatcher
from precision.grid.progress.steps import Steps
from precision.printable import printable
from precision.tracking.description import Describer
from precision.trial import Choice, TrialResult

ROOT = Path(__file__).parent.parent / "precision"
# Colours as Keras has them, a cleared screen, a title, a one-character form, a line turned around.
EVIL = "\x1b[1mbold\x1b[0m \x1b[2J\x1b]0;title\x07\x9b31mred \u202eright to left\r\x00"
SEEN = r"bold red \u202eright to left \x00"


def harmless(text):
    assert all(c.isprintable() or c == "\n" for c in text), repr(text)
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (EVIL, SEEN),
        ("plain text, ümläut 漢字 ±", "plain text, ümläut 漢字 ±"),
        ("a\tb\nc", "a b c"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[38;5;196mred", "red"),
        ("\x1b(0lqk\x1bc", "lqk"),
        ("an end\x1b", r"an end\x1b"),
        ("\x1b]0;without an end", ""),
        ("half of a pair \ud800", r"half of a pair \ud800"),
        (12, "12"),
    ],
)
def test_a_text_only_says_something(text, expected):
    assert printable(text) == expected


def test_ends_of_lines_stay_where_lines_are_meant():
    assert printable(f"a\r\n{EVIL}\nb", lines=True) == f"a\n{SEEN}\nb"


@pytest.mark.parametrize("error", [ValueError(EVIL), PrecisionError(EVIL), KeyError("a"), OSError(5, EVIL)])
def test_errors(error):
    for text in (str(PrecisionError(str(error))), said(error), trouble(error), sentence(error)):
        assert text.isprintable(), text


@pytest.fixture
def store(tmp_path):
    """With a result of which every text is evil that can be."""
    found = Store(tmp_path / "runs")
    found.create()
    trial = make_trial(dataset=Choice("npz", {"path": f"/{EVIL}.npz"}))
    found.save(make_result(trial, "failed", reason=EVIL, facts={"dataset_title": EVIL}, predictions=None))
    found.save(make_result(make_trial(1), "failed", reason=f"=1+1{EVIL}", predictions=None))
    return found


def test_a_record(tmp_path, monkeypatch):
    """Of what a method says of its trial, and of what it raises."""
    store = Store(tmp_path / "runs")
    store.create()

    def run(trial):
        if trial.seed:
            raise ValueError(EVIL)
        return make_result(trial, "diverged", reason=EVIL, facts={EVIL: EVIL})

    state = {"store": store, "setup": Setup(store.root), "report": lambda *_: None, "run": run}
    monkeypatch.setattr(worker, "_state", state)
    for seed in (0, 1):
        worker.work(make_trial(seed).to_json())
        result = store.load(make_trial(seed).id)
        assert result.reason.endswith(SEEN) and result.facts == ({} if seed else {SEEN: SEEN})


@pytest.mark.parametrize("ending", ["csv", "json", "md", "sqlite"])
def test_results_in_files(store, tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    done = here(tmp_path, "results", "--store", store.root, "--output", path)
    assert done.returncode == 0, done.stderr
    if ending == "sqlite":
        with sqlite3.connect(path) as database:
            text = "\n".join(reason for (reason,) in database.execute("SELECT reason FROM results"))
        database.close()
    else:
        text = path.read_text(encoding="utf-8")
        if ending == "json":
            text = "\n".join(row["reason"] for row in json.loads(harmless(text)))
    assert harmless(text).count("bold red") >= 2
    assert ending != "csv" or "'=1+1bold" in text, "no formula, as before"


def test_results_on_the_terminal(store, tmp_path):
    done = here(tmp_path, "results", "--store", store.root, "--columns", "all")
    assert done.returncode == 0 and "bold red" in harmless(done.stdout)
    odd = tmp_path / f"{EVIL[:-1]}.csv"
    done = here(tmp_path, "results", "--store", store.root, "--output", odd)
    assert odd.exists() and "bold red" in harmless(done.stdout + done.stderr)


def test_warnings_and_refusals(store, tmp_path):
    (store.folder(make_trial(1).id) / "result.json").write_text('{"schema": 2, "id": "\\u001b[2J"}')
    done = here(tmp_path, "results", "--store", store.root)
    assert "cannot be trusted" in harmless(done.stderr)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        store.results()
    assert told and all(harmless(str(one.message)) for one in told)
    done = here(tmp_path, "report", f"{EVIL[:-1]}.yaml")
    assert done.returncode == 2 and "bold red" in harmless(done.stderr)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress(terminal):
    out = io.StringIO()
    trial = make_trial(dataset=Choice(EVIL))
    console = Console(file=out, force_terminal=terminal, color_system=None, width=200)
    watcher = ConsoleWatcher([trial], [], console)
    watcher.started(trial)
    console.print(watcher._view)
    watcher.waiting(trial)
    watcher.retried(trial, TrialResult(trial, "failed", reason=EVIL))
    watcher.finished(trial, TrialResult(trial, "failed", reason=EVIL), 1.0)
    watcher.note(EVIL)
    steps = Steps(2, console)
    steps.say(EVIL)
    steps.step(EVIL)
    console.print(steps._bar)
    assert harmless(out.getvalue()).count("bold red") >= 8


def test_what_tools_are_told(store):
    trial = make_trial(dataset=Choice(EVIL, {"path": EVIL}), policy={})
    describer = Describer(store, [], weights=False)
    begun = describer.begin(trial, 1, 0.0)
    assert harmless(begun.name).startswith("bold red")
    assert all(harmless(f"{key}{value}") for key, value in begun.parameters.items())
    end = describer.end(make_result(trial, "failed", reason=EVIL, facts={EVIL: EVIL}), False, 0.0)
    assert harmless(end.reason) == SEEN and all(harmless(f"{k}{v}") for k, v in end.texts.items())


def test_commands_and_progress_have_one_way_out():
    """Nothing prints by itself in them, so that a new line cannot forget it."""
    for path in [*ROOT.glob("cli/*.py"), *ROOT.glob("grid/progress/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and path.name != "echo.py":
                name = ast.unparse(node.func)
                assert name not in ("print", "typer.echo", "sys.stdout.write"), f"{path}:{node.lineno}"
                if name.endswith(".print"):
                    assert ast.unparse(node.args[0]).startswith("printable("), f"{path}:{node.lineno}"
