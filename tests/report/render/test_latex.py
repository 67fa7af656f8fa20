"""The tables of a report in LaTeX."""

import re

from precision.analysis import Estimate
from precision.report.document import Column, Document, Section, Strong, Table, Unit, note
from precision.report.render.latex import LONG, render

COLUMNS = (Column("Network"), Column("Loss", Unit.DIFFERENCE))
HOSTILE = r"a_b & 50 % #1 {x} $y$ \input{z} ~ ^ <i>"


def test_a_table_is_an_environment_with_its_titles_as_caption():
    table = Table(
        COLUMNS, (("lenet", Strong(Estimate(-0.005, 3, 0.001, 0.002))),), "mnist", (note("n = 3: ±."),)
    )
    text = render(Document("grid", (Section("Answer", (note("Words."), table)),)))
    assert "\\caption{Answer: mnist}" in text and "\\begin{tabular}{lr}" in text
    assert "lenet & \\textbf{-0.50 $\\pm$ 0.20} \\\\" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    assert "n = 3: $\\pm$." in text and "Words." not in text


def test_what_comes_from_outside_is_text():
    text = render(Document(HOSTILE, (Table(COLUMNS, ((HOSTILE, 0.0),), HOSTILE),)))
    body = text.split("\\midrule")[1].split("\\bottomrule")[0].strip()
    cell = body.removesuffix("\\\\").rsplit(" & ", 1)[0]
    bare = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater)\{\}|\\[{}$&#_%]", "", cell
    )
    assert not set(bare) & set("{}$&#_%~^<>\\")
    assert "\\input" not in text


def test_a_long_table_goes_over_pages_and_an_empty_one_is_left_out():
    rows = tuple((str(n), 0.0) for n in range(LONG + 1))
    text = render(Document("grid", (Table(COLUMNS, rows, "many"), Table(COLUMNS, (), "none"))))
    assert text.count("longtable}{lr}") == 1 and "none" not in text and "\\endhead" in text
    assert render(Document("grid", (note("only words"),))).count("begin") == 0
