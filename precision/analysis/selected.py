"""Which cells a sentence of the grid file is about."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

KEYS = ("dataset", "architecture", "policy", "method")
PLACE = (*KEYS, "training")


@dataclass(frozen=True)
class Selected:
    """The labels, or wildcards, of cells by axis; all where nothing else is said.

    >>> from precision.analysis.selected import Selected
    >>> cell = {"dataset": "mnist", "architecture": "mlp", "policy": "fixed8", "method": "ptq"}
    >>> Selected(policy=["fixed*"]).admits(cell), Selected(policy=["float*"]).admits(cell)
    (True, False)
    """

    dataset: Sequence[str] = ("*",)
    architecture: Sequence[str] = ("*",)
    policy: Sequence[str] = ("*",)
    method: Sequence[str] = ("*",)

    def admits(self, row: Mapping[Hashable, Any]) -> bool:
        """Return whether a cell is one of those."""
        return all(
            any(row[key] == pattern or fnmatchcase(str(row[key]), pattern) for pattern in getattr(self, key))
            for key in KEYS
        )

    def words(self) -> str:
        """Return what is named, in words; empty where that is nothing."""
        where = [f"{key} {'|'.join(value)}" for key in KEYS if list(value := getattr(self, key)) != ["*"]]
        return " ".join(where)


def cell_name(row: Mapping[Hashable, Any]) -> str:
    """Return the labels of a cell in one text."""
    return " ".join(str(row[key]) for key in PLACE if row[key])
