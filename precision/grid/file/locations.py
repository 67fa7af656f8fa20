"""The files of data sets, which count from the file in which they are named."""

from __future__ import annotations

from pathlib import Path

import precision.data
from precision.grid.file.entry import Entry


def located(tree: Entry) -> Entry:
    """Return the content of a grid with the paths of data sets seen from the working directory."""
    if "datasets" not in tree.value:
        return tree
    datasets = tree.value["datasets"]
    if isinstance(datasets.value, list):
        found = datasets.with_value([_dataset(entry) for entry in datasets.value])
    else:
        found = _dataset(datasets)
    return tree.with_value({**tree.value, "datasets": found})


def _dataset(entry: Entry) -> Entry:
    name = entry.entries.get("name")
    if name is None or not isinstance(name.value, str):
        return entry
    options = precision.data.path_options(name.value)
    return entry.with_value(
        {key: _from_here(value) if key in options else value for key, value in entry.value.items()}
    )


def _from_here(entry: Entry) -> Entry:
    if not isinstance(entry.value, str) or not entry.value or entry.value.startswith("~"):
        return entry
    return entry.with_value(str(entry.mark.folder / Path(entry.value)))
