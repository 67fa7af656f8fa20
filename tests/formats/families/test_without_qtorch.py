"""A machine that lacks a part of what the qtorch formats need is told so in one sentence."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from commands import here, python

GRID = """
name: q
datasets: [digits]
architectures: [mlp]
policies: {{float32: float32, q: {{weights: "{format}", rounding: {rounding}}}}}
methods: [qat]
training: {{epochs: 1}}
seeds: [0]
"""


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    """What ``lacking.py`` has found, and the folder in which it ran a grid."""
    folder = tmp_path_factory.mktemp("lacking")
    (folder / "grid.yaml").write_text(GRID.format(format="qtorch_fixed(8,6)", rounding="nearest"))
    done = python(folder, Path(__file__).with_name("lacking.py"), folder / "compiled")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout), folder


def installed(*packages):
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not shutil.which("c++"):
        pytest.skip("qtorch is compiled by a C++ compiler, and there is none")


def test_naming_and_listing_imports_no_torch(lacking):
    assert lacking[0]["imported"] == []


@pytest.mark.parametrize("package", ["torch", "qtorch"])
def test_a_missing_package_is_one_sentence(lacking, package):
    if package == "qtorch":
        pytest.importorskip("torch")
    text = lacking[0][package]
    assert text.startswith(f"the qtorch formats need the package {package}, ")
    assert "pip install 'precision[qtorch]'" in text and "\n" not in text


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        ("compiler", "there is no compiler 'no-such-compiler'"),
        ("ninja", "for which ninja is missing; install it with: pip install ninja"),
        ("success", "and that failed ("),
    ],
)
def test_what_a_compilation_needs_is_one_sentence(lacking, lack, words):
    installed("torch", "qtorch")
    assert words in lacking[0][lack] and "\n" not in lacking[0][lack]


def test_a_grid_is_refused_before_anything_is_trained(lacking):
    installed("torch", "qtorch")
    found, folder = lacking
    code, printed = found["run"]
    assert code == 2 and "no compiler" in printed and printed.count("\n") == 1, printed
    assert not list(folder.glob("runs/trials/*"))


def test_a_rounding_that_it_does_not_have_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID.format(format="qtorch_float(4,3)", rounding="stochastic"))
    done = here(tmp_path, "run", "grid.yaml")
    assert done.returncode == 2 and "its roundings are nearest" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("runs/trials/*"))
