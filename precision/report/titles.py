"""What a table or a panel is about, in words."""

from __future__ import annotations

from collections.abc import Iterable

from precision.analysis import Block
from precision.metrics import METRICS
from precision.registry import METHODS
from precision.report.document import Column, Inline, Quantity, Unit, Words
from precision.tasks import Task

_UNITS = {
    "byte": Unit.BYTES,
    "s": Unit.SECONDS,
    "images/s": Unit.COUNT,
    "images": Unit.COUNT,
    "values": Unit.COUNT,
    "ratio": Unit.RATIO,
    "bit": Unit.BITS,
    "nat": Unit.NATS,
    "pJ": Unit.PICOJOULES,
}


def columns_of(*metrics: str) -> dict[str, Column]:
    """Return the columns of metrics by their names: a number is written as its unit asks."""
    found = (METRICS[name] for name in metrics)
    return {metric.name: Column(metric.title, _UNITS.get(metric.unit, Unit.NUMBER)) for metric in found}


def score_column(task: Task, name: str = "") -> Column:
    """Return the column of a score; ``name`` is whose it is, where that is not clear."""
    if task.relative:
        return Column(f"{name} {task.title}".strip(), Unit.NUMBER)
    return Column(f"{name or task.title} %", Unit.ACCURACY)


def change_of(task: Task, difference: float) -> Inline:
    """Return a difference between two scores with its unit."""
    return (Quantity(difference, Unit.DIFFERENCE), Words(" %" if task.relative else " points"))


def scores_of(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks that have different scores, the first of each."""
    return list({task.score: task for task in reversed(list(tasks))}.values())[::-1]


def method_in_words(label: str) -> str:
    """Return a method's label in a grid and, where a registered method has that name, what it does.

    That is the first line of the method's docstring up to a colon: ``ptq (post-training quantisation)``.
    """
    import precision.methods  # noqa: F401  # files the methods; half a second that only a report needs

    if label not in METHODS:
        return label
    words, colon, _ = METHODS.summary(label).partition(":")
    if not colon:
        return label
    return f"{label} ({words if words[1:2].isupper() else words[:1].lower() + words[1:]})"


def title_of(block: Block, *more: str) -> str:
    """Return dataset, method in words, training and whatever else tells one table from the next."""
    return ", ".join(
        part for part in (block.dataset, method_in_words(block.method), block.training, *more) if part
    )
