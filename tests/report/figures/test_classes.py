"""The figures of classes and of power: what they choose, and that what they draw is what is stored."""

from dataclasses import replace

import numpy as np
import pytest

from precision.analysis import by_class
from precision.report.figures.classes import confusion, draw_confusion, roc
from precision.report.figures.multipliers import accuracy_and_power, accuracy_and_time
from precision.tasks.by_class import details

TARGETS = np.arange(200) % 4


def stored(accuracy, seed):
    """What a network says of each class that takes wrong images for the class after theirs."""
    wrong = np.random.default_rng(seed).random(len(TARGETS)) >= accuracy
    return details(np.eye(4)[(TARGETS + wrong) % 4], TARGETS)


@pytest.fixture
def given(results, grid):
    """Two networks, formats, two methods and three seeds, with something stored of each trial."""
    found = results(grid(("lenet", "vgg"), seeds=(0, 1, 2)))
    accuracies = found.frame.set_index("trial")["accuracy"]
    return replace(
        found, by_class=lambda trial: stored(np.atleast_1d(accuracies[trial])[0], int(trial, 16) % 1000)
    )


def test_the_worst_that_still_say_something_stand_beside_the_baseline(given):
    networks = by_class(given)
    assert [name.split(", ")[1] for name in networks] == ["lenet", "vgg"]
    cells = given.cells()
    for name, runs in networks.items():
        own = cells[(cells["architecture"] == name.split(", ")[1]) & (cells["control"] == "")]
        means = own.groupby(["policy", "method"], sort=False)["accuracy"].mean()
        least = means["float32"].iloc[0] / 2
        expected = means[means >= least].drop("float32").sort_values()[:2]
        assert [run.name for run in runs] == ["float32", *(" ".join(key) for key in expected.index)]
        assert means.min() < least  # some say nothing any more


def test_the_numbers_are_means_over_the_seeds(given):
    cells = given.cells()
    first = next(iter(by_class(given).values()))[0]
    own = cells[
        (cells["architecture"] == "lenet") & (cells["policy"] == "float32") & (cells["control"] == "")
    ]
    each = [given.by_class(trial)["confusion"] for trial in own["trial"].unique()]
    assert len(each) > 1 and np.array_equal(first.confusion, np.mean(each, axis=0))


def test_what_is_not_stored_is_left_out(given, results, grid):
    def gone(trial):
        raise FileNotFoundError

    assert by_class(replace(given, by_class=gone)) == {}
    plain = results(grid(("lenet",)))
    assert confusion(plain) is None and roc(plain) is None


def test_matrices_show_the_difference_to_the_baseline(given):
    networks = by_class(given)
    figure = draw_confusion(networks)
    figure.canvas.draw()
    runs = networks[next(iter(networks))]
    for axes, run in zip(figure.axes, runs, strict=False):
        shown = np.zeros((4, 4), int)
        for text in axes.texts:
            column, row = text.get_position()
            shown[row, column] = int(text.get_text().replace("\N{MINUS SIGN}", "-"))
        base = 0 if run is runs[0] else runs[0].confusion
        assert np.array_equal(shown, np.round(run.confusion - base)[:, :4].astype(int))


def test_curves_are_drawn_one_for_each_class(given):
    figure = roc(given)
    drawing = figure.draw(**figure.data)
    drawing.canvas.draw()
    runs = next(iter(by_class(given).values()))
    for axes, run in zip(drawing.axes, runs, strict=False):
        assert len(axes.lines) == 4
        for line, curve in zip(axes.lines, run.roc, strict=True):
            assert np.array_equal(line.get_ydata(), curve[1:])


def test_no_prediction_has_a_column_of_its_own(given):
    lost = details(np.full((200, 4), np.nan), TARGETS)
    cells = given.cells()
    broken = set(cells[cells["policy"] == "fixed6"]["trial"])
    figure = draw_confusion(
        by_class(replace(given, by_class=lambda t: lost if t in broken else given.by_class(t)))
    )
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1", "2", "3", "none"]


def test_the_line_of_power_is_that_of_the_multipliers_that_none_surpasses(given):
    powers = {"float16": 0.5, "fixed16": 0.375, "fixed8": 0.25, "fixed4": 0.125, "float8": 0.75}
    frame = given.frame.assign(multiplier_power=given.frame["policy"].map(powers))
    assert accuracy_and_power(given) is None
    figure = accuracy_and_power(replace(given, frame=frame))
    drawing = figure.draw(**figure.data)
    drawing.canvas.draw()
    means = (
        frame[frame["architecture"] == "lenet"]
        .groupby("policy")[["multiplier_power", "accuracy"]]
        .mean()
        .dropna()
    )
    best = {
        power
        for power, accuracy in means.itertuples(index=False)
        if not ((means["multiplier_power"] < power) & (means["accuracy"] >= accuracy)).any()
        and not ((means["multiplier_power"] <= power) & (means["accuracy"] > accuracy)).any()
    }
    line = drawing.axes[0].lines[0]
    assert set(line.get_xdata()) == best and list(line.get_xdata()) == sorted(best)


def test_a_bar_is_of_one_method(given):
    """Before and after a training through a multiplier are two things, and no mean of them is shown."""
    frame = given.frame.assign(multiplier_mean_error=1.0)
    figure = accuracy_and_time(replace(given, frame=frame))
    drawing = figure.draw(**figure.data)
    drawing.canvas.draw()
    panels = [axes for axes in drawing.axes if axes.patches]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == [f"mnist, {net}, {method}" for net in ("lenet", "vgg") for method in ("ptq", "qat")]
    own = frame[(frame["architecture"] == "vgg") & (frame["method"] == "qat")]
    expected = 100 * own.groupby("policy", sort=False)["accuracy"].mean()
    assert [bar.get_height() for bar in panels[3].patches] == pytest.approx(expected.tolist())
