"""Rows that are stored as they come: one JSON object a line, so that an interrupted run loses at most one.

The first line says what the rows are about. A last line that was torn by a crash is dropped; a line that
cannot be read is reported and left out, and its row is computed again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock

from precision import points, received, room
from precision.errors import PrecisionError
from precision.grid.store import links

Row = dict[str, Any]


class Journal:
    """The rows of one file, STORE/<kind>/<hash>.jsonl; a context, within which no other process writes them.

    Args:
        root: folder of the results, ready to be written.
        kind: what the rows are, the name of a folder.
        about: identifies the rows, plain data, of which the hash names the file.
        more: is stored beside it for whoever reads the file.

    Attributes:
        about: both, as the file has them if it was there before.
        rows: what was stored and is appended.
    """

    def __init__(self, root: Path, kind: str, about: Row, more: Row) -> None:
        name = hashlib.sha256(json.dumps({kind: about}, sort_keys=True).encode()).hexdigest()[:12]
        self._path = root / kind / f"{name}.jsonl"
        self.about: Row = {**about, **more}
        self._lock = filelock.FileLock(root / "locks" / f"{name}.lock")
        self.rows: list[Row] = []

    def __enter__(self) -> Journal:
        for path in (self._path.parent, self._path):
            if path.is_symlink():
                raise links.refusal(path)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise PrecisionError(
                f"{self._path}: another process is writing these results; wait for it to end"
            ) from None
        self.rows = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def append(self, row: Row) -> None:
        """Store a row; numbers may be infinite or NaN.

        Raises:
            NoRoomError: on a full disk; the rows before are as they were.
        """
        new = not self._path.exists()
        lines = [{"about": self.about}, row] if new else [row]
        text = "".join(json.dumps(_plain(line), allow_nan=False) + "\n" for line in lines)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            before = 0 if new else self._path.stat().st_size
            self._write(text.encode())
        except OSError as error:
            with suppress(OSError):  # half a line, or a file that says nothing
                if new:
                    self._path.unlink(missing_ok=True)
                else:
                    os.truncate(self._path, before)
            raise room.missing(error, self._path) or error from None
        self.rows.append(row)
        points.reached("row kept")

    def _write(self, content: bytes) -> None:
        with self._path.open("ab") as stream:  # in one piece: a reader sees a line or none
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self) -> list[Row]:
        try:
            _, content = received.stored(self._path)
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise PrecisionError(f"{self._path}: {error}") from None
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)
        if not whole:
            self._path.unlink()
            return []
        rows = []
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no object")
            except (ValueError, RecursionError) as error:
                text = f"{self._path}:{number}: this line cannot be read and is left out ({error})"
                warnings.warn(text, stacklevel=3)
                continue
            if "about" in row:
                self.about = row["about"]
            else:
                rows.append({key: _number(value) for key, value in row.items()})
        return rows


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are stored as {"float": text}."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [_number(v) for v in value]
    return float(value["float"]) if isinstance(value, dict) and set(value) == {"float"} else value
