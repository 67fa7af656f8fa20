"""From a grid to its trials: a pure function."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

import precision.data
from precision import plugins
from precision.errors import PrecisionError, suggest
from precision.grid.expression.cell import Cell
from precision.grid.expression.schema import Exclusion, Grid, Inclusion, Labelled, Selection, TrainingAxes
from precision.grid.expression.source import Place, Source
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

BASELINE = Choice("float32")


@dataclass(frozen=True)
class _Contents:
    """What a trial's identity takes from files that the user gave, by the label of what they are for."""

    datasets: dict[str, str | None]
    policies: dict[str, dict[str, str]]


def expand(grid: Grid, source: Source) -> list[Cell]:
    """Return the cells of a grid in the order of its axes, each once.

    Raises:
        PrecisionError: for a selection that names nothing in the grid, and for a grid without any cell.
    """
    for axis in ("datasets", "architectures", "policies", "methods", "seeds"):
        if not getattr(grid, axis):
            raise source.error((axis,), f"the grid is empty: {axis} lists nothing")
    known = _axes(grid)
    selections: dict[str, list[Any]] = {"exclude": grid.exclude, "include": grid.include}
    for key, entries in selections.items():
        for index, selection in enumerate(entries):
            _check_selection(selection, known, source, (key, index))
    if grid.report.baseline not in grid.policies:
        raise source.error(
            ("report", "baseline"),
            f"report.baseline: unknown policy {grid.report.baseline!r}; "
            f"{suggest(grid.report.baseline, grid.policies)}",
        )
    contents = _Contents(
        {d.label: _fingerprint(d, source, ("datasets", i)) for i, d in enumerate(grid.datasets)},
        {name: _plugins(policy, source, ("policies", name)) for name, policy in grid.policies.items()},
    )
    cells: dict[tuple[Any, ...], Cell] = {}
    for cell in _product(grid, contents):
        if not any(_excluded(cell, exclusion) for exclusion in grid.exclude):
            cells[cell.labels] = cell
    for index, inclusion in enumerate(grid.include):
        for cell in _included(grid, contents, inclusion, source, ("include", index, "training")):
            if cells.setdefault(cell.labels, cell).trial != cell.trial:
                raise source.error(
                    ("include", index),
                    f"{' '.join(str(word) for word in cell.labels if word != '')} stands for another trial "
                    "already; give the method a 'label:' of its own",
                )
    if not cells:
        raise source.error(("exclude",), "the grid is empty: exclude leaves no trial")
    _check_methods(cells.values(), grid, source)
    return list(cells.values())


def _check_methods(cells: Iterable[Cell], grid: Grid, source: Source) -> None:
    """Refuse a policy that its method cannot run; a policy without any rounding runs under all."""
    pairs = {
        (cell.policy, cell.method, repr(cell.trial.method)): cell.trial.method
        for cell in cells
        if cell.trial.policy
    }
    for (policy, label, _), method in pairs.items():
        check = getattr(METHODS[method.name], "check", None)
        if check is None:
            continue
        try:
            check(grid.policies[policy], method.options)
        except PrecisionError as error:
            raise source.error(
                ("policies", policy), f"policy {policy!r} cannot run under method {label!r}: {error}"
            ) from None


def _fingerprint(dataset: Labelled, source: Source, place: Place) -> str | None:
    try:
        return precision.data.fingerprint(dataset.choice.name, dataset.choice.options)
    except PrecisionError as error:
        raise source.error(place, str(error)) from None


def _plugins(policy: Policy, source: Source, place: Place) -> dict[str, str]:
    try:
        return plugins.identities(policy.formats())
    except PrecisionError as error:
        raise source.error(place, str(error)) from None


def _product(grid: Grid, contents: _Contents) -> Iterator[Cell]:
    axes = itertools.product(
        grid.datasets, _trainings(grid.training), grid.methods, grid.architectures, grid.policies, grid.seeds
    )
    for dataset, (text, training), method, architecture, policy, seed in axes:
        yield _cell(grid, contents, dataset, architecture, policy, method, text, training, seed)


def _included(
    grid: Grid, contents: _Contents, inclusion: Inclusion, source: Source, place: Place
) -> Iterator[Cell]:
    trainings = _trainings(grid.training)
    given = {name: getattr(inclusion.training, name) for name in inclusion.training.model_fields_set}
    if given:  # these replace the grid's, and the tables show them
        try:
            merged = TrainingAxes.model_validate({**grid.training.model_dump(), **given})
        except ValidationError as problem:
            raise source.error(place, f"include.training: {problem.errors()[0]['ctx']['error']}") from None
        trainings = [
            (_text(training, set(given) | _varying(merged)), training) for _, training in _trainings(merged)
        ]
    methods = [inclusion.method] if inclusion.method else grid.methods
    for dataset, (text, training), method, architecture, policy, seed in itertools.product(
        _chosen(grid.datasets, inclusion.dataset),
        trainings,
        methods,
        _chosen(grid.architectures, inclusion.architecture),
        [name for name in grid.policies if _matches(name, inclusion.policy)],
        inclusion.seed if inclusion.seed is not None else grid.seeds,
    ):
        yield _cell(grid, contents, dataset, architecture, policy, method, text, training, seed)


