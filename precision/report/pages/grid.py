"""The report of a grid: every registered section and figure that applies, and what a terminal shows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

from precision.analysis import COLUMNS, SUMMARY_COLUMNS, Results
from precision.analysis.choice import chosen
from precision.errors import PrecisionError, trouble
from precision.metrics import METRICS
from precision.plugins import blame
from precision.registry import FIGURES, SECTIONS, foreign
from precision.report.document import LAST, Column, Document, Figure, Markdown, Note, Part, Section
from precision.report.html.page import PAGE
from precision.report.html.page import page as html_page
from precision.report.pages.folder import file_stem, pictures, write_report
from precision.report.pages.made_from import MadeFrom
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.render.latex import render as tables_in_latex
from precision.report.render.markdown import render
from precision.report.sections.comparison import score_tables

REPORT, TABLES = "report.md", "tables.tex"


def write(
    results: Results,
    output: Path,
    force: bool = False,
    *,
    html: bool = False,
    latex: bool = False,
    figures: Collection[str] = (),
) -> Path:
    """Write report.md, results.csv, summary.csv and the figures into a folder; return the path of report.md.

    The folder is made if need be. The same results give the same bytes. report.md is written last, so
    that where it is new, everything it refers to is new. ``made_from.json`` says what it was made from.

    Args:
        force: replace the report of another grid, or one with more results.
        html: write report.html too, the report as one page that can be sorted, filtered and mailed.
        latex: write tables.tex, too.
        figures: kinds of files that each figure has beside PNG: svg, pdf.

    Raises:
        PrecisionError: when the frame of the results breaks the rules of ``COLUMNS``, and when a report is
            there that is not to be replaced.

    >>> import precision
    >>> from pathlib import Path
    >>> from precision.report import write
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> write(results, Path("again")).as_posix()
    'again/report.md'
    """
    cells = results.cells()
    output.mkdir(parents=True, exist_ok=True)
    files = {
        "results.csv": to_csv(cells, COLUMNS),
        "summary.csv": to_csv(results.summary(), SUMMARY_COLUMNS),
    }
    report = document(results)
    if latex:
        files[TABLES] = tables_in_latex(report)
    made_from = MadeFrom(results.grid, results.changes, int((cells["status"] == "ok").sum()))
    page = (PAGE, partial(html_page, results, report)) if html else None
    path = write_report(
        report, output / REPORT, files, made_from if results.grid else None, force, page, figures
    )
    for name, asked in ((PAGE, html), (TABLES, latex)):
        if not asked:  # one of an earlier report would contradict this one
            (output / name).unlink(missing_ok=True)
    return path


def live_page(results: Results, trials: dict[str, Any]) -> str:
    """Return the report as the page of a server, see ``html.live``."""
    report = document(results)
    return html_page(results, report, pictures(report), trials)


def document(results: Results) -> Document:
    """Return the report of a grid: the registered sections and figures that apply, in their order."""
    for registry in (SECTIONS, FIGURES):  # the figures need matplotlib, which takes most of a second
        registry.fill()
        registry.load_all()
    placed: list[tuple[float, str, Section]] = []
    more: list[Figure] = []
    for name in SECTIONS:
        section = _asked(name, results)
        if section is not None:
            placed.append((_order(SECTIONS[name]), name, section))
    names: set[str] = set()  # of files, some of which tell no capital letters apart
    apart = _by_dataset(results)
    for name in sorted(FIGURES, key=lambda one: not FIGURES.owner(one).builtin):
        found = _figures(partial(FIGURES.call, name, (Figure, NoneType)), results, apart)
        if found:
            for figure in found:
                if figure.name.lower() in names:
                    raise FIGURES.error(
                        name,
                        f"has the file {figure.file}, which is another figure's; give it a name of its own",
                    )
                names.add(figure.name.lower())
            section, hidden = _section(found)
            placed.append((_order(FIGURES[name]), name, section))
            more += hidden
    placed.sort(key=lambda item: item[:2])
    about = Markdown(results.description)
    return Document(results.name, (about, *(section for _, _, section in placed)), tuple(more))


def try_plugins(collected: Callable[[], Results]) -> None:
    """Ask sections, figures and metrics of plugins once, so that none fails after hours of training.

    Args:
        collected: returns the results as far as there are any; not called when there is no such plugin.

    Raises:
        PrecisionError: for the first one that fails.
    """
    SECTIONS.load_all()
    FIGURES.load_all()
    given = [(registry, name) for registry, name in foreign() if registry in (SECTIONS, FIGURES)]
    results = collected() if given else None
    for registry, name in sorted(given, key=lambda thing: thing[1]):
        if registry is SECTIONS:
            _asked(name, results)
        else:
            FIGURES.call(name, (Figure, NoneType), results)
    try:
        METRICS.numbers({})  # of which every one is NaN
    except Exception as error:
        text = blame(error)
        if text is None:
            raise
        raise PrecisionError(text) from error


def _asked(name: str, results: Results | None) -> Section | None:
    """Return a section, or None; one of a plugin is rendered, so that a mistake is told with its line."""
    section: Section | None = SECTIONS.call(name, (Section, NoneType), results)
    if section is not None and not SECTIONS.owner(name).builtin:
        try:
            render(Document(results.name if results else name, (section,)))
        except Exception as error:
            raise SECTIONS.error(name, f"has a part that cannot be written: {trouble(error)}") from error
    return section


def _order(function: Callable[..., object]) -> float:
    return float(getattr(function, "order", LAST))


def _by_dataset(results: Results) -> dict[str, Results]:
    """Return the results of each dataset, if there are several: what all figures ask for is computed once."""
    cells = results.cells()
    datasets = [str(name) for name in cells["dataset"].unique()]
    if len(datasets) < 2:
        return {}
    return {name: results.of_dataset(name) for name in datasets}


def _figures(
    make: Callable[[Results], Figure | None], results: Results, apart: Mapping[str, Results]
) -> list[Figure]:
    """Return the figure over all datasets and, when there are several, one for each."""
    whole = make(results)
    if whole is None:
        return []
    each = []
    for dataset, name in zip(apart, names_of([*apart], whole.name), strict=True):
        own = make(apart[dataset])
        if own is not None:
            each.append(replace(own, name=name, title=dataset))
    return [whole, *each]


def names_of(datasets: Sequence[str], stem: str) -> list[str]:
    """Return a name for the figure of each dataset that no other one has, whatever the labels are."""
    used = [stem]
    for number, dataset in enumerate(datasets, 1):
        part = file_stem(dataset) or str(number)
        name = f"{stem}_{part}"
        used.append(f"{name}_{number}" if name.lower() in map(str.lower, used) else name)
    return used[1:]


def _section(found: Sequence[Figure]) -> tuple[Section, list[Figure]]:
    """Return the section of a figure, and the figures that it does not show.

    Those are the one of all datasets, where each has its own, and what has no drawing.
    """
    whole, *each = found
    shown = [figure for figure in each or [replace(whole, title="")] if figure.draw]
    parts: tuple[Part, ...] = (*(replace(figure, notes=()) for figure in shown), *whole.notes)
    names = {figure.name for figure in shown}
    return Section(whole.title, parts), [figure for figure in found if figure.name not in names]


def pivot_text(results: Results, width: int = 100) -> str:
    """Return test accuracy in percent, or RMSE, architecture by policy, one aligned block per method.

    A cell without a result shows its status; one that the grid does not have shows a dash. ``width``
    is that of the terminal in characters.

    >>> import precision
    >>> from precision.report import pivot_text
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> print(pivot_text(results).splitlines()[0])
    digits, ptq: test accuracy in percent, mean of 2 seeds ± half the 95 % interval
    """
    tables = []
    for pivot, table in score_tables(results):
        block = pivot.block
        seeds = f", mean of {table.seeds} seeds ± half the 95 % interval" if table.seeds > 1 else ""
        title = ", ".join(part for part in (block.dataset, block.method, block.training) if part)
        columns = (Column("architecture"), *table.columns[1:])
        title += f": {pivot.task.tested}{seeds}"
        tables.append(replace(table, title=title, columns=columns, notes=(), across="policy"))
    return terminal.render(tables or [_nothing(results)], width) + "\n"


def answer_text(results: Results) -> str:
    """Return one sentence per architecture and method: the smallest format shown to be within the tolerance.

    >>> import precision
    >>> from precision.report import answer_text
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> answer_text(results).split(" of ")[0]
    'digits, ptq: mlp: no smaller format is shown to stay within 1 percentage point'
    """
    settings = results.settings
    choices = chosen(results.summary(), settings.baseline, settings.tolerance)
    lines = []
    for _, row in choices.iterrows():
        where = ", ".join(part for part in (row["dataset"], row["method"], row["training"]) if part)
        lines.append(Note(f"{where}: {row['sentence']}"))
    return terminal.render(lines or [_nothing(results)]) + "\n"


def _nothing(results: Results) -> Note:
    return Note(f"{results.name}: no trial")
