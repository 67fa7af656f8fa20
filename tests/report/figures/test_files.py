"""Figures as SVG and PDF: text stays text, equal figures are equal bytes, a report has what is asked for."""

import pytest

from precision.errors import PrecisionError
from precision.report import write
from precision.report.figures.accuracy import draw_accuracy
from precision.report.figures.files import WRITERS, pdf, svg
from precision.report.pages.folder import KINDS, kinds_of

NAME = "fixed(8,4) & <b>"


@pytest.fixture(scope="module")
def frame():
    from reported import frame_of, results_of

    return results_of(frame_of(policies={"float32": 32.0, NAME: 8.0}, methods=("ptq",))).cells()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_figures_are_equal_bytes(kind, frame):
    one, other = (WRITERS[kind](draw_accuracy(frame)) for _ in range(2))
    assert one == other


def test_text_of_vectors_stays_text_and_nothing_tells_the_time(frame):
    drawing = draw_accuracy(frame)
    text = svg(drawing).decode()
    assert "fixed(8,4) &amp; &lt;b&gt;</text>" in text and "test accuracy (%)</text>" in text
    assert "<dc:date>" not in text and "matplotlib.org" not in text
    document = pdf(drawing)
    assert document.startswith(b"%PDF") and b"/FontFile2" in document  # an embedded font, no outlines
    assert b"CreationDate" not in document and b"atplotlib" not in document


def test_a_report_has_the_files_that_were_asked_for_last(grid, results, tmp_path):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    write(given, tmp_path, figures=("svg", "pdf"))
    files = {kind: {path.stem for path in tmp_path.glob(f"*.{kind}")} for kind in KINDS}
    assert files["png"] and files["png"] == files["svg"] == files["pdf"]
    write(given, tmp_path, figures=("svg",))
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg", ".md", ".csv"}
    assert "![" in (tmp_path / "report.md").read_text() and ".svg" not in (tmp_path / "report.md").read_text()


def test_another_kind_is_refused():
    assert kinds_of(["SVG", " pdf", "svg"]) == ("svg", "pdf")
    with pytest.raises(PrecisionError, match="figures: 'svgz' is no kind of file; did you mean 'svg'"):
        kinds_of(["svgz"])
    with pytest.raises(PrecisionError, match="figures takes a list of texts such as svg, but got 'svg'"):
        kinds_of("svg")
