"""Bundles that were made of a store's trials, and what other machines measured with them.

    <root>/bundles/<id>/bundle.json         the description of a bundle; its sha256 is the id
    <root>/bundles/<id>/<machine>-<sum>.json  the results of a machine, as its run.py wrote them

They are no results of trials: a time that was taken elsewhere never stands beside one of this machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precision import files, received
from precision.errors import PrecisionError, said, shown
from precision.grid.store import links

VERSION = 1  # of bundles and their results, that of ``deploy.bundle.run``
_DESCRIPTION = "bundle.json"
_MOST = 2**24  # bytes of either file


@dataclass(frozen=True)
class Elsewhere:
    """What one machine measured with one bundle.

    Attributes:
        bundle: its id.
        described: the bundle.
        machine: what the machine told of itself.
        models: what each model did, in the order of the bundle.
    """

    bundle: str
    described: Mapping[str, Any]
    machine: Mapping[str, Any]
    models: tuple[Mapping[str, Any], ...]

    @property
    def emulated(self) -> bool:
        """Whether the processor was imitated by another one, so that there are no times."""
        return bool(self.machine.get("emulated"))


def remember(root: Path, content: bytes) -> str:
    """Keep the description of a bundle that was made of trials of a store, and return its id."""
    name = hashlib.sha256(content).hexdigest()
    folder = _checked(root) / name
    with files.refused(folder, "cannot be written"):
        files.make_folder(folder)
        files.write(folder / _DESCRIPTION, content)
    return name


def take(root: Path, path: Path) -> Elsewhere:
    """Keep the results of another machine, and return them.

    Raises:
        PrecisionError: for a file that run.py did not write, of another version, or of a bundle that was not
            made of this store.
    """
    content = received.read(path, _MOST, "*.json")
    found = _read(content, root, str(path))
    machine = re.sub(r"[^A-Za-z0-9]+", "-", str(found.machine.get("name", "")))[:40].strip("-") or "machine"
    name = f"{machine}-{hashlib.sha256(content).hexdigest()[:12]}.json"
    with files.refused(root, "cannot be written"):
        files.write(_checked(root) / found.bundle / name, content)
    return found


def stored(root: Path) -> list[Elsewhere]:
    """Return the results of other machines that a store has, the bundles in the order of their ids.

    What cannot be read is left out with a warning: a report has other things to say.
    """
    found = []
    for path in sorted((root / "bundles").glob("*/*-*.json")):
        try:
            found.append(_read(received.read(path, _MOST), root, str(path)))
        except PrecisionError as error:
            warnings.warn(str(error), stacklevel=2)
    return found


def _checked(root: Path) -> Path:
    """Return the folder of the bundles of a store, unless it is a link."""
    if (root / "bundles").is_symlink():
        raise links.refusal(root / "bundles")
    return root / "bundles"


def _read(content: bytes, root: Path, name: str) -> Elsewhere:
    try:
        found = json.loads(content)
        version, bundle, machine = found["version"], found["bundle"], found["machine"]
        models = tuple(dict(model) for model in found["models"])
        if not isinstance(machine, dict) or not models:
            raise ValueError("it has no machine or no models")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PrecisionError(
            f"{name}: this is no file that run.py of a bundle wrote ({said(error)})"
        ) from None
    if version != VERSION:
        raise PrecisionError(
            f"{name}: it was written by run.py of version {shown(version)}, and this precision reads version "
            f"{VERSION}; make the bundle anew and run it again"
        )
    described = _described(root, bundle, name)
    wanted = [(model["file"], model["sha256"]) for model in described["models"]]
    if [(model.get("file"), model.get("sha256")) for model in models] != wanted:
        raise PrecisionError(f"{name}: its models are not those of bundle {bundle[:12]}; run that again")
    for model in models:
        _check(model, name)
    return Elsewhere(bundle, described, machine, models)


def _described(root: Path, bundle: Any, name: str) -> dict[str, Any]:
    """Return the description of a bundle that was made of a store."""
    if not isinstance(bundle, str) or not re.fullmatch(r"[0-9a-f]{64}", bundle):
        raise PrecisionError(f"{name}: this is no file that run.py of a bundle wrote (no sha256 of a bundle)")
    path = root / "bundles" / bundle / _DESCRIPTION
    try:
        kept = path.read_bytes()
    except OSError:
        raise PrecisionError(
            f"{name}: it was measured with bundle {bundle[:12]}, which was not made of the store {root}; "
            "give the --store that it was made of"
        ) from None
    if hashlib.sha256(kept).hexdigest() != bundle:
        raise PrecisionError(f"{path}: this is not what was written")
    described: dict[str, Any] = json.loads(kept)
    return described


def _check(model: Mapping[str, Any], name: str) -> None:
    """Refuse numbers that cannot be."""
    rows, accuracy = model.get("latency"), model.get("accuracy")
    numbers: list[Any] = [accuracy, model.get("images")]
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        numbers += [row.get(key) for row in rows for key in ("threads", "median_ms", "p95_ms")]
    else:
        numbers += [None]
    if "agreement" in model:
        numbers += _agreement(model["agreement"])
    if not all(type(n) in (int, float) and 0 <= n < math.inf for n in numbers) or not 0 <= numbers[0] <= 1:
        raise PrecisionError(f"{name}: the results of {shown(model.get('file'))} have numbers that cannot be")


def _agreement(told: Any) -> list[Any]:
    """Return the numbers of an agreement, and None where it has counts that cannot be."""
    if not isinstance(told, dict):
        return [None]
    counts = [n for name in ("bits", "classes", "images") if type(n := told.get(name)) is int]
    if len(counts) < 3 or not counts[-1] or max(counts) > counts[-1]:
        return [None]
    return [*counts, told.get("largest", 0)]
