"""The command ``precision plugins``."""

from __future__ import annotations

from precision.cli.options import PluginFiles
from precision.cli.tables import print_table


def list_plugins(plugin: PluginFiles = None) -> None:
    """List everything that plugins may add to, kind by kind, and where each thing comes from."""
    from precision import plugins
    from precision.metrics import METRICS
    from precision.registry import REGISTRIES

    plugins.load(plugin or ())
    rows: list[tuple[str, str, str, str]] = []
    for registry in REGISTRIES:
        registry.fill()
        registry.load_all()
        rows += [(registry.kind, name, registry.origin(name), registry.summary(name)) for name in registry]
    given = {name: file for file, names in plugins.metrics().items() for name in names}
    rows += [("metric", name, given.get(name, "built in"), METRICS[name].meaning) for name in METRICS]
    print_table(("kind", "name", "from", "summary"), rows)
