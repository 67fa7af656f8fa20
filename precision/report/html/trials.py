"""What the table of trials and the plot know of every trial: columns, units and rows as plain data."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from precision.analysis import Results
from precision.metrics import METRICS
from precision.report.titles import columns_of

_TEXTS = {
    "trial": "Trial",
    "dataset": "Dataset",
    "architecture": "Architecture",
    "training": "Training",
    "method": "Method",
    "policy": "Format",
    "seed": "Seed",
    "status": "Status",
    "reason": "Reason",
    "timing": "Timing",
}
_SCORES = {  # title, scale and decimals
    "accuracy": ("Accuracy %", 100.0, 2),
    "accuracy_difference": ("Difference", 100.0, 2),
    "rmse": ("RMSE", 1.0, None),
    "rmse_difference": ("Difference of RMSE %", 100.0, 2),
    "loss": ("Loss", 1.0, 4),
}
SCORES = ("accuracy", "rmse")
COSTS = ("weight_bits", "weight_bytes", "peak_activation_bytes", "bops", "energy_modelled_pj")
_SCALES = {"byte": ("KiB", 1 / 1024), "pJ": ("µJ", 1e-6)}


def trials(results: Results) -> dict[str, Any]:
    """Return columns and rows, and which columns the axes of the plot may show.

    A number is None where there is none; text is as it is, which whoever shows it has to escape.
    """
    cells = results.cells()
    columns: list[dict[str, Any]] = []
    values: list[list[Any]] = []
    for name, title in _TEXTS.items():
        if name in cells and (cells[name].astype("string").fillna("") != "").any():
            columns.append({"field": name, "title": title, "number": name == "seed"})
            values.append([None if pd.isna(one) else _plain(one) for one in cells[name]])
    for name, (title, scale, decimals) in _SCORES.items():
        _number(cells, name, title, scale, columns, values, decimals)
    for name in COSTS:
        if name in METRICS:
            metric = METRICS[name]
            unit, scale = _SCALES.get(metric.unit, (metric.unit, 1.0))
            heading = columns_of(name)[name].title
            _number(
                cells,
                name,
                f"{heading} ({unit})" if unit in ("KiB", "µJ") else heading,
                scale,
                columns,
                values,
            )
    known = {column["field"] for column in columns}
    return {
        "columns": columns,
        "rows": [list(row) for row in zip(*values, strict=True)],
        "baseline": results.settings.baseline,
        "x": [name for name in COSTS if name in known],
        "y": [name for name in SCORES if name in known],
    }


def _number(
    cells: pd.DataFrame,
    name: str,
    title: str,
    scale: float,
    columns: list[dict[str, Any]],
    values: list[list[Any]],
    decimals: int | None = None,
) -> None:
    """Add a column of numbers, unless it is empty; six digits are more than anyone compares by eye."""
    if name not in cells or cells[name].isna().all():
        return
    columns.append({"field": name, "title": title, "number": True, "decimals": decimals})
    numbers = (math.nan if pd.isna(one) else scale * float(one) for one in cells[name])
    values.append([float(f"{one:.6g}") if math.isfinite(one) else None for one in numbers])


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) or hasattr(value, "__index__") else str(value)
