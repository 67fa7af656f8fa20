"""Where the files of a dataset lie: a data directory, then the user's cache folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from precision import received
from precision.errors import PrecisionError, shown
from precision.kept import user_cache

VARIABLE = "PRECISION_DATA"


def data_directory(data_dir: str | Path | None) -> Path | None:
    """Return the given data directory, else the one that the environment names, else None.

    Raises:
        PrecisionError: if it is not a folder.
    """
    given = data_dir or os.environ.get(VARIABLE)
    if not given:
        return None
    folder = home(given)
    if not received.is_folder(folder):
        origin = "--data-dir" if data_dir else f"the environment variable {VARIABLE}"
        raise PrecisionError(f"the data directory must be an existing folder, but got {folder} from {origin}")
    return folder


def home(path: str | os.PathLike[str]) -> Path:
    """Return a path with the home of a user in place of ``~``.

    Raises:
        PrecisionError: for the home of an unknown user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise PrecisionError(f"the home of an unknown user is meant, but got {shown(str(path))}") from None


def folders(name: str, data_dir: Path | None) -> list[Path]:
    """Return where to look for a dataset whose folder is called ``name``, in this order."""
    return [root / name for root in (data_dir, user_cache()) if root is not None]


def first_file(roots: Iterable[Path], names: Iterable[str]) -> Path | None:
    """Return the first file of any of these names in the first folder that has one."""
    names = list(names)
    return next((folder / name for folder in roots for name in names if (folder / name).is_file()), None)


def advice(name: str, files: Sequence[str], data_dir: Path | None) -> str:
    """Return what to do without a network: which files to put where."""
    names = ", ".join(files)
    if data_dir is not None:
        return f"put {names} into {data_dir / name}"
    return f"put {names} into a folder {name!r}, and name the folder above it with --data-dir or {VARIABLE}"


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock under which processes agree on who writes ``target``; makes the folder above it.

    Raises:
        PrecisionError: if nothing can be written there.
    """
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise PrecisionError(
            f"{target.parent}: cannot be written ({error.strerror}); choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
