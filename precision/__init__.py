"""Which number format can a neural network use, and what does it cost?

precision.run("grid.yaml")            run a grid and write its report; options=precision.RunOptions(jobs=2)
precision.write_report("grid.yaml")   its report, of the results there are (the package precision.report)
precision.load_results("grid.yaml")   the stored results as a DataFrame
precision.audit("model.keras", data="images.npz")    which formats a trained model can use
precision.compare("before", "after")  what changed between two sets of results, beyond noise or not
precision.sensitivity("grid.yaml")    which layer needs which format
precision.explain("3e5228d43ca1")     why the format of a trial loses: the parts of its loss
precision.search("grid.yaml")         a policy per layer; options=precision.SearchOptions(tolerance=0.5)
precision.formats.parse("fixed(8,4)") a number format

The examples in the docstrings of this project run in a folder with a small ``grid.yaml`` and its results.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from precision.errors import PrecisionError

if TYPE_CHECKING:  # what editors and type checkers see; when it runs, __getattr__ imports it
    from precision import analysis as analysis
    from precision import data as data
    from precision import formats as formats
    from precision import grid as grid
    from precision import measure as measure
    from precision import methods as methods
    from precision import quantization as quantization
    from precision import report as report
    from precision.api.audit import audit
    from precision.api.compare import compare
    from precision.api.explain import explain
    from precision.api.exploration import search, sensitivity
    from precision.api.grid import load_results, run, write_report
    from precision.exploration.options import SearchOptions
    from precision.grid.execution.options import RunOptions

    __version__: str

__all__ = [
    "PrecisionError",
    "RunOptions",
    "SearchOptions",
    "audit",
    "compare",
    "explain",
    "load_results",
    "run",
    "search",
    "sensitivity",
    "write_report",
]

# Imported on first use: pandas and the grid take half a second, which `precision --help` should not.
_MODULES = {
    "RunOptions": "precision.grid.execution.options",
    "SearchOptions": "precision.exploration.options",
    "audit": "precision.api.audit",
    "compare": "precision.api.compare",
    "explain": "precision.api.explain",
    "load_results": "precision.api.grid",
    "run": "precision.api.grid",
    "search": "precision.api.exploration",
    "sensitivity": "precision.api.exploration",
    "write_report": "precision.api.grid",
}
_PACKAGES = ("analysis", "data", "formats", "grid", "measure", "methods", "quantization", "report")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"precision.{name}")
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*__all__, *_PACKAGES, "__doc__", "__file__", "__name__", "__version__"))


def _version() -> str:
    """Return the version of the installed package, or of a checkout that was never installed."""
    import tomllib
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        return version("precision")
    except PackageNotFoundError:
        project = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(project)["project"]["version"])
