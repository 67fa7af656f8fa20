"""What was run: data, networks, formats, training, machine; every trial; how to repeat it all."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import pandas as pd

from precision.analysis import Block, Results, blocks, rows_of
from precision.grid.command import DATA
from precision.metrics import METRICS
from precision.registry import SECTIONS
from precision.report.document import (
    Cell,
    Code,
    Column,
    Inline,
    Link,
    List,
    Listing,
    Markdown,
    Quantity,
    Section,
    Table,
    Unit,
    Words,
    facts,
    inline,
    note,
    order,
    table_of,
)
from precision.report.sections.folded import short, unfolded
from precision.report.titles import columns_of, score_column, title_of
from precision.tasks import of_all

_IMAGES = ("train_images", "test_images")
_SIZES = ("parameters", "float32_weight_bytes")
_WIDTHS = ("weight_bits", "activation_bits")
_NUMBERS = """\
The numbers are in {results}, one row per cell of the grid, and in
{summary}, aggregated over seeds. {columns} and {more}
describe every column with its unit."""

_DATA = """\
{data} stands for the folder of the data sets; without the option the files are taken from where the
environment says, or downloaded."""


_LOST = """\
Seen in calibration. Behind a rectifier nothing is lost so; a sum of branches, or a logit, is negative as
often as not, and needs a format with a sign or a zero point."""


@SECTIONS.register("setup")
@order(20)
def setup(results: Results) -> Section:
    """Return how the trials ended, what was chosen, where they ran, and what was combined."""
    cells = results.cells()
    about = List((*facts(results.options).items, *_compared(cells), *facts(results.environment).items))
    tables, targets = _tables(cells), _targets(results, cells)
    if targets is not None:
        tables.insert(1, targets)  # after that of the data sets
    return Section("Setup", (note(_outcomes(cells)), about, *tables))


def _targets(results: Results, cells: pd.DataFrame) -> Table | None:
    """Return what the images of each data set are, as far as it is known: classes and their sizes."""
    known = [str(label) for label in cells["dataset"].unique() if label in results.targets]
    rows = tuple((label, *results.targets[label]) for label in known)
    columns = (Column("Dataset"), Column("In training"), Column("In the test"))
    return Table(columns, rows, "Classes, labels or targets") if rows else None


def _outcomes(cells: pd.DataFrame) -> str:
    """Return how many trials ended in which way, in one sentence."""
    trials = cells.drop_duplicates("trial")
    counts = trials["status"].value_counts(sort=False)
    ended = ", ".join(f"{number} {status}" for status, number in counts.items())
    saved = len(cells) - len(trials)
    text = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}: {ended or 'none'}."
    if saved:
        show = "shows" if saved == 1 else "show"
        text += f" The report has {len(cells)} rows of results; {saved} {show} the same trial as another row,"
        text += " as the float32 baseline does under each method."
    return text


def _compared(cells: pd.DataFrame) -> list[Inline]:
    """Return what varies in training, and the seeds."""
    varied = "; ".join(text for text in cells["training"].unique() if text)
    seeds = ", ".join(str(value) for value in cells["seed"].dropna().unique())
    lines: list[Inline] = [f"training options compared: {varied}"] if varied else []
    return [
        *lines,
        inline(
            "seeds: {seeds} (the same for every format, so that runs are paired)",
            seeds=seeds or Quantity(None, Unit.COUNT),
        ),
    ]


def _tables(cells: pd.DataFrame) -> list[Table | Section]:
    """Return the tables of datasets, networks and formats, and what long policies are."""
    if cells.empty:
        return []
    datasets: list[tuple[Cell, ...]] = []
    networks: list[tuple[Cell, ...]] = []
    formats: list[tuple[Cell, ...]] = []
    policies: list[tuple[str, str]] = []
    for label, rows in cells.groupby("dataset", sort=False):
        images = [_first(rows, name) for name in _IMAGES]
        datasets.append((str(label), _text(rows, "dataset_title"), *images))
        for network, of_network in rows.groupby("architecture", sort=False):
            sizes = [_first(of_network, name) for name in _SIZES]
            networks.append((str(network), str(label), *sizes))
    for policy, rows in cells.groupby("policy", sort=False):
        widths = [_range(rows[name]) for name in _WIDTHS]
        text = _text(rows, "formats")
        policies.append((str(policy), text or ""))
        formats.append((str(policy), short(text), _text(rows, "timing"), *widths))
    return [
        _table(("Dataset", "Title"), _IMAGES, datasets, "Datasets"),
        _table(("Architecture", "Dataset"), _SIZES, networks, "Networks"),
        _table(("Policy", "Formats", "Timing"), _WIDTHS, formats, "Formats"),
        *_lost(cells),
        *unfolded(policies),
    ]


def _lost(cells: pd.DataFrame) -> list[Table]:
    """Return which networks have negative values where their formats have none; no table without any."""
    if "lost_negatives" not in cells:
        return []
    found = cells[cells["lost_negatives"].fillna("") != ""].drop_duplicates(["policy", "architecture"])
    rows = tuple(found[["policy", "architecture", "lost_negatives"]].itertuples(index=False, name=None))
    columns = (Column("Policy"), Column("Architecture"), Column("Become 0"))
    return [Table(columns, rows, "Negative values whose format has no sign", (note(_LOST),))] if rows else []


def _table(
    texts: Sequence[str], metrics: Sequence[str], rows: Sequence[tuple[Cell, ...]], title: str
) -> Table:
    return Table((*map(Column, texts), *columns_of(*metrics).values()), tuple(rows), title)


def _first(rows: pd.DataFrame, name: str) -> float:
    """Return the first known value of a column, for what is the same in all these rows."""
    known = rows[name].dropna()
    return math.nan if known.empty else float(known.iloc[0])


def _text(rows: pd.DataFrame, name: str) -> str | None:
    """Return the distinct texts of a column, joined; None without any."""
    return "; ".join(text for text in rows[name].unique() if text.strip()) or None


def _range(values: pd.Series) -> Cell:
    """Return one number of bits, or the smallest and the largest when networks differ."""
    low, high = values.min(), values.max()
    if pd.isna(low) or f"{low:.2f}" == f"{high:.2f}":  # the decimals that bits are shown with
        return low
    return (Quantity(low, Unit.BITS), Words(" to "), Quantity(high, Unit.BITS))


@SECTIONS.register("notes")
@order(90)
def notes(results: Results) -> Section | None:
    """Return the notes of the grid file."""
    text = results.settings.notes
    return Section("Notes", (Markdown(text),)) if text.strip() else None


TRIALS = "Every trial"


@SECTIONS.register("trials")
@order(100)
def trials(results: Results) -> Section:
    """Return every trial: first those without a result, in their own words, then one table per block."""
    cells, baseline = results.cells(), results.settings.baseline
    parts = {title_of(block): rows_of(cells, block, baseline) for block in blocks(cells, baseline)}
    shown = {trial for rows in parts.values() for trial in rows["trial"]}
    rest = cells[~cells["trial"].isin(shown)]  # baselines from which every method went on training
    for place, rows in rest.groupby(["dataset", "training", "method"], sort=False):
        parts[title_of(Block(*map(str, place)))] = rows
    found = {title: rows[rows["status"] == "ok"] for title, rows in parts.items()}
    tables = [_trials(rows, title) for title, rows in found.items() if len(rows)]
    return Section(TRIALS, (*_without_result(cells), *tables))


def _trials(rows: pd.DataFrame, title: str) -> Table:
    """Return the trials of a block that have a result."""
    columns = {name: Column(name.capitalize()) for name in ("trial", "architecture", "policy", "seed")}
    return table_of(_with_intervals(rows), columns | _quality(rows), title)


def _without_result(cells: pd.DataFrame) -> list[Table]:
    """Return the trials without a result, each once, with what became of them."""
    failed = cells[cells["status"] != "ok"].drop_duplicates("trial")
    names = ["trial", "dataset", "architecture", "policy", "method", "training", "seed", "status", "reason"]
    names = [name for name in names if (failed[name].astype(str) != "").any()]
    columns = {name: Column(name.capitalize()) for name in names}
    return [table_of(failed, columns, "Without a result")] if len(failed) else []


def _with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the interval of each difference over the test images, as a cell."""
    low, high = of_all(rows["task"]).ends
    intervals: list[Cell] = [
        None
        if math.isnan(least)
        else inline(
            "{low} to {high}", low=Quantity(least, Unit.DIFFERENCE), high=Quantity(largest, Unit.DIFFERENCE)
        )
        for least, largest in zip(rows[low], rows[high], strict=True)
    ]
    return rows.assign(interval=pd.Series(intervals, rows.index, dtype="object"))


