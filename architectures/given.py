"""What is known of the networks that a user gives, without building them.

Such a network may come with its weights, and what it computes then depends on the content of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from precision import received
from precision.registry import MODEL_FILE

# Their options that are paths of files; one that is there brings the weights along.
FILES = {"keras_file": "path", "keras_application": "weights"}


def is_given(name: str) -> bool:
    """Return whether an architecture is built from what a user gives, not by code of this project."""
    return name in FILES


def file_options(name: str) -> set[str]:
    """Return the options of an architecture that are paths of files."""
    return {FILES[name]} if name in FILES else set()


def is_pretrained(name: str, options: Mapping[str, Any]) -> bool:
    """Return whether a network comes with weights that its trials take as they are."""
    return is_given(name) and options.get(FILES[name]) is not None and options.get("start") != "fresh"


def title_of(name: str, options: Mapping[str, Any]) -> str:
    """Return how a message names a network that a user gives."""
    return str(options["path"]) if name == "keras_file" else f"{name} {options['model']}"


def identity(name: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return what a trial depends on by the file that its network is read from; nothing where there is none.

    Raises:
        PrecisionError: when the file is not there or no file.
    """
    path = options.get(FILES[name]) if is_given(name) else None
    if path is None:
        return {}
    path = Path(path).expanduser()
    received.check(path, near="*.keras")
    with open(path, "rb") as stream:
        return {MODEL_FILE: hashlib.file_digest(stream, "sha256").hexdigest()}
