"""The commands ``precision architectures`` and ``precision plugins``."""

from __future__ import annotations

from precision.cli.options import PluginFiles
from precision.cli.tables import print_table


def architectures(plugin: PluginFiles = None) -> None:
    """List the networks and their options."""
    import architectures as networks
    from precision import plugins as loading

    loading.load(plugin or ())
    rows = [
        (row["name"], ", ".join(f"{key}={value}" for key, value in row["options"].items()), row["summary"])
        for row in networks.describe()
    ]
    print_table(("name", "options", "summary"), rows)


def plugins(plugin: PluginFiles = None) -> None:
    """List everything that plugins may add to, kind by kind, and where each thing comes from."""
    from precision import plugins as loading
    from precision.metrics import METRICS
    from precision.registry import REGISTRIES

    loading.load(plugin or ())
    rows: list[tuple[str, str, str, str]] = []
    for registry in REGISTRIES:
        registry.fill()
        registry.load_all()
        rows += [(registry.kind, name, registry.origin(name), registry.summary(name)) for name in registry]
    given = {name: file for file, names in loading.metrics().items() for name in names}
    rows += [("metric", name, given.get(name, "built in"), METRICS[name].meaning) for name in METRICS]
    print_table(("kind", "name", "from", "summary"), rows)
