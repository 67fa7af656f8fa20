"""What an exhaustive run has finished so far: a file per format, replaced as a whole, read again by the next.

A record belongs to one state of the code: the formats, the oracles and the libraries that both use.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

from precision import files

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "ml_dtypes", "tensorflow", "keras")
COMMAND = ("verify", "record", "report")  # modules that no result depends on


def fingerprint() -> str:
    """Return a digest of the code under test, of the oracles and of the versions of the libraries."""
    digest = hashlib.sha256()
    for folder in ("precision/formats", "tests/oracles"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.stem not in COMMAND:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    digest.update(repr(versions()).encode())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Return the versions of the libraries that the results depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


class Record:
    """Results by format and stretch, kept in ``folder/fingerprint``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / fingerprint()
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, text: str) -> dict[int, dict[str, Any]]:
        """Return what is known of a format: stretch to result."""
        path = self._path(text)
        if not path.exists():
            return {}
        return {int(chunk): result for chunk, result in json.loads(path.read_text()).items()}

    def write(self, text: str, results: dict[int, dict[str, Any]]) -> None:
        """Replace what is known of a format; a reader sees the old file or the new one, never a part."""
        files.write(self._path(text), json.dumps(results).encode())

    def _path(self, text: str) -> Path:
        return self.folder / (re.sub(r"[^A-Za-z0-9_=,.-]", "_", text) + ".json")
