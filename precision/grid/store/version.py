"""What a store says of itself, and how one that was written before there were sums gets them, once.

    <root>/store.json    the version of the store: from version 2 on, every result has sums

A store without this file is of version 1, or is new. The first command that opens it writes the sums of all
its results, and then the file. From then on a result without sums is one that somebody has changed.
"""

from __future__ import annotations

import json
from pathlib import Path

from precision import files, received
from precision.errors import PrecisionError, said, shown
from precision.grid.store import links, predictions, reading, record, sums
from precision.grid.store.locks import Lock, held

NAME = "store.json"
VERSION = 2
LOCK = "store"  # the name of the lock under which sums are added


def summed(root: Path) -> bool:
    """Return whether every result of a store has to have sums; add those of an older store first.

    Where they cannot be added now, because the store cannot be written or a run is at work in it that may be
    that of an older precision, one sentence says so, and its results are believed as they are.

    Raises:
        PrecisionError: for a store of a later version.
    """
    if (root / NAME).exists():
        _check(root / NAME)
        return True
    if not (root / "trials").is_dir():
        return True
    older = [name for name in reading.ids(root / "trials") if _is_older(_record(root, name), name)]
    locks = [path for path in (root / "locks").glob("*.lock") if reading.ID.fullmatch(path.stem)]
    if older and any(held(path) for path in locks):
        reading.tell(f"{root}: {_count(older)} without sums, and get them when no run is at work here")
        return False
    try:
        if older:
            links.check(root, older)
            files.make_folder(root / "locks")
            with Lock(root / "locks" / f"{LOCK}.lock"):
                for name in older:
                    _add_sums(root, name)
            reading.tell(
                f"{root}: {_count(older)} by an older precision and now have sums, by which damage is seen; "
                "older versions do not read them any more"
            )
        content = {"of": "results of precision", "version": VERSION}
        files.write(root / NAME, json.dumps(content, indent=1).encode())
    except (OSError, PrecisionError) as error:
        if older:
            reading.tell(
                f"{root}: {_count(older)} without sums, which cannot be written here ({said(error)})"
            )
        return not older
    return True


def _check(path: Path) -> None:
    try:
        version = json.loads(received.stored(path)[1])["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # that it is there says enough
    if isinstance(version, int) and version > VERSION:
        raise PrecisionError(
            f"{path}: a newer precision wrote this store (version {shown(version)}; this one knows "
            f"{VERSION}); update precision, or give another --store"
        )


def _count(names: list[str]) -> str:
    return "1 result was stored" if len(names) == 1 else f"{len(names)} results were stored"


def _record(root: Path, name: str) -> Path:
    return root / "trials" / name / "result.json"


def _is_older(path: Path, name: str) -> bool:
    """Return whether a file is a result that can be believed but for its sums."""
    try:
        return record.decode(received.stored(path)[1], name, unsummed=True)["sums"] is None
    except (OSError, ValueError):
        return False


def _add_sums(root: Path, name: str) -> None:
    path = _record(root, name)
    if not _is_older(path, name):  # another process was faster
        return
    result = record.revive(record.decode(received.stored(path)[1], name, unsummed=True))
    found = {}
    if result.status in ("ok", "diverged"):
        found = {
            file: sums.of_file(path.with_name(file)) for file in sums.FILES if path.with_name(file).exists()
        }
    if sums.PREDICTIONS in found and not _are_predictions(path.with_name(sums.PREDICTIONS), result.metrics):
        del found[sums.PREDICTIONS]
    files.write(path, record.encode(result, found).encode())


def _are_predictions(path: Path, metrics: dict[str, float]) -> bool:
    try:
        found = predictions.decode(received.stored(path)[1])
        return len(found) == metrics.get("test_images", len(found))
    except (OSError, ValueError):
        return False
