"""What more threads, or another device, gain: speed-up, parallel efficiency and the serial share.

The serial share is that of G. Amdahl, "Validity of the single processor approach to achieving large scale
computing capabilities", AFIPS 1967: with n threads a time is T(n) = T(1) (s + (1 - s) / n).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

TIMES = ("train_seconds", "latency_ms", "inference_images_per_second")
GROUP = ["dataset", "architecture", "policy", "method", "others", "timing", "machine"]
_AXES = ("device=", "threads=")


class Amdahl(NamedTuple):
    """A fit of Amdahl's law to times.

    Attributes:
        serial: the share of the time with one thread that no thread shortens, from 0 to 1.
        one: the time with one thread, as fitted.
        residual: root mean square of what the fit misses, as a share of ``one``; two times leave none.
    """

    serial: float
    one: float
    residual: float

    def speedup(self, threads: float) -> float:
        """Return how much shorter than with one thread the time is."""
        return 1 / (self.serial + (1 - self.serial) / threads)


def amdahl(threads: Sequence[float], times: Sequence[float]) -> Amdahl | None:
    """Return the fit by least squares with neither part below zero; None below two numbers of threads.

    >>> from precision.analysis.speedup import amdahl
    >>> amdahl([1, 2, 4], [10.0, 6.0, 4.0]).serial
    0.2
    """
    inverse, measured = 1 / np.asarray(threads, np.float64), np.asarray(times, np.float64)
    if len(set(threads)) < 2:
        return None
    # T = serial + parallel / n; where the best fit has a part below zero, the best without it.
    shifted = inverse - inverse.mean()
    parallel = float(shifted @ (measured - measured.mean()) / (shifted @ shifted))
    serial = float(measured.mean() - parallel * inverse.mean())
    if serial < 0:
        serial, parallel = 0.0, float(inverse @ measured / (inverse @ inverse))
    elif parallel < 0:
        serial, parallel = float(measured.mean()), 0.0
    one = serial + parallel
    missed = measured - (serial + parallel * inverse)
    return Amdahl(serial / one, one, float(np.sqrt(np.mean(missed**2))) / one)


def speedups(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each network, format, device and number of threads, where one of these varies.

    Times are means over seeds. What they are compared with is the row of the CPU with the fewest threads, in
    its absence that of the fewest threads, of the same machine: times of several machines are not compared,
    nor are emulated and native ones.

    Args:
        cells: of ``Results.cells()``.

    Returns:
        The columns of GROUP, ``device``, ``threads``, ``cores``, ``time`` (which of TIMES the row is about,
        the training where there is one), its ``value``, the ``seconds`` that it stands for, ``speedup``,
        ``efficiency`` (NaN for another device) and ``disturbed`` (the largest ratio).
    """
    ok = cells[(cells["status"] == "ok") & cells["threads"].notna()].copy()
    ok["others"] = [_without_axes(text) for text in ok["training"]]
    rows: list[dict[str, Any]] = []
    for key, own in ok.groupby(GROUP, sort=False):
        if len(own[["device", "threads"]].drop_duplicates()) > 1:
            rows += _of_group(dict(zip(GROUP, key, strict=True)), own)
    return pd.DataFrame(rows)


def fits(table: pd.DataFrame) -> dict[tuple[Any, ...], Amdahl]:
    """Return the fit of each group of :func:`speedups` over the threads of one device, by GROUP and device.

    More threads than there are cores take turns, which the law knows nothing of: they are left out.
    """
    found = {}
    for key, own in table.groupby([*GROUP, "device"], sort=False):
        own = own[own["threads"] <= own["cores"].fillna(np.inf)]
        fit = amdahl(own["threads"].tolist(), own["seconds"].tolist())
        if fit is not None:
            found[key] = fit
    return found


def _without_axes(training: str) -> str:
    return " ".join(word for word in str(training).split() if not word.startswith(_AXES))


def _of_group(place: dict[str, Any], own: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a group, by the first of TIMES that all its cells have."""
    time = next((name for name in TIMES if own[name].notna().all()), None)
    if time is None:
        return []
    beside = "train_disturbance" if time == "train_seconds" else "inference_disturbance"
    rows = []
    for (device, threads), runs in own.groupby(["device", "threads"], sort=False):
        value = float(runs[time].mean())
        seconds = 1 / value if time.endswith("per_second") else value / (1e3 if time.endswith("ms") else 1)
        cores = runs["cores"].max()
        told = {"device": device, "threads": int(str(threads)), "cores": cores, "time": time, "value": value}
        rows.append({**place, **told, "seconds": seconds, "disturbed": runs[beside].max()})
    base = min(rows, key=lambda row: (row["device"] != "cpu", row["threads"]))
    for row in rows:
        row["speedup"] = base["seconds"] / row["seconds"]
        alike = row["device"] == base["device"]
        row["efficiency"] = row["speedup"] * base["threads"] / row["threads"] if alike else np.nan
    return rows
