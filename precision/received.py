"""Files that users name: what they are is looked at before they are read.

A path may lead to a folder, a FIFO that nobody writes into, a device without end or a file larger than the
memory; and it may be no path at all, with a NUL in it or a name that is too long. Everything that reads a
file of the user's asks here first, so that each of these is one sentence.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from precision.errors import PrecisionError

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
STORED = 2**26  # bytes of a file of ours that is read as a whole: a record, a journal, an entry of a grid
_PIECE = 2**20  # bytes
_NEAR = 5  # names that a message lists


def refusal(path: str | Path, most: int | None = None, near: str = "") -> str | None:
    """Return why something is no file that can be read, as the end of a sentence; None if it can be.

    Args:
        most: bytes that the file may have.
        near: pattern of the names beside it that are listed when it is not there, such as ``*.npy``.
    """
    status = _status(path, "file")
    if isinstance(status, str):
        advice = beside(path, near) or "; check the path"
        return status + (advice if status.startswith("there is no") else "")
    if not stat.S_ISREG(status.st_mode):
        return f"this is {_kind(status)}, and a file is needed"
    if most is not None and status.st_size > most:
        return f"a file here has at most {most} bytes, but got {status.st_size}"
    return None


def _status(path: str | Path, wanted: str) -> os.stat_result | str:
    """Return what the system says of a path, or why it says nothing."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no such {wanted}"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError as error:  # a NUL, or half of a surrogate pair
        return f"no {wanted} can have this name ({error})"


def _kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def check(path: str | Path, most: int | None = None, near: str = "") -> None:
    """Refuse what is no file that can be read.

    Raises:
        PrecisionError: with the path and the sentence of :func:`refusal`.
    """
    why = refusal(path, most, near)
    if why is not None:
        raise PrecisionError(f"{path}: {why}")


def read(path: str | Path, most: int, near: str = "") -> bytes:
    """Return the content of a file, which has at most ``most`` bytes.

    Raises:
        PrecisionError: as :func:`check`, and when it cannot be read.
    """
    check(path, most, near)
    try:
        return stored(path, most)[1]
    except OSError as error:
        raise PrecisionError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise PrecisionError(f"{path}: {error}") from None


def stored(path: str | Path, most: int = STORED) -> tuple[os.stat_result, bytes]:
    """Return the status and the content of a file of ours, in whose place something else may lie.

    Raises:
        OSError: as ``open`` does; FileNotFoundError when there is none.
        ValueError: when it is no file, or has more than ``most`` bytes.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for a writer
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"this is {_kind(status)}, and a file is needed")
        if status.st_size <= most:
            with open(handle, "rb", closefd=False) as stream:
                content = stream.read(status.st_size + 1)
                # A file of /proc does not say how long it is, and another one may grow.
                while len(content) <= most and (piece := stream.read(_PIECE)):
                    content += piece
            if len(content) <= most:
                return status, content
        raise ValueError(f"a file here has at most {most} bytes, but got {status.st_size or 'more'}")
    finally:
        os.close(handle)


def check_folder(path: str | Path) -> None:
    """Refuse what is no folder.

    Raises:
        PrecisionError: with the path and the reason.
    """
    status = _status(path, "folder")
    if isinstance(status, str):
        raise PrecisionError(f"{path}: {status}")
    if not stat.S_ISDIR(status.st_mode):
        raise PrecisionError(f"{path}: this is {_kind(status)}, and a folder is needed")


def check_name(path: str | Path) -> None:
    """Refuse what no file or folder can be called, whether there is one or not.

    Raises:
        PrecisionError: with the reason.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:
        raise PrecisionError(f"{path}: no file can have this name ({error.strerror})") from None
    except ValueError as error:
        raise PrecisionError(f"{path}: no file can have this name ({error})") from None


def is_folder(path: str | Path) -> bool:
    """Return whether there is a folder, whatever was given for its path."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def beside(path: str | Path, pattern: str) -> str:
    """Return which files of a pattern lie in the folder of a path, as the rest of a sentence."""
    folder = Path(path).parent
    if not pattern or not is_folder(folder):
        return ""
    names = sorted(found.name for found in folder.glob(pattern))
    more = ", ..." if len(names) > _NEAR else ""
    return f"; {folder} has {', '.join(names[:_NEAR])}{more}" if names else ""


def memory() -> int:
    """Return the bytes of memory of this machine: what is larger cannot be loaded as a whole."""
    import psutil

    return int(psutil.virtual_memory().total)
