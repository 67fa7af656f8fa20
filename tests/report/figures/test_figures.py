import itertools
import math

import matplotlib
import pytest

from precision.analysis import Results
from precision.report.figures.accuracy import draw_accuracy
from precision.report.figures.loss import draw_loss
from precision.report.figures.style import columns_of_legend, log_ticks, slots


@pytest.fixture
def draw(results):
    """Draw a figure of accuracy, rendered once: text that does not fit or parse would warn or fail here."""

    def of(frame):
        figure = draw_accuracy(results(frame).cells())
        figure.canvas.draw()
        return figure

    return of


@pytest.fixture
def draw_losses(results):
    def of(frame, epochs=5):
        given: Results = results(frame, epochs)
        figure = draw_loss(given.cells(), given.histories)
        figure.canvas.draw()
        return figure

    return of


def points(axes, marker):
    """Return the lines of an axes that have this marker."""
    return [line for line in axes.lines if line.get_marker() == marker]


def legend(figure):
    # A backslash keeps a dollar sign from starting a formula; it is not drawn.
    return [text.get_text().replace("\\$", "$") for text in figure.legends[0].get_texts()]


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_one_panel_per_method_and_one_marker_per_architecture(grid, draw):
    figure = draw(grid(("lenet", "vgg", "resnet")))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "ptq (post-training quantisation)",
        "qat (quantisation-aware training)",
    ]
    assert legend(figure) == ["lenet", "vgg", "resnet"]
    for axes in figure.axes:
        for marker in "os^":
            (line,) = points(axes, marker)
            assert len(line.get_xdata()) == 8
    ptq, qat = (points(axes, "o")[0] for axes in figure.axes)
    assert ptq.get_markerfacecolor() == ptq.get_color()
    assert qat.get_markerfacecolor() == "white"


def test_points_lie_at_their_error(grid, draw):
    axes = draw(grid(methods=("ptq",), policies={"float32": 32.0, "fixed8": 8.0})).axes[0]
    (line,) = points(axes, "o")
    assert dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) == {
        0.0: pytest.approx(1.6),
        3.2: pytest.approx(1.0),
    }
    assert axes.get_yscale() == "log"
    assert axes.yaxis_inverted()


def test_formats_are_named_below_and_their_bits_above(grid, draw):
    axes = draw(grid(methods=("ptq",))).axes[0]
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["fixed4", "fixed6", "fixed8", "float8", "float16", "bfloat16", "fixed16", "float32"]
    above = axes.child_axes[0]
    assert [text.get_text() for text in above.get_xticklabels()] == ["4", "6", "8", "16", "32"]


def test_formats_of_equal_bits_have_places_of_their_own(grid):
    frame = grid(("lenet", "vgg"))
    frame.loc[(frame["architecture"] == "vgg") & (frame["policy"] != "float32"), "weight_bits"] += 0.12
    where = slots(frame)
    places = sorted(where.place.values())
    assert all(b - a >= 1 for a, b in itertools.pairwise(places))
    assert [band[2] for band in where.bands] == ["4-4.1", "6-6.1", "8-8.1", "16-16.1", "32"]


def test_unknown_bits_have_a_place_too(grid, draw):
    frame = grid(methods=("ptq",))
    frame.loc[frame["policy"] == "fixed8", "weight_bits"] = None
    assert slots(frame).bands[-1][2] == "?"
    draw(frame)
    assert slots(frame.assign(weight_bits=float("nan"))).bands[0][2] == "?"


def test_failures_are_crosses_and_interrupt_the_line(grid, draw, failed):
    figure = draw(failed(grid(methods=("ptq",)), "diverged", "NaN", policy="fixed8"))
    axes = figure.axes[0]
    (crosses,) = points(axes, "x")
    assert len(crosses.get_xdata()) == 1
    assert sum(map(math.isnan, points(axes, "o")[0].get_ydata())) == 1
    assert legend(figure) == ["lenet", "no result"]


def test_pending_cells_are_no_failures(grid, draw, failed):
    assert legend(draw(failed(grid(), "pending", "", policy="fixed8"))) == ["lenet"]


def test_several_seeds_have_a_bar_from_the_worst_to_the_best(grid, draw):
    frame = grid(methods=("ptq",), seeds=(0, 1, 2), policies={"float32": 32.0, "fixed8": 8.0})
    bars = [line for line in draw(frame).axes[0].lines if line.get_linewidth() == 1.4]
    assert len(bars) == 2
    assert list(bars[-1].get_ydata()) == pytest.approx([0.94, 1.0])


