"""What stands in result.json, and how the file of an older version becomes one of this version.

A record is the content of the file as plain data, checked and in the present version. In the file NaN and
infinities are texts, because JSON has no such numbers; in a record they are numbers. ``sums`` are those of
the other files of the trial, by their names; None in what was written before there were any, see ``version``.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from precision.errors import PrecisionError
from precision.grid.store.ranges import misplaced
from precision.grid.store.sums import DIGITS, is_sealed, sealed
from precision.trial import NUMERICS_VERSION, STATUSES, Trial, TrialResult

Record = dict[str, Any]

SCHEMA_VERSION = 3


class NewerRecordError(ValueError):
    """The file was written by a later version of this project."""


class OutdatedRecordError(ValueError):
    """The file is whole, but its numbers are those of a former NUMERICS_VERSION."""


def _from_1(record: Record) -> Record:
    """Version 2 counts attempts, takes the time of the whole trial and names the version of the numerics."""
    return {**record, "attempts": 1, "seconds": "nan", "numerics": None}


def _from_2(record: Record) -> Record:
    """Version 3 has sums."""
    return {**record, "sums": None}


MIGRATIONS: dict[int, Callable[[Record], Record]] = {1: _from_1, 2: _from_2}
"""By the version that it takes: returns the record of the version after it."""


def encode(result: TrialResult, sums: Mapping[str, str]) -> str:
    """Return the text of result.json.

    Args:
        sums: of the other files of the trial, by their names.

    Raises:
        PrecisionError: for a number that cannot be: nobody would believe it later.
    """
    wrong = misplaced(result.metrics, result.history, result.seconds)
    if wrong:
        raise PrecisionError(f"trial {result.trial.id} yields what cannot be: {wrong}")
    record = {
        "schema": SCHEMA_VERSION,
        "id": result.trial.id,
        "numerics": NUMERICS_VERSION,
        "trial": result.trial.to_json(),
        "status": result.status,
        "reason": result.reason,
        "attempts": result.attempts,
        "seconds": _plain(result.seconds),
        "metrics": {key: _plain(value) for key, value in result.metrics.items()},
        "facts": result.facts,
        "history": [_plain_row(row) for row in result.history],
        "provenance": result.provenance,
        **({"batches": [_plain_row(row) for row in result.batches]} if result.batches else {}),
        "sums": dict(sums),
    }
    return sealed(record)


def schema(content: bytes) -> int | None:
    """Return the version of the file, or None when it is no record."""
    try:
        is_sealed(content)
        found = json.loads(content)["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, int) else None


def decode(content: bytes, trial_id: str, unsummed: bool = False) -> Record:
    """Return the record of a trial, in the present version.

    Args:
        unsummed: take one that was written before there were sums.

    Raises:
        NewerRecordError: for a record of a later version.
        OutdatedRecordError: for the record of a trial under a former version of the numerics.
        ValueError: for anything else: the file is torn, foreign, or not what was written.
    """
    try:
        whole = is_sealed(content)
        record = _checked(_migrated(json.loads(content)))
        trial, numerics = Trial.from_json(record["trial"]), record["numerics"]
        first = 1 if numerics is None else _count(numerics)
        known = range(NUMERICS_VERSION if numerics is None else first, first - 1, -1)
        version = next((n for n in known if trial.identity(n) == trial_id), None)
        if type(trial.seed) is not int or type(trial.repeat) is not int:  # "0" has the same text
            raise ValueError(f"its seed is {trial.seed!r} and its repeat is {trial.repeat!r}")
        if record["id"] != trial_id or version is None or record["status"] not in STATUSES:
            raise ValueError("it does not describe this trial")
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is not the description of a result ({type(error).__name__}: {error})") from None
    if version > NUMERICS_VERSION:
        raise NewerRecordError(
            f"it was written by a newer precision (version {version} of the numerics; this one has "
            f"{NUMERICS_VERSION})"
        )
    if version < NUMERICS_VERSION:
        raise OutdatedRecordError(
            f"it was computed with version {version} of the numerics; this one has {NUMERICS_VERSION}"
        )
    if not whole and not (unsummed and record["sums"] is None):
        raise ValueError("its sha256 is missing, without which nobody knows whether it has changed")
    record.pop("sha256", None)
    return {**record, "numerics": version}


def revive(record: Record) -> TrialResult:
    """Return the result that a record describes; it takes over the mappings of the record."""
    trial = Trial.from_json(record["trial"])
    vars(trial)["id"] = record["id"]  # it was computed and compared when the file was checked
    stored = [name for name in TrialResult.__dataclass_fields__ if name in record and name != "trial"]
    return TrialResult(trial, **{name: record[name] for name in stored})


def pack(record: Record) -> str:
    """Return a short text for the index, which is read four times as fast: a history of numbers is binary."""
    history = record["history"]
    shapes = {(tuple(row), *map(type, row.values())) for row in history}
    columns, *types = shapes.pop() if len(shapes) == 1 else ((),)  # the same throughout, or none
    if columns and {*types} <= {int, float}:
        layout = "".join("d" if kind is float else "q" for kind in types)
        values = [value for row in history for value in row.values()]
        with suppress(struct.error):  # a whole number beyond 64 bits, or no number
            content = struct.pack("<" + layout * len(history), *values)
            packed = base64.b64encode(content).decode()
            return _compact({**record, "history": [columns, f"<{layout}", packed], "packed": True})
    return _compact({**record, "packed": False})


def unpack(text: str | bytes) -> Record:
    """Return the record of :func:`pack`."""
    record: Record = json.loads(text)
    if record.pop("packed"):
        columns, layout, content = record["history"]
        rows = struct.iter_unpack(layout, base64.b64decode(content))
        record["history"] = [dict(zip(columns, row, strict=True)) for row in rows]
    return record


def _compact(record: Record) -> str:
    return json.dumps(record, separators=(",", ":"))


def _checked(record: Record) -> Record:
    """Return a record whose values have the right types, its numbers as numbers that can be."""
    checked = {
        **record,
        "reason": _text(record["reason"]),
        "metrics": _numbers(record["metrics"]),
        "facts": _texts(record["facts"]),
        "history": [_numbers(row) for row in record["history"]],
        "batches": [_numbers(row) for row in record.get("batches", [])],  # absent where nothing was timed
        "provenance": _texts(record["provenance"]),
        "attempts": _count(record["attempts"]),
        "seconds": _number(record["seconds"]),
        "sums": None if record["sums"] is None else _sums(record["sums"]),
    }
    wrong = misplaced(checked["metrics"], checked["history"], checked["seconds"])
    if wrong:
        raise ValueError(wrong)
    return checked


def _migrated(record: Record) -> Record:
    version = record["schema"]
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"its version is {version!r}")
    if version > SCHEMA_VERSION:
        raise NewerRecordError(
            f"it was written by a newer precision (version {version} of the file; this one reads up to "
            f"{SCHEMA_VERSION})"
        )
    for step in range(version, SCHEMA_VERSION):
        record = MIGRATIONS[step](record)
    return {**record, "schema": SCHEMA_VERSION}


def _plain_row(row: Mapping[str, float]) -> dict[str, float | str]:
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(float(value))


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value)
    if not isinstance(value, int | float) or abs(value) >= 1e300:  # larger is no measurement of ours
        raise ValueError(f"{value!r} is no number")
    return value


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {key: value if type(value) is float else _number(value) for key, value in values.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in values.items()}


_SUM = re.compile(rf"[0-9a-f]{{{DIGITS}}}")


def _sums(values: dict[str, Any]) -> dict[str, str]:
    for value in values.values():
        if not _SUM.fullmatch(value):
            raise ValueError(f"{value!r} is no sha256")
    return values


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no count")
    return value
