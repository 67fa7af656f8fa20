"""The sha256 of what is stored, by which a file that has changed since is told from the one that was written.

A record ends with the sum of all its bytes before it, and holds the sums of the other files of its trial. A
changed bit anywhere in any of them is seen: there is no part of a file that is not summed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PREDICTIONS = "predictions.npy"
WEIGHTS = "trained.weights.h5"
BY_CLASS = "by_class.npz"
SAMPLES = "samples.json"
NEEDED = (PREDICTIONS, BY_CLASS, WEIGHTS)  # which are held to their sums before a trial counts as done
FILES = (*NEEDED, SAMPLES)  # of a trial, beside its record

OTHER = "it is not the file that was stored with the result: its sha256 is another one"
DIGITS = 64
_BEFORE, _AFTER = b',\n "sha256": "', b'"\n}'
_LENGTH = len(_BEFORE) + DIGITS + len(_AFTER)


def of(content: bytes) -> str:
    """Return the sum of some bytes."""
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """Return the sum of a file, of any size.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def difference(path: Path, known: Mapping[str, str] | None, read: bool = True) -> str:
    """Return why a file that is there is not the one that was stored, in words; nothing when it is.

    Args:
        known: the sums of the files of its trial; None where there are none.
        read: the file; otherwise it is only asked for whether its trial has such a file.
    """
    if known is None or not path.exists():
        return ""
    if path.name not in known:
        return "its result was stored without it"
    if not path.is_file():  # a FIFO would wait for a writer
        return "it is no file"
    try:
        return "" if not read or of_file(path) == known[path.name] else OTHER
    except OSError as error:
        return error.strerror or str(error)


def sealed(content: dict[str, Any]) -> str:
    """Return the text of a mapping as JSON, with the sum of the text as its last member."""
    body = json.dumps(content, indent=1, allow_nan=False).removesuffix("\n}")
    return f"{body}{_BEFORE.decode()}{of(body.encode())}{_AFTER.decode()}"


def is_sealed(content: bytes) -> bool:
    """Return whether a file ends with its sum; those that were written before there were sums do not.

    Raises:
        ValueError: when it is the sum of something else.
    """
    body, end = content[:-_LENGTH], content[-_LENGTH:]
    if not (body and end.startswith(_BEFORE) and end.endswith(_AFTER)):
        return False
    if of(body).encode() != end[len(_BEFORE) : -len(_AFTER)]:
        raise ValueError("it has changed since it was written: its sha256 is another one")
    return True
