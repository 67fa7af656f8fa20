"""Which layer a format harms: round one slot of one layer at a time, and measure what that alone costs.

Each policy has one traced model, in which all quantizers but those of the slot and layer at hand are switched
off. The test images are looked at, so what is learned here must not choose what is then reported on the same
images: ``exploration.search`` decides on training images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from precision.analysis.sensitivity import SENSITIVITY_COLUMNS
from precision.data import Dataset
from precision.errors import PrecisionError, unknown
from precision.exploration.baselines import Network, chosen_policies, networks, trained
from precision.exploration.evaluator import Evaluator, switch
from precision.exploration.journal import Journal, Row
from precision.exploration.sqnr import Power, of_tensors
from precision.grid import Changes, Store, expand, load_grid, select
from precision.grid.execution.provenance import provenance
from precision.grid.progress.steps import Steps
from precision.measure.machine.environment import together
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.quantization.sites import Site, resolve
from precision.tasks import Task
from precision.trial import Choice, Trial

SLOTS = ("weights", "biases", "activations", "inputs")
VERSION = 1  # raised by hand when a change of the code changes the numbers


@dataclass(frozen=True)
class Sensitivities:
    """The rows of a grid.

    Attributes:
        name: of the grid.
        frame: one row per seed, policy, layer and slot, with ``SENSITIVITY_COLUMNS``.
        left_out: sentences on what could not be measured.
        environment: where and with what it was measured.
    """

    name: str
    frame: pd.DataFrame
    left_out: tuple[str, ...]
    environment: dict[str, str]


def sensitivity(
    grid: str | Path,
    *,
    data_dir: Path | None = None,
    store: str | Path = "runs",
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    quiet: bool = False,
    policies: Sequence[str] = (),
    images: int | None = None,
    slots: Sequence[str] = (),
) -> Sensitivities:
    """Measure every policy, layer and slot of a grid file on its test images; what is stored is not repeated.

    Float32 networks that the store lacks are trained first.

    Args:
        data_dir: folder of the data sets, an existing one.
        store: folder of the results.
        plugins: plugin files (see ``precision.plugins``), besides those that the grid names.
        changes: other values for entries of the grid, as by --set.
        seeds: instead of the grid's, as by --seeds.
        only: cells of the grid to look at, as by --only.
        quiet: show no progress.
        policies: labels of the grid; empty for all that round something.
        images: the first so many test images; None for all.
        slots: some of ``SLOTS``; empty for all.

    Raises:
        PrecisionError: when the grid, a name or a path is wrong.
        KeyboardInterrupt: on Ctrl-C; finished rows are kept.

    >>> from precision.exploration.sensitivity import sensitivity
    >>> found = sensitivity("grid.yaml", slots=["weights"], policies=["fixed4"], only=["seed=0"], quiet=True)
    >>> found.frame[["layer", "slot", "setting"]].values.tolist()
    [['dense1', 'weights', 'fixed(4,3)'], ['logits', 'weights', 'fixed(4,3)']]
    """
    for slot in slots:
        if slot not in SLOTS:
            raise unknown("slot", slot, SLOTS)
    if images is not None and images < 1:
        raise PrecisionError(f"--images must be a whole number above 0, but got {images}")
    parsed, source = load_grid(grid, plugins, Changes(changes, seeds))
    cells = select(expand(parsed, source), only)
    wanted = chosen_policies(parsed, policies)
    results = Store(store)
    results.create()
    console = Console(stderr=True, quiet=quiet)
    bench = Workbench(data_dir, results.weights, digest=results.weights_digest)
    found = trained(networks(cells, wanted), cells, results, data_dir, bench, console)
    left_out = [
        f"{network.name} seed {seed}: no trained float32 network ({why})"
        for network in found
        for seed, why in network.missing.items()
    ]
    plans = [_plan(network, bench, wanted, slots or SLOTS, left_out) for network in found]
    if not any(plans):
        raise PrecisionError(f"nothing to measure: {'; '.join(left_out) or 'no policy has such a slot'}")
    rows: list[Row] = []
    environments: list[dict[str, str]] = []
    total = sum(
        len(sites) * len(network.trials)
        for network, plan in zip(found, plans, strict=True)
        for sites in plan.values()
    )
    with Steps(total, console) as steps:
        for network, plan in zip(found, plans, strict=True):
            if plan:
                rows += _measured(network, plan, bench, results, images, steps, environments)
    frame = pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))
    return Sensitivities(parsed.name, frame, tuple(left_out), together(environments))


def _plan(
    network: Network, bench: Workbench, wanted: Sequence[str], slots: Sequence[str], left_out: list[str]
) -> dict[str, list[Site]]:
    """Return what is to be measured by policy; one that does not fit the network is noted and left out."""
    plan = {}
    trial = next(iter(network.trials.values()))
    for label in wanted:
        if label not in network.policies:
            continue
        policy = network.policies[label]
        try:
            sites = resolve(bench.source(trial, policy), policy)
        except PrecisionError as error:
            left_out.append(f"{network.name} {label}: {error}")
            continue
        measured = [site for site in sites if site.setting is not None and site.slot in slots]
        if measured:
            plan[label] = measured
    return plan


def _measured(
    network: Network,
    plan: dict[str, list[Site]],
    bench: Workbench,
    store: Store,
    images: int | None,
    steps: Steps,
    environments: list[dict[str, str]],
) -> Iterator[Row]:
    """Yield the rows of a network, measuring those that are not stored."""
    dataset = bench.dataset(next(iter(network.trials.values())).dataset)
    count = _checked_images(images, dataset)
    test = dataset.x_test[:count], dataset.y_test[:count]
    task = dataset.asks
    evaluator = Evaluator(bench, network.trials, *test, task=task, switchable=True)
    for label, sites in plan.items():
        for seed, trial in network.trials.items():
            with _journal(store, _rounded(trial, network, label), count) as journal:
                known = {(row["layer"], row["slot"]): row for row in journal.rows}
                steps.skip(sum((site.layer, site.slot) in known for site in sites))
                missing = [site for site in sites if (site.layer, site.slot) not in known]
                for row in _alone(evaluator, network.policies[label], seed, missing) if missing else ():
                    journal.append(row)
                    known[row["layer"], row["slot"]] = row
                    change = task.changed(task.differs(row[task.score], row[task.baseline]))
                    what = f"{label}, {row['slot']} of {row['layer']}"
                    steps.step(f"{network.name} seed {seed} {what}: {change}")
                environments.append(journal.about.get("environment", {}))
                for site in sites:
                    yield _row(network, seed, count, label, site, known[site.layer, site.slot], task)


def _alone(evaluator: Evaluator, policy: Policy, seed: int, sites: list[Site]) -> Iterator[Row]:
    """Yield what rounding each site alone does to the float32 network of a seed."""
    exact, task = evaluator.reference(seed), evaluator.task
    baseline = evaluator.judged(exact)
    model = evaluator.model(seed, policy)
    switch(model, lambda layer, slot: True, seed)
    ratios = of_tensors(
        evaluator.source(seed, policy),
        model,
        evaluator.batches,
        {(site.layer, site.slot) for site in sites},
    )
    for site in sites:
        switch(model, _this(site), seed)
        logits = evaluator.logits(model)
        power = Power()
        power.add(exact, logits)
        judged = evaluator.judged(logits)
        yield {
            "layer": site.layer,
            "slot": site.slot,
            task.score: judged.metrics[task.score],
            task.baseline: baseline.metrics[task.score],
            "loss": judged.loss,
            "baseline_loss": baseline.loss,
            "tensor_sqnr": ratios[site.layer, site.slot],
            "logits_sqnr": power.decibels,
        }


def _this(site: Site) -> Callable[[str, str], bool]:
    return lambda layer, slot: (layer, slot) == (site.layer, site.slot)


def _rounded(trial: Trial, network: Network, label: str) -> Trial:
    """Return the trial that rounds everything, whose identity the rows share."""
    policy = network.policies[label]
    return replace(
        trial,
        method=Choice("ptq"),
        policy=policy.to_json(),
        plugins={**trial.plugins, **policy.plugins()},
    )


def _journal(store: Store, trial: Trial, images: int) -> Journal:
    about = {"version": VERSION, "trial": trial.id, "images": images}
    more = {"content": trial.to_json(), "environment": together([provenance(trial)])}
    return Journal(store.root, "sensitivity", about, more)


def _checked_images(images: int | None, dataset: Dataset) -> int:
    there = len(dataset.x_test)
    if images is not None and images > there:
        raise PrecisionError(f"{dataset.title} has {there} test images, but --images is {images}")
    return images or there


def _row(network: Network, seed: int, images: int, policy: str, site: Site, measured: Row, task: Task) -> Row:
    """Return a row with all of ``SENSITIVITY_COLUMNS``."""
    return {
        "dataset": network.dataset,
        "architecture": network.architecture,
        "training": network.training,
        "seed": seed,
        "policy": policy,
        "layer": site.layer,
        "kind": site.kind,
        "slot": site.slot,
        "setting": str(site.setting),
        "images": images,
        "task": task.name,
        task.lost: task.loss_of(task.differs(measured[task.score], measured[task.baseline])),
        **{name: measured[name] for name in (task.score, task.baseline, *_MEASURED)},
    }


_MEASURED = ("loss", "baseline_loss", "tensor_sqnr", "logits_sqnr")
