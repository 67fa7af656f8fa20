"""A Markdown table, and what stands above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tabulate import tabulate

from precision.analysis import Block
from precision.report.text import escape

METHODS = {
    "ptq": "post-training quantisation",
    "qat": "quantisation-aware training",
    "low_precision": "training in low precision",
    "native": "the framework's own number type",
    "integer": "bit-exact integer inference",
    "lite": "LiteRT model",
}


class Table(NamedTuple):
    """A table in Markdown under its title, with notes below; a title may be empty."""

    title: str
    text: str
    notes: tuple[str, ...] = ()


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a pipe table, its source aligned too; the first ``left`` columns are text, the others numbers.

    Cells must be escaped already.
    """
    align = ["left"] * left + ["right"] * (len(header) - left)
    return tabulate(rows, headers=header, tablefmt="pipe", colalign=align, disable_numparse=True)


def facts(values: Mapping[str, str]) -> str:
    """Return names and values as a list in Markdown."""
    return "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in values.items())


def title_of(block: Block, *more: str) -> str:
    """Return dataset, method in words, training and whatever else tells one table from the next."""
    words = METHODS.get(block.method)
    method = f"{block.method} ({words})" if words else block.method
    return ", ".join(escape(part) for part in (block.dataset, method, block.training, *more) if part)