@pytest.mark.parametrize("accuracy", [1.0, 0.0, 0.1, 0.5, 0.985])
def test_any_accuracy_can_be_drawn(grid, draw, accuracy):
    axes = draw(grid().assign(accuracy=accuracy)).axes[-1]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == sorted(labels, key=float, reverse=True)
    assert ("100" in labels) == (accuracy == 1.0)


def test_a_collapse_leaves_the_top_readable(grid, draw):
    labels = [text.get_text() for text in draw(grid(methods=("ptq",))).axes[0].get_yticklabels()]
    assert labels == ["99", "98", "95", "90", "80", "50", "10"]


def test_labels_are_not_formulas(grid, draw, draw_losses):
    frame = grid(("a$b$c", "_hidden"), {"float32": 32.0, "x$_y$": 8.0})
    assert legend(draw(frame)) == ["a$b$c", "_hidden"]
    assert legend(draw_losses(frame))[:2] == ["float32", "x$_y$"]


def test_loss_has_one_panel_per_architecture_and_two_lines_per_trained_format(grid, draw_losses):
    figure = draw_losses(grid(("lenet", "vgg", "resnet", "alexnet"), {"float32": 32.0, "fixed8": 8.0}))
    panels = visible(figure)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["lenet", "vgg", "resnet", "alexnet"]
    for axes in panels:
        # The baseline, which ptq and qat share, is drawn once.
        assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "-", "--"]
        assert [line.get_color() for line in axes.lines[:2]] == ["black", "black"]
    assert legend(figure) == ["float32", "fixed8", "training", "test"]


def test_a_training_that_goes_on_has_a_curve_that_begins_later(grid, results):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0})
    frame["control"] = ["float32 start=baseline" if method == "qat" else "" for method in frame["method"]]
    frame.loc[frame["method"] == "qat", "trial"] += "-on"
    rows = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch} for epoch in range(1, 6)]
    histories = {trial: rows[3:] if trial.endswith("on") else rows[:3] for trial in frame["trial"]}
    del histories[frame.loc[(frame["policy"] == "fixed8") & (frame["method"] == "ptq"), "trial"].item()]
    figure = draw_loss(frame, histories)
    assert legend(figure)[:3] == ["float32", "float32 (qat)", "fixed8"]
    assert [list(line.get_xdata()) for line in figure.axes[0].lines[::2]] == [[1, 2, 3], [4, 5], [4, 5]]


def test_seeds_are_averaged(grid, draw_losses):
    axes = draw_losses(grid(seeds=(0, 2), policies={"float32": 32.0})).axes[0]
    assert len(axes.lines) == 2
    assert axes.lines[0].get_ydata()[0] == pytest.approx(0.5 + 0.4 / 32 + 0.003)


def test_a_single_epoch_is_dots_side_by_side(grid, draw_losses):
    axes = draw_losses(grid(), epochs=1).axes[0]
    assert len({line.get_marker() for line in axes.lines}) == 8
    assert len({float(line.get_xdata()[0]) for line in axes.lines}) == 8
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1"]


def test_a_diverging_loss_does_not_flatten_the_rest(grid, results):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    frame = given.cells()
    trial = frame.loc[frame["policy"] == "fixed8", "trial"].iloc[-1]
    losses = [0.5, 1e9, float("nan"), 0.0]
    rows = [{"epoch": i, "loss": loss, "val_loss": None} for i, loss in enumerate(losses, 1)]
    figure = draw_loss(frame, {**given.histories, trial: rows})
    figure.canvas.draw()
    assert figure.axes[0].get_ylim()[1] < 100


def test_formats_of_several_methods_are_told_apart(grid, results):
    given = results(grid(methods=("qat", "low_precision"), policies={"float32": 32.0, "fixed8": 8.0}))
    frame = given.cells()
    any_history = next(iter(given.histories.values()))
    figure = draw_loss(frame, dict.fromkeys(frame["trial"], any_history))
    assert legend(figure)[1:3] == ["fixed8 (qat)", "fixed8 (low_precision)"]


def test_nothing_trained_gives_an_empty_figure(grid):
    assert len(draw_loss(grid(), {}).axes) == 1


def test_drawing_changes_no_global_setting(grid, draw):
    before = dict(matplotlib.rcParams)
    draw(grid())
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 60, [1, 2, 5, 10, 20, 50]), (0.4, 0.7, [0.4, 0.45, 0.5]), (1.41, 1.55, [1.45, 1.5, 1.55])],
)
def test_ticks_are_round(low, high, ticks):
    assert log_ticks(low, high)[: len(ticks)] == ticks


def test_a_legend_fits_its_figure():
    assert columns_of_legend(["ab", "abc"], 8.0) == 2
    assert columns_of_legend(["a very long name of a format" * 9] * 3, 5.0) == 1
