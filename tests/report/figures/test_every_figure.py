"""Every figure of a report can be read with three formats and with twenty-five, in colours and without."""

import drawn
import every_figure
import pytest

from precision.registry import FIGURES
from precision.report.figures.heat_map import heat_map
from precision.report.figures.page import HEIGHT, WIDTH
from precision.report.sections.resources import resources

MADE = {
    "rmse_vs_bits": every_figure.of_targets,
    "speedup": every_figure.of_threads,
}


@pytest.fixture(scope="module")
def results():
    """Return results of so many formats, which are made once."""
    kept = {}

    def of(make, formats):
        return kept.setdefault((make, formats), make(formats))

    return of


def checked(drawing):
    drawing.canvas.draw()
    wide, high = drawing.get_size_inches()
    assert wide <= WIDTH + 1e-9 and high <= HEIGHT + 1e-9
    together, outside = drawn.collisions(drawing)
    assert together == [] and outside == []
    assert drawn.covered(drawing) == []
    assert drawn.alike_without_colours(drawing) == []


FIGURES.load_all()


@pytest.mark.parametrize("formats", [3, 25])
@pytest.mark.parametrize("name", [name for name in FIGURES if FIGURES.owner(name).builtin])
def test_a_registered_figure_can_be_read(name, formats, results):
    figure = FIGURES[name](results(MADE.get(name, every_figure.of_classes), formats))
    checked(figure.draw(**figure.data))


@pytest.mark.parametrize("formats", [3, 25])
def test_curves_of_resources_can_be_read(formats, results):
    figure = next(
        part for part in resources(results(every_figure.of_classes, formats)).parts if hasattr(part, "draw")
    )
    checked(figure.draw(**figure.data))


@pytest.mark.parametrize("formats", [3, 25])
def test_a_heat_map_can_be_read(formats):
    checked(heat_map(every_figure.losses(12, formats), "mnist, lenet: weights"))
