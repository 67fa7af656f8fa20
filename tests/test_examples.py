"""Every function and class that a user calls from Python shows an example in its docstring, and it runs.

An example stands alone: it imports what it uses. It runs in a folder with ``grid.yaml``, the grid below, and
its results in ``runs``, which are made up: their numbers are the same on every machine.
"""

import ast
import contextlib
import doctest
import importlib
import io
from pathlib import Path

import pytest

from precision.registry import FORMATS

ROOT = Path(__file__).parent.parent

# What the documentation shows of modules that no package exports.
FURTHER = (
    "precision.analysis.comparison.compare",
    "precision.analysis.coverage.coverage",
    "precision.analysis.gates.Gate",
    "precision.analysis.seeds.combined",
    "precision.analysis.verdicts.adjusted",
    "precision.deploy.onnx.conversion.onnx_file",
    "precision.deploy.packed.file.pack_model",
    "precision.deploy.packed.file.read",
    "precision.deploy.packed.file.to_bytes",
    "precision.deploy.packed.file.unpack_model",
    "precision.exploration.search.search",
    "precision.exploration.sensitivity.sensitivity",
    "precision.exploration.options.SearchOptions",
    "precision.measure.counted.activations.activations",
    "precision.measure.counted.by_layer.by_layer",
    "precision.measure.counted.cost.layer_costs",
    "precision.measure.counted.energy.energy",
    "precision.measure.counted.energy_table.shipped_table",
    "precision.measure.counted.packed.activation_bits",
    "precision.measure.counted.packed.weight_memory",
    "precision.plugins.load",
)

# What has no example, and why.
WITHOUT = {
    "precision.formats.Programmed": "a base class; Codebook and Lattice show what is built on it",
    "precision.formats.conformance.Check": "the kit makes them",
    "precision.grid.progress.ConsoleWatcher": "it draws on the terminal while trials run",
    "precision.tracking.Tracker": "precision.tracking.make returns them, and shows one",
}

GRID = """\
name: grid
datasets: [{name: digits, train_size: 100, test_size: 50}]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,3)"}
  fixed4: {weights: "fixed(4,3)", activations: "fixed(4,1)"}
seeds: [0, 1]
"""
BITS = {"float32": 32, "fixed8": 8, "fixed4": 4}
CORRECT = {"float32": (49, 48), "fixed8": (48, 48), "fixed4": (25, 30)}  # of 50 images, for each seed


def exported():
    """Yield the names in the ``__all__`` of each package, without constants and modules, importing none."""
    for path in sorted([*ROOT.glob("precision/**/__init__.py"), ROOT / "architectures" / "__init__.py"]):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                package = ".".join(path.parent.relative_to(ROOT).parts)
                for name in ast.literal_eval(node.value):
                    if not name.isupper() and not (path.parent / f"{name}.py").exists():
                        yield f"{package}.{name}"


PUBLIC = [*exported(), *FURTHER]


def found(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def examples(name):
    """Return the doctests of an object: of its own docstring, and of the methods of a class."""
    return [test for test in doctest.DocTestFinder().find(found(name), name, globs={}) if test.examples]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a grid, its results and the weights of its float32 networks, which are not trained."""
    import numpy as np

    import architectures
    from precision.grid import Store, expand, load_grid
    from precision.trial import TrialResult

    folder = tmp_path_factory.mktemp("examples")
    (folder / "grid.yaml").write_text(GRID)
    store = Store(folder / "runs")
    store.create()
    model = architectures.build("mlp", width=0.25)
    size = model.count_params()
    for cell in expand(*load_grid(folder / "grid.yaml")):
        bits = BITS[cell.policy]
        metrics = {
            "accuracy": CORRECT[cell.policy][cell.seed] / 50,
            "loss": 0.5,
            "train_images": 100,
            "test_images": 50,
            "epochs": 5,
            "parameters": size,
            "weight_bits": bits,
            "activation_bits": bits,
            "weight_bytes": size * bits // 8,
            "float32_weight_bytes": size * 4,
            "peak_memory_bytes": 500_000_000,
            "inference_images_per_second": 1000.0,
        }
        facts = {"dataset_title": "Digits", "timing": "native" if bits == 32 else "emulated"}
        history = [
            {"epoch": 1, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.8, "seconds": 1}
        ]
        predictions = np.zeros(50, np.uint8)
        if bits == 32:
            store.folder(cell.trial.id).mkdir(parents=True)
            model.save_weights(store.weights(cell.trial.id))
        store.save(TrialResult(cell.trial, "ok", "", metrics, facts, history, predictions=predictions))
    return folder


@pytest.fixture
def formats_as_they_were():
    """Forget the formats that an example registers."""
    before = set(FORMATS)
    yield
    for name in set(FORMATS) - before:
        FORMATS.remove(name)


@pytest.mark.usefixtures("formats_as_they_were")
@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in WITHOUT])
def test_the_examples_run(name, finished, monkeypatch):
    monkeypatch.chdir(finished)
    tests = examples(name)
    assert tests, f"the docstring of {name} has no example"
    run_all(tests)


@pytest.mark.parametrize("name", sorted({name.rpartition(".")[0] for name in exported()}))
def test_the_examples_of_a_package_run(name, finished, monkeypatch):
    monkeypatch.chdir(finished)
    module = importlib.import_module(name)
    run_all(doctest.DocTestFinder(recurse=False).find(module, name, globs={}))


def run_all(tests):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        report = io.StringIO()
        with contextlib.redirect_stderr(io.StringIO()):
            runner.run(test, out=report.write)
        assert not report.getvalue(), report.getvalue()


def test_what_has_no_example_is_still_public():
    assert set(WITHOUT) <= set(PUBLIC)
    assert not any(examples(name) for name in WITHOUT)
