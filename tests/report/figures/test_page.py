"""No figure is larger than a page, no text leaves it or lies on another, and what is missing is said."""

import itertools

import numpy as np
import pandas as pd
import pytest

from precision.report.figures.accuracy import draw_accuracy
from precision.report.figures.heat_map import heat_map
from precision.report.figures.loss import draw_loss
from precision.report.figures.page import HEIGHT, WIDTH, left_out, room, short
from precision.report.figures.style import empty_figure

LONG = "weights=fixed(8,{}) activations=float8_e4m3fn inputs=ufixed(8,8) {}"
FORMATS = {"float32": 32.0, **{LONG.format(i, i): float(3 + i % 14) for i in range(39)}}
NETWORKS = tuple(f"a network with a label of many words, number {i}" for i in range(24))


def texts(figure):
    """The texts that are drawn, with their boxes in pixels."""
    renderer = figure.canvas.get_renderer()
    found = [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]
    shown = [text for text in found if text.get_visible() and all_visible(text)]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


def all_visible(text):
    axes = getattr(text, "axes", None)
    return axes is None or axes.get_visible()


def checked(figure):
    width, height = figure.get_size_inches()
    assert width <= WIDTH + 1e-9 and height <= HEIGHT + 1e-9
    figure.canvas.draw()
    page = figure.bbox
    for text, box in texts(figure):
        if not text.isdecimal() and not (box.x0 >= page.x0 - 4 and box.x1 <= page.x1 + 4):
            raise AssertionError(f"{text!r} leaves the page: {box} {page}")
    return figure


def below(figure):
    return " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize(
    ("networks", "methods"), [(1, ("ptq",)), (5, ("ptq", "qat", "low_precision", "native"))]
)
def test_accuracy_of_many_formats(grid, results, networks, methods):
    given = results(grid(NETWORKS[:networks], FORMATS, methods=methods))
    figure = checked(draw_accuracy(given.cells()))
    text = below(figure)
    assert text.startswith("Not shown, for want of room: the formats ")
    shown = int(text.split(" and ")[1].split(" more")[0]) + 6
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) + shown == len(FORMATS)


def test_the_least_accurate_formats_are_left_out_and_never_the_baseline(grid, results):
    cells = results(grid(NETWORKS[:1], FORMATS, methods=("ptq",))).cells()
    cells.loc[cells["policy"] == "float32", "accuracy"] = 0.01
    figure = draw_accuracy(cells)
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert "float32" in names
    means = cells.groupby("policy")["accuracy"].mean().sort_values()
    assert short([means.index[1]])[0] not in names and short([means.index[-1]])[0] in names


def test_losses_of_many(grid, results):
    given = results(grid(NETWORKS[:17], dict(list(FORMATS.items())[:3])))
    assert "the panels a network with" in below(checked(draw_loss(given.cells(), given.histories)))
    given = results(grid(NETWORKS[:1], FORMATS))
    assert "the formats" in below(checked(draw_loss(given.cells(), given.histories)))


def losses(layers, formats, long=True):
    name = "stage{0}_block{0}_convolution_with_a_long_name" if long else "c{0}"
    rng = np.random.default_rng(0)
    index = [name.format(i) for i in range(layers)]
    columns = [LONG.format(i, i) if long else f"f{i}" for i in range(formats)]
    return pd.DataFrame(rng.exponential(2, (layers, formats)), index, columns)


@pytest.mark.parametrize(("layers", "formats"), [(1, 1), (6, 2), (1, 30), (60, 2)])
@pytest.mark.parametrize("long", [True, False])
def test_a_heat_map_of_any_shape_has_no_two_texts_in_one_place(layers, formats, long):
    title = "fashion mnist, a network with a label of many words, learning_rate=0.01: activations"
    figure = checked(heat_map(losses(layers, formats, long), title))
    cells = {text.get_text() for text in figure.axes[0].texts}
    flat = [(t, box) for t, box in texts(figure) if not (t.startswith("weights=") or t in cells)]  # turned
    for (one, a), (two, b) in itertools.combinations(flat, 2):
        assert not (a.shrunk(0.9, 0.7).overlaps(b.shrunk(0.9, 0.7))), (one, two)


def test_a_heat_map_keeps_the_layers_that_lose_most():
    values = losses(90, 3, long=False)
    figure = heat_map(values, "t")
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    largest = values.max(axis="columns")
    assert shown == [name for name in values.index if name in shown]  # in the order of the network
    assert largest[shown].min() >= largest.drop(shown).max()
    assert f"{90 - len(shown) - 6} more, which lose at most" in below(figure)


def test_names_on_an_axis_are_short_and_all_different():
    names = [LONG.format(i, "x") for i in range(3)] + ["a" * 80, "a" * 90]
    found = short(names)
    assert len(set(found)) == 5 and short(["fixed8", "a$b"]) == ["fixed8", r"a\$b"]
    assert all(len(name) <= 32 for name in found)


def test_room():
    assert room(10, 5, best=1, least=0.25) == (10, 0.5)
    assert room(40, 5, best=1, least=0.25) == (20, 0.25)
    assert room(2, 5, best=1, least=0.25) == (2, 1)
    assert room(3, 0.1, best=1, least=0.25).shown == 1
    assert left_out("formats", []) == "" and empty_figure(1, 1).get_supxlabel() == ""
