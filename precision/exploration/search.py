"""Find a policy per layer that keeps the accuracy at least memory, bit operations or energy.

Only training images decide. A network is more accurate on the images that it was trained on than on new ones,
often nearly without error, and that accuracy falls later: the tolerance is a bound on what is lost on images
that the network was trained on. Of assignments of equal cost the more accurate wins, and of equally accurate
ones that with the smaller cross-entropy, which still changes where the accuracy does not; it also ranks the
steps of the greedy search. What is found is evaluated on as many other training images, which were not used
for the choice, and reported beside it; its accuracy on test images is known when a grid has run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from precision.analysis.search import Searched
from precision.errors import PrecisionError
from precision.exploration.baselines import Network, chosen_policies, networks, trained
from precision.exploration.network_search import Search
from precision.exploration.options import SearchOptions
from precision.grid import Changes, Store, expand, load_grid, select
from precision.grid.execution.preflight import place_in
from precision.grid.file.energy import energy_table
from precision.methods.workbench import Workbench


def search(
    grid: str | Path,
    *,
    data_dir: Path | None = None,
    store: str | Path = "runs",
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    options: SearchOptions | None = None,
    quiet: bool = False,
    policies: Sequence[str] = (),
) -> Searched:
    """Search every network of a grid file, all its seeds at once, and return what was found.

    Float32 networks that the store lacks are trained first, and evaluations that it has are not repeated.

    Args:
        data_dir: folder of the data sets, an existing one.
        store: folder of the results.
        plugins: plugin files (see ``precision.plugins``), besides those that the grid names.
        changes: other values for entries of the grid, as by --set.
        seeds: instead of the grid's, as by --seeds.
        only: cells of the grid to look at, as by --only.
        options: what is searched, and how.
        quiet: show no progress.
        policies: labels of the grid, the choices of every unit; empty for all that round something.

    Raises:
        PrecisionError: when the grid, a name or a path is wrong, or the policies cannot be mixed.
        KeyboardInterrupt: on Ctrl-C; finished evaluations are kept.

    >>> from precision.exploration.search import search
    >>> from precision.exploration.options import SearchOptions
    >>> options = SearchOptions(tolerance=100, images=50)
    >>> found = search("grid.yaml", options=options, only=["seed=0"], quiet=True)
    >>> [(unit.name, unit.policy) for unit in found.networks[0].units]
    [('dense1', 'fixed4'), ('logits', 'fixed4')]
    """
    parsed, source = load_grid(grid, plugins, Changes(changes, seeds))
    cells = select(expand(parsed, source), only)
    wanted = chosen_policies(parsed, policies)
    results = Store(store)
    results.create()
    console = Console(stderr=True, quiet=quiet)
    bench = Workbench(data_dir, results.weights, digest=results.weights_digest)
    place = place_in(source, cells)
    found = trained(networks(cells, wanted), cells, results, data_dir, bench, console, place)
    labels, table = _labels(found), energy_table(parsed.report.energy_table)
    searched = [
        Search(network, labels[network.name], options or SearchOptions(), bench, results, table).run(console)
        for network in found
        if network.policies
    ]
    if not searched:
        raise PrecisionError("nothing to search: no cell of the grid has one of these policies")
    return Searched(parsed.name, tuple(searched), table.title)


def _labels(found: Sequence[Network]) -> dict[str, str]:
    """Return a name for the policy of each network, with as few words as tell them apart."""
    parts = [("searched", n.architecture, n.dataset, n.training) for n in found]
    for count in range(1, 5):
        names = ["-".join(" ".join(p[:count]).split()) for p in parts]
        if len(set(names)) == len(names):
            break
    return {network.name: name[:64] for network, name in zip(found, names, strict=True)}
