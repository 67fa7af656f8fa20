"""What a finished grid hands to the analysis and the report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from precision.analysis.columns import checked
from precision.analysis.deployed import Deployed, Machine
from precision.analysis.differences import with_differences
from precision.analysis.explanation import Explanation
from precision.analysis.gates import Gate
from precision.analysis.published import Published
from precision.analysis.tables import summary
from precision.analysis.verdicts import judged
from precision.errors import PrecisionError
from precision.samples import Samples


@dataclass(frozen=True)
class ReportSettings:
    """What the grid file asks of the report.

    ``tolerance`` is in percentage points of accuracy, and of a regression in per cent of the baseline's
    RMSE; ``energy_table`` is the title of the energies that the modelled energy is made of; ``gates`` are
    what cells have to reach.

    >>> from precision.analysis import ReportSettings
    >>> ReportSettings(tolerance=0.5).baseline
    'float32'
    """

    baseline: str = "float32"
    tolerance: float = 1.0
    published: Published | None = None
    notes: str = ""
    energy_table: str = "Horowitz 2014, 45 nm"
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Results:
    """The results of one grid.

    Attributes:
        name: the name of the grid.
        description: Markdown, may be empty.
        frame: one row per cell of the grid, with the columns of ``COLUMNS``; the order of its rows
            is the order of architectures and policies in every table.
        histories: trial to one mapping per epoch (``epoch``, ``loss``, ``accuracy``, ``val_loss``,
            ``val_accuracy``, ``seconds``, and ``rmse`` of a regression; ``val_`` is measured on the test
            images). The epochs of a training that goes on from a baseline of n epochs begin at n + 1. A trial
            that trained nothing is absent.
        explanations: trial to why its format loses, see ``analysis.explanation``, where that was measured.
        batches: trial to a row for each size of a batch for which its network was timed: ``batch``,
            ``calls``, ``median_ms``, ``p95_ms``, ``images_per_second``. What was not timed is absent.
        settings: what the grid file asks of the report.
        grid: what tells the grid file from others; empty for results that come from none.
        changes: options of the command line that ask for other trials than the file does.
        command: the words of the command that repeats it.
        options: what was chosen for training, methods, networks and data, for example
            ``{"training": "epochs 3, optimizer adam"}``.
        environment: where the trials ran, for example ``{"cpu": "...", "commit": "..."}``.
        predictions: trial to what was predicted of the test images, as ``TrialResult`` has it.
        labels: trial to the right answers of the test images, in the form of the predictions; None where they
            are not stored.
        by_class: trial to what is kept of each class, see ``tasks.by_class``.
        samples: trial to what was sampled while it ran, see ``precision.samples``; None where nothing was.
        targets: by the label of a data set, what its training and its test images have for targets, in words:
            the classes or labels and how many images each has, or the range of what is to be predicted.
        deployed: trial to the file that it evaluated, of those that evaluated one.
        machines: other machines that have measured files of these trials.

    >>> import precision
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> results.name, len(results.cells()), results.settings.baseline
    ('grid', 6, 'float32')
    """

    name: str
    description: str
    frame: pd.DataFrame
    histories: Mapping[str, Sequence[Mapping[str, Any]]]
    settings: ReportSettings = field(default_factory=ReportSettings)
    grid: str = ""
    changes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    predictions: Callable[[str], np.ndarray] | None = None
    labels: Callable[[str], np.ndarray | None] | None = None
    by_class: Callable[[str], Mapping[str, np.ndarray]] | None = None
    targets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    samples: Callable[[str], Samples | None] | None = None
    batches: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    deployed: Mapping[str, Deployed] = field(default_factory=dict)
    machines: Sequence[Machine] = ()
    explanations: Mapping[str, Explanation] = field(default_factory=dict)

    def cells(self) -> pd.DataFrame:
        """Return the frame checked, in the documented order, with its differences to the baseline.

        Raises:
            PrecisionError: when the frame breaks the rules of ``COLUMNS``.
        """
        return self._cells.copy()

    def of_dataset(self, dataset: str) -> Results:
        """Return the results of one data set."""
        cells = self._cells[self._cells["dataset"] == dataset].reset_index(drop=True)
        own = replace(self, frame=cells)
        own.__dict__["_cells"] = cells  # what the predictions tell was asked of them already
        return own

    def summary(self) -> pd.DataFrame:
        """Return one row per cell over its seeds, with ``SUMMARY_COLUMNS`` and the verdicts.

        >>> import precision
        >>> results = precision.run("grid.yaml", output="report", quiet=True)
        >>> results.summary()[["policy", "pairs"]].values.tolist()
        [['float32', 2], ['fixed8', 2], ['fixed4', 2]]
        """
        return self._summary.copy()

    @cached_property
    def _cells(self) -> pd.DataFrame:
        # Every section and figure of a report asks for them.
        predictions = self.predicted if self.predictions is not None else None
        return with_differences(checked(self.frame), self.settings.baseline, predictions, self.labels)

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return judged(summary(self._cells), self.settings.baseline, self.settings.tolerance)

    def predicted(self, trial: str) -> np.ndarray | None:
        """Return the stored predictions of a trial; None where there are none that can be trusted."""
        if self.predictions is None:
            return None
        try:
            return self.predictions(trial)
        except FileNotFoundError:
            return None
        except (OSError, PrecisionError) as error:
            warnings.warn(str(error), stacklevel=2)
            return None