def _cell(
    grid: Grid,
    contents: _Contents,
    dataset: Labelled,
    architecture: Labelled,
    policy: str,
    method: Labelled,
    text: str,
    training: Training,
    seed: int,
) -> Cell:
    resolved = grid.policies[policy].to_json()
    trial = Trial(
        dataset=dataset.choice,
        architecture=architecture.choice,
        # Without any rounding every method is the float32 training itself.
        method=method.choice if resolved else BASELINE,
        policy=resolved,
        training=training,
        seed=seed,
        fingerprint=contents.datasets[dataset.label],
        plugins=contents.policies[policy],
    )
    return Cell(dataset.label, architecture.label, policy, method.label, text, seed, trial)


def _trainings(axes: TrainingAxes) -> list[tuple[str, Training]]:
    """Return every combination of the training options, each with a text of the options that vary."""
    names = list(TrainingAxes.model_fields)
    combinations = itertools.product(*(getattr(axes, name) for name in names))
    trainings = [Training(**dict(zip(names, values, strict=True))) for values in combinations]
    return [(_text(training, _varying(axes)), training) for training in trainings]


def _varying(axes: TrainingAxes) -> set[str]:
    return {name for name in TrainingAxes.model_fields if len(getattr(axes, name)) > 1}


def _text(training: Training, names: set[str]) -> str:
    def word(value: Any) -> str:
        return "default" if value is None else str(value)

    return " ".join(
        f"{name}={word(getattr(training, name))}" for name in TrainingAxes.model_fields if name in names
    )


def _axes(grid: Grid) -> dict[str, list[str]]:
    return {
        "dataset": [d.label for d in grid.datasets],
        "architecture": [a.label for a in grid.architectures],
        "policy": list(grid.policies),
        "method": [m.label for m in grid.methods],
    }


def _check_selection(selection: Selection, known: dict[str, list[str]], source: Source, place: Place) -> None:
    for axis, labels in known.items():
        patterns = getattr(selection, axis)
        for pattern in patterns if isinstance(patterns, list) else []:
            if not any(_matches(label, [pattern]) for label in labels):
                raise source.error(
                    (*place, axis), f"{axis} {pattern!r} is not in the grid; {suggest(pattern, labels)}"
                )


def _excluded(cell: Cell, exclusion: Exclusion) -> bool:
    return (
        _matches(cell.dataset, exclusion.dataset)
        and _matches(cell.architecture, exclusion.architecture)
        and _matches(cell.policy, exclusion.policy)
        and _matches(cell.method, exclusion.method)
        and (exclusion.seed is None or cell.seed in exclusion.seed)
    )


def _chosen(entries: list[Labelled], patterns: list[str]) -> list[Labelled]:
    return [entry for entry in entries if _matches(entry.label, patterns)]


def _matches(label: str, patterns: Iterable[str]) -> bool:
    return any(label == pattern or fnmatchcase(label, pattern) for pattern in patterns)


def needs_baseline(trial: Trial) -> bool:
    """Return whether a trial starts from the trained float32 network.

    A method says so by its option ``start``; one without it always does.
    """
    if trial.method == BASELINE:
        return False
    option = METHODS.options(trial.method.name).get("start")
    start = trial.method.options.get("start", "baseline" if option is None else option.default)
    return bool(start == "baseline")


def schedule(cells: Iterable[Cell]) -> list[Trial]:
    """Return the trials behind cells, each once and each after the baseline that it starts from.

    Trials of one data set and architecture stand together, so that a worker meets them warm.
    """
    groups: dict[tuple[str, str], dict[str, Trial]] = {}
    for trial in (cell.trial for cell in cells):
        group = groups.setdefault((repr(trial.dataset), repr(trial.architecture)), {})
        if needs_baseline(trial):
            group.setdefault(trial.baseline.id, trial.baseline)
        group.setdefault(trial.id, trial)
    ordered: list[Trial] = []
    for group in groups.values():  # one baseline after another, so that each is loaded once
        ranks: dict[str, int] = {}
        for trial in group.values():
            ranks.setdefault(trial.baseline.id, len(ranks))
        ordered += sorted(group.values(), key=lambda trial: ranks[trial.baseline.id])
    return ordered
