"""The pivot as plain text, for the end of a run in a terminal."""

from __future__ import annotations

import pandas as pd

from precision.analysis import Results, blocks, pivot, smallest_within_tolerance, summary
from precision.report.sections.cells import accuracy_cell, common_n
from precision.report.text import printable

GAP = "  "


def _wrapped(header: list[str], rows: list[list[str]], width: int) -> str:
    """Return an aligned table; columns that do not fit in ``width`` continue below, as pandas prints them."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    parts, part = [], [0]
    for column in range(1, len(header)):
        used = sum(widths[i] + len(GAP) for i in part)
        if len(part) > 1 and used + widths[column] > width:
            parts.append(part)
            part = [0]
        part.append(column)
    parts.append(part)
    return "\n\n".join("\n".join(_line(row, part, widths) for row in [header, *rows]) for part in parts)


def _line(row: list[str], part: list[int], widths: list[int]) -> str:
    """Return some columns of one row: the first flush left, the others flush right."""
    return GAP.join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in part[1:])])


def pivot_text(results: Results, width: int = 100) -> str:
    """Return test accuracy in percent, architecture by policy, one aligned block per method.

    A cell without a result shows its status; one that the grid does not have shows a dash. ``width``
    is that of the terminal in characters.

    >>> import precision
    >>> from precision.report import pivot_text
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> print(pivot_text(results).splitlines()[0])
    digits, ptq: test accuracy in percent, mean of 2 seeds ± half the 95 % interval
    """
    cells = results.cells()
    baseline = results.settings.baseline
    texts = []
    for block in blocks(cells, baseline):
        table = pivot(cells, "accuracy", **block._asdict(), baseline=baseline)
        policies = list(dict.fromkeys(table.columns.get_level_values("policy")))
        usual = common_n(table)
        seeds = f", mean of {usual} seeds ± half the 95 % interval" if usual > 1 else ""
        title = ", ".join(part for part in (block.dataset, block.method, block.training) if part)
        header = ["architecture", *policies]
        rows = [
            [str(name), *(accuracy_cell(table[policy].loc[name], usual) for policy in policies)]
            for name in table.index
        ]
        text = _wrapped(_printable(header), [_printable(row) for row in rows], width)
        texts.append(f"{printable(title)}: test accuracy in percent{seeds}\n\n{text}")
    return "\n\n".join(texts) + "\n" if texts else f"{printable(results.name)}: no trial\n"


def answer_text(results: Results) -> str:
    """Return one sentence per architecture and method: the smallest format within the tolerance.

    >>> import precision
    >>> from precision.report import answer_text
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> answer_text(results).split(" within")[0]
    'digits, ptq: mlp: fixed8 is the smallest format'
    """
    settings = results.settings
    choices = smallest_within_tolerance(summary(results.cells()), settings.baseline, settings.tolerance)
    lines = [_sentence(row) for _, row in choices.iterrows()]
    return "\n".join(lines) + "\n" if lines else f"{printable(results.name)}: no trial\n"


def _sentence(row: pd.Series) -> str:
    where = ", ".join(part for part in (row["dataset"], row["method"], row["training"]) if part)
    return printable(f"{where}: {row['sentence']}")


def _printable(cells: list[str]) -> list[str]:
    return [printable(cell) for cell in cells]
