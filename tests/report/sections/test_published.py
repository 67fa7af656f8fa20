"""The table of published figures with margins."""

from precision.analysis import Published, PublishedFigure
from precision.report.document import Document
from precision.report.render.markdown import render
from precision.report.sections.published import published


def test_what_passes_and_what_fails_is_counted_and_shown(grid, results, failed):
    frame = failed(grid(methods=("ptq",), seeds=(0, 1, 2)), "diverged", "loss is NaN", policy="fixed4")
    figures = (
        PublishedFigure(policy=["float32"], value=99, margin=0.1, name="as it was"),
        PublishedFigure(policy=["fixed8", "float8"], value=90, margin=1, name="eight bits"),
        PublishedFigure(policy=["fixed6"], value=-1, kind="difference", bound="at_most", name="six bits"),
        PublishedFigure(policy=["fixed4"], value=50, margin=1),
    )
    settings = Published("A. Author, A Paper", "Shorter training.", {}, figures=figures)
    text = render(Document("d", (published(results(frame, published=settings)),)))
    assert "**2 of 4 figures within the margin, 1 without a result**." in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert rows[0] == ["Figure", "Ours is of", "Published", "Ours", "Difference", "Margin", "Result"]
    assert rows[2:] == [
        ["as it was", "mnist lenet float32 ptq", "99.00", "99.03 ± 0.07 (n = 3)", "+0.03", "0.10", "pass"],
        [
            "eight bits",
            "mnist lenet fixed8 ptq",
            "90.00",
            "98.43 ± 0.07 (n = 3)",
            "+8.43",
            "1.00",
            "**fail**",
        ],
        [
            "six bits",
            "mnist lenet fixed6 ptq",
            "at most -1.00",
            "-3.00 ± 0.33 (n = 3)",
            "-2.00",
            "0.00",
            "pass",
        ],
        ["policy fixed4", "policy fixed4", "50.00", "—", "—", "1.00", "**no result (diverged)**"],
    ]
    assert "Source: A. Author, A Paper. Shorter training." in text


def test_without_margins_nothing_is_judged(grid, results, published):
    from precision.report.sections.published import published as section

    text = render(Document("d", (section(results(grid(methods=("ptq",)), published=published)),)))
    assert "margin" not in text and "| lenet" in text and "| Result" not in text
