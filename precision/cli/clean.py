"""The command ``precision clean``: what no grid refers to leaves the store."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, PluginFiles, StoreDir

if TYPE_CHECKING:
    from precision.grid.store.clean import Item

MANY = 40  # lines of a kind that are listed before it asks


def clean(
    grids: Annotated[
        list[Path] | None,
        typer.Argument(metavar="GRID", help="Grids whose results stay, beside those of earlier runs."),
    ] = None,
    store: StoreDir = RUNS,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            "--forget", help="File or name of a grid of earlier runs that no longer counts.", metavar="GRID"
        ),
    ] = None,
    unreadable: Annotated[
        bool, typer.Option("--unreadable", help="Remove results that cannot be read, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List everything and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Remove from the store what no grid refers to, after saying what: trials, checkpoints, dead locks."""
    from precision.errors import PrecisionError
    from precision.grid import Store
    from precision.grid.references import references
    from precision.grid.store import clean as cleaning
    from precision.grid.store.registered import registrations

    found = Store(store)
    if not found.root.is_dir():
        raise PrecisionError(f"{found.root}: there is no such store; give another --store")
    referred = references(found.root, grids or (), forget or (), plugin or ())
    before = set(registrations(found.root))
    findings = cleaning.find(found, referred.ids, unreadable)
    for text in (*referred.notes, *findings.left):
        echo(f"precision: note: {text}", err=True)
    for registration in referred.forgotten:
        echo(f"forgotten: {registration}")
    _list_items(findings.items, found.root, everything=dry_run)
    if dry_run or not (findings.items or referred.forgotten):
        return
    if not yes:
        if not _asks():
            raise PrecisionError("nothing was removed: there is no terminal to ask on; give --yes")
        if not typer.confirm("Remove all this?"):
            echo("nothing was removed")
            raise typer.Exit(1)

    def registered_since() -> set[str]:
        return {name for entry in registrations(found.root) if entry not in before for name in entry.ids}

    removed = cleaning.remove(found, findings.items, registered_since)
    for registration in referred.forgotten:
        registration.entry.unlink(missing_ok=True)
    echo(f"removed {_summary(removed)}")
    if len(removed) < len(findings.items):
        echo(f"{len(findings.items) - len(removed)} stay: they are in use by now, or were gone already")


def _asks() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty()


def _list_items(items: Sequence[Item], root: Path, everything: bool) -> None:
    from precision.grid.store.clean import KINDS
    from precision.printable import printable
    from precision.report.text import size

    for kind, title in KINDS.items():
        group = [item for item in items if item.kind == kind]
        if not group:
            continue
        echo(f"{title}:")
        if kind == "lock":  # empty files: the name of one says nothing
            folders = sorted({str(item.path.parent.relative_to(root)) for item in group})
            echo(printable(f"  {len(group)} in {', '.join(folders)}"))
            continue
        shown = group if everything else group[:MANY]
        for item in shown:
            name = item.path.relative_to(root)
            echo(printable(f"  {name}  {size(item.size)}  {item.what}".rstrip()))
        if len(shown) < len(group):
            echo(f"  and {len(group) - len(shown)} more, which --dry-run lists")
    echo(f"in all {_summary(items)}" if items else "nothing to remove")


def _summary(items: Sequence[Item]) -> str:
    from collections import Counter

    from precision.grid.store.clean import KINDS
    from precision.report.text import size

    counts = Counter(item.kind for item in items)
    parts = [f"{counts[kind]} {title}" for kind, title in KINDS.items() if counts[kind]]
    return f"{', '.join(parts) or 'nothing'} ({size(sum(item.size for item in items))})"
