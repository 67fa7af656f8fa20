"""Curves of what trials used, and the measured energy: bounded, readable, never empty without a reason."""

import math
from dataclasses import replace

import numpy as np
import pytest
from stored import make_samples

from precision.errors import PrecisionError
from precision.measure.machine.energy import NOT_MEASURABLE
from precision.report.document import Document, Figure, Section
from precision.report.figures.page import HEIGHT
from precision.report.figures.resources import POINTS, Curve, draw_resources
from precision.report.render.markdown import render
from precision.report.sections import resources as module
from precision.report.sections.measured_energy import measured_energy
from precision.report.sections.resources import resources
from precision.samples import QUANTITIES, Samples

MANY = {"float32": 32.0} | {f"format {bits} {n}": float(bits) for bits in range(4, 12) for n in range(3)}
WHY = {"temperature_celsius": "no sensor", "gpu_percent": "no GPU", "gpu_watts": "no GPU"}


def series(seconds=20.0, quantities=tuple(QUANTITIES)):
    """Samples of all quantities; a quarter of a second each."""
    times = np.arange(0, seconds, 0.25)
    values = {name: 10.0 * (number + 1) + times for number, name in enumerate(quantities)}
    return Samples(times, values, {name: why for name, why in WHY.items() if name not in quantities})


class Store:
    """Gives samples, and notes of which trials they were asked."""

    def __init__(self, made=lambda trial: series(quantities=("cpu_percent", "memory_bytes", "threads"))):
        self.asked, self._made = [], made

    def __call__(self, trial):
        self.asked.append(trial)
        return self._made(trial)


def figures(section):
    return [part for part in section.parts if isinstance(part, Figure)]


def drawn(figure):
    found = figure.draw(**figure.data)
    found.canvas.draw()
    return found


def text(section):
    return render(Document("x", (section,)))


def lines(axes):
    return [line for line in axes.lines if len(line.get_xdata())]


def test_one_panel_for_each_quantity_and_one_line_for_each_format(grid, results):
    store = Store()
    given = replace(results(grid(methods=("ptq", "qat"), seeds=(0, 1))), samples=store)
    (figure,) = figures(resources(given))
    assert figure.name == "resources"
    found = drawn(figure)
    panels = np.array(found.axes).reshape(3, 3)
    assert [axes.get_title(loc="left") for axes in panels[:, 0]] == [
        "Processor use of the process (%)",
        "Resident memory (GiB)",
        "Threads",
    ]
    assert [axes.texts[0].get_text() for axes in panels[0]] == ["native", "emulated, ptq", "emulated, qat"]
    assert [[len(lines(axes)) for axes in row] for row in panels] == [[1, 7, 7]] * 3
    assert found.legends[0].get_texts()[0].get_text() == "float32"
    assert len(found.legends[0].get_texts()) == 8
    # Of each format the first seed, and the baseline once: it serves both methods.
    assert len(store.asked) == len(set(store.asked)) == 15
    frame = given.cells().set_index("trial")
    assert {frame.loc[[trial], "seed"].iloc[0] for trial in store.asked} == {0}


@pytest.mark.parametrize("policies", [{"float32": 32.0, "a": 16.0, "b": 8.0}, MANY], ids=["3", "25"])
def test_a_figure_is_no_larger_than_a_page(grid, results, policies):
    given = replace(results(grid(policies=policies)), samples=Store(lambda trial: series()))
    (figure,) = figures(resources(given))
    found = drawn(figure)
    assert found.get_figheight() <= HEIGHT + 1e-9
    shown = min(len(policies), module.CURVES + 1)
    looks = {(line.get_color(), line.get_marker()) for line in found.legends[0].get_lines()}
    assert len(found.legends[0].get_texts()) == len(looks) == shown
    assert (f"and {len(policies) - shown - 6} more" in found.get_supxlabel()) == (shown < len(policies))
    shown = {axes.get_title(loc="left").split(" (")[0] for axes in found.axes} - {""}
    assert shown == {quantity.title for quantity in QUANTITIES.values()}
    box = found.legends[0].get_window_extent()
    assert box.x1 <= found.bbox.x1 and box.y0 >= max(axes.get_window_extent().y1 for axes in found.axes)


def test_reading_many_trials_is_bounded(grid, results, monkeypatch):
    monkeypatch.setattr(module, "FIGURES", 2)
    monkeypatch.setattr(module, "CURVES", 4)
    store = Store()
    frame = grid(("lenet", "vgg", "resnet", "alexnet"), MANY, seeds=range(3))
    section = resources(replace(results(frame), samples=store))
    assert len(frame) == 600
    assert [figure.name for figure in figures(section)] == ["resources_lenet", "resources_vgg"]
    assert len(store.asked) <= 3 * (1 + 2 * 4)  # one network is looked at to know that there are more
    assert "Only the first 2 networks have a figure." in text(section)
    found = drawn(figures(section)[0])
    assert "Not shown, for want of room: the formats" in found.get_supxlabel()


