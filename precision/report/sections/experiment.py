"""What was run: data, networks, formats, training, machine; and every trial with its outcome."""

from __future__ import annotations

import math

import pandas as pd

from precision.analysis import Results, blocks, rows_of
from precision.report.document import Table, table_text, title_of
from precision.report.text import NONE, bits, count, escape, percent, signed, size


def _first(rows: pd.DataFrame, name: str) -> float:
    """Return the first known value of a column, for what is the same in all these rows."""
    known = rows[name].dropna()
    return math.nan if known.empty else float(known.iloc[0])


def _text(rows: pd.DataFrame, name: str) -> str:
    """Return the distinct texts of a column, joined."""
    return "; ".join(text for text in rows[name].unique() if text)


def setup(cells: pd.DataFrame) -> list[Table]:
    """Return the tables of datasets, networks and formats."""
    if cells.empty:
        return []
    datasets, networks, formats = [], [], []
    for label, rows in cells.groupby("dataset", sort=False):
        images = [count(_first(rows, name)) for name in ("train_images", "test_images")]
        datasets.append([escape(label), escape(_text(rows, "dataset_title")) or NONE, *images])
        for network, of_network in rows.groupby("architecture", sort=False):
            parameters = count(_first(of_network, "parameters"))
            weights = size(_first(of_network, "float32_weight_bytes"))
            networks.append([escape(network), escape(label), parameters, weights])
    for policy, rows in cells.groupby("policy", sort=False):
        widths = [_range(rows[name]) for name in ("weight_bits", "activation_bits")]
        timing = escape(_text(rows, "timing")) or NONE
        formats.append([escape(policy), escape(_text(rows, "formats")) or NONE, timing, *widths])
    return [
        Table(
            "Datasets",
            table_text(["Dataset", "Title", "Training images", "Test images"], datasets, left=2),
        ),
        Table(
            "Networks",
            table_text(["Architecture", "Dataset", "Parameters", "Weights in float32"], networks, left=2),
        ),
        Table(
            "Formats",
            table_text(["Policy", "Formats", "Timing", "Weight bits", "Activation bits"], formats, left=3),
        ),
    ]


def _range(values: pd.Series) -> str:
    """Return one number of bits, or the smallest and the largest when networks differ."""
    low, high = bits(values.min()), bits(values.max())
    return low if low == high else f"{low} to {high}"


def outcomes(cells: pd.DataFrame) -> str:
    """Return how many trials ended in which way, in one sentence."""
    trials = cells.drop_duplicates("trial")
    counts = trials["status"].value_counts(sort=False)
    ended = ", ".join(f"{number} {status}" for status, number in counts.items())
    saved = len(cells) - len(trials)
    text = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}: {ended or 'none'}."
    if saved:
        text += f" They fill {len(cells)} cells of the grid: {saved} use a trial of another cell."
    return text


def choices(cells: pd.DataFrame, results: Results) -> list[str]:
    """Return the options that were chosen, what varies in training, and seeds, one line each."""
    varied = [escape(text) for text in cells["training"].unique() if text]
    seeds = [str(value) for value in cells["seed"].dropna().unique()]
    lines = [f"{escape(key)}: {escape(text)}" for key, text in results.options.items()]
    lines += [f"training options compared: {'; '.join(varied)}"] if varied else []
    return [*lines, f"seeds: {', '.join(seeds) or NONE} (the same for every format, so that runs are paired)"]


def trials(cells: pd.DataFrame, results: Results) -> list[Table]:
    """Return every trial with its outcome and, where it failed, the reason; one table per block."""
    header = [
        "Trial",
        "Architecture",
        "Policy",
        "Seed",
        "Status",
        "Reason",
        "Accuracy %",
        "Difference",
        "Loss",
    ]
    tables = []
    for block in blocks(cells, results.settings.baseline):
        rows = []
        for _, row in rows_of(cells, block, results.settings.baseline).iterrows():
            loss = NONE if pd.isna(row["loss"]) else f"{row['loss']:.4g}"
            rows.append(
                [
                    *(escape(row[name]) for name in ("trial", "architecture", "policy", "seed", "status")),
                    escape(row["reason"]),
                    percent(row["accuracy"]),
                    signed(row["accuracy_difference"]),
                    loss,
                ]
            )
        tables.append(Table(title_of(block), table_text(header, rows, left=6)))
    return tables
