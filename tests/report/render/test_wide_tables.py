"""A table of formats that a page does not hold has a row for each format; every number stays what it was."""

import re

import pytest

from precision.report.document import Column, Table, Unit
from precision.report.pages.grid import document
from precision.report.render.markdown import WIDTH, render, table_text

MANY = {"float32": 32.0, **{f"weights=fixed({bits},2)": float(bits) for bits in range(3, 20)}}


def read(text, title):
    """The first table below a heading, as a mapping from both heads to the cell."""
    lines = text.split(f"## {title}\n")[1].split("\n## ")[0].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    head, _, *body = rows
    return head[0], {
        (row[0], name): cell for row in body for name, cell in zip(head[1:], row[1:], strict=True)
    }


@pytest.mark.parametrize("title", ["Accuracy", "Difference to float32"])
def test_formats_are_rows_where_a_page_does_not_hold_them(grid, results, title):
    wide = render(document(results(grid(("lenet", "vgg"), MANY, methods=("ptq",)))))
    corner, cells = read(wide, title)
    assert corner == "Policy"
    assert {name for _, name in cells} == {"lenet", "vgg"}
    assert len(cells) == 2 * (len(MANY) - (title != "Accuracy"))
    few = dict(list(MANY.items())[:3])
    corner, known = read(render(document(results(grid(("lenet", "vgg"), few, methods=("ptq",))))), title)
    assert corner == "Architecture"
    for (network, policy), cell in known.items():
        assert cells[policy, network] == cell


def table(rows, columns, **more):
    heads = (Column("Layer"), *(Column(f"format{i:04}", Unit.PERCENT) for i in range(columns)))
    return Table(
        heads, tuple((f"layer{r}", *(float(r + c) for c in range(columns))) for r in range(rows)), **more
    )


def test_only_a_table_of_one_kind_of_cell_is_exchanged_and_only_where_it_helps():
    assert table_text(table(2, 30, across="Policy")).startswith("| Policy")
    assert table_text(table(2, 30)).startswith("| Layer")
    assert table_text(table(60, 30, across="Policy")).startswith("| Layer")  # the other way is wider
    fits = table_text(table(2, 6, across="Policy"))
    assert fits.startswith("| Layer") and len(fits.splitlines()[0]) <= WIDTH


def test_exchanged_twice_is_the_same():
    once = table(3, 4, across="Policy")
    assert once.exchanged().exchanged().rows == once.rows
    assert [column.unit for column in once.exchanged().columns] == [None, *[Unit.PERCENT] * 3]
