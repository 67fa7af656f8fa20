"""What ``import precision`` offers: at once, to editors and type checkers too, and in one form."""

import ast
import builtins
import dataclasses
import importlib
import importlib.metadata
import inspect
import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import precision

ROOT = Path(__file__).parent.parent
OF_A_GRID = ("run", "write_report", "load_results", "sensitivity", "search")
FUNCTIONS = (*OF_A_GRID, "audit", "compare", "explain")
POSITIONAL = {"compare": 2}  # two sets of results; the others take a grid, a model or a trial
# What two or more of them take, in this order; what one alone takes comes after it.
FORM = (
    *(
        "model",
        "grid",
        "data_dir",
        "store",
        "output",
        "force",
        "html",
        "figures",
        "plugins",
        "changes",
        "seeds",
        "only",
        "options",
        "quiet",
    ),
    "policies",
    "images",
)


def test_importing_it_imports_nothing_slow():
    code = (
        "import sys, precision\n"
        "slow = {'numpy', 'pandas', 'keras', 'tensorflow', 'pydantic', 'matplotlib', 'typer'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
        "dir(precision), precision.__version__\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_lists_what_it_offers():
    packages = ("analysis", "data", "formats", "grid", "measure", "methods", "quantization", "report")
    offered = {*FUNCTIONS, "PrecisionError", "RunOptions", "SearchOptions"}
    assert set(precision.__all__) == offered
    assert {name for name in dir(precision) if not name.startswith("_")} == {*offered, *packages}
    assert "__version__" in dir(precision)
    for name in dir(precision):
        assert getattr(precision, name) is not None
    with pytest.raises(AttributeError, match="'precision' has no attribute 'rum'"):
        precision.rum  # noqa: B018
    for package in packages:
        assert inspect.ismodule(getattr(precision, package))


def test_what_type_checkers_see_is_what_there_is():
    """The imports under TYPE_CHECKING name the modules from which __getattr__ takes each name."""
    tree = ast.parse(Path(precision.__file__).read_text())
    [block] = [n for n in tree.body if isinstance(n, ast.If) and n.test.id == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    for name, module in seen.items():
        if module == "precision":
            assert getattr(precision, name).__name__ == f"precision.{name}"
        else:
            assert getattr(precision, name).__module__ == module
    assert set(precision.__all__) <= {*seen, "PrecisionError"}


CONSUMER = """\
from pathlib import Path
import pandas as pd
import precision
from precision import quantization, report

results = precision.run("grid.yaml", options=precision.RunOptions(jobs=2), changes=["training.epochs=1"])
reveal_type(results)
reveal_type(precision.write_report(Path("grid.yaml")).name)
frame: pd.DataFrame = precision.load_results("grid.yaml", only=["seed=0"])
reveal_type(precision.sensitivity("grid.yaml", slots=["weights"]))
reveal_type(precision.search("grid.yaml", options=precision.SearchOptions(tolerance=0.5)).networks)
reveal_type(precision.explain("3e5228d43ca1", images=100).frame)
reveal_type(precision.audit("model.keras", data="images.npz", targets=["fixed"]).answers)
reveal_type(precision.formats.parse("fixed(8,4)"))
reveal_type(report.pivot_text(results))
reveal_type(quantization.apply)
reveal_type(precision.__version__)
precision.run("grid.yaml", set=["training.epochs=1"])
"""
TYPES = (
    "precision.analysis.results.Results",
    "str",
    "precision.exploration.sensitivity.Sensitivities",
    "tuple[precision.analysis.search.Found, ...]",
    "pandas.core.frame.DataFrame",
    "pandas.core.frame.DataFrame",
    "precision.formats.base.NumberFormat",
    "str",
    "def (",
    "str",
)


def test_a_type_checker_knows_the_types(tmp_path):
    pytest.importorskip("mypy")
    assert (ROOT / "precision" / "py.typed").is_file()
    assert (ROOT / "architectures" / "py.typed").is_file()
    (tmp_path / "consumer.py").write_text(CONSUMER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", tmp_path / "consumer.py"],
        cwd=ROOT,  # for the settings and the cache
        capture_output=True,
        text=True,
        check=False,
    )
    notes = [line for line in done.stdout.splitlines() if "Revealed type is" in line]
    assert len(notes) == len(TYPES), done.stdout + done.stderr
    for note, expected in zip(notes, TYPES, strict=True):
        assert expected in note
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1 and 'Unexpected keyword argument "set" for "run"' in errors[0], done.stdout


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert precision.__version__ == project["version"]


def test_a_checkout_that_was_never_installed_has_a_version(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert precision.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_report_is_the_package_and_write_report_the_function():
    from precision import report

    assert report is precision.report is sys.modules["precision.report"]
    assert callable(report.write) and callable(precision.write_report)


def parameters(name):
    return inspect.signature(getattr(precision, name)).parameters


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_have_one_order(name):
    found = list(parameters(name))
    shared = [word for word in FORM if word in found]
    number = POSITIONAL.get(name, 1)
    own = number if found[0] not in FORM else 0
    assert found[own : own + len(shared)] == shared
    kinds = [parameter.kind for parameter in parameters(name).values()]
    assert set(kinds[:number]) == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert set(kinds[number:]) == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(FUNCTIONS, 2)])
def test_an_argument_means_the_same_everywhere(one, other):
    shared = set(parameters(one)) & set(parameters(other))
    assert shared <= set(FORM)
    for word in shared:
        first, second = parameters(one)[word], parameters(other)[word]
        assert first.default == second.default
        if word != "options":  # each job has its own
            assert first.annotation == second.annotation


def test_one_text_is_no_list_of_letters(tmp_path):
    (tmp_path / "grid.yaml").write_text("name: x\n")
    for name in OF_A_GRID:
        with pytest.raises(precision.PrecisionError, match="changes takes a list of texts"):
            getattr(precision, name)(tmp_path / "grid.yaml", changes="training.epochs=3")


def public():
    """Yield the functions, classes and methods that the ``__all__`` of a package names."""
    for path in sorted([*ROOT.glob("precision/**/__init__.py"), ROOT / "architectures" / "__init__.py"]):
        package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
        for name in getattr(package, "__all__", ()):
            found = getattr(package, name)
            if inspect.isfunction(found) or dataclasses.is_dataclass(found):
                yield f"{package.__name__}.{name}", found
            if inspect.isclass(found):
                for word, method in inspect.getmembers(found, inspect.isfunction):
                    if not word.startswith("_") and method.__module__.split(".")[0] == "precision":
                        yield f"{package.__name__}.{name}.{word}", method


def test_no_argument_shadows_a_builtin():
    shadows = {
        f"{name}({word})"
        for name, function in public()
        for word in inspect.signature(function).parameters
        if hasattr(builtins, word)
    }
    assert not shadows
