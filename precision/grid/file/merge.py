"""One entry laid over another: mappings are merged, everything else is replaced."""

from __future__ import annotations

from precision.grid.file.entry import Entry


def merge(base: Entry, over: Entry, *, top: bool = False) -> Entry:
    """Return ``over`` laid over ``base``; a key whose value is null there is removed.

    Options belong to the thing that they are given to: a mapping with another ``name`` takes the place of
    the whole, and so does a sweep.

    Args:
        top: whether these are whole grids, whose ``name`` means nothing of the kind.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if "each" in base.value or "each" in over.value or (not top and _renamed(base, over)):
        return over
    merged = dict(base.value)
    for key, entry in over.value.items():
        if key not in merged:
            merged[key] = entry
        elif entry.value is None:
            del merged[key]
        else:
            merged[key] = merge(merged[key], entry)
    return over.with_value(merged)


def _renamed(base: Entry, over: Entry) -> bool:
    return (
        "name" in base.value
        and "name" in over.value
        and base.value["name"].plain() != over.value["name"].plain()
    )
