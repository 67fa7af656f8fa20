"""What is worth keeping with this machine: facts that take seconds to find out, in the user's cache folder.

Each is a small JSON file whose name is the sha256 of all that the fact depends on, so none is ever wrong, and
any may be lost.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from precision import files

VARIABLE = "PRECISION_CACHE"


def user_cache() -> Path:
    """Return the folder that the variable PRECISION_CACHE names, else one after the custom of the system.

    It may not exist yet.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    from platformdirs import user_cache_path

    return user_cache_path("precision")


def find(kind: str, *key: object) -> dict[str, Any] | None:
    """Return what was kept under a key; None for nothing, and for a file that is none of these."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_path(kind, key).read_bytes())
        return found if isinstance(found, dict) else None
    return None


def keep(kind: str, *key: object, value: Mapping[str, Any]) -> None:
    """Keep JSON-ready data under a key of texts and numbers; where nothing can be written, do not."""
    path = _path(kind, key)
    with suppress(OSError):
        files.make_folder(path.parent)
        files.write(path, json.dumps(value).encode())


def _path(kind: str, key: tuple[object, ...]) -> Path:
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return user_cache() / "machine" / f"{kind}-{digest[:24]}.json"
