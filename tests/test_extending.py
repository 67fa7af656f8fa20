"""docs/extending.md, done as it says: its files written, its grid run; its package: test_packages.py."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import inside
import pytest
from commands import here, python

from precision import plugins
from precision.registry import REGISTRIES, foreign

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.S))
COMMANDS = [
    line for block in re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]
PYTHON = [name for name in FILES if name.endswith(".py")]


def write(folder):
    for name, text in FILES.items():
        if "/" not in name:
            (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of the page after its commands, and what each of them printed."""
    folder = write(tmp_path_factory.mktemp("page"))
    printed = {}
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "precision"
        with inside.trials():
            found = here(folder, *words)
        assert found.returncode == 0 and "Traceback" not in found.stderr, found.stderr
        assert "warning" not in found.stderr, found.stderr
        printed[words[0]] = found.stdout
    return folder, printed


def trials(folder):
    return [json.loads(path.read_text())["trial"] for path in (folder / "runs").rglob("result.json")]


def test_the_grid_of_the_page_shows_what_each_plugin_gave(done):
    folder, printed = done
    assert "sixteenths" in printed["run"] and "clipped_ptq" in printed["run"]
    assert "shifts(8)" in printed["multipliers"] and "worst error" in printed["multipliers"]
    report = (folder / "reports/own/report.md").read_text()
    assert report.index("## The answer") < report.index("## The best run") < report.index("## Setup")
    assert "## Accuracy in bars" in report and (folder / "reports/own/bars.png").exists()
    assert "accuracy_per_kib" in (folder / "reports/own/results.csv").read_text().splitlines()[0]
    lines = (folder / "runs/tracking/own.txt").read_text().splitlines()
    assert len(lines) == 5 and lines[0].startswith("stripes tiny float32 seed 0 8 ok ")


def test_what_a_plugin_gave_a_trial_is_part_of_its_identity(done):
    folder, _ = done

    def code(file):
        return f"sha256 {hashlib.sha256(FILES[file].encode()).hexdigest()}"

    training = {"architecture tiny": code("tiny.py"), "dataset stripes": code("stripes.py")}
    for trial in trials(folder):
        expected = dict(training)
        if trial["method"]["name"] == "clipped_ptq":
            expected["method clipped_ptq"] = code("clipped.py")
        if trial["policy"].get("weights") == "sixteenths":
            expected["sixteenths"] = code("sixteenths.py")
        elif trial["policy"]:
            expected["observer three_sigma"] = code("three_sigma.py")
            expected["transform centred"] = code("centred.py")
        assert trial["plugins"] == expected


def test_a_change_makes_the_trials_stale_that_use_the_file_and_no_others(done):
    folder, _ = done
    left = {"tiny.py": 5, "stripes.py": 5, "clipped.py": 2, "three_sigma.py": 2, "centred.py": 2}
    left["sixteenths.py"] = 2
    for name in PYTHON:
        (folder / name).write_text(FILES[name] + "# a word more\n")
        try:
            planned = here(folder, "plan", "own.yaml").stdout
        finally:
            (folder / name).write_text(FILES[name])
        assert f"{5 - left.get(name, 0)} done, {left.get(name, 0)} to run" in planned, name


def test_the_list_of_plugins(done):
    rows = [line.split() for line in done[1]["plugins"].splitlines()]
    assert ["architecture", "tiny", "tiny.py:11"] in [row[:3] for row in rows]
    assert ["tracker", "mlflow", "built", "in"] in [row[:4] for row in rows]
    kinds = {line.split("  ")[0] for line in done[1]["plugins"].splitlines()[2:]}
    assert kinds == {*(registry.kind for registry in REGISTRIES), "metric"}


def test_nothing_imports_keras_to_plan_the_grid_of_the_page(done):
    code = (
        "import sys; from precision.grid import expand, load_grid; "
        "assert len(expand(*load_grid('own.yaml'))) == 6; "
        "assert 'keras' not in sys.modules and 'tensorflow' not in sys.modules"
    )
    found = python(done[0], "-c", code)
    assert found.returncode == 0, found.stderr


def test_every_file_of_the_page_is_short_and_every_kind_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path))
    try:
        plugins.load(PYTHON)
        assert {registry for registry, _ in foreign()} == set(REGISTRIES)
        assert plugins.metrics()["per_byte.py"] == ("accuracy_per_kib",)
    finally:
        plugins.load([])
    assert not foreign()
    lengths = {name: len(FILES[name].splitlines()) for name in PYTHON if name != "lines.py"}
    assert max(lengths.values()) <= 25, lengths
