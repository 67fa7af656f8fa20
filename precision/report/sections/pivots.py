"""Architectures by policies: what the runs of each cell gave, or why they gave nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pandas as pd

from precision.analysis import Block, Estimate, Results, blocks, pivot, rows_of
from precision.analysis.columns import ALONE, CELL
from precision.report.document import Failure, Note, Runs, note
from precision.tasks import Task, of_all

Value = Callable[[Task], str]
"""Returns the column of a task that is looked at."""


def task_of(cells: pd.DataFrame, block: Block, baseline: str) -> Task:
    """Return what the networks of a block are asked."""
    return of_all(rows_of(cells, block, baseline)["task"])


_GUESSED = (
    " The labels of these images are not stored: where both networks are wrong in different ways, one counts "
    "as right for either, which makes an interval a little wide."
)
_TOLD = (*CELL, "task", "reason")


class Pivot:
    """One value of the results of one block over their seeds, cell by cell."""

    def __init__(self, cells: pd.DataFrame, value: Value, block: Block, baseline: str) -> None:
        narrow = cells[[*_TOLD, *(name for name in ("control",) if name in cells)]]
        rows = rows_of(narrow, block, baseline)
        self.block, self.task = block, of_all(rows["task"])
        self._table = pivot(cells, value(self.task), **block._asdict(), baseline=baseline)
        self.architectures: list[str] = list(self._table.index)
        self.policies: list[str] = list(dict.fromkeys(self._table.columns.get_level_values("policy")))
        told = rows[rows["reason"] != ""].drop_duplicates(["architecture", "policy"])
        self._reasons = told.set_index(["architecture", "policy"])["reason"].to_dict()

    def cell(self, architecture: str, policy: str) -> Runs | Failure | None:
        """Return the estimate of a cell, how its runs failed and why, or None where there is no such cell."""
        if policy not in self.policies or architecture not in self.architectures:
            return None
        cell = self._table[policy].loc[architecture]
        if cell["n"]:
            return Runs(Estimate(cell["mean"], cell["n"], cell["std"], cell["ci95"]), cell["failed"])
        if cell["status"] in ("", "ok"):
            return None
        return Failure(str(cell["status"]), self._reasons.get((architecture, policy), ""))

    def seeds(self, policies: Collection[str]) -> int:
        """Return the number of seeds that most cells of these policies have; 0 when none has a result.

        It is said once for the whole table; a cell with another number says its own.
        """
        counts = self._table[list(policies)].xs("n", axis="columns", level="statistic").to_numpy().ravel()
        known = pd.Series(counts[counts > 0])
        return 0 if known.empty else int(known.mode().max())


def pivots(results: Results, value: Value) -> list[Pivot]:
    """Return the pivot of each block of the results."""
    cells, baseline = results.cells(), results.settings.baseline
    return [Pivot(cells, value, block, baseline) for block in blocks(cells, baseline)]


def score_note(seeds: int) -> Note:
    """Return what the numbers of a table of scores are, given the usual number of seeds."""
    if seeds < 2:
        return note("n = 1: one run each." if seeds else "No run has a result.")
    return note(f"n = {seeds}: mean over seeds ± half the 95 % t-interval.")


def with_images(results: Results, task: Task) -> bool:
    """Return whether predictions are stored, so that intervals are over the test images too."""
    return bool(results.cells()[task.error].notna().any())


def without_labels(results: Results, task: Task) -> bool:
    """Return whether intervals over test images do without knowing which answers are right."""
    return not task.relative and with_images(results, task) and bool(results.cells()[ALONE].isna().all())


def sample_note(seeds: int, images: bool, guessed: bool = False) -> Note:
    """Return what the intervals of differences are over, by the number of seeds.

    Args:
        images: of ``with_images``.
        guessed: of ``without_labels``.
    """
    added = _GUESSED if images and guessed else ""
    if seeds == 0:
        return note("No run has a result together with its baseline.")
    if seeds == 1 and not images:
        return note("n = 1: differences of one run; without stored predictions they have no interval.")
    if seeds == 1:
        return note(
            "n = 1: differences of one run with their 95 % interval over the test images, which says nothing "
            f"of other seeds.{added}"
        )
    over = "seeds and test images" if images else "seeds"
    return note(f"n = {seeds}: mean of the paired differences ± half their 95 % interval over {over}.{added}")
