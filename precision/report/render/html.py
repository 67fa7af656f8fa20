"""Parts of a report as HTML: every text from outside means only itself."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence

from precision.printable import printable
from precision.report.document import (
    Figure,
    List,
    Listing,
    Markdown,
    Note,
    Part,
    Section,
    Table,
)
from precision.report.render.cells import Form, cell_text, fitting, rows_text

WIDTH, GAP = 120, 3
"""Letters that a row of a table has room for, and between two columns."""


def escape(text: object) -> str:
    """Return a text as one line of HTML that means only itself, between tags and in attributes."""
    return html.escape(" ".join(printable(text).split()))


FORM = Form(
    text=escape,
    words=html.escape,
    code=lambda text: f"<code>{escape(text)}</code>",
    link=lambda text, file: f'<a href="{escape(file)}">{escape(text)}</a>',
    strong=lambda text: f"<strong>{text}</strong>",
)


_BARE = Form(
    text=lambda text: " ".join(printable(text).split()),
    words=str,
    code=str,
    link=lambda text, file: text,
    strong=str,
)  # as long as what a reader sees


def blocks(parts: Sequence[Part], pictures: Mapping[str, bytes], level: int = 2, place: str = "s") -> str:
    """Return parts one below the other.

    Args:
        pictures: PNG files of the figures by their names; a figure without one shows its notes alone.
        level: of the headings of sections, 2 to 6.
        place: beginning of the ids of sections: the third one within ``s`` is ``s-3``.
    """
    found, number = [], 0
    for part in parts:
        match part:
            case Section(title, within):
                number += 1
                here, head = f"{place}-{number}", f"h{min(level, 6)}"
                inner = blocks(within, pictures, level + 1, here)
                found.append(f'<section id="{here}"><{head}>{escape(title)}</{head}>\n{inner}</section>')
            case Table():
                found.append(_table(part))
            case Figure():
                found.append(_figure(part, pictures))
            case Note(text):
                found.append(f"<p>{cell_text(text, FORM)}</p>")
            case List(items):
                lines = "".join(f"<li>{cell_text(item, FORM)}</li>" for item in items)
                found.append(f"<ul>{lines}</ul>")
            case Listing(text):
                found.append(f"<pre>{html.escape(printable(text, lines=True))}</pre>")
            case Markdown(text):
                found += [f"<p>{escape(one)}</p>" for one in re.split(r"\n\s*\n", text) if one.strip()]
    return "\n".join(found)


def contents(parts: Sequence[Part], place: str = "s") -> str:
    """Return links to the sections, as a list."""
    titles = [part.title for part in parts if isinstance(part, Section)]
    lines = "".join(f'<li><a href="#{place}-{i}">{escape(t)}</a></li>' for i, t in enumerate(titles, 1))
    return f"<ul>{lines}</ul>"


def _table(table: Table) -> str:
    table = fitting(table, _BARE, WIDTH, GAP)
    kinds = ["" if column.unit is None else ' class="n"' for column in table.columns]
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    titles = (escape(column.title) for column in table.columns)
    head = "".join(f'<th scope="col"{kind}>{title}</th>' for title, kind in zip(titles, kinds, strict=True))
    rows = [
        "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True))
        for row in rows_text(table, FORM)
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    notes = "".join(f'<p class="note">{cell_text(note.text, FORM)}</p>' for note in table.notes)
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def _figure(figure: Figure, pictures: Mapping[str, bytes]) -> str:
    notes = "".join(f'<p class="note">{cell_text(note.text, FORM)}</p>' for note in figure.notes)
    title = f"<figcaption>{escape(figure.title)}</figcaption>" if figure.title else ""
    picture = pictures.get(figure.file)
    if picture is None:
        return title + notes
    data = base64.b64encode(picture).decode()
    shown = f'<img alt="{escape(figure.caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{title}{shown}</figure>{notes}"
