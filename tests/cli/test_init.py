"""``precision init``: a grid that is right as it is, explains every line, and replaces nothing unasked."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from precision.cli.app import app
from precision.cli.init import STARTER
from precision.errors import PrecisionError
from precision.grid.editor import json_schema

RUNNER = CliRunner()


def command(*words):
    done = RUNNER.invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_first_commands_of_a_newcomer():
    done = command("init")
    assert done.exit_code == 0
    assert done.output == "grid.yaml: change it as you like; precision run grid.yaml runs it\n"
    assert Path("grid.yaml").read_bytes() == STARTER.read_bytes()
    # It also runs, reduced as the grids of experiments/ are: see test_experiments.py.
    assert command("validate", "grid.yaml").output == "grid.yaml: ok, 12 cells, 12 trials\n"


def test_the_first_line_names_the_schema_that_lies_beside_it():
    Path("deep").mkdir()
    command("init", "deep/my.yaml")
    first = Path("deep/my.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=grid.schema.json"
    assert json.loads(Path("deep/grid.schema.json").read_text()) == json_schema()
    text = Path("deep/my.yaml").read_text().replace("1e-3", "0.001")
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


def test_nothing_is_replaced_unasked():
    Path("grid.yaml").write_text("mine")
    with pytest.raises(PrecisionError, match=r"^grid\.yaml: exists already; give another file, or --force"):
        command("init")
    assert Path("grid.yaml").read_text() == "mine"
    assert not Path("grid.schema.json").exists()
    Path("grid.schema.json").write_text("of another version")
    command("init", "other.yaml")
    assert Path("grid.schema.json").read_text() == "of another version"
    command("init", "--force")
    assert Path("grid.yaml").read_bytes() == STARTER.read_bytes()
    assert json.loads(Path("grid.schema.json").read_text()) == json_schema()


def test_a_file_that_cannot_be_written():
    with pytest.raises(PrecisionError, match=r"none/grid\.schema\.json: cannot be written \(No such file"):
        command("init", "none/grid.yaml")


def test_every_line_is_explained():
    """Each key of the file, and each policy, has a comment above it."""
    lines = STARTER.read_text().splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#") and line.strip()[0] not in "#-":
            assert lines[number - 1].strip().startswith("#"), line
