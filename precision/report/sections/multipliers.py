"""Approximate multipliers and narrow registers: what they did to networks of integers."""

from __future__ import annotations

import pandas as pd

from precision.analysis import Results
from precision.metrics import METRICS
from precision.registry import SECTIONS
from precision.report.document import Column, Note, Section, Table, Unit, note, order, table_of
from precision.report.titles import columns_of, score_column
from precision.tasks import of_all

ERRORS = tuple(name for name in METRICS if name.startswith("multiplier_"))
_RANKED = [name for name in ERRORS if name != "multiplier_power"]
_FIGURES = """\
The figures of a multiplier are over all pairs of its operands, each as likely as the others, which those of
a network are not; of a network with several multipliers they are means over its multiplications. Relative
errors leave out products that are zero. The time is that of the emulation."""
_REGISTERS = """\
The safe width is proven from the weights: at that width and above no image whatever makes an accumulator
overflow. An image counts as overflowed when a sum of any layer was not what one of 64 bits would hold."""
FEWEST = 5  # multipliers that are ranked


@SECTIONS.register("multipliers")
@order(58)
def multipliers(results: Results) -> Section | None:
    """Return what each multiplier is like and did; None where no trial has one."""
    cells = results.cells()
    if cells["multiplier_mean_error"].isna().all():
        return None
    cells = cells[cells["multiplier_mean_error"].notna() & (cells["status"] == "ok")]
    parts: list[Note | Table] = []
    for (dataset, architecture, method), rows in _networks(cells):
        parts += [_table(rows, f"{dataset}, {architecture}, {method}"), *_ranking(rows)]
    return Section("Multipliers", (note(_FIGURES), *parts))


@SECTIONS.register("accumulators")
@order(59)
def accumulators(results: Results) -> Section | None:
    """Return what registers did beside the width that is proven to suffice; None without any."""
    cells = results.cells()
    narrow = cells[cells["formats"].str.contains("register(", regex=False) & (cells["status"] == "ok")]
    if narrow.empty:
        return None
    more = columns_of("register_bits", "overflowed_images", "test_images")
    tables = [
        table_of(rows, {**_scores(rows), **more}, f"{dataset}, {architecture}, {method}")
        for (dataset, architecture, method), rows in _networks(narrow)
    ]
    return Section("Accumulators", (note(_REGISTERS), *tables))


def _networks(cells: pd.DataFrame):  # type: ignore[no-untyped-def]
    return cells.groupby(["dataset", "architecture", "method"], sort=False)


def _table(rows: pd.DataFrame, title: str) -> Table:
    columns = {
        **_scores(rows),
        **columns_of(*(name for name in ERRORS if rows[name].notna().any())),
        "seconds": Column("s per 10,000 images", Unit.SECONDS),
    }
    return table_of(rows.assign(seconds=1e4 / rows["inference_images_per_second"]), columns, title)


def _scores(rows: pd.DataFrame) -> dict[str, Column]:
    """Return the columns of a policy and of what networks are compared by."""
    task = of_all(rows["task"])
    return {
        "policy": Column("Policy"),
        task.score: score_column(task),
        task.difference: Column("Difference %" if task.relative else "Difference", Unit.DIFFERENCE),
    }


def _ranking(rows: pd.DataFrame) -> list[Note]:
    """Return in words how well each figure ranks the multipliers by their loss of accuracy (Spearman)."""
    task = of_all(rows["task"])
    means = rows.groupby("policy", sort=False)[[*_RANKED, task.score]].mean()
    means["multiplier_bias"] = means["multiplier_bias"].abs()
    if len(means) < FEWEST:
        return []
    ranks = means.rank()  # Spearman's correlation is that of the ranks
    found = -task.sign * ranks.corr()[task.score]
    ranked = sorted((float(found[name]), name) for name in _RANKED if not pd.isna(found[name]))
    if not ranked:
        return []
    words = ", ".join(f"{METRICS[name].title.lower()} {r:.2f}" for r, name in reversed(ranked))
    return [
        note(
            "Which figure predicts the loss? Rank correlation of each with the loss, over "
            f"{len(means)} multipliers: {words}. At 1 a figure puts them in the order of their losses."
        )
    ]
