"""Put a report into a folder."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from precision.analysis import COLUMNS, SUMMARY_COLUMNS, Results, summary
from precision.report.csv import to_csv
from precision.report.markdown import Picture, pictures, render, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner can read; a report is meant to be shared.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG, without the name of the software, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def write(results: Results, output: Path) -> Path:
    """Write report.md, results.csv, summary.csv and the figures into a folder; return the path of report.md.

    The folder is made if need be. The same results give the same bytes. report.md is written last, so
    that where it is new, everything it refers to is new.

    Raises:
        PrecisionError: when the frame of the results breaks the rules of ``COLUMNS``.
    """
    # Here, not at the top: matplotlib takes most of a second to import.
    from precision.report import figures

    cells = results.cells()
    output.mkdir(parents=True, exist_ok=True)
    accuracy = pictures(cells, "accuracy_vs_bits")
    losses = pictures(cells, "loss_curves")
    drawn: dict[Picture, bytes] = {}
    for picture in accuracy:
        rows = cells if picture.dataset is None else cells[cells["dataset"] == picture.dataset]
        if rows["accuracy"].notna().any():
            drawn[picture] = _png(figures.accuracy_vs_bits(rows, results.settings.baseline))
    for picture in losses:
        rows = cells if picture.dataset is None else cells[cells["dataset"] == picture.dataset]
        if rows["trial"].isin(list(results.histories)).any():
            drawn[picture] = _png(figures.loss_curves(rows, results.histories, results.settings.baseline))

    report = render(
        results,
        [picture for picture in shown(accuracy) if picture in drawn],
        [picture for picture in shown(losses) if picture in drawn],
    )
    _replace(output / "results.csv", to_csv(cells, COLUMNS).encode())
    _replace(output / "summary.csv", to_csv(summary(cells), SUMMARY_COLUMNS).encode())
    for picture in (*accuracy, *losses):
        if picture in drawn:
            _replace(output / picture.file, drawn[picture])
        else:
            # A figure of an earlier report in this folder would contradict this one.
            (output / picture.file).unlink(missing_ok=True)
    path = output / "report.md"
    _replace(path, report.encode())
    return path
