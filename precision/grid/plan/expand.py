"""From a grid to its cells: a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import precision.data
from architectures.given import identity, is_given
from precision import plugins
from precision.errors import Mistakes, PrecisionError, unknown
from precision.grid.file.choices import Labelled
from precision.grid.file.entry import Location
from precision.grid.file.schema import Grid, Inclusion
from precision.grid.file.source import Source
from precision.grid.plan.axes import (
    MAX_CELLS,
    RUNTIME,
    TRAINING,
    Axes,
    axes_of,
    check_axes,
    check_distinct,
    walk,
)
from precision.grid.plan.cell import Cell
from precision.grid.plan.controls import add_controls
from precision.grid.plan.only import word
from precision.grid.plan.selections import check_report, check_selection, excluded_by, matches
from precision.grid.plan.unrounded import computes_itself, unrounded
from precision.quantization import Policy
from precision.registry import ARCHITECTURES, DATASETS, METHODS, Registry
from precision.startup import backend_of
from precision.trial import FLOAT32, Choice, ResolvedPolicy, Runtime, Training, Trial


def expand(grid: Grid, source: Source) -> list[Cell]:
    """Return the cells of a grid in the order of its axes, each once.

    Raises:
        PrecisionError: for a selection that names nothing in the grid, and for a grid without any cell.

    >>> from precision.grid import expand, load_grid
    >>> cells = expand(*load_grid("grid.yaml"))
    >>> [(cell.policy, cell.seed) for cell in cells][:3]
    [('float32', 0), ('float32', 1), ('fixed8', 0)]
    """
    for axis in ("datasets", "architectures", "policies", "methods", "seeds"):
        if not getattr(grid, axis):
            raise source.error((axis,), f"the grid is empty: {axis} lists nothing")
    axes = axes_of(grid)
    mistakes = Mistakes()
    with mistakes.noted():
        check_axes(axes, grid.zip, source)
    selections: dict[str, list[Any]] = {"exclude": grid.exclude, "include": grid.include}
    for key, entries in selections.items():
        for index, selection in enumerate(entries):
            with mistakes.noted():
                check_selection(selection, axes, source, (key, index))
    with mistakes.noted():
        _check_baseline(grid, source)
    mistakes.tell()
    maker = _Maker(grid, source)
    excluded = [excluded_by(exclusion, axes) for exclusion in grid.exclude]

    def left_out(cell: Cell) -> bool:
        return any(exclusion(cell) for exclusion in excluded)

    cells: dict[tuple[Any, ...], Cell] = {}
    for cell in maker.cells(walk(axes, grid.zip), _varying(axes), ("training",)):
        if not left_out(cell):
            cells[cell.labels] = cell
    included: set[tuple[Any, ...]] = set()
    for index, inclusion in enumerate(grid.include):
        for cell in _included(maker, axes, grid, inclusion, source, ("include", index)):
            included.add(cell.labels)
            if cells.setdefault(cell.labels, cell).trial != cell.trial:
                name = " ".join(str(label) for label in cell.labels if label != "")
                raise source.error(
                    ("include", index),
                    f"{name} stands for another trial already; give the method a 'label:' of its own",
                )
    if not cells:
        raise source.error(("exclude",), "the grid is empty: exclude leaves no trial")
    _check_methods(cells.values(), grid, source)
    check_report(grid.report, cells.values(), source)
    if grid.policies[grid.report.baseline].is_float32:
        add_controls(cells, grid.report.baseline, included, left_out)
    return list(cells.values())


def _check_baseline(grid: Grid, source: Source) -> None:
    """Refuse a grid without the policy that the others are compared with."""
    name = grid.report.baseline
    if name in grid.policies:
        return
    if "baseline" in grid.report.model_fields_set:
        raise source.error(
            ("report", "baseline"), f"report.baseline: {unknown('policy', name, grid.policies)}"
        )
    raise source.error(
        ("policies",),
        f"policies: there is no policy {name!r}, with which the others are compared; add '{name}: {name}', "
        "or name one of these as report.baseline",
    )


class _Maker:
    """Makes the cells of one grid; what many cells have in common is made once."""

    def __init__(self, grid: Grid, source: Source) -> None:
        self._source = source
        self._repeats, self._latency = grid.repeats, grid.latency
        self._count = 0
        # What a trial's identity takes from files that the user gave.
        self._fingerprints = {
            entry.label: _fingerprint(entry, source, ("datasets", index))
            for index, entry in enumerate(grid.datasets)
        }
        self._policies = {
            name: ResolvedPolicy(policy.to_json(), _located(policy.plugins, source, ("policies", name)))
            for name, policy in grid.policies.items()
        }
        self._code: dict[tuple[str, str], dict[str, str]] = {}
        self._models: dict[str, dict[str, str]] = {}  # what architectures are read from, by their label
        self._options: dict[tuple[Any, ...], tuple[Training, Runtime, str]] = {}
        self._baselines: dict[tuple[Any, ...], Trial] = {}

    def cells(
        self, combinations: Iterable[tuple[Any, ...]], varying: set[str], location: Location
    ) -> Iterator[Cell]:
        """Return the cell of every combination of the axes, in whose text the varying options are named.

        Raises:
            PrecisionError: at ``location``, for options that contradict each other.
        """
        self._options.clear()
        options = len(TRAINING) + len(RUNTIME)
        for dataset, *rest in combinations:
            self._count += self._repeats
            if self._count > MAX_CELLS:
                raise self._source.error(
                    location[:2], f"the grid has more than {MAX_CELLS} cells and repeats; split it"
                )
            method, architecture, policy, seed = rest[options:]
            key = tuple(rest[:options])
            if key not in self._options:
                self._options[key] = self._resolved(key, varying, location)
            training, runtime, text = self._options[key]
            place_of_baseline = (dataset.label, architecture.label, key, seed)
            if place_of_baseline not in self._baselines:
                self._baselines[place_of_baseline] = Trial(
                    dataset=dataset.choice,
                    architecture=architecture.choice,
                    method=FLOAT32,
                    policy={},
                    training=training,
                    seed=seed,
                    fingerprint=self._fingerprints[dataset.label],
                    plugins={
                        **self._plugins(DATASETS, dataset, "datasets"),
                        **self._plugins(ARCHITECTURES, architecture, "architectures"),
                    },
                    runtime=runtime,
                    latency=self._latency,
                )
            trial = self._baselines[place_of_baseline]
            resolved, control = self._policies[policy], unrounded(method.choice)
            if resolved.policy or computes_itself(method.choice):
                trial = trial.rounded(method.choice, resolved, self._plugins(METHODS, method, "methods"))
            elif control != FLOAT32:
                trial = trial.continued(control)
            repeats = tuple(trial.repeated(number) for number in range(1, self._repeats))
            how = "" if control == FLOAT32 else control.words
            place = (dataset.label, architecture.label, policy, method.label, text, seed)
            yield Cell(*place, trial, repeats, how)

    def _plugins(self, registry: Registry, entry: Labelled, axis: str) -> dict[str, str]:
        """Return what a choice depends on beyond this project."""
        name = entry.choice.name
        if (axis, name) not in self._code:
            self._code[axis, name] = _located(
                lambda: plugins.identities((), [(registry, name)]), self._source, (axis,)
            )
        found = self._code[axis, name]
        if registry is ARCHITECTURES and is_given(name):
            if entry.label not in self._models:
                self._models[entry.label] = _located(
                    lambda: identity(name, entry.choice.options), self._source, (axis,)
                )
            network = self._models[entry.label]
            found = {**found, **network, **plugins.of_layers(network)}
        return found

    def _resolved(
        self, values: tuple[Any, ...], varying: set[str], location: Location
    ) -> tuple[Training, Runtime, str]:
        training, runtime = Training(*values[: len(TRAINING)]), Runtime(*values[len(TRAINING) :])
        runtime = replace(runtime, backend=backend_of(runtime.backend))
        if training.momentum and training.optimizer not in ("sgd", "rmsprop"):
            raise self._source.error(
                location,
                f"{'.'.join(str(p) for p in location if isinstance(p, str))}: momentum is an option of sgd "
                f"and rmsprop, but the optimizer is {training.optimizer}",
            )
        named = zip((*TRAINING, *RUNTIME), values, strict=True)
        text = " ".join(f"{axis.partition('.')[2]}={word(value)}" for axis, value in named if axis in varying)
        return training, runtime, text


def _included(
    maker: _Maker, axes: Axes, grid: Grid, inclusion: Inclusion, source: Source, location: Location
) -> Iterator[Cell]:
    """Return the cells of an inclusion: what it gives takes the place of an axis, the rest selects."""
    given: Axes = {
        f"{part}.{name}": values
        for part in ("training", "runtime")
        for name, values in getattr(inclusion, part).given().items()
    }
    for axis, values in given.items():
        check_distinct(axis, values, source, (*location, *axis.split(".")))
    varying = set(given) | _varying(axes)  # what is given is shown, whether it varies or not
    if inclusion.method is not None:
        given["methods"] = [inclusion.method]
    if inclusion.seed is not None:
        given["seeds"] = list(dict.fromkeys(inclusion.seed))
    groups = [[axis for axis in group if axis not in given] for group in grid.zip]
    admits: dict[str, Callable[[Any], bool]] = {
        "datasets": lambda entry: matches(entry.label, inclusion.dataset),
        "architectures": lambda entry: matches(entry.label, inclusion.architecture),
        "policies": lambda name: matches(name, inclusion.policy),
    }
    combinations = walk({**axes, **given}, [group for group in groups if len(group) > 1], admits)
    return maker.cells(combinations, varying, (*location, "training"))


def _varying(axes: Axes) -> set[str]:
    return {axis for axis in (*TRAINING, *RUNTIME) if len(axes[axis]) > 1}


def _check_methods(cells: Iterable[Cell], grid: Grid, source: Source) -> None:
    """Refuse a policy that its method cannot run; a policy without any rounding runs under all."""
    pairs = {
        (cell.policy, cell.method, id(cell.trial.method)): cell.trial.method
        for cell in cells
        if cell.trial.policy
    }
    mistakes = Mistakes()
    for (policy, label, _), method in pairs.items():
        with mistakes.noted():
            try:
                _check_method(grid.policies[policy], method)
            except PrecisionError as error:
                raise source.error(
                    ("policies", policy), f"policy {policy!r} cannot run under method {label!r}: {error}"
                ) from None
    mistakes.tell()


def _check_method(policy: Policy, choice: Choice) -> None:
    method = METHODS[choice.name]
    if not getattr(method, "in_integers", False):
        for slot, setting in policy.in_integers.items():
            raise PrecisionError(f"{slot} in {setting} are of a network of integers; use method integer")
    if check := getattr(method, "check", None):
        check(policy, choice.options)


def _fingerprint(dataset: Labelled, source: Source, location: Location) -> str | None:
    try:
        return precision.data.fingerprint(dataset.choice.name, dataset.choice.options)
    except PrecisionError as error:
        raise source.error(location, str(error)) from None


def _located(identities: Callable[[], dict[str, str]], source: Source, location: Location) -> dict[str, str]:
    try:
        return identities()
    except PrecisionError as error:
        raise source.error(location, str(error)) from None
