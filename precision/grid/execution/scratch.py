"""A folder for the copies that a process needs, which goes with the process, however that ends.

    <temporary folder>/precision-<random>/owner.json    whose it is
    <temporary folder>/precision-<random>/owner.lock    held as long as its process lives

A process that is killed cannot remove its folder: the next one does. It takes what carries the mark of its
own user on this machine, and whose lock nobody holds; a name alone says nothing.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from precision.grid.store.locks import Lock, granted, is_lock

PREFIX = "precision-"
MARK = "owner.json"
LOCK = "owner.lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new folder, which is removed in the end; what killed processes left is removed first.

    Raises:
        OSError: when there is no room for it.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        with Lock(folder / LOCK):
            (folder / MARK).write_text(json.dumps(_owner()))  # with the lock held, and not before
            yield folder


def _sweep(where: Path) -> None:
    """Remove the folders of processes that are gone."""
    for folder in where.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_ours(folder):
                lock = Lock(folder / LOCK)
                with granted(lock) as free:
                    if free and lock.real:  # where there are no locks, nobody knows
                        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder carries our mark, which no other user could have put there."""
    mark = folder / MARK
    if folder.is_symlink() or mark.is_symlink() or not is_lock(folder / LOCK):
        return False
    if hasattr(os, "getuid") and {folder.stat().st_uid, mark.stat().st_uid} != {os.getuid()}:
        return False
    try:
        return bool(json.loads(mark.read_bytes()) == _owner())
    except (ValueError, RecursionError):
        return False


def _owner() -> dict[str, str]:
    # A temporary folder may be one that several machines share, whose processes nobody sees here.
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return {"made by": "precision", "machine": platform.node(), "user": user}
