"""A section or a figure is one registered function, and a renderer needs to know none of them."""

import dataclasses
import importlib
import json
import math
from enum import Enum

import pytest

from precision.analysis import Estimate
from precision.errors import PrecisionError
from precision.registry import FIGURES, METHODS, SECTIONS, Registry
from precision.report import write
from precision.report.document import (
    Column,
    Document,
    Failure,
    Figure,
    Link,
    Note,
    Quantity,
    Runs,
    Section,
    Strong,
    Table,
    Unit,
    Words,
    inline,
    joined,
    note,
    order,
)
from precision.report.pages.grid import document
from precision.report.render import markdown, terminal

HOSTILE = "a | b <b> *c*\n# d"
ESCAPED = r"a \| b &lt;b&gt; \*c\* # d"
POLICIES = {"float32": 32.0, "fixed8": 8.0}


@pytest.fixture
def registered(monkeypatch):
    """Registries with all of ours, in which what a test adds is forgotten."""
    importlib.import_module("precision.methods")
    importlib.import_module("precision.report.figures")
    for registry in (SECTIONS, FIGURES, METHODS):
        for name in ("_factories", "_owners"):
            monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


@pytest.mark.usefixtures("registered")
def test_a_section_and_a_figure_are_one_registered_function_each(grid, results, tmp_path):
    @SECTIONS.register("labels_of_the_test")
    @order(35)
    def labels(given):
        text = note("Whatever a {label} holds, n < 6.", label=HOSTILE)
        numbers = Column("Share", Unit.ACCURACY)
        rows = ((HOSTILE, 0.5), (Strong("x_"), None), ("y", Failure("diverged", "NaN")))
        return Section(HOSTILE, (text, Table((Column(HOSTILE), numbers), rows, "Rows", (note("Below."),))))

    @FIGURES.register("line_of_the_test")
    @order(36)
    def line(given):
        return Figure("line_of_the_test", "A line", HOSTILE, draw, {"points": [0, 1, len(given.frame)]})

    def draw(points):
        from precision.report.figures.style import empty_figure

        figure = empty_figure(2, 1)
        figure.subplots().plot(points)
        return figure

    @SECTIONS.register("nothing_of_the_test")
    def nothing(given):
        return None

    text = write(results(grid(policies=POLICIES)), tmp_path).read_text()
    assert (
        f"\n## {ESCAPED}\n\nWhatever a {ESCAPED} holds, n < 6.\n\n**Rows**\n\n"
        "| a \\| b &lt;b&gt; \\*c\\* # d   |    Share |\n"
        "|:-----------------------------|---------:|\n"
        "| a \\| b &lt;b&gt; \\*c\\* # d   |    50.00 |\n"
        "| **x\\_**                      |        — |\n"
        "| y                            | diverged |\n\nBelow.\n\n"
        f"## A line\n\n![{ESCAPED}](line_of_the_test.png)\n\n## Difference to float32\n"
    ) in text
    assert (tmp_path / "line_of_the_test.png").read_bytes().startswith(b"\x89PNG")
    several = grid(policies=POLICIES, datasets=("mnist", "cifar10"))
    text = write(results(several), tmp_path).read_text()
    assert "](line_of_the_test.png)" not in text and "](line_of_the_test_cifar10.png)" in text
    assert (tmp_path / "line_of_the_test_mnist.png").exists()


MISTAKES = {
    "cells": (
        lambda: Section("A", (Table((Column("one"),), (("a", 1),)),)),
        r"a table has a cell for each of its 1 columns \(one\), but a row has 2",
    ),
    "part": (
        lambda: Section("A", note("alone")),
        r"the parts of the section 'A' are a tuple of .* but got a Note; write \(table,\)",
    ),
    "inner": (lambda: Section("A", ("words",)), "the parts of the section 'A' .* but got a str"),
    "unit": (
        lambda: Section("A", (Table((Column("one", Unit.BYTES),), (({},),)),)),
        "has a part that cannot be written: TypeError",
    ),
}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_section_that_cannot_be_written_is_told_with_its_line(grid, results, tmp_path, name):
    make, message = MISTAKES[name]

    @SECTIONS.register("mistaken")
    def mistaken(given):
        return make()

    with pytest.raises(
        PrecisionError, match=rf"test_document\.py:\d+: report section 'mistaken' .*{message}"
    ):
        write(results(grid(policies=POLICIES)), tmp_path)


def test_an_order_is_a_number():
    with pytest.raises(
        PrecisionError, match="the order of a section is a number, such as 15, but got 'first'"
    ):
        order("first")


