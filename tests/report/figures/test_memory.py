"""The bars of memory have the lengths of what was counted and measured."""

import numpy as np
import pytest

from precision.report.figures.memory import memory


@pytest.fixture
def given(results, grid):
    frame = grid(("lenet", "vgg"), {"float32": 32.0, "float16": 16.0, "fixed8": 8.0}, ("ptq",), seeds=(0, 1))
    frame["weight_bytes"] = (frame["weight_bits"] * 1000).astype(int)
    frame["peak_activation_bytes"] = (frame["weight_bits"] * 300).astype(int)
    frame["peak_memory_bytes"] = np.where(frame["policy"] == "float32", 500 * 2**20, np.nan)
    return results(frame)


def test_bars_are_what_was_counted_and_measured(given):
    figure = memory(given)
    drawing = figure.draw(**figure.data)
    drawing.canvas.draw()
    counted, process, *_ = drawing.axes
    assert counted.get_xlabel() == "KiB" and process.get_xlabel() == "MiB"
    widths = [[bar.get_width() * 1024 for bar in part] for part in counted.containers]
    assert widths[0] == pytest.approx([32_000, 16_000, 8_000]) and widths[1] == pytest.approx(
        [9_600, 4_800, 2_400]
    )
    whole = [sum(part[0].get_width() for part in process.containers)]
    assert whole == pytest.approx([500]) and all(part[1].get_width() == 0 for part in process.containers)
    assert [text.get_text() for text in counted.get_yticklabels()] == ["float32", "float16", "fixed8"]


def test_twenty_five_formats_fit_on_a_page(results, grid):
    frame = grid(("lenet", "vgg", "resnet"), {f"format{n}": 32.0 - n for n in range(25)}, ("ptq",))
    frame["weight_bytes"] = frame["peak_activation_bytes"] = 1000
    frame["peak_memory_bytes"] = np.nan
    figure = memory(results(frame, baseline="format0"))
    drawing = figure.draw(**figure.data)
    drawing.canvas.draw()
    assert drawing.get_figheight() <= 10


def test_without_counts_there_is_nothing_to_draw(results, grid):
    assert memory(results(grid())) is None