def _quality(rows: pd.DataFrame) -> dict[str, Column]:
    """Return the columns that say how well the networks of a table do."""
    task = of_all(rows["task"])
    special = [
        m.name
        for m in METRICS.of("quality", "counted")
        if m.special and m.name != task.score and rows[m.name].notna().any()
    ]
    return {
        task.score: score_column(task),
        task.difference: Column("Difference %" if task.relative else "Difference", Unit.DIFFERENCE),
        **({"interval": Column("Interval")} if rows[task.error].notna().any() else {}),
        **columns_of(*special, "loss"),
    }


@SECTIONS.register("reproduce")
@order(110)
def reproduce(results: Results) -> Section:
    """Return the command that repeats the grid, and where its numbers are."""
    # On one line, whatever the names, so that it cannot leave its block.
    words = results.command or ("precision", "run", f"{results.name}.yaml")
    command = " ".join(shlex.join(words).split())
    where = [note(_DATA, data=Code(DATA))] if DATA in words else []
    commit = results.environment.get("commit", "")
    numbers = note(
        _NUMBERS,
        results=Link("results.csv", "results.csv"),
        summary=Link("summary.csv", "summary.csv"),
        columns=Code("precision.analysis.COLUMNS"),
        more=Code("SUMMARY_COLUMNS"),
    )
    source = [note("The results are from commit {commit}.", commit=commit)] if commit else []
    return Section("How to reproduce", (Listing(command), *where, *source, numbers))
