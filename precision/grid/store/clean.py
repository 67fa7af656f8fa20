"""Find what can go from a store, and remove it; what a running process holds stays."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from precision import files, received
from precision.errors import PrecisionError
from precision.grid.store import labels, links, own, reading, record
from precision.grid.store.locks import granted, held, is_lock
from precision.grid.store.registered import LOCK
from precision.grid.store.store import Store

KINDS = {
    "trial": "trials that nothing refers to",
    "unreadable": "results that cannot be read",
    "checkpoint": "checkpoints of finished trials",
    "draft": "files that a writer left unfinished",
    "lock": "locks that nobody holds",
}


@dataclass(frozen=True)
class Item:
    """Something that can go.

    Attributes:
        kind: one of ``KINDS``.
        path: a file or a folder.
        size: bytes of all that is in it.
        what: words for the user.
        lock: id whose lock has to be free.
    """

    kind: str
    path: Path
    size: int
    what: str
    lock: str


@dataclass
class Found:
    """What can go, and sentences about what stays although one might expect it to go."""

    items: list[Item] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def find(store: Store, kept: Collection[str], unreadable: bool = False) -> Found:
    """Return what can go when these trials are kept; remove nothing.

    Args:
        kept: ids of trials.
        unreadable: results that are torn or foreign can go, too.
    """
    found = Found()
    trials = store.root / "trials"
    unsummed = store.unsummed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each is told below
        results = {name: _short(result) for name, result in reading.records(store.root, None, unsummed)}
    told_by_locks = _has_locks(store)
    if not told_by_locks:
        found.left.append(
            f"{store.root}: this file system has no locks that would tell who is writing, so unfinished "
            "files stay; make sure that no run is at work"
        )
    for name in _names(trials):
        path = trials / name
        if files.is_draft(name) and reading.ID.fullmatch(name.split(".")[1]):
            found.items.append(_item("draft", path, "what was left of a trial", name.split(".")[1]))
        elif path.is_symlink() or not path.is_dir() or not reading.ID.fullmatch(name):
            found.left.append(f"{path}: precision did not write this, and it stays")
        elif name not in kept and (why := own.foreign(path)):
            found.left.append(f"{path}: this stays, because {why}")
        elif held(store.lock(name).path):
            found.left.append(f"{path}: another process is at this trial, which stays")
        else:
            _look_at(store, name, results.get(name), name in kept, unreadable, found)
    for folder in (store.root / "grids", store.root / "locks", store.root / labels.FOLDER):
        for name in _names(folder):
            path = folder / name
            if files.is_draft(name):
                found.items.append(_item("draft", path, "", LOCK))
            elif reading.ID.fullmatch(path.stem) and _is_unused_lock(path):
                found.items.append(_item("lock", path, "", path.stem))
    if not told_by_locks:
        found.items = [item for item in found.items if item.kind != "draft"]
    return found


def remove(store: Store, items: Collection[Item], kept: Callable[[], Collection[str]]) -> list[Item]:
    """Remove what was found, and return what was; what is in use by now, or referred to, stays.

    Args:
        kept: returns the ids of trials that grids were registered for in the meantime.

    Raises:
        PrecisionError: when something cannot be removed, where what was removed before is gone; and when a
            folder of the store is a link.
    """
    links.check(store.root)
    removed: list[Item] = []
    referred = frozenset(kept())
    for item in items:
        if item.kind == "trial" and item.path.name in referred:
            continue
        try:
            files.make_folder(store.root / "locks")
            if _removed(store, item):
                removed.append(item)
        except OSError as error:
            raise PrecisionError(
                f"{item.path}: this cannot be removed ({error.strerror}); {len(removed)} of {len(items)} "
                "entries were"
            ) from None
    return removed


def _removed(store: Store, item: Item) -> bool:
    """Remove an item unless its lock is held or it is gone; return whether it was removed."""
    if (item.kind == "lock" and not is_lock(item.path)) or (item.kind == "trial" and own.foreign(item.path)):
        return False
    lock = store.lock(item.lock)
    lasting = lock.path.exists() and item.kind != "trial"
    with granted(lock) as free:
        if not free:
            return False
        try:
            _remove(item.path)
        except FileNotFoundError:
            return False
        finally:
            if not lasting:
                lock.path.unlink(missing_ok=True)
    return True


def _look_at(
    store: Store, name: str, result: tuple[str, str] | None, kept: bool, unreadable: bool, found: Found
) -> None:
    """Add what can go of one trial."""
    path = store.folder(name)
    what, state = result or _state(path, name, store.unsummed)
    if not kept and any(path.glob("result.schema*.json")):  # kept beside a result of ours
        state = "newer"
    if state == "newer" and not kept:
        found.left.append(f"{path}: a newer precision wrote this result, which stays")
    elif state == "unreadable" and not unreadable:
        found.left.append(f"{path}: its result cannot be read and stays; --unreadable removes it")
    elif not kept:
        found.items.append(_item("trial", path, what, name))
        return
    elif state == "unreadable":
        found.items.append(_item("unreadable", path / "result.json", what, name))
    if state in ("ok", "diverged") and store.checkpoint(name).exists():
        found.items.append(_item("checkpoint", store.checkpoint(name), what, name))
    listed = {item.path for item in found.items}
    for folder, folders, entries in os.walk(path):
        drafts = [Path(folder) / entry for entry in (*folders, *entries) if files.is_draft(entry)]
        found.items += [_item("draft", draft, what, name) for draft in drafts]
        listed.update(drafts)
        folders[:] = [entry for entry in folders if Path(folder) / entry not in listed]


def _short(result: record.Record) -> tuple[str, str]:
    """Return words for a trial, and its status."""
    trial, status = result["trial"], result["status"]
    parts = [trial[part]["name"] for part in ("dataset", "architecture", "method")]
    return " ".join([*parts, f"seed {trial['seed']}: {status}"]), status


def _state(path: Path, name: str, unsummed: bool) -> tuple[str, str]:
    """Return words for a trial without a result of ours, and what is there in its place."""
    try:
        record.decode(received.stored(path / "result.json")[1], name, unsummed)
    except FileNotFoundError:
        return "no result", "none"
    except record.OutdatedRecordError:
        return "result of former numerics", "outdated"
    except record.NewerRecordError:
        return "result of a newer precision", "newer"
    except (OSError, ValueError):
        return "a result that cannot be read", "unreadable"
    return "a result that came just now", "newer"


def _item(kind: str, path: Path, what: str, lock: str) -> Item:
    return Item(kind, path, sum(_sizes(path)), what, lock)


def _sizes(path: Path) -> Iterator[int]:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            for entry in path.rglob("*"):
                with suppress(OSError):
                    yield entry.lstat().st_size if not entry.is_dir() else 0
        else:
            yield path.lstat().st_size


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _is_unused_lock(path: Path) -> bool:
    return path.suffix == ".lock" and is_lock(path) and not held(path)


def _has_locks(store: Store) -> bool:
    try:
        with store.lock(LOCK) as lock:
            return lock.real
    except OSError:  # as above
        return True


def _remove(path: Path) -> None:
    """Remove a file, or a folder as a whole: it gets the name of a draft first."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    if not files.is_draft(path.name):
        path = path.rename(files.draft_of(path))
    shutil.rmtree(path)
