"""Explain a trial from Python: the same as the command line.

import precision
found = precision.explain("3e5228d43ca1")
found.whole, found.frame[["layer", "slot", "cause", "part"]]     # the points that are lost, and their parts
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precision.api.folder import DEFAULT_STORE, report_folder

if TYPE_CHECKING:
    from precision.analysis.explanation import Explanation


def explain(
    trial: str,
    *,
    data_dir: str | Path | None = None,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    plugins: Sequence[str | Path] = (),
    quiet: bool = False,
    images: int | None = None,
) -> Explanation:
    """Say of what a trial loses which error of which layer takes it, report and return it.

    The network is evaluated again, in this process, with each error alone and with all but each; nothing is
    trained. What was evaluated before is not evaluated again.

    Args:
        trial: its id, or the first digits of it.
        data_dir, store, force, plugins, quiet: as of ``precision.run``.
        output: folder of the report; None means reports/<id of the trial>-explain.
        images: the first so many test images; None for all.

    Raises:
        PrecisionError: for a trial that is not there or cannot be explained, or a path that is wrong.
        KeyboardInterrupt: on Ctrl-C; what was evaluated is kept.

    >>> import precision
    >>> cells = precision.load_results("grid.yaml", only=["policy=fixed4", "seed=0"])
    >>> found = precision.explain(cells["trial"].iloc[0], output="report", quiet=True)
    >>> sorted(found.causes)
    ['overflow', 'rounding', 'underflow']
    >>> bool(abs(found.before + sum(found.causes.values()) - found.whole) < 1e-9)
    True
    """
    from precision import plugins as loader
    from precision.data.files.locate import data_directory
    from precision.exploration.explain.served import check as check_served
    from precision.grid import Store
    from precision.grid.execution.rerun import find, stored
    from precision.report.pages.explain import EXPLAIN, write_explanation
    from precision.report.pages.made_from import MadeFrom, check
    from precision.startup import start_backend

    loader.load(plugins)
    results = Store(store)
    trial_id = find(results, trial)
    words = [] if images is None else [f"--images={images}"]
    result = stored(results, trial_id)
    check_served(result.trial)
    folder = report_folder(output, f"{trial_id}-explain")
    made_from = MadeFrom(trial_id, tuple(words))
    check(folder / EXPLAIN, made_from, force)
    directory = data_directory(data_dir)
    start_backend()
    from precision.exploration.explain.run import explain as explained
    from precision.methods.restored import Restoring

    bench = Restoring(directory, results.weights, digest=results.weights_digest)
    found = explained(result, bench, results, images=images, quiet=quiet)
    more = [f"--plugin={path}" for path in plugins]
    command = ["precision", "explain", trial_id, *words, *more]
    write_explanation(found, command, folder, made_from, force)
    return found
