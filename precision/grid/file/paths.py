"""The way to an entry as a text, ``training.epochs`` or ``architectures.0.width``, and what stands there."""

from __future__ import annotations

import re

from precision.errors import shown
from precision.grid.file.entry import Entry, Mark, merge
from precision.grid.file.reader import MAX_DEPTH

# What options may be added to: a bare name there stands for a mapping with a name.
NAMED = ("datasets", "architectures", "methods")
_PART = re.compile(r'"([^"]+)"|\'([^\']+)\'|([^."\']+)')


def split(text: str, mark: Mark) -> list[str]:
    """Return the keys of a dotted way; a key that has dots itself stands in quotes.

    Raises:
        PrecisionError: for an empty part or an open quote.
    """
    parts: list[str] = []
    position = 0
    while True:
        found = _PART.match(text, position)
        if found is None:
            break
        parts.append(next(group for group in found.groups() if group is not None).strip())
        position = found.end()
        if position == len(text) and len(parts) <= MAX_DEPTH:
            return parts
        if position == len(text) or text[position] != ".":
            break
        position += 1
    raise mark.error(
        f"{shown(text)} must be keys with dots between them, such as training.epochs; a key with a dot of "
        "its own stands in quotes"
    )


def assign(tree: Entry, way: list[str], given: Entry, *, merged: bool) -> Entry:
    """Return the tree with another entry at the end of a way; null removes the entry.

    Args:
        merged: whether a mapping is merged into the one that is there, or takes its place.

    Raises:
        PrecisionError: when the way leads through a single value or past the end of a list.
    """
    return _assign(tree, way, 0, given, merged)


def _assign(here: Entry, way: list[str], depth: int, given: Entry, merged: bool) -> Entry:
    key = way[depth]
    last = depth == len(way) - 1
    here = _opened(here, way, depth)
    if isinstance(here.value, list):
        index = _index(here, way, depth, given.mark)
        inner = given if last else _assign(here.value[index], way, depth + 1, given, merged)
        return here.with_value([*here.value[:index], inner, *here.value[index + 1 :]])
    if not isinstance(here.value, dict):
        raise given.mark.error(
            f"{'.'.join(way[:depth])} is {shown(here.value)}, which has no entry {shown(key)}; it stands at "
            f"{here.mark}"
        )
    if not last:
        inner = _assign(here.value.get(key, Entry({}, given.mark)), way, depth + 1, given, merged)
    elif given.value is None and key in here.value:
        return here.with_value({k: v for k, v in here.value.items() if k != key})
    else:
        inner = merge(here.value[key], given) if merged and key in here.value else given
    return here.with_value({**here.value, key: inner})


def _opened(here: Entry, way: list[str], depth: int) -> Entry:
    """Return an empty section as a mapping, and the bare name of a network as a mapping with that name."""
    if here.value is None:
        return here.with_value({})
    if depth and way[0] in NAMED and isinstance(here.value, str):
        if depth == 1 and _number(way[1]) is not None:
            return here.with_value([here])
        return here.with_value({"name": here})
    return here


def _index(here: Entry, way: list[str], depth: int, mark: Mark) -> int:
    key = way[depth]
    number = _number(key)
    if number is not None and number < len(here.value):
        return number
    last = len(here.value) - 1
    known = f"numbered 0 to {last}" if last >= 0 else "none yet"
    raise mark.error(f"{'.'.join(way[:depth])} is a list, whose entries are {known}, but got {shown(key)}")


def _number(key: str) -> int | None:
    """Return a key as the index of an entry, if it is one."""
    return int(key) if key.isascii() and key.isdigit() and len(key) < 10 else None


def has(tree: Entry, way: list[str]) -> bool:
    """Return whether something stands at the end of a way."""
    for key in way:
        number = _number(key)
        if isinstance(tree.value, list) and number is not None and number < len(tree.value):
            tree = tree.value[number]
        elif key in tree.entries:
            tree = tree.entries[key]
        else:
            return False
    return True
