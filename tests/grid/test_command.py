"""The command that a report shows asks for the same trials as the one that made it, wherever it is typed."""

import shlex
from pathlib import Path

import pytest

import precision
from precision.grid import Changes, expand, load_grid
from precision.grid.command import command_of

GRID = """\
name: g
datasets: [{dataset}]
architectures: [{{name: mlp, width: 0.1}}]
policies: {{float32: float32, fixed4: "fixed(4,3)"}}
training: {{epochs: 5}}
"""
PLUGIN = """\
from precision.formats import Codebook, register_format


@register_format("two")
def two():
    return Codebook("two", bits=1, values=[-1.0, 1.0])
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two.py").write_text(PLUGIN)
    yield
    precision.plugins.load([])


def write(dataset="digits"):
    Path("g.yaml").write_text(GRID.format(dataset=dataset))
    return "g.yaml"


def test_the_command_asks_for_the_same_trials():
    changes = Changes(["training.epochs=2", 'policies.fixed4={weights: "fixed(4, 2)"}'], "2,7")
    parsed, source = load_grid(write(), [Path("two.py").resolve()], changes)
    cells = expand(parsed, source)
    words = shlex.split(shlex.join(command_of("run", source, cells)))
    assert words[:3] == ["precision", "run", "g.yaml"]
    assert words[3] == "--plugin=two.py"  # no folder of this machine
    given = [word.partition("=")[2] for word in words[4:]]
    assert [word.partition("=")[0] for word in words[4:]] == ["--set", "--set", "--seeds"]
    again = expand(*load_grid(words[2], ["two.py"], Changes(given[:2], given[2])))
    assert [cell.trial.id for cell in again] == [cell.trial.id for cell in cells]


@pytest.mark.parametrize(("dataset", "needed"), [("digits", False), ("mnist", True), ("cifar10", True)])
def test_the_folder_of_the_data_stands_in_it_where_one_is_needed(dataset, needed):
    parsed, source = load_grid(write(dataset))
    words = command_of("search", source, expand(parsed, source), ["--tolerance=1"], ["seed=0"])
    folder = ["--data-dir", "DATA"] if needed else []
    assert words == ["precision", "search", "g.yaml", *folder, "--tolerance=1", "--only=seed=0"]
    precision.write_report("g.yaml", seeds="1")
    text = Path("reports/g/report.md").read_text()
    assert f"precision run g.yaml{' --data-dir DATA' if needed else ''} --seeds=1\n" in text
    assert ("`DATA` stands for the folder" in text) is needed
