"""The identity of a dataset that the user's own files make up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from precision import received
from precision.data.options import folder_options, parse, path_options
from precision.errors import PrecisionError


def fingerprint(name: str, options: Mapping[str, Any]) -> str | None:
    """Return a sha256 (64 hexadecimal digits) over the content of the files that the options name.

    It changes when a file's content, or a file's path below a folder, changes; not when all is moved
    elsewhere. Hidden files do not count. Every call reads every file.

    Returns:
        None for a dataset without options that are paths: the catalogue fixes its content.

    Raises:
        PrecisionError: for wrong options, or a file that is not there or cannot be read.

    >>> import numpy as np
    >>> from precision.data import fingerprint
    >>> np.savez("mine.npz", x=np.zeros((4, 28, 28)), y=[0, 1, 0, 1])
    >>> len(fingerprint("npz", {"path": "mine.npz"}))
    64
    """
    own, _ = parse(name, options)
    paths = path_options(name)
    if not paths:
        return None
    digest = hashlib.sha256()
    folders = folder_options(name)
    for option in sorted(paths & own.keys()):
        (received.check_folder if option in folders else received.check)(own[option])
    for option in sorted(paths & own.keys()):
        for relative, content in _contents(own[option]):
            # Lengths keep the boundaries: "ab" + "c" is not "a" + "bc".
            text = f"{option}\0{len(relative)}\0{relative}\0{content}\0"
            digest.update(text.encode(errors="surrogateescape"))
    return digest.hexdigest()


def visible_files(folder: Path) -> list[Path]:
    """Return the files anywhere below a folder, sorted by path; names that begin with a dot are left out."""
    below = (path for path in folder.rglob("*") if path.is_file())
    shown = (path for path in below if not any(p.startswith(".") for p in path.relative_to(folder).parts))
    return sorted(shown, key=lambda path: path.relative_to(folder).as_posix())


def _contents(path: Path) -> list[tuple[str, str]]:
    """Return the relative name and the sha256 of a file, or of each file below a folder."""
    try:
        files = visible_files(path) if path.is_dir() else [path]
        return [("" if file == path else file.relative_to(path).as_posix(), _sha256(file)) for file in files]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise PrecisionError(f"{str(path)[:200]}: cannot be read ({why}); check the path") from None


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
