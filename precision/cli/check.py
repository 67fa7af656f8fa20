"""The command ``precision check``: is everything in the store as it was stored?"""

from __future__ import annotations

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, StoreDir


def check(store: StoreDir = RUNS) -> None:
    """Read every file of the store and compare it with its sha256; what has changed is named.

    The exit code is 0 when all files are as they were stored, and 1 when some are not.
    """
    from precision.errors import PrecisionError
    from precision.grid import Store
    from precision.grid.store.check import check as check_files

    found = Store(store)
    if not found.root.is_dir():
        raise PrecisionError(f"{found.root}: there is no such store; give another --store")
    findings = check_files(found)
    for text in findings.problems:
        echo(text)
    if findings.unsummed:
        echo(f"{findings.unsummed} results of an older precision have no sums yet")
    total = findings.files + len(findings.problems)
    if findings.problems:
        echo(
            f"{len(findings.problems)} of {total} files are not as they were stored; a run of their grid "
            "computes again what it needs of them"
        )
        raise typer.Exit(1)
    echo(f"all {total} files are as they were stored")
