"""Where and with what the rows of an exploration were measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from precision.grid.execution.provenance import provenance
from precision.trial import Trial

KEYS = ("machine", "threads", "python", "tensorflow", "keras", "numpy", "commit", "plugins")


def environment(trial: Trial) -> dict[str, str]:
    """Return versions, machine and commit of this process, and the plugins of a trial."""
    here = provenance(trial)
    return {key: here[key] for key in KEYS if here.get(key)}


def together(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return several environments as one; where they differ, every value."""
    every = list(found)
    values = {key: sorted({one[key] for one in every if key in one}) for key in KEYS}
    return {key: ", ".join(texts) for key, texts in values.items() if texts}