def unwilling(points):
    raise OSError(points)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "draw", "message"),
    [
        ("mine", lambda: None, r"drawing the figure 'mine' with its data \(points\) raised TypeError"),
        (
            "mine",
            lambda points: None,
            "drawing the figure 'mine' must return a matplotlib figure, but .* None",
        ),
        ("mine", unwilling, "drawing the figure 'mine' .* raised OSError: 3; correct this line"),
        ("Loss_Curves", lambda points: None, r"has the file Loss_Curves\.png, which is another figure's"),
        ("a/b", lambda points: None, "figure 'mistaken' was refused: .* letters, digits, .* but got 'a/b'"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_told_with_its_line(grid, results, tmp_path, name, draw, message):
    @FIGURES.register("mistaken")
    def mistaken(given):
        return Figure(name, "A", "Nothing", draw, {"points": 3})

    with pytest.raises(PrecisionError, match=rf"test_document\.py:\d+: .*{message}"):
        write(results(grid(policies=POLICIES)), tmp_path)


def plain(part):
    """A renderer that knows what a document is made of, and no section: to what JSON can hold."""
    if isinstance(part, Figure):
        return {"figure": part.file, "caption": part.caption, "notes": plain(part.notes)}
    if isinstance(part, Estimate):
        return {"mean": plain(part.mean), "n": int(part.n), "ci95": plain(part.ci95)}
    if dataclasses.is_dataclass(part):
        fields = {f.name: plain(getattr(part, f.name)) for f in dataclasses.fields(part)}
        return {"part": type(part).__name__, **fields}
    if isinstance(part, Enum):
        return part.name
    if isinstance(part, tuple):
        return [plain(one) for one in part]
    if isinstance(part, str | bool) or part is None:
        return part
    number = float(part) if part == part else math.nan  # a missing value of pandas equals nothing
    return number if math.isfinite(number) else None


def rows_of(parts, title):
    (section,) = [part for part in parts if part.get("title") == title]
    return [row for table in section["parts"] if table["part"] == "Table" for row in table["rows"]]


def test_a_third_renderer_knows_no_section(grid, results, failed, published):
    frame = grid(("lenet", "vgg"), POLICIES, methods=("ptq",), seeds=(0, 1, 2))
    frame = failed(frame, "diverged", HOSTILE, policy="fixed8", architecture="vgg")
    made = document(results(frame, published=published, notes="A note."))
    read = json.loads(json.dumps(plain(made), allow_nan=False))
    titles = [part["title"] for part in read["parts"] if part["part"] == "Section"]
    text = markdown.render(made)
    assert titles == [line[3:] for line in text.splitlines() if line.startswith("## ")]
    lenet, vgg = rows_of(read["parts"], "Accuracy")
    assert lenet[0] == "lenet" and lenet[1]["estimate"]["mean"] == pytest.approx(0.9903)
    assert lenet[1]["estimate"]["n"] == 3 and lenet[1]["failed"] == 0
    assert vgg[2] == {"part": "Failure", "status": "diverged", "reason": HOSTILE}  # raw, not escaped
    assert {"figure": "loss_curves.png"}.items() <= next(
        part["parts"][0] for part in read["parts"] if part.get("title") == "Loss curves"
    ).items()


CELLS = [
    (Quantity(0.5, Unit.ACCURACY), None, "50.00"),
    (Quantity(0.08, Unit.NATS, decimals=4), None, "0.0800"),
    (Runs(Estimate(0.5, 2, 0.1, 0.01), failed=1), Unit.ACCURACY, "50.00 ± 1.00 (n = 2, 1 failed)"),
    (Estimate(0.5, 3, 0.1, 0.01), Unit.DIFFERENCE, "+50.00 ± 1.00"),
    (Failure("timeout", "slow"), Unit.ACCURACY, "timeout"),
    ((Quantity(1536, Unit.BYTES), Words(" in "), "x*"), Unit.BYTES, "1.5 KiB in x*"),
    (Strong("x"), None, "x"),
    (0.25, Unit.DIFFERENCE, "+25.00"),
    (7, None, "7"),
    (None, None, "—"),
    (math.nan, Unit.COUNT, "—"),
]


@pytest.mark.parametrize(("cell", "unit", "text"), CELLS)
def test_a_cell_in_a_terminal(cell, unit, text):
    table = Table((Column(""), Column("", unit)), (("a", cell),), seeds=3)
    assert terminal.render([table]) == f"a  {text}"


def test_words_wrap_and_texts_from_outside_do_not():
    text = inline("one\n{name} & {more}", name="a\nb", more=joined(["c", Link("d", "d.csv")], ", "))
    assert markdown.render(Document("t", (Note(text),))) == "# t\n\none\na b & c, [d](d.csv)\n"
    assert terminal.render([Note(text)]) == "one\na b & c, d"
    assert markdown.render(Document("t", (note("<b> &lt; 1 < 2"),))) == "# t\n\n&lt;b> &amp;lt; 1 < 2\n"


def test_a_name_is_registered_once():
    from precision.errors import PrecisionError

    registry: Registry = SECTIONS
    with pytest.raises(PrecisionError, match="report section 'answer' is already registered by precision"):
        registry.register("answer")(lambda results: None)


@pytest.mark.usefixtures("registered")
def test_what_a_method_does_is_said_by_the_method(grid, results):
    @METHODS.register("halving")
    def halving(trial, bench):
        """Training in halves: no digit but 0 and 5."""

    text = markdown.render(
        document(results(grid(methods=("halving", "ptq", "foreign", "integer", "float32"))))
    )
    titles = {line.strip("*") for line in text.splitlines() if line.startswith("**mnist")}
    assert titles >= {
        "mnist, halving (training in halves)",
        "mnist, ptq (post-training quantisation)",
        "mnist, foreign",
        "mnist, integer (integer inference)",
        "mnist, float32",
    }
    assert "bit-exact" not in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("integer", "integer inference"),
        ("low_precision", "training in low precision"),
        ("native", "the framework's own number type"),
        ("ptq", "post-training quantisation"),
        ("qat", "quantisation-aware training"),
    ],
)
def test_every_method_says_what_it_does(name, words):
    from precision.report.titles import method_in_words

    assert method_in_words(name) == f"{name} ({words})"
