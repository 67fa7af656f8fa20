"""Put a report into a folder."""

from __future__ import annotations

from pathlib import Path

from precision import files
from precision.analysis import COLUMNS, SUMMARY_COLUMNS, Results, summary
from precision.report.figures.style import png
from precision.report.render.csv import to_csv
from precision.report.render.markdown import Picture, pictures, render, shown


def write(results: Results, output: Path) -> Path:
    """Write report.md, results.csv, summary.csv and the figures into a folder; return the path of report.md.

    The folder is made if need be. The same results give the same bytes. report.md is written last, so
    that where it is new, everything it refers to is new.

    Raises:
        PrecisionError: when the frame of the results breaks the rules of ``COLUMNS``.

    >>> import precision
    >>> from pathlib import Path
    >>> from precision.report import write
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> write(results, Path("again")).as_posix()
    'again/report.md'
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
            drawn[picture] = png(figures.accuracy_vs_bits(rows, results.settings.baseline))
    for picture in losses:
        rows = cells if picture.dataset is None else cells[cells["dataset"] == picture.dataset]
        if rows["trial"].isin(list(results.histories)).any():
            drawn[picture] = png(figures.loss_curves(rows, results.histories, results.settings.baseline))

    report = render(
        results,
        [picture for picture in shown(accuracy) if picture in drawn],
        [picture for picture in shown(losses) if picture in drawn],
    )
    files.write(output / "results.csv", to_csv(cells, COLUMNS).encode())
    files.write(output / "summary.csv", to_csv(summary(cells), SUMMARY_COLUMNS).encode())
    for picture in (*accuracy, *losses):
        if picture in drawn:
            files.write(output / picture.file, drawn[picture])
        else:
            # A figure of an earlier report in this folder would contradict this one.
            (output / picture.file).unlink(missing_ok=True)
    path = output / "report.md"
    files.write(path, report.encode())
    return path
