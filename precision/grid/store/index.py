"""A cache of all result files in one SQLite file, which may be lost, wrong or out of reach at any time.

An entry holds the record of a result, already checked, and the stamp of the file that it was read from:
times, size and inode. A file is replaced, never changed, so that another stamp means another file; stamps are
only compared for equality. A checksum covers each entry, because SQLite has none of its own.

When something is wrong with the file, its user still gets the results, from the files themselves.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from precision.grid.store.record import SCHEMA_VERSION
from precision.trial import NUMERICS_VERSION

APPLICATION = 0x70726563  # marks an SQLite file as an index of results
LAYOUT = 3  # raised whenever the table, or what counts as a valid record, changes
VERSION = LAYOUT * 10**6 + SCHEMA_VERSION * 10**3 + NUMERICS_VERSION

# Locked, read-only, full or out of reach: another time. Whatever else SQLite says, the file is broken.
_ELSEWHERE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
}

T = TypeVar("T")


class Index:
    """The index file; a context, at the end of which it is closed.

    Args:
        path: of the file; it is made when there is something to put in.
        patience: seconds to wait for another process that has it locked.
    """

    def __init__(self, path: Path, patience: float = 1.0) -> None:
        self._path, self._patience = path, patience
        self._connection: sqlite3.Connection | None = None
        self._usable = True

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, stamps: Mapping[str, str]) -> dict[str, str]:
        """Return the entries with these ids and stamps."""
        if not self._path.exists():
            return {}
        return self._do(lambda connection: _select(connection, stamps), {})

    def put(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Add entries (id, stamp, text), or replace them."""
        if entries:
            rows = [(*entry, _checksum(*entry)) for entry in entries]
            statement = "INSERT OR REPLACE INTO results (id, stamp, text, checksum) VALUES (?, ?, ?, ?)"
            self._change(statement, rows)

    def keep(self, ids: Iterable[str]) -> None:
        """Drop the entries of all other ids."""
        if not self._path.exists():
            return
        there = self._do(lambda c: {row[0] for row in c.execute("SELECT id FROM results")}, set[str]())
        gone = there.difference(ids)
        if gone:
            self._change("DELETE FROM results WHERE id = ?", [(trial_id,) for trial_id in gone])

    def _change(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(statement, rows)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

        self._do(work, None)

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Return what ``work`` does with the open file, once more with a new file when it is broken."""
        for last in (False, True):
            if not self._usable or self._path.is_symlink():  # nothing is written through a link
                break
            try:
                if self._connection is None:
                    self._connection = self._open()
                return work(self._connection)
            except (sqlite3.Error, UnicodeError) as error:  # a broken file makes messages that are no text
                self._close()
                broken = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _ELSEWHERE
                self._usable = broken and not last and self._removed()
            except _ForeignError:
                self._close()
                self._usable = False
        return otherwise

    def _open(self) -> sqlite3.Connection:
        with suppress(OSError):  # SQLite's own file could be written by its owner alone, whatever the umask
            self._path.touch(0o666)
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None)
        try:
            connection.text_factory = lambda text: text.decode(errors="replace")  # a broken one fails later
            # A torn index is made anew: to wait for the disk would protect nothing.
            connection.execute("PRAGMA synchronous = OFF")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if (application, version) == (APPLICATION, VERSION):
                return connection
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if application != APPLICATION and tables:
                warnings.warn(
                    f"{self._path}: this is no index of results; move it away, and opening gets faster",
                    stacklevel=2,
                )
                raise _ForeignError
            connection.executescript(
                f"""
                BEGIN IMMEDIATE;
                DROP TABLE IF EXISTS results;
                CREATE TABLE results (
                    id TEXT PRIMARY KEY, stamp TEXT NOT NULL, checksum INTEGER NOT NULL, text TEXT NOT NULL
                );
                PRAGMA application_id = {APPLICATION};
                PRAGMA user_version = {VERSION};
                COMMIT;
                """
            )
            return connection
        except BaseException:
            connection.close()
            raise

    def _removed(self) -> bool:
        try:
            for ending in ("", "-journal"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error), closing(self._connection):
                pass
            self._connection = None


class _ForeignError(Exception):
    """The file is another program's."""


def stamp(status: os.stat_result) -> str:
    """Return what tells a file from every other that had its name."""
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {status.st_ino}"


def _checksum(trial_id: str, its_stamp: str, text: str) -> int:
    return zlib.crc32(f"{trial_id}\n{its_stamp}\n{text}".encode())


def _select(connection: sqlite3.Connection, stamps: Mapping[str, str]) -> dict[str, str]:
    marks = ", ".join("?" * len(stamps))
    found = {}
    for trial_id, its_stamp, checksum, text in connection.execute(
        f"SELECT id, stamp, checksum, text FROM results WHERE id IN ({marks})", list(stamps)
    ):
        if stamps.get(trial_id) == its_stamp and _checksum(trial_id, its_stamp, text) == checksum:
            found[trial_id] = text
    return found
