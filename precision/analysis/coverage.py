"""How much of a grid each format covers: the share of its networks in which it is shown to be near enough."""

from __future__ import annotations

import pandas as pd

from precision.analysis.columns import UNRUN


def coverage(summary: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return for each policy and method how many cells were compared, and how many are within the tolerance.

    A cell is a format of a network on its data. One without a result is not within; one that did not run, or
    has no baseline to be compared with, does not count.

    Args:
        summary: with its verdicts, of ``Results.summary``.

    Returns:
        The columns ``policy``, ``method``, ``cells`` and ``within``, in the order of the grid.

    >>> import precision
    >>> from precision.analysis.coverage import coverage
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> coverage(results.summary(), "float32").values.tolist()
    [['fixed8', 'ptq', 1, 0], ['fixed4', 'ptq', 1, 0]]
    """
    formats = summary[(summary["policy"] != baseline) & ~summary["status"].isin(UNRUN)]
    counted = formats[(formats["pairs"] > 0) | (formats["n"] == 0)]
    groups = counted.groupby(["policy", "method"], sort=False)["shown"]
    table = groups.agg(cells="size", within="sum").reset_index()
    return table.astype({"cells": "int64", "within": "int64"})
