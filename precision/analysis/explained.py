"""The explanations that a store keeps, by trial; see ``precision.exploration.explain``."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from precision import received
from precision.analysis.explanation import EXPLANATION_COLUMNS, Explanation, Scores

KIND = "explain"  # the folder of the store
VERSION = 1  # raised by hand when a change of the code changes the numbers
_NUMBERS = ("share", "alone", "restored", "part", "alone_loss", "restored_loss")


def explanations(root: Path, trials: Collection[str]) -> dict[str, Explanation]:
    """Return the explanation of each trial that has one; of several that of most test images.

    One that cannot be read, or is not finished, is left out.

    Args:
        root: folder of the store.
        trials: ids.
    """
    found: dict[str, Explanation] = {}
    for path in sorted((root / KIND).glob("*.jsonl")):
        try:
            one = _read(path, trials)
        except (OSError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{path}: this explanation cannot be read and is left out ({error})", stacklevel=2)
            continue
        if one is not None and (one.trial not in found or found[one.trial].images < one.images):
            found[one.trial] = one
    return found


def _read(path: Path, trials: Collection[str]) -> Explanation | None:
    """Return the explanation that a file ends with; None of another trial, or of one that is not finished."""
    first, *lines = received.stored(path)[1].splitlines()
    about = json.loads(first)["about"]
    if about["trial"] not in trials or about["version"] != VERSION:
        return None
    rows = [json.loads(line) for line in lines]
    if not rows or "scores" not in rows[-1]:
        return None
    end, errors = rows[-1], []
    for row in reversed(rows[:-1]):
        if "part" not in row:
            break
        errors.append({name: _number(row[name]) if name in _NUMBERS else row[name] for name in row})
    frame = pd.DataFrame(errors[::-1], columns=list(EXPLANATION_COLUMNS))
    return Explanation(
        trial=str(about["trial"]),
        network=str(about["network"]),
        policy=str(about["policy"]),
        task=str(about["task"]),
        images=int(about["images"]),
        scores=Scores(*(_number(value) for value in end["scores"])),
        causes={str(cause): _number(part) for cause, part in end["causes"].items()},
        frame=frame,
        others=_number(end["others"]),
        differing=end["differing"],
        baseline=str(end["baseline"]),
        environment=about["environment"],
    )


def _number(value: Any) -> float:
    """Return a number as a journal stores it: {"float": "nan"} where JSON has none."""
    if isinstance(value, dict):
        value = value["float"]
    return math.nan if value is None else float(value)