def test_long_series_are_drawn_with_few_points():
    made = make_samples(2000, rise=1.0)
    made.series["memory_bytes"][777] = 9e9  # a peak of one sample
    (line, *_) = (lines(axes)[0] for axes in draw_resources([Curve("a", "native", made)]).axes)
    assert len(line.get_xdata()) <= POINTS
    memory = lines(draw_resources([Curve("a", "native", made)]).axes[1])[0]
    assert max(memory.get_ydata()) == pytest.approx(9e9 / 2**30)


def test_trials_of_very_different_lengths_share_a_logarithmic_axis():
    curves = [Curve("a", "native", series(2.0)), Curve("b", "native", series(200.0))]
    found = draw_resources(curves)
    found.canvas.draw()
    assert {axes.get_xscale() for axes in found.axes} == {"log"}
    assert draw_resources(curves[:1]).axes[0].get_xscale() == "linear"


def test_a_series_with_a_gap_and_a_single_sample():
    broken = series(5.0)
    broken.series["threads"][3:] = np.nan
    one = Samples(np.array([0.1]), {"threads": np.array([4.0])})
    found = draw_resources([Curve("a", "native", broken), Curve("b", "emulated", one)])
    found.canvas.draw()
    panels = np.array(found.axes).reshape(-1, 2)[list(broken.series).index("threads")]
    assert panels[0].get_title(loc="left") == "Threads"
    (gap,), (single,) = map(lines, panels)
    assert gap.get_xdata().tolist() == [0, 0.25, 0.5]
    assert single.get_ydata().tolist() == [4.0] and single.get_marker() != "None"  # or nobody would see it


def test_what_no_trial_could_tell_is_said_with_its_reason(grid, results):
    section = resources(replace(results(grid()), samples=Store()))
    said = "Not measurable here: temperature (no sensor); GPU use, power of the GPU (no GPU)."
    assert said in " ".join(text(section).split())


def test_results_without_samples(grid, results):
    assert resources(results(grid())) is None
    section = resources(replace(results(grid()), samples=lambda trial: None))
    assert figures(section) == [] and "No samples are kept of these trials" in text(section)


def test_samples_that_cannot_be_trusted_leave_the_report_whole(grid, results):
    def damaged(trial):
        raise PrecisionError("samples.json: these samples cannot be trusted")

    with pytest.warns(UserWarning, match="samples cannot be trusted"):
        section = resources(replace(results(grid()), samples=damaged))
    assert isinstance(section, Section) and figures(section) == []


# Energy.

NOT_HERE = "not measurable here: processor: no powercap; GPU: no library"


def measured(frame, **where):
    """Give the cells of these labels an energy."""
    frame = frame.assign(energy_source=NOT_HERE)
    here = np.logical_and.reduce([frame[name] == value for name, value in where.items()])
    frame.loc[here, "energy_source"] = "RAPL (package-0); not counted: GPU: no library"
    frame.loc[here & frame["train_seconds"].notna(), "measured_train_joules"] = 1234.0
    frame.loc[here, "measured_image_joules"] = 0.0625
    return frame


def test_a_machine_that_measures_nothing_says_why_and_has_no_zero(grid, results):
    said = text(measured_energy(results(grid().assign(energy_source=NOT_HERE))))
    assert "| bench     | not measurable here | processor: no powercap; GPU: no library |       15 |" in said
    assert " 0 " not in said


def test_measured_and_not_measurable_cells_stand_side_by_side(grid, results):
    frame = grid(policies={"float32": 32.0, "float16": 16.0, "fixed8": 8.0}, methods=("qat",))
    said = text(measured_energy(results(measured(frame, policy="float16"))))
    row = next(line for line in said.splitlines() if line.startswith("| lenet") and "float16" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["lenet", "float16", "1234", "0.0625"]
    row = next(line for line in said.splitlines() if line.startswith("| lenet") and "fixed8" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "lenet",
        "fixed8",
        *[NOT_MEASURABLE] * 2,
    ]
    assert "bench, emulated" in said and "bench, native" not in said
    assert "| RAPL (package-0)    | GPU: no library " in said


def test_results_of_a_version_that_measured_no_energy(grid, results):
    assert "stored by a version that measured no energy" in text(measured_energy(results(grid())))


def test_energy_is_no_number_of_an_unmeasured_trial(grid, results):
    cells = results(grid().assign(energy_source=NOT_HERE)).cells()
    assert all(math.isnan(value) for value in cells["measured_train_joules"])
