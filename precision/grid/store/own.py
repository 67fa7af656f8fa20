"""What a store has written itself, by which that is told from whatever else lies in its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from precision import files
from precision.errors import short
from precision.grid.store import links, sums, version

_FOLDERS = (*links.FOLDERS, "sensitivity", "search", "audit", "explain", "bundles", "labels")
_FILE = re.compile(rf"{re.escape(version.NAME)}|index\.sqlite.*")
_OF_A_TRIAL = re.compile(rf"result\.json|result\.schema\d+\.json|{'|'.join(map(re.escape, sums.FILES))}")
_CHECKPOINT = "state.npz"


def store_of(path: Path, *stores: Path) -> Path | None:
    """Return the store of which a path names a file, there or not; None when it is none of any store.

    Args:
        stores: folders that are stores, or are going to be; others are known by what they hold.
    """
    known = {store.resolve() for store in stores}
    for whole in (Path(os.path.abspath(path)), path.resolve()):
        for root in whole.parents:
            first = whole.relative_to(root).parts[0]
            if (first in _FOLDERS or _FILE.fullmatch(first)) and (root.resolve() in known or _is_store(root)):
                return root
    return None


def foreign(trial: Path) -> str:
    """Return in words why a folder is not that of a trial alone; nothing when it is."""
    try:
        names = sorted(os.listdir(trial))
        others = [name for name in names if not _is_of_a_trial(trial / name)]
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if others:
        return f"it holds {short(others[0])}, which precision did not write"
    return "" if names else "it holds nothing that precision wrote"


def _is_store(root: Path) -> bool:
    return (root / version.NAME).is_file() or all((root / name).is_dir() for name in links.FOLDERS)


def _is_of_a_trial(path: Path) -> bool:
    if files.is_draft(path.name):
        return True
    if path.name == "checkpoint" and path.is_dir() and not path.is_symlink():
        return all(name == _CHECKPOINT or files.is_draft(name) for name in os.listdir(path))
    return _OF_A_TRIAL.fullmatch(path.name) is not None and not path.is_dir()
