"""Whoever trains something, a broken format of a plugin or a missing library is told first."""

import sys

import commands
import pytest

import precision
from precision import plugins
from precision.errors import PrecisionError
from precision.exploration.search import search
from precision.exploration.sensitivity import sensitivity
from precision.formats.families import qtorch_library
from precision.grid import expand, load_grid
from precision.grid.execution.preflight import check_grid, check_plugins
from precision.quantization import parse_policy

BROKEN = """\
import numpy as np

from precision.formats import NumberFormat, register_format


class Broken(NumberFormat):
    name, bits, roundings = "broken", 6, ("nearest",)

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        return 1 / 0

    def values(self):
        return np.arange(-32, 32, dtype=np.float32) / 8


@register_format("broken")
def broken():
    return Broken()
"""
LINE = BROKEN.split("\n").index("        return 1 / 0") + 1

GRID = """\
name: own
plugins: [broken.py]
datasets: [{name: digits, train_size: 60, test_size: 20}]
architectures: [{name: mlp, width: 0.1}]
policies:
  float32: float32
  fixed: fixed(6,3)
  own: POLICY
training: {epochs: 1}
"""

COMMANDS = {
    "run": lambda: precision.run("own.yaml", quiet=True),
    "sensitivity": lambda: sensitivity("own.yaml", policies=["own"], quiet=True),
    "search": lambda: search("own.yaml", policies=["own"], quiet=True),
}


@pytest.fixture(autouse=True)
def _forget_plugins():
    yield
    plugins.load([])


@pytest.mark.parametrize(
    "policy",
    [
        "{weights: float16, accumulators: {format: float16, products: broken}}",
        "{weights: float16, accumulators: {format: broken, products: float16}}",
        "{weights: float16, layers: {logits: broken}}",
    ],
    ids=["products", "accumulators", "layer"],
)
@pytest.mark.parametrize("start", COMMANDS.values(), ids=COMMANDS)
def test_a_broken_plugin_ends_everything_before_anything_is_trained(tmp_path, monkeypatch, start, policy):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "own.yaml").write_text(GRID.replace("POLICY", policy))
    with pytest.raises(PrecisionError) as caught:
        start()
    text = str(caught.value)
    assert text.startswith(f"broken.py:{LINE}: quantize of format 'broken' must round float32 of any shape")
    assert "it raised ZeroDivisionError" in text and "\n" not in text
    assert not list((tmp_path / "runs").rglob("result.json"))


UNFIT = """\
name: unfit
datasets: [{name: digits, train_size: 60, test_size: 20}]
architectures: [{name: mlp, width: 0.1}, lenet]
policies:
  float32: float32
  fits: fixed(6,3)
  half:
    weights: fixed(6,3)
    layers: {"conv*": float16}
training: {epochs: 1}
"""


def checked(grid, **_):
    """As validate and plan do with --networks."""
    loaded, source = load_grid(grid)
    check_grid(expand(loaded, source), source, None)


@pytest.mark.parametrize("start", [precision.run, search, checked])
def test_a_pattern_that_one_of_the_networks_lacks_ends_everything_before_anything_is_trained(
    tmp_path, monkeypatch, start
):
    """The line is that of the policy where a grid is run; the networks are built in another process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(UNFIT)
    with pytest.raises(PrecisionError) as caught:
        start("own.yaml", quiet=True)
    line = UNFIT.split("\n").index("  half:") + 1
    assert "the policy's layer pattern 'conv*' matches no layer; known: dense1, " in str(caught.value)
    assert str(caught.value).endswith("the network is mlp")
    assert str(caught.value).startswith(f"own.yaml:{line}: policy 'half': ")
    assert not list((tmp_path / "runs").rglob("result.json"))


def test_the_same_in_a_process_of_its_own(tmp_path):
    """As a command does it, which does not import Keras."""
    (tmp_path / "own.yaml").write_text(UNFIT)
    bad = commands.precision(tmp_path, "validate", "--networks", "own.yaml")
    assert bad.returncode == 2
    assert bad.stderr.startswith("precision: own.yaml:7: policy 'half': the policy's layer pattern")
    assert "Traceback" not in bad.stderr and bad.stderr.count("\n") == 1


def test_a_policy_that_is_not_asked_for_is_not_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "own.yaml").write_text(GRID.replace("POLICY", "broken"))
    found = sensitivity("own.yaml", policies=["fixed"], slots=["inputs"], quiet=True)
    assert set(found.frame["policy"]) == {"fixed"}


def test_a_library_that_products_need_is_asked_for(monkeypatch):
    policy = parse_policy({"accumulators": {"format": "float16", "products": "qtorch_float(5,10)"}})
    monkeypatch.setitem(sys.modules, "qtorch", None)
    qtorch_library.quant.cache_clear()
    with pytest.raises(PrecisionError, match="the qtorch formats need the package"):
        check_plugins([policy])
    qtorch_library.quant.cache_clear()
