"""The answer of a report: the sentence, the tables and what they say of certainty."""

import numpy as np
import pytest

from precision.analysis import Classes
from precision.analysis.coverage import coverage
from precision.report.document import Document
from precision.report.render.markdown import render
from precision.report.sections import classes as of_classes
from precision.report.sections.answer import answer
from precision.report.sections.comparison import difference
from precision.report.sections.experiment import trials

POLICIES = {"float32": 32.0, "float16": 16.0, "fixed8": 8.0, "fixed4": 4.0}


@pytest.fixture
def text_of(grid, results):
    def of(section, seeds=(0, 1, 2), change=lambda frame: frame, **settings):
        given = results(change(grid(("lenet", "vgg"), POLICIES, ("ptq", "qat"), seeds)), **settings)
        return " ".join(render(Document("x", (section(given),))).split())

    return of


def with_energy(frame):
    return frame.assign(energy_modelled_pj=1000.0 * frame["weight_bits"])


def test_the_headline_says_how_often_what_it_saves_and_the_coverage(text_of):
    text = text_of(answer, change=with_energy)
    sentence = text.split("## The answer ")[1].split("The smallest format, by")[0].strip()
    assert sentence == (
        "In 4 of 4 cases (a network on its data by one method) a smaller format is shown to lose at most 1 "
        "percentage point of test accuracy against float32, most often fixed8 (3): weights 2.0 to 4.0 times "
        "smaller, 2.0 to 4.0 times less modelled energy. Of all 12 cells of a format, 58 % are shown to be "
        "within the tolerance."
    )
    assert "Times less modelled energy" in text and "| equivalent |" in text
    assert "modelled energy" not in text_of(answer).replace("Times less modelled energy", "?")


def test_where_nothing_is_found_the_headline_says_so(text_of):
    text = text_of(answer, tolerance=0.001)
    assert "In none of 4 cases (a network on its data by one method) is a smaller format shown to" in text


def test_coverage_counts_cells_with_a_baseline_and_failures(grid, results, failed):
    frame = failed(grid(("lenet", "vgg"), POLICIES, ("ptq",)), "diverged", "x", policy="fixed4")
    frame = failed(frame, "pending", "", policy="float16", architecture="vgg")
    found = coverage(results(frame).summary(), "float32").set_index("policy")
    assert found["cells"].to_dict() == {"float16": 1, "fixed8": 2, "fixed4": 2}
    assert found.loc["float16", "within"] == 1 and found.loc["fixed4", "within"] == 0


@pytest.mark.parametrize(("seeds", "told"), [((0,), " to "), ((0, 1, 2), " ± ")])
def test_every_cell_of_the_differences_has_an_interval_and_a_verdict(text_of, seeds, told):
    text = text_of(difference, seeds)
    cells = [cell for cell in text.split("|") if "equivalent" in cell or "worse" in cell]
    assert len(cells) == 12 and all(told in cell for cell in cells)


def test_trials_without_a_result_come_first_in_their_own_words(text_of, failed):
    text = text_of(
        trials, change=lambda frame: failed(frame, "diverged", "loss is NaN", policy="fixed4", seed=1)
    )
    first, rest = text.split("**Without a result**")[1].split("**mnist, ptq", 1)
    assert first.count("loss is NaN") == 4 and "loss is NaN" not in rest
    assert "Interval" in rest and "Reason" not in rest


def test_the_accuracy_of_each_class(monkeypatch, grid, results):
    baseline = np.hstack([np.diag([90, 80]), [[10], [20]]]).astype(float)
    worse = np.hstack([np.diag([90, 60]), [[10], [40]]]).astype(float)
    runs = [
        Classes(name, table, np.ones(2), np.ones((2, 66)))
        for name, table in (("float32", baseline), ("fixed4", worse))
    ]
    monkeypatch.setattr(of_classes, "by_class", lambda results: {"mnist, lenet": runs})
    given = results(grid())
    given.targets["mnist"] = ("", "cat 100, big dog 100")
    text = " ".join(render(Document("x", (of_classes.classes(given),))).split())
    assert "| cat | 100 | 90.00 | 0.00 |" in text and "| big dog | 100 | 80.00 | -20.00 |" in text


def test_of_many_classes_those_are_shown_that_change_most(monkeypatch, grid, results):
    counts = np.eye(30, 31) * 10
    worse = counts.copy()
    worse[25, 25] = 2
    worse[25, 30] = 8
    runs = [
        Classes(name, table, np.ones(30), np.ones((30, 66)))
        for name, table in (("float32", counts), ("f", worse))
    ]
    monkeypatch.setattr(of_classes, "by_class", lambda results: {"mnist, lenet": runs})
    text = " ".join(render(Document("x", (of_classes.classes(results(grid())),))).split())
    assert "| 25 | 10 | 100.00 | -80.00 |" in text and "The 20 of 30 classes that change most." in text
