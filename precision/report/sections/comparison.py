"""The tables that compare formats: the answer, accuracy, difference to the baseline, published figures."""

from __future__ import annotations

import pandas as pd

from precision.analysis import (
    Block,
    Published,
    Results,
    blocks,
    pivot,
    smallest_within_tolerance,
    summary,
)
from precision.report.document import Table, table_text, title_of
from precision.report.sections.cells import (
    accuracy_cell,
    accuracy_note,
    common_n,
    difference_cell,
    sample_note,
)
from precision.report.text import NONE, bits, escape, missing, percent, ratio, signed, size, with_interval


def policies_of(table: pd.DataFrame) -> list[str]:
    """Return the policies of a pivot in their order."""
    return list(dict.fromkeys(table.columns.get_level_values("policy")))


def answer(cells: pd.DataFrame, results: Results) -> tuple[list[Table], list[str]]:
    """Return one table per dataset, training and method, and the sentences of the answer.

    There is a sentence for every architecture without an answer; when the report compares one
    architecture by one method only, its sentence is there in any case.
    """
    settings = results.settings
    choices = smallest_within_tolerance(summary(cells), settings.baseline, settings.tolerance)
    tables = []
    header = ["Architecture", "Smallest format", "Accuracy %", f"{escape(settings.baseline)} %", "Difference"]
    header += ["Weight bits", "Activation bits", "Weights", "Times smaller"]
    for block in blocks(cells, settings.baseline):
        chosen = choices[(choices[["dataset", "training", "method"]] == list(block)).all(axis="columns")]
        rows = []
        for _, row in chosen.iterrows():
            found = row["verdict"] == "found"
            rows.append(
                [
                    escape(row["architecture"]),
                    f"**{escape(row['policy'])}**" if found else str(row["verdict"]),
                    percent(row["accuracy_mean"]),
                    percent(row["baseline_accuracy_mean"]),
                    with_interval(signed(row["accuracy_difference_mean"]), row["accuracy_difference_ci95"]),
                    bits(row["weight_bits"]),
                    bits(row["activation_bits"]),
                    size(row["weight_bytes"]),
                    ratio(row["compression"]),
                ]
            )
        pairs = chosen["pairs"].dropna().unique()
        notes = tuple(sample_note(int(n)) for n in sorted(pairs))
        tables.append(Table(title_of(block), table_text(header, rows, left=2), notes))
    told = choices if len(choices) == 1 else choices[choices["verdict"] != "found"]
    sentences = [
        f"{title_of(Block(row['dataset'], row['training'], row['method']))}: {escape(row['sentence'])}"
        for _, row in told.iterrows()
    ]
    return tables, sentences


def accuracy(cells: pd.DataFrame, baseline: str) -> list[Table]:
    """Return test accuracy in percent, architecture by policy, one table per block."""
    tables = []
    for block in blocks(cells, baseline):
        table = pivot(cells, "accuracy", **block._asdict(), baseline=baseline)
        policies, usual = policies_of(table), common_n(table)
        rows = [
            [escape(name), *(accuracy_cell(table[policy].loc[name], usual) for policy in policies)]
            for name in table.index
        ]
        text = table_text(["Architecture", *map(escape, policies)], rows)
        tables.append(Table(title_of(block), text, (accuracy_note(usual),)))
    return tables


def differences(cells: pd.DataFrame, baseline: str, tolerance: float) -> list[Table]:
    """Return the paired difference to the baseline in percentage points; bold where within tolerance."""
    tables = []
    for block in blocks(cells, baseline):
        table = pivot(cells, "accuracy_difference", **block._asdict(), baseline=baseline)
        policies = [policy for policy in policies_of(table) if policy != baseline]
        if not policies:
            continue
        usual = common_n(table[policies])
        rows = []
        for name in table.index:
            row = [escape(name)]
            for policy in policies:
                cell = table[policy].loc[name]
                text = difference_cell(cell, usual)
                # The same rounding as in the choice of the answer, so that the two never disagree.
                near = cell["n"] and round(-100 * cell["mean"], 9) <= tolerance
                row.append(f"**{text}**" if near else text)
            rows.append(row)
        text = table_text(["Architecture", *map(escape, policies)], rows)
        tables.append(Table(title_of(block), text, (sample_note(usual),)))
    return tables


def published(cells: pd.DataFrame, baseline: str, figures: Published) -> list[Table]:
    """Return our accuracy and the published one side by side, in percent, one table per block.

    Rows and columns are what the publication names, in grid order as far as the grid has them.
    """
    known = list(cells["policy"].unique())
    named = list(dict.fromkeys(policy for row in figures.accuracy.values() for policy in row))
    named.sort(key=lambda policy: known.index(policy) if policy in known else len(known))
    header = ["Architecture"]
    for policy in named:
        header += [f"{escape(policy)} ours", f"{escape(policy)} published"]
    tables = []
    found = blocks(cells, baseline)
    for block in found:
        table = pivot(cells, "accuracy", **block._asdict(), baseline=baseline)
        ours, usual = policies_of(table), common_n(table)
        if len(found) > 1 and not set(named) & set(ours) - {baseline}:
            continue  # the baseline alone stands beside the figures of another block already
        rows = []
        ordered = [name for name in table.index if name in figures.accuracy]
        for name in dict.fromkeys([*ordered, *figures.accuracy]):
            theirs = figures.accuracy[name]
            row = [escape(name)]
            for policy in named:
                have = policy in ours and name in table.index
                row.append(accuracy_cell(table[policy].loc[name], usual) if have else NONE)
                value = theirs.get(policy)
                row.append(NONE if value is None or missing(value) else f"{value:.2f}")
            rows.append(row)
        tables.append(Table(title_of(block), table_text(header, rows)))
    return tables
