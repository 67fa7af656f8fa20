"""The lock that a process holds while it runs a trial; the system releases it when the process ends."""

from __future__ import annotations

import errno
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

# What file systems without locks answer, for example some network and user-space ones.
_WITHOUT = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}

_warned: set[Path] = set()


class Lock:
    """An exclusive lock on a file.

    On a file system without locks it is always granted, with one warning per folder: results are written
    whole, and are the same whoever computes them; all that a lock saves is the work of computing one twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # A file whose existence is the lock, to which the library would turn, outlives a killed process.
        self._lock = filelock.FileLock(path, fallback_to_soft=False)

    def acquire(self, timeout: float = -1) -> _Held:
        """Take the lock, waiting at most so many seconds; below 0 for ever. Use it as a context.

        Raises:
            filelock.Timeout: when another process holds it.
            OSError: when the file cannot be written.
        """
        try:
            self._lock.acquire(timeout=timeout)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, TimeoutError) or getattr(error, "errno", errno.ENOSYS) not in _WITHOUT:
                raise
            _warn(self.path.parent)
        return _Held(self)

    @property
    def real(self) -> bool:
        """Whether it is held, and not granted for want of locks."""
        return bool(self._lock.is_locked)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class _Held:
    def __init__(self, lock: Lock) -> None:
        self._held = lock

    def __enter__(self) -> Lock:
        return self._held

    def __exit__(self, *_: object) -> None:
        self._held.release()


@contextmanager
def granted(lock: Lock) -> Iterator[bool]:
    """Take a lock without waiting, as a context; yields whether it was free."""
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Return whether a process holds a lock; what is not there, or is no lock of ours, is not touched."""
    if not is_lock(path):
        return False
    try:
        with granted(Lock(path)) as free:
            return not free
    except OSError:  # a folder that cannot be written, so that nobody else does anything there either
        return False


def is_lock(path: Path) -> bool:
    """Return whether a file can be a lock of ours, which is empty."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and not status.st_size


def _warn(folder: Path) -> None:
    if folder not in _warned:
        _warned.add(folder)
        warnings.warn(
            f"{folder}: this file system has no locks; two runs at once may compute a trial twice",
            stacklevel=4,
        )
