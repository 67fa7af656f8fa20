"""Published figures beside ours: which of ours counts, and when it is within the margin."""

import math

import pytest

from precision.analysis import Published, PublishedFigure, judged, summary
from precision.analysis.published import compared, holds


@pytest.fixture
def beside(run, frame):
    rows = [
        *(run("float32", 0.97 + 0.01 * s, seed=s) for s in (0, 1, 2)),
        *(run("fixed16", 0.96 + 0.01 * s, seed=s) for s in (0, 1, 2)),
        *(run("fixed8", 0.90, seed=s) for s in (0, 1, 2)),
        run("fixed4", None, status="diverged", reason="loss is NaN"),
    ]

    def of(*figures, **more):
        table = judged(summary(frame(*rows)), "float32", 1.0)
        return compared(Published("a paper", "", more.pop("accuracy", {}), figures=figures, **more), table)

    return of


def test_of_several_cells_the_most_accurate_counts(beside):
    [found] = beside(PublishedFigure(policy=["fixed*"], value=96.5, margin=0.6))
    assert (found.cell, found.runs, found.status) == ("mnist lenet fixed16 ptq", 3, "pass")
    assert found.ours == pytest.approx(97)
    assert found.half == pytest.approx(100 * 0.01 * 4.302653 / math.sqrt(3))  # the t-interval of three seeds
    [found] = beside(PublishedFigure(policy=["fixed*"], value=96.5, margin=0.4))
    assert (found.status, found.passed) == ("fail", False)


def test_a_difference_is_that_to_the_baseline(beside):
    wanted = {"policy": ["fixed16"], "kind": "difference"}
    [found] = beside(PublishedFigure(value=-1.2, margin=0.3, **wanted))
    assert found.ours == pytest.approx(-1) and found.passed
    [found] = beside(PublishedFigure(value=0, margin=0.5, **wanted))
    assert found.status == "fail"


def test_what_has_no_result_does_not_pass(beside):
    failed, absent = beside(
        PublishedFigure(policy=["fixed4"], value=50, margin=100),
        PublishedFigure(policy=["fixed4"], architecture=["vgg"], value=50, margin=100),
    )
    assert (failed.status, failed.passed, failed.runs) == ("no result (diverged)", False, 0)
    assert (absent.status, absent.cell) == ("no such cell", "architecture vgg policy fixed4")


def test_figures_by_architecture_and_policy_have_the_common_margin(beside):
    accuracy = {"lenet": {"fixed8": 90.5, "float32": 99.5}}
    assert beside(accuracy=accuracy) == []
    assert [one.status for one in beside(accuracy=accuracy, margin=1.0)] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("bound", "passing", "failing"),
    [
        ("within", (96.7, 97.2, 97.7), (96.69, 97.71)),
        ("at_least", (96.7, 100.0), (96.69,)),
        ("at_most", (0.0, 97.7), (97.71,)),
    ],
)
def test_bounds(bound, passing, failing):
    figure = PublishedFigure(value=97.2, margin=0.5, bound=bound)
    assert all(holds(figure, ours) for ours in passing)
    assert not any(holds(figure, ours) for ours in failing)
