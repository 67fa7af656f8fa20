"""Show the report of a grid in a browser, and follow a run."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precision.grid import Changes, load_grid

if TYPE_CHECKING:
    from precision.report.html.server import Server


def server_of(
    grid: str | Path,
    *,
    store: str | Path,
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    port: int = 0,
) -> Server:
    """Return a server of the report of a grid file, from the results that the store has at the time.

    ``serve_forever`` serves; ``address`` is what to open. Nothing is written, and nothing is run.

    Args:
        port: on the loopback; 0 for any that is free.

    Raises:
        PrecisionError: when the grid file or an option is wrong, and when the port cannot be had.
    """
    from precision.analysis.collect import collect
    from precision.grid import Store, expand
    from precision.report.html.live import Live
    from precision.report.html.server import Server
    from precision.report.pages.grid import live_page

    parsed, source = load_grid(grid, plugins, Changes(changes, seeds))
    cells, results = expand(parsed, source), Store(store)
    paths = [results.folder(trial.id) / "result.json" for cell in cells for trial in cell.trials()]
    live = Live(lambda: collect(parsed, source, cells, results), lambda: _stamp(paths), live_page)
    return Server(live, port)


def _stamp(paths: Sequence[Path]) -> Hashable:
    """Return what differs when one of the files was written anew, removed, or was not there before."""
    return tuple(_seen(path) for path in paths)


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
