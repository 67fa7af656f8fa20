"""One cell of a pivot as text: a number, or why there is none."""

from __future__ import annotations

import pandas as pd

from precision.analysis import POWERED
from precision.report.text import NONE, percent, signed, with_interval


def common_n(table: pd.DataFrame) -> int:
    """Return the number of seeds that most cells of a pivot have; 0 when no cell has a result.

    It is said once for the whole table; a cell with another number says its own.
    """
    counts = table.xs("n", axis="columns", level="statistic").to_numpy().ravel()
    known = pd.Series(counts[counts > 0])
    return 0 if known.empty else int(known.mode().max())


def _exceptions(cell: pd.Series, usual: int) -> str:
    """Return what sets a cell apart from the rest: another number of seeds, failed seeds."""
    parts = [f"n = {cell['n']}"] if cell["n"] != usual else []
    parts += [f"{cell['failed']} failed"] if cell["failed"] else []
    return f" ({', '.join(parts)})" if parts else ""


def _cell(cell: pd.Series, number: str, usual: int) -> str:
    if cell["n"]:
        return with_interval(number, cell["ci95"]) + _exceptions(cell, usual)
    return NONE if cell["status"] in ("", "ok") else str(cell["status"])


def accuracy_cell(cell: pd.Series, usual: int) -> str:
    """Return accuracy in percent with its interval, a status in place of a result, or a dash."""
    return _cell(cell, percent(cell["mean"]), usual)


def difference_cell(cell: pd.Series, usual: int) -> str:
    """Return a difference in percentage points with its interval, likewise."""
    return _cell(cell, signed(cell["mean"]), usual)


def accuracy_note(usual: int) -> str:
    """Return what the numbers of a table of accuracy are, given the usual number of seeds."""
    if usual < 2:
        return "n = 1: one run each." if usual else "No run has a result."
    return f"n = {usual}: mean over seeds ± half the 95 % t-interval."


def sample_note(usual: int) -> str:
    """Return what the number of seeds allows to conclude from the differences."""
    if usual == 0:
        return "No run has a result together with its baseline."
    if usual == 1:
        return "n = 1: no interval; differences of one run."
    power = f" Underpowered (n < {POWERED})." if usual < POWERED else ""
    return f"n = {usual}: mean of the paired differences ± half their 95 % t-interval.{power}"
