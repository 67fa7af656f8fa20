"""Whether the files of a trial are those that were stored with its result."""

from __future__ import annotations

from pathlib import Path

from precision import received
from precision.grid.store import reading, record, sums
from precision.trial import FLOAT32, Trial

DONE = ("ok", "diverged")  # statuses that another run would repeat


def content(path: Path, found: record.Record | None, most: int) -> bytes:
    """Return a file of a trial, of at most so many bytes.

    Args:
        found: the record of the trial; None where there is none.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not the one that was stored with the result.
    """
    text = received.stored(path, most)[1]
    if found is None:
        raise ValueError("there is no result that it belongs to")
    if found["sums"] is not None and found["sums"].get(path.name) != sums.of(text):
        raise ValueError(sums.OTHER)
    return text


def whole(folder: Path, trial: Trial, found: record.Record, weights: bool = True) -> bool:
    """Return whether a trial is finished, and what others need of it is there, as it was stored.

    Args:
        found: the record of the trial.
        weights: read the weights that other trials start from, too.
    """
    if found["status"] not in DONE:
        return False
    needed = {sums.PREDICTIONS: True} | ({sums.WEIGHTS: weights} if trial.method == FLOAT32 else {})
    needed |= {sums.BY_CLASS: True} if sums.BY_CLASS in (found["sums"] or {}) else {}
    for name, read in needed.items():
        path = folder / name
        wrong = sums.difference(path, found["sums"], read)
        if wrong:
            reading.tell(
                f"{path}: this file cannot be trusted and is ignored ({wrong}); a run of its grid computes "
                "it again"
            )
            return False
        if found["status"] == "ok" and not path.exists():
            return False
    return True
