"""Run an audit: the float32 network, the ladder of each target, and the layers that are most sensitive.

Every comparison is stored as soon as it is made, so an interrupted audit goes on where it was.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from precision import data
from precision.analysis.audit import AUDIT_COLUMNS, LAYER_COLUMNS, Audited, answers
from precision.errors import PrecisionError
from precision.exploration.audit import readings
from precision.exploration.audit.compared import Compared
from precision.exploration.audit.deployed import files
from precision.exploration.audit.grid_file import Given
from precision.exploration.audit.ladder import Target
from precision.exploration.audit.layers import Layers
from precision.exploration.audit.looks import Counts, Rung, climb
from precision.exploration.audit.model import described
from precision.exploration.audit.rows import row_of, rung_of, used, words
from precision.exploration.baselines import check_backend
from precision.exploration.journal import Journal
from precision.grid import Cell, Store, expand, load_grid
from precision.grid.execution import known
from precision.grid.execution.preflight import check_images
from precision.grid.execution.provenance import provenance
from precision.grid.progress.steps import Steps
from precision.grid.store.locks import granted
from precision.measure.machine.environment import together
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.tasks import CLASSIFICATION
from precision.trial import Trial, TrialResult

_SPLIT = (
    "the test images were split off the data at random: where the model was trained on them too, all "
    "accuracies are those on images that it knows, and a loss on new ones may be larger"
)
VERSION = 1  # raised by hand when a change of the code changes the numbers


def audit(
    grid: Path,
    targets: Sequence[Target],
    *,
    given: Given,
    facts: Mapping[str, str],
    assumed: Sequence[str] = (),
    data_dir: Path | None = None,
    store: str | Path = "runs",
    quiet: bool = False,
) -> Audited:
    """Compare every format of a grid of one model with float32, and say which are safe.

    Args:
        grid: as ``grid_file.text_of`` writes it.
        targets: whose policies the grid has.
        given: the model and its data, as the user gave them.
        facts: what is known of the model, in words, by name.
        assumed: what was chosen of the data for the user, in sentences.
        data_dir: the folder of the data sets that was found.
        store, quiet: as of ``exploration.search``.

    Raises:
        PrecisionError: when the model and the data do not go together, or the model is no better than chance.
        KeyboardInterrupt: on Ctrl-C; what was compared is kept.
    """
    parsed, source = load_grid(grid, given.plugins)
    cells = {cell.policy: cell for cell in expand(parsed, source)}
    results = Store(store)
    results.create()
    results.register(
        source.path, parsed.name, {trial.id for cell in cells.values() for trial in cell.trials()}
    )
    return _Audit(parsed.name, parsed.report.tolerance, cells, targets, data_dir, results).run(
        given, facts, assumed, quiet
    )


class _Audit:
    def __init__(
        self,
        name: str,
        tolerance: float,
        cells: Mapping[str, Cell],
        targets: Sequence[Target],
        data_dir: Path | None,
        store: Store,
    ) -> None:
        self._name, self._tolerance, self._cells, self._targets = name, tolerance, cells, targets
        self._data_dir, self._store = data_dir, store
        self._trial = cells["float32"].trial
        self._left_out: list[str] = []  # sentences on formats that the network cannot have
        self._bench = Workbench(data_dir, store.weights, digest=store.weights_digest)
        self._data = self._bench.dataset(self._trial.dataset)
        if self._data.asks.name != CLASSIFICATION.name:
            raise PrecisionError(
                f"the audit compares classes, but {self._data.title} asks for a {self._data.asks.name}; put "
                "the model into a grid as keras_file, which compares formats for it too"
            )

    def run(self, given: Given, facts: Mapping[str, str], assumed: Sequence[str], quiet: bool) -> Audited:
        """Compare, and return what was found."""
        known.remember(self._trial, self._data)  # so that a plan of the grid counts its networks
        check_backend([self._trial])
        check_images(self._data, [self._trial], self._store)
        exact = _float32(self._trial, self._store, self._bench)
        compared = Compared(self._bench, self._store, self._trial)
        doubt = self._fits(compared)
        about = {"version": VERSION, "baseline": self._trial.id, "data": self._data.digest()}
        more = {"content": self._trial.to_json(), "environment": together([provenance(self._trial)])}
        with Journal(self._store.root, "audit", about, more) as journal:
            frame, layers, rounded = self._measured(compared, journal, Console(stderr=True, quiet=quiet))
            environment = journal.about.get("environment", {})
        found = answers(frame, exact.metrics, self._tolerance)
        named = {
            (row["architecture"], row["policy"]) for _, row in found.iterrows() if row["verdict"] == "found"
        }
        pairs = zip(frame["target"], frame["policy"], strict=True)
        frame = frame.assign(named=[pair in named for pair in pairs])
        return Audited(
            name=self._name,
            tolerance=self._tolerance,
            frame=frame[list(AUDIT_COLUMNS)],
            answers=found,
            model={**facts, **self._model(), "in float32": words(exact)},
            data=used(self._data, self._images(), assumed),
            notes=(
                *(text for text in (doubt, _SPLIT if self._data.split else "") if text),
                *self._left_out,
            ),
            layers=layers,
            rounded=rounded,
            environment=environment,
            files=tuple(files(found.to_dict("records"), self._targets, self._cells, self._data, given)),
        )

    def _model(self) -> dict[str, str]:
        """Return what the network is, in words, asked by the first policy."""
        label = next(iter(self._targets[0].policies))
        return described(
            self._bench.source(self._trial, Policy()), Policy.from_json(self._cells[label].trial.policy)
        )

    def _images(self) -> int:
        """Return how many images calibration takes."""
        policies = (Policy.from_json(cell.trial.policy) for cell in self._cells.values())
        there = len(self._data.x_train)
        return max(policy.images_of(there) for policy in policies if policy.calibrated)

    def _fits(self, compared: Compared) -> str:
        """Refuse a model that says nothing about its data; return a doubt where there is one."""
        choice = self._trial.dataset
        unscaled = {**choice.options, "scale": "none"}
        return readings.check(
            Path(self._trial.architecture.options["path"]),
            self._data,
            self._store.predictions(self._trial.id),
            compared.classify,
            lambda: data.load(choice.name, data_dir=self._data_dir, **unscaled),
            compared.order,
        )

    def _measured(
        self, compared: Compared, journal: Journal, console: Console
    ) -> tuple[pd.DataFrame, pd.DataFrame, str]:
        """Return a row for each format and for each part of the network, and by what these were rounded."""
        parts = Layers(self._bench, self._cells[next(iter(self._targets[0].policies))].trial)
        rows: list[dict[str, Any]] = []
        total = sum(len(target.policies) for target in self._targets) + len(parts.names)
        with Steps(total, console) as steps:
            for target in self._targets:
                rungs = [rung for label in target.policies for rung in self._rung(label)]
                looks = functools.partial(self._looks, compared, journal)
                for rung, seen in climb(rungs, compared.total, self._tolerance, looks):
                    rows.append(row_of(target, rung, seen))
                    gain = 100 * rows[-1]["accuracy_difference"]
                    steps.step(f"{rung.label}: {gain:+.2f} points on {seen.counts.images:,} images")
            if compared.reused:
                steps.say(f"{compared.reused} comparisons were stored before and are not repeated")
            if not rows:
                raise PrecisionError(self._left_out[0])
            frame = pd.DataFrame(rows)
            label = _telling(frame)
            trial = self._cells[label].trial
            there = [row for row in journal.rows if row.get("rounded") == trial.id]
            steps.skip(len(there))
            missing = [name for name in parts.names if name not in {row["part"] for row in there}]
            for row in parts.alone(trial, missing):
                journal.append({"rounded": trial.id, **row})
                there.append(journal.rows[-1])
                steps.step(f"{row['part']} alone in {label}")
        layers = pd.DataFrame(there, columns=list(LAYER_COLUMNS))
        layers = layers.sort_values(["logits_sqnr", "part"], ignore_index=True)
        return frame, layers, label

    def _rung(self, label: str) -> Iterator[Rung]:
        """Yield the rung of a policy, if the network can have it."""
        try:
            yield rung_of(self._bench, self._cells[label])
        except PrecisionError as error:
            self._left_out.append(f"{label} is left out: {error}")

    def _looks(self, compared: Compared, journal: Journal, rung: Rung, until: int) -> Iterator[Counts]:
        """Yield what the looks at a rung count, if the network can be computed in it."""
        try:
            yield from compared.looks(self._cells[rung.label].trial, until, journal)
        except PrecisionError as error:
            self._left_out.append(f"{rung.label} is left out: {error}")


def _telling(frame: pd.DataFrame) -> str:
    """Return the policy by which layers are told apart: the largest that is not safe, or the smallest."""
    first = frame[frame["target"] == frame["target"].iloc[0]]
    bad = first[first["verdict"].isin(["lost", "not shown"])]
    return str(first["policy"].iloc[0] if bad.empty else bad["policy"].iloc[-1])


def _float32(trial: Trial, store: Store, bench: Workbench) -> TrialResult:
    """Return the result of the float32 network, evaluating it here where the store lacks it.

    Raises:
        PrecisionError: when another process is at it, or it has no accuracy.
    """
    found = store.completed(trial)
    if found is None:
        with granted(store.lock(trial.id)) as free:
            if not free:
                raise PrecisionError(
                    f"{store.folder(trial.id)}: another process is evaluating this model; wait for it to end"
                )
            began = time.monotonic()
            found = run_trial(trial, bench)
            # This process holds more than the network; a measurement takes one of its own.
            found.metrics["peak_memory_bytes"] = math.nan
            found.attempts, found.seconds = 1, time.monotonic() - began
            found.provenance = provenance(trial, ran_here=True)
            store.save(found)
    return found
