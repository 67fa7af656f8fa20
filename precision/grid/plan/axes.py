"""The axes of a grid, and the walk through their product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from precision.errors import shown, suggest
from precision.grid.file.entry import Location
from precision.grid.file.schema import Grid, RuntimeAxes, TrainingAxes
from precision.grid.file.source import Source

MAX_CELLS = 1_000_000
TRAINING = tuple(f"training.{name}" for name in TrainingAxes.model_fields)
RUNTIME = tuple(f"runtime.{name}" for name in RuntimeAxes.model_fields)
# In the order of the walk: the last one changes fastest.
ORDER = ("datasets", *TRAINING, *RUNTIME, "methods", "architectures", "policies", "seeds")
Axes = dict[str, list[Any]]


def axes_of(grid: Grid) -> Axes:
    """Return the values of every axis, in the order of the walk."""
    found: Axes = {
        "datasets": grid.datasets,
        "methods": grid.methods,
        "architectures": grid.architectures,
        "policies": list(grid.policies),
        "seeds": grid.seeds,
        **{f"training.{name}": values for name, values in grid.training.values().items()},
        **{f"runtime.{name}": values for name, values in grid.runtime.values().items()},
    }
    return {name: found[name] for name in ORDER}


def check_axes(axes: Axes, groups: list[list[str]], source: Source) -> None:
    """Refuse groups of ``zip`` that cannot be walked, and values that stand twice.

    Raises:
        PrecisionError: with the location.
    """
    grouped: dict[str, Location] = {}
    for number, group in enumerate(groups):
        for index, axis in enumerate(group):
            location: Location = ("zip", number, index)
            if axis not in axes:
                raise source.error(location, f"zip: unknown axis {shown(axis)}; {suggest(axis, axes)}")
            if axis in grouped:
                raise source.error(location, f"zip: {shown(axis)} stands twice; an axis is walked once")
            grouped[axis] = location
        location = ("zip", number)
        if len(group) < 2:
            raise source.error(location, f"zip: a group has at least two axes, but got {shown(group)}")
        if len({len(axes[axis]) for axis in group}) > 1:
            lengths = ", ".join(f"{axis} has {len(axes[axis])}" for axis in group)
            raise source.error(
                location, f"zip: axes that are walked together are equally long, but {lengths}"
            )
        pairs = list(zip(*(map(repr, axes[axis]) for axis in group), strict=True))
        if len(set(pairs)) < len(pairs):
            raise source.error(location, f"zip: two steps of {' and '.join(group)} are the same")
    for axis in axes:
        if axis not in grouped:
            check_distinct(axis, axes[axis], source, tuple(axis.split(".")))
    walked = [axis for axis in axes if axis not in grouped] + [group[0] for group in groups]
    cells = math.prod(len(axes[axis]) for axis in walked)
    if cells > MAX_CELLS:
        raise source.error((), f"the axes make {cells} cells, more than {MAX_CELLS}; split the grid")


def check_distinct(axis: str, values: list[Any], source: Source, location: Location) -> None:
    """Refuse a value that stands twice on an axis.

    Raises:
        PrecisionError: with the location.
    """
    if axis.startswith(("training.", "runtime.", "seeds")) and len(set(values)) < len(values):
        what = "seed" if axis == "seeds" else "value"
        raise source.error(location, f"{axis}: each {what} is listed once, but got {shown(values)}")


def walk(
    axes: Axes, groups: list[list[str]], admits: dict[str, Callable[[Any], bool]] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Return every combination of the values, in the order of ``ORDER``.

    Args:
        groups: axes that are walked together, where the first of them stands.
        admits: for single axes, which of their values count.
    """
    admits = admits or {}
    members = {axis: group for group in groups for axis in group}
    names: list[str] = []
    steps: list[list[tuple[Any, ...]]] = []
    for axis in ORDER:
        if axis in names:
            continue
        group = members.get(axis, [axis])
        tests = [admits.get(name) for name in group]
        names += group
        steps.append(
            [
                step
                for step in zip(*(axes[name] for name in group), strict=True)
                if all(test is None or test(value) for test, value in zip(tests, step, strict=True))
            ]
        )
    order = [names.index(axis) for axis in ORDER]
    for combination in itertools.product(*steps):
        values = [value for step in combination for value in step]
        yield tuple([values[index] for index in order])
