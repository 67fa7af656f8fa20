"""Nothing is written through a link: it may lead out of the store, to files that are none of ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from precision.errors import PrecisionError

FOLDERS = ("trials", "locks", "grids")


def check(root: Path, ids: Iterable[str] = ()) -> None:
    """Refuse a store in which a folder to be written to is a link; the store itself may be one.

    Args:
        ids: of the trials whose folders are to be written to.

    Raises:
        PrecisionError: which names the link.
    """
    trials = [root / "trials" / name for name in ids]
    for path in (*(root / name for name in FOLDERS), *trials, *(trial / "checkpoint" for trial in trials)):
        if path.is_symlink():
            raise refusal(path)


def refusal(path: Path) -> PrecisionError:
    """Return the error for a link where something is to be written."""
    return PrecisionError(
        f"{path}: this is a link, and nothing is written through a link in a store; remove it, or give "
        "another --store"
    )
