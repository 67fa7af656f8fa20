"""Long policies are named in a table, and written out once below it."""

from precision.report.document import Document
from precision.report.render.cells import cell_text
from precision.report.render.markdown import FORM, render
from precision.report.sections.experiment import setup
from precision.report.sections.folded import LONG, short, unfolded

LAYERS = [
    f"conv{n}: weights int({8 if n % 3 else 4},symmetric=True) scale per channel minmax" for n in range(30)
]
TEXT = ", ".join(["activations int(8)", *LAYERS, "batch norm folded"])


def test_a_short_policy_stays():
    assert short("weights fixed(8,6), activations fixed(8,4)") == "weights fixed(8,6), activations fixed(8,4)"
    assert short(None) is None and unfolded([("fixed8", "weights fixed(8,6)")]) == []


def test_a_long_one_is_named_and_written_once():
    assert cell_text(short(TEXT), FORM) == "activations int(8), 30 layers of their own (below)"
    (section,) = unfolded([("searched", TEXT)])
    text = render(Document("x", (section,)))
    assert "## The policy searched" in text
    assert text.count("int(4,symmetric=True)") == 1 and "`conv0`, `conv3`" in text
    assert "int(8,symmetric=True) scale per channel minmax: `conv1`" in text and " and 8 more" in text
    assert "- batch norm folded" in text


def test_no_line_of_a_report_is_as_long_as_a_policy(grid, results):
    frame = grid(policies={"float32": 32.0, "searched": 8.0})
    frame.loc[frame["policy"] == "searched", "formats"] = TEXT
    text = render(Document("x", (setup(results(frame)),)))
    assert "30 layers of their own (below)" in text and "The policy searched" in text
    assert max(map(len, text.splitlines())) < 400
    many = ", ".join(f"weights{n} fixed(8,6)" for n in range(20))
    assert len(many) > LONG and cell_text(short(many), FORM) == "weights0 fixed(8,6) (below)"
