"""The command ``precision show``: everything that is known of one trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, StoreDir
from precision.cli.tables import print_table

if TYPE_CHECKING:
    from precision.samples import Samples


def show(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, or the first digits of it.")],
    store: StoreDir = RUNS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write its samples to a .csv, .json, .md, .parquet or .sqlite file.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Show what is known of one trial: its description, its numbers, and what was sampled while it ran."""
    from precision.analysis.stored import STORED_COLUMNS, stored
    from precision.errors import PrecisionError
    from precision.grid import Store
    from precision.grid.execution.rerun import find
    from precision.grid.store.own import store_of
    from precision.report.render.export import cell_text

    found = Store(store)
    trial_id = find(found, trial)
    if output is not None and (root := store_of(output, found.root)):
        raise PrecisionError(f"{output}: this would be a file of the store {root}; give another --output")
    frame = stored(found, [trial_id])
    if frame.empty:
        raise PrecisionError(
            f"{found.folder(trial_id)}: there is no result here that can be read; run its grid again"
        )
    samples = found.samples(trial_id)
    if output is not None:
        _write(samples, trial_id, output)
        return
    values = [(name, cell_text(frame[name].iloc[0]), column.unit) for name, column in STORED_COLUMNS.items()]
    print_table(("column", "value", "unit"), [row for row in values if row[1]])
    echo()
    _summarise(samples)


def _summarise(samples: Samples | None) -> None:
    """Print mean and peak of each series, and why the others have none."""
    from precision.measure.machine.energy import NOT_MEASURABLE
    from precision.report.render.export import cell_text
    from precision.samples import QUANTITIES

    if samples is None:
        echo("no samples are kept of this trial")
        return
    rows = []
    for name, quantity in QUANTITIES.items():
        why = samples.ended.get(name, "")
        numbers = [cell_text(float(f"{value:.4g}")) for value in (samples.mean(name), samples.peak(name))]
        if name in samples.series:
            rows.append((name, *numbers, quantity.unit, f"ended: {why}" if why else ""))
        elif why:
            rows.append((name, "", "", quantity.unit, f"{NOT_MEASURABLE}: {why}"))
    print_table(("sampled", "mean", "peak", "unit", ""), rows)
    seconds = samples.seconds[-1] if len(samples) else 0.0
    echo(f"\n{len(samples)} samples of {seconds:.1f} s")


def _write(samples: Samples | None, trial_id: str, output: Path) -> None:
    import pandas as pd

    from precision.analysis import Column
    from precision.errors import PrecisionError
    from precision.report.render.export import export
    from precision.samples import QUANTITIES

    if samples is None:
        raise PrecisionError(
            f"trial {trial_id} has no samples to write; run its grid again in another --store"
        )
    told = [name for name in QUANTITIES if name in samples.series]
    columns = {"seconds": Column("float64", "since the trial began", "s")} | {
        name: Column("float64", QUANTITIES[name].meaning, QUANTITIES[name].unit) for name in told
    }
    export(pd.DataFrame({"seconds": samples.seconds, **samples.series}), columns, output)
    echo(f"{output}: {len(samples)} samples")
