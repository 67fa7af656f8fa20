"""Many results at once: from the index what has not changed since, from the files what has."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from precision import received
from precision.grid.store import record
from precision.grid.store.index import Index, stamp
from precision.printable import printable

ID = re.compile(r"[0-9a-f]{12}")
CHUNK = 500  # results at a time, of which the texts are in memory
SHOWN = 5  # of the files that cannot be trusted; the others are only counted


def ids(trials: Path) -> list[str]:
    """Return the ids of the trials that have a folder, in order."""
    try:
        with os.scandir(trials) as entries:
            return sorted(entry.name for entry in entries if ID.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def records(
    root: Path, wanted: Collection[str] | None = None, unsummed: bool = False
) -> Iterator[tuple[str, record.Record]]:
    """Yield id and record of each trial that has a result, of all or of the wanted ones, in the order of ids.

    Results that cannot be trusted are reported and left out; those of former numerics are left out.

    Args:
        wanted: ids; None for all.
        unsummed: take results that were stored before there were sums.
    """
    trials = root / "trials"
    if wanted is None or len(wanted) > CHUNK:
        there = ids(trials)
        names = there if wanted is None else sorted(set(wanted).intersection(there))
    else:
        names = sorted(set(wanted))
    problems: list[str] = []
    stamps = {}
    for name in names:
        try:
            stamps[name] = stamp(os.stat(f"{trials}/{name}/result.json"))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(distrust(trials / name / "result.json", error))
    with Index(root / "index.sqlite") as index:
        remaining = iter(stamps.items())
        while chunk := dict(islice(remaining, CHUNK)):
            indexed = index.get(chunk)
            fresh = []
            for name in chunk:
                if name in indexed:
                    yield name, record.unpack(indexed[name])
                    continue
                path = trials / name / "result.json"
                try:
                    its_stamp, text = _read(path)
                    found = record.decode(text, name, unsummed)
                except (FileNotFoundError, record.OutdatedRecordError):
                    continue
                except (OSError, ValueError) as error:
                    problems.append(distrust(path, error))
                    continue
                if found["sums"] is not None:  # what the index has is believed
                    fresh.append((name, its_stamp, record.pack(found)))
                yield name, found
            index.put(fresh)
        if wanted is None:
            index.keep(stamps)
    _report(problems)


def summary(trial_id: str, found: record.Record) -> dict[str, Any]:
    """Return what a plan or a list wants to know of a result, as a flat mapping; None is unknown."""
    trial, metrics = found["trial"], found["metrics"]
    runtime = trial.get("runtime", {})
    numbers = ("train_images", "test_images", "train_seconds", "seconds_per_epoch")
    choices = {part: trial[part] for part in ("dataset", "architecture", "method")}
    return {
        "id": trial_id,
        "trial": trial,
        "status": found["status"],
        **{part: choice["name"] for part, choice in choices.items()},
        **{f"{part}_options": choice["options"] for part, choice in choices.items()},
        "epochs": trial["training"]["epochs"],
        "batch_size": trial["training"]["batch_size"],
        "device": runtime.get("device"),
        "threads": runtime.get("threads"),
        "seed": trial["seed"],
        "repeat": trial.get("repeat", 0),
        "machine": found["provenance"].get("machine", ""),
        "attempts": found["attempts"],
        "seconds": _known(found["seconds"]),
        **{name: _known(metrics.get(name)) for name in numbers},
    }


def tell(text: str) -> None:
    """Warn of something that is the fault of no line of code; each sentence is told once."""
    warnings.warn(text, stacklevel=1)


def distrust(path: Path, error: Exception) -> str:
    """Return the sentence about a file that is not used."""
    return printable(f"{path}: this result cannot be trusted and is ignored ({error})")


def newer(path: Path) -> int | None:
    """Return the version of the record in a file if it is later than ours; None otherwise."""
    try:
        version = record.schema(received.stored(path)[1])
    except (OSError, ValueError):
        return None
    return version if version is not None and version > record.SCHEMA_VERSION else None


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _read(path: Path) -> tuple[str, bytes]:
    """Return the stamp and the content of one and the same file, even when it is replaced meanwhile."""
    status, content = received.stored(path)
    return stamp(status), content


def _report(problems: list[str]) -> None:
    for text in problems[:SHOWN]:
        tell(text)
    if len(problems) > SHOWN:
        more = len(problems) - SHOWN
        tell(f"{more} more result files cannot be trusted and are ignored")
