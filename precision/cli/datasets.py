"""The command ``precision datasets``: what there is, and the options of one."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import DataDir, PluginFiles
from precision.cli.tables import print_table

WIDTH = 100


def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A data set, to see its options.")
    ] = None,
    data_dir: DataDir = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print its own options as a table, as in docs/data.md.")
    ] = False,
    plugin: PluginFiles = None,
) -> None:
    """List the data sets, or the options of NAME."""
    import precision.data
    from precision import plugins
    from precision.registry import DATASETS

    plugins.load(plugin or ())
    if name is None:
        rows = precision.data.describe(data_dir)
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        echo("\nprecision datasets NAME lists the options of one")
        return
    options = precision.data.describe_options(name)
    if markdown:
        own = DATASETS.options(name)
        echo(_markdown([row for row in options if row["option"] in own] or options))
        return
    [row] = [row for row in precision.data.describe(data_dir) if row["name"] == name]
    echo(f"{name}: {DATASETS.summary(name)}")
    echo(f"images: {row['images']}; shape: {row['shape']}; classes: {row['classes']}")
    echo(f"found: {row['found']}")
    echo(f"\noptions, as in datasets: [{{name: {name}, {options[0]['option']}: ...}}]\n")
    for option in options:
        needed = "required" if option["default"] == "required" else f"default: {option['default']}"
        echo(f"{option['option']}: {option['value'] or 'anything'} ({needed})")
        if option["meaning"]:
            echo(textwrap.indent(textwrap.fill(option["meaning"], WIDTH - 4), "    "))


def _markdown(options: list[dict[str, str]]) -> str:
    from precision.report.document import Cell, Code, Column, Table, Words
    from precision.report.render.markdown import table_text

    titles = ("option", "value", "default", "meaning")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (Code(row["option"]), *(Words(row[title]) for title in titles[1:])) for row in options
    )
    return table_text(Table(tuple(map(Column, titles)), rows))
