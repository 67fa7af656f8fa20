"""Which number format can a neural network use, and what does it cost?

precision.run("grid.yaml")            run a grid and write its report; options=precision.RunOptions(jobs=2)
precision.load_results("grid.yaml")   the stored results as a DataFrame
precision.formats.parse("fixed(8,4)") a number format

The examples in the docstrings of this project run in a folder with a small ``grid.yaml`` and its results.
"""

from __future__ import annotations

import importlib
from typing import Any

from precision.errors import PrecisionError

__all__ = ["PrecisionError", "RunOptions", "load_results", "run"]


def __getattr__(name: str) -> Any:
    # Imported on first use: pandas and the grid take half a second, which `precision --help` should not.
    if name in ("run", "load_results"):
        return getattr(importlib.import_module("precision.api"), name)
    if name == "RunOptions":
        return importlib.import_module("precision.grid.execution.options").RunOptions
    if name in ("analysis", "data", "formats", "grid", "measure", "methods", "quantization", "report"):
        return importlib.import_module(f"precision.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
