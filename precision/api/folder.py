"""Where results and reports lie unless the user says otherwise."""

from __future__ import annotations

from pathlib import Path

from precision import files, received

DEFAULT_STORE = Path("runs")


def report_folder(output: str | Path | None, name: str) -> Path:
    """Return the folder of a report, ready to be written; by default reports/<name of the grid>.

    Raises:
        PrecisionError: when nothing can be written there.
    """
    folder = Path(output) if output is not None else Path("reports") / name
    received.check_name(folder)
    with files.refused(folder, "the report cannot be written here", "give another --output"):
        folder.mkdir(parents=True, exist_ok=True)
        files.check_room(folder)
    return folder
