"""Look into the networks of a grid from Python, for scripts and notebooks: the same as the command line.

import precision
found = precision.search("my-grid.yaml", options=precision.SearchOptions(tolerance=0.5))
found.networks[0].policy     # as plain data; reports/my-grid-search/policy.yaml has it for a grid
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precision.api.folder import DEFAULT_STORE, report_folder
from precision.grid import Changes, expand, load_grid, select
from precision.grid.command import command_of

if TYPE_CHECKING:
    from precision.analysis.search import Searched
    from precision.exploration.options import SearchOptions
    from precision.exploration.sensitivity import Sensitivities


def sensitivity(
    grid: str | Path,
    *,
    data_dir: str | Path | None = None,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    quiet: bool = False,
    policies: Sequence[str] = (),
    images: int | None = None,
    slots: Sequence[str] = (),
) -> Sensitivities:
    """Round one slot of one layer of each network at a time, report what that alone costs, and return it.

    Float32 networks that the store lacks are trained first, in this process; what is stored is not repeated.

    Args:
        grid, data_dir, store, plugins, changes, seeds, quiet: as of ``precision.run``.
        output: folder of the report; None means reports/<name of the grid>-sensitivity.
        force: replace the report of another grid or of other options, or one with more rows.
        only: look at these cells alone.
        policies: names of policies of the grid; empty for all that round something.
        images: the first so many test images; None for all.
        slots: weights, biases, activations or inputs; empty for all.

    Raises:
        PrecisionError: when the grid file, a plugin, a path or a name is wrong.
        KeyboardInterrupt: on Ctrl-C; finished rows are kept.

    >>> import precision
    >>> found = precision.sensitivity(
    ...     "grid.yaml", output="report", only=["seed=0"], quiet=True, policies=["fixed4"], slots=["weights"]
    ... )
    >>> found.frame[["layer", "slot", "setting"]].values.tolist()
    [['dense1', 'weights', 'fixed(4,3)'], ['logits', 'weights', 'fixed(4,3)']]
    """
    from precision.data.files.locate import data_directory
    from precision.report.pages.made_from import MadeFrom, check
    from precision.report.pages.sensitivity import SENSITIVITY, write_sensitivity
    from precision.startup import start_backend

    parsed, source = load_grid(grid, plugins, Changes(changes, seeds))
    folder = report_folder(output, f"{parsed.name}-sensitivity")
    words = [*(f"--slot={slot}" for slot in slots), *(f"--policy={policy}" for policy in policies)]
    words += [] if images is None else [f"--images={images}"]
    asked = (*words, *source.options, *(f"--only={text}" for text in only))
    check(folder / SENSITIVITY, MadeFrom(source.origin, asked), force)
    data = data_directory(data_dir)
    start_backend()
    from precision.exploration.sensitivity import sensitivity as measured

    found = measured(
        grid,
        data_dir=data,
        store=store,
        plugins=plugins,
        changes=changes,
        seeds=seeds,
        only=only,
        quiet=quiet,
        policies=policies,
        images=images,
        slots=slots,
    )
    command = command_of("sensitivity", source, select(expand(parsed, source), only), words, only)
    write_sensitivity(
        found.frame,
        found.name,
        command,
        folder,
        found.left_out,
        found.environment,
        MadeFrom(source.origin, asked, len(found.frame)),
        force,
    )
    return found


def search(
    grid: str | Path,
    *,
    data_dir: str | Path | None = None,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    options: SearchOptions | None = None,
    quiet: bool = False,
    policies: Sequence[str] = (),
) -> Searched:
    """Find a policy per layer that keeps the accuracy of each network at least cost, report and return it.

    Float32 networks that the store lacks are trained first, in this process; what is stored is not repeated.

    Args:
        grid, data_dir, store, plugins, changes, seeds, quiet: as of ``precision.run``.
        output: folder of the report; None means reports/<name of the grid>-search.
        force: replace the report of another grid or of other options.
        only: look at these cells alone.
        options: tolerance, objective and method: ``precision.SearchOptions(tolerance=0.5)``.
        policies: names of policies of the grid, the choices of a layer; empty for all that round something.

    Raises:
        PrecisionError: when the grid file, a plugin, a path or a name is wrong, or policies cannot be mixed.
        KeyboardInterrupt: on Ctrl-C; finished evaluations are kept.

    >>> import precision
    >>> options = precision.SearchOptions(tolerance=100, images=50)
    >>> found = precision.search("grid.yaml", output="report", only=["seed=0"], options=options, quiet=True)
    >>> [(unit.name, unit.policy) for unit in found.networks[0].units]
    [('dense1', 'fixed4'), ('logits', 'fixed4')]
    """
    from precision.data.files.locate import data_directory
    from precision.exploration.options import SearchOptions
    from precision.measure.machine.environment import together
    from precision.report.pages.made_from import MadeFrom, check
    from precision.report.pages.search import SEARCH, write_search
    from precision.startup import start_backend

    options = options or SearchOptions()
    parsed, source = load_grid(grid, plugins, Changes(changes, seeds))
    folder = report_folder(output, f"{parsed.name}-search")
    words = options.words(policies)
    made_from = MadeFrom(source.origin, (*words, *source.options, *(f"--only={text}" for text in only)))
    check(folder / SEARCH, made_from, force)
    data = data_directory(data_dir)
    start_backend()
    from precision.exploration.search import search as searched

    found = searched(
        grid,
        data_dir=data,
        store=store,
        plugins=plugins,
        changes=changes,
        seeds=seeds,
        only=only,
        options=options,
        quiet=quiet,
        policies=policies,
    )
    write_search(
        found.networks,
        name=found.name,
        command=command_of("search", source, select(expand(parsed, source), only), words, only),
        objective=options.objective,
        energy_table=found.energy_table,
        method=options.method_in_words,
        tolerance=options.tolerance,
        output=folder,
        environment=together(network.environment for network in found.networks),
        made_from=made_from,
        force=force,
    )
    return found
