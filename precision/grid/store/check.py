"""Read every file of a store, the index aside, and say which are not what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from precision import received
from precision.grid.store import labels, reading, record, sums
from precision.grid.store.store import Store
from precision.grid.store.trusted import DONE
from precision.trial import FLOAT32, Trial


@dataclass
class Findings:
    """What came of it.

    Attributes:
        files: how many have the sum that was stored.
        problems: a sentence for each of the others.
        unsummed: results of an older precision that have no sums yet.
    """

    files: int = 0
    problems: list[str] = field(default_factory=list)
    unsummed: int = 0


def check(store: Store) -> Findings:
    """Compare files of trials, and labels, with their sums; results of other numerics are none of ours."""
    findings, unsummed = Findings(), store.unsummed
    for name in reading.ids(store.root / "trials"):
        path = store.folder(name) / "result.json"
        try:
            found = record.decode(received.stored(path)[1], name, unsummed)
        except (FileNotFoundError, record.OutdatedRecordError):
            continue
        except (OSError, ValueError) as error:
            findings.problems.append(reading.distrust(path, error))
            continue
        if found["sums"] is None:
            findings.unsummed += 1
            continue
        findings.files += 1
        for other, why in _others(path.parent, found):
            findings.files += not why
            findings.problems += [f"{other}: {why}"] if why else []
    for path in labels.all_of(store.root):
        why = labels.why_not(path)
        findings.files += not why
        findings.problems += [f"{path}: {why}"] if why else []
    return findings


def _others(folder: Path, found: record.Record) -> Iterator[tuple[Path, str]]:
    """Yield each further file of a finished trial, and what is wrong with it in words."""
    if found["status"] not in DONE:
        return
    needed = {sums.PREDICTIONS} | {sums.BY_CLASS}.intersection(found["sums"] or {})
    if Trial.from_json(found["trial"]).method == FLOAT32:
        needed.add(sums.WEIGHTS)
    for name in sums.FILES:
        path = folder / name
        if path.exists():
            yield path, sums.difference(path, found["sums"])
        elif (found["status"] == "ok" and name in needed) or (name == sums.SAMPLES and name in found["sums"]):
            yield path, "this file of the trial is gone"
