"""Compare two sets of results: grids, stores or reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from precision import received
from precision.analysis import judged, summary, with_differences
from precision.analysis.collect import collect
from precision.analysis.columns import CELL, COLUMNS, typed
from precision.analysis.comparison import Comparison, Side
from precision.analysis.comparison import compare as compared
from precision.analysis.gates import Broken, broken
from precision.analysis.results import ReportSettings, Results
from precision.analysis.stored import stored
from precision.analysis.true_labels import labels_of
from precision.api.folder import DEFAULT_STORE, report_folder
from precision.errors import PrecisionError, said
from precision.grid import Changes, Store, expand, load_grid

TABLE = "results.csv"
_FACTS = ("machine", "commit", "python", "tensorflow", "jax", "keras")
_WHAT = "compare takes a grid file (.yaml), the folder of a store or of a report, or a results.csv"


@dataclass(frozen=True)
class Compared:
    """What changed, and which requirements the second set of results does not meet.

    Attributes:
        found: the comparison.
        broken: gates that are broken, with the cells that break them.
        gates: how many there are.
    """

    found: Comparison
    broken: tuple[Broken, ...] = ()
    gates: int = 0

    @property
    def cells(self) -> pd.DataFrame:
        """A row for each cell, with ``analysis.comparison.COMPARISON_COLUMNS``."""
        return self.found.cells


def compare(
    a: str | Path,
    b: str | Path,
    *,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    of_grid: str | Path | None = None,
) -> Compared:
    """Return what changed from one set of results to another, and whether it is more than noise.

    Args:
        a, b: a grid file, whose results ``store`` has; the folder of a store; the folder of a report, or its
            results.csv. Without stored predictions intervals are over seeds, or wider.
        store: folder of the results of grid files.
        output: folder for compare.md, compare.csv and compare.json; None writes nothing.
        plugins: plugin files, besides those that a grid names.
        of_grid: the grid of which two stores are compared; its requirements are asked of b.

    Raises:
        PrecisionError: when one of them is no set of results.

    >>> import precision
    >>> found = precision.compare("grid.yaml", "runs", of_grid="grid.yaml")
    >>> found.cells["change"].tolist(), found.broken
    (['same', 'same', 'same'], ())
    """
    one, other = (_read(Path(name), of_grid, Path(store), plugins) for name in (a, b))
    found = compared(one.side, other.side)
    settings = other.settings or one.settings or ReportSettings()
    faults = broken(settings.gates, other.summary(settings), settings.baseline, found.drops)
    result = Compared(found, tuple(faults), len(settings.gates))
    if output is not None:
        from precision.report.pages.compare import write_comparison

        write_comparison(found, result.broken, result.gates, report_folder(output, "compare"))
    return result


@dataclass(frozen=True)
class _Given:
    """One of the two, with what its grid asks for, where it has one."""

    side: Side
    settings: ReportSettings | None = None
    results: Results | None = None

    def summary(self, settings: ReportSettings) -> pd.DataFrame:
        """Return its summary with verdicts."""
        if self.results is not None and self.settings == settings:
            return self.results.summary()
        frame = typed(self.side.frame, COLUMNS)
        if self.side.predictions is not None or frame["baseline_accuracy"].isna().all():
            frame = with_differences(frame, settings.baseline, self.side.predictions, self.side.labels)
        return judged(summary(frame), settings.baseline, settings.tolerance)


def _read(path: Path, grid: str | Path | None, store: Path, plugins: Sequence[str | Path]) -> _Given:
    received.check_name(path)
    if path.suffix.lower() in (".yaml", ".yml") and not path.is_dir():
        return _of_grid(path, store, plugins, str(path))
    if (path / "trials").is_dir():
        return _of_grid(Path(grid), path, plugins, str(path)) if grid is not None else _of_store(path)
    table = path / TABLE if path.is_dir() else path.with_name(TABLE) if path.name == "report.md" else path
    if not table.exists():
        why = "this folder is neither a store nor a report" if path.is_dir() else "there is no such file"
        raise PrecisionError(f"{path}: {why}; {_WHAT}")
    given = _of_table(table, path)
    if grid is None:
        return given
    return _Given(given.side, _of_grid(Path(grid), store, plugins, "").settings)


def _of_grid(path: Path, store: Path, plugins: Sequence[str | Path], name: str) -> _Given:
    parsed, source = load_grid(path, plugins, Changes())
    results = collect(parsed, source, expand(parsed, source), Store(store))
    side = Side(
        name,
        results.cells(),
        results.predicted,
        results.labels,
        _facts(results.cells()) | dict(results.environment),
    )
    return _Given(side, results.settings, results)


def _of_store(path: Path) -> _Given:
    store = Store(path)
    frame = stored(store)

    def predictions(trial: str) -> np.ndarray | None:
        try:
            return store.predictions(trial)
        except (OSError, PrecisionError):
            return None

    labels = labels_of(dict(zip(frame["trial"], frame["data_digest"], strict=True)), store)
    return _Given(Side(str(path), frame, predictions, labels, _facts(frame)))


def _of_table(table: Path, path: Path) -> _Given:
    texts = {name: "str" for name, column in COLUMNS.items() if column.dtype == "str"}
    try:
        frame = pd.read_csv(table, dtype=texts, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, UnicodeError) as error:
        raise PrecisionError(
            f"{table}: this file cannot be read as results ({said(error)}); {_WHAT}"
        ) from None
    missing = [name for name in (*CELL, "trial", "status") if name not in frame]
    if missing:
        raise PrecisionError(f"{table}: the column {missing[0]!r} of a results.csv is missing; {_WHAT}")
    try:
        frame = typed(frame, COLUMNS)
    except PrecisionError as error:
        raise PrecisionError(f"{table}: {error}") from None
    return _Given(Side(str(path), frame, facts=_facts(frame)))


def _facts(frame: pd.DataFrame) -> dict[str, str]:
    """Return where runs ran, and with what, where the columns say it."""
    known = [name for name in _FACTS if name in frame]
    return {
        name: ", ".join(text for text in dict.fromkeys(frame[name].astype(str)) if text) for name in known
    }
