"""The tables of a report in LaTeX, in the style of booktabs, to be taken into a paper one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from precision.printable import printable
from precision.report.document import Document, Part, Section, Table
from precision.report.render.cells import Form, cell_text, fitting, rows_text

HEAD = """\
% Tables of the report {title}. Needs \\usepackage{{booktabs}} and \\usepackage{{longtable}}.
"""
WIDTH = 100  # letters of a row that a page has room for
LONG = 40  # rows from which on a table goes over several pages
_MARKS = {
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "—": "---",
    "µ": r"\textmu{}",
    "†": r"\dag{}",
    "∞": r"$\infty$",
    "\N{MINUS SIGN}": "$-$",
}
_SPECIAL = re.compile("|".join(map(re.escape, _MARKS)))


def escape(text: object) -> str:
    """Return a text as one line of LaTeX that means only itself."""
    line = " ".join(printable(text).split())
    return _SPECIAL.sub(lambda found: _MARKS[found[0]], line)


FORM = Form(
    text=escape,
    words=escape,
    code=lambda text: rf"\texttt{{{escape(text)}}}",
    link=lambda text, file: escape(text),
    strong=lambda text: rf"\textbf{{{text}}}",
)


def render(report: Document) -> str:
    """Return the tables of a report, each an environment of its own with the titles above it as caption."""
    tables = [_environment(titles, table) for titles, table in _tables(report.parts, ())]
    return HEAD.format(title=escape(report.title)) + "\n" + "\n\n".join(tables) + "\n"


def _tables(parts: Sequence[Part], titles: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Table]]:
    for part in parts:
        if isinstance(part, Section):
            yield from _tables(part.parts, (*titles, part.title))
        elif isinstance(part, Table) and part.rows:
            yield (*titles, part.title), part


def _environment(titles: Sequence[str], table: Table) -> str:
    table = fitting(table, FORM, WIDTH, 2)
    caption = ": ".join(escape(title) for title in titles if title)
    notes = " ".join(written(cell_text(note.text, FORM)) for note in table.notes)
    header = " & ".join(escape(column.title) for column in table.columns)
    rows = [" & ".join(map(written, row)) for row in rows_text(table, FORM)]
    align = "".join("l" if column.unit is None else "r" for column in table.columns)
    body = "\n".join(f"{row} \\\\" for row in rows)
    top = f"\\toprule\n{header} \\\\\n\\midrule"
    if len(rows) > LONG:
        return (
            f"\\begin{{longtable}}{{{align}}}\n\\caption{{{caption}}} \\\\\n{top}\n\\endhead\n\\bottomrule\n"
            f"\\endfoot\n{body}\n\\end{{longtable}}" + (f"\n{notes}" if notes else "")
        )
    below = f"\n\\par\\smallskip\\footnotesize {notes}" if notes else ""
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{align}}}\n{top}\n{body}\n"
        f"\\bottomrule\n\\end{{tabular}}{below}\n\\end{{table}}"
    )


def written(cell: str) -> str:
    """Return a cell in which numbers were written for every form: their signs are those of LaTeX."""
    return re.sub("[±—µ†∞]", lambda found: _MARKS[found[0]], cell)
