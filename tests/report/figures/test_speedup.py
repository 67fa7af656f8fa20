"""The figure of the speed-up by threads: which lines and panels it has."""

import numpy as np
import pandas as pd
import pytest

from precision.analysis.speedup import speedups
from precision.report.figures.speedup import draw_speedup


def cells():
    rows = [
        ("lenet", "float32", "native", "cpu", 1, 20.0),
        ("lenet", "float32", "native", "cpu", 2, 12.0),
        ("lenet", "float32", "native", "cpu", 4, 11.0),
        ("lenet", "float32", "native", "gpu", 1, 4.0),
        ("vgg", "float32", "native", "cpu", 1, 90.0),
        ("vgg", "float32", "native", "cpu", 2, 48.0),
        ("lenet", "fixed8", "emulated", "cpu", 1, 30.0),
        ("lenet", "fixed8", "emulated", "cpu", 2, 30.0),
    ]
    names = ["architecture", "policy", "timing", "device", "threads", "train_seconds"]
    frame = pd.DataFrame(rows, columns=names)
    for name, value in {"dataset": "mnist", "method": "qat", "status": "ok", "machine": "m"}.items():
        frame[name] = value
    for name in ("latency_ms", "inference_images_per_second", "train_disturbance", "inference_disturbance"):
        frame[name] = np.nan
    frame["training"] = [f"device={row.device} threads={row.threads}" for row in frame.itertuples()]
    return frame.assign(cores=2)


def test_a_panel_for_each_timing_with_points_fits_and_the_ideal():
    figure = draw_speedup(speedups(cells()))
    native, emulated = figure.axes
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["mnist, native", "mnist, emulated"]
    points = {line.get_label(): line for line in native.lines if line.get_linestyle() == "None"}
    assert list(points) == ["lenet float32", "vgg float32"]
    assert points["lenet float32"].get_xydata().tolist() == [[1, 1], [2, 20 / 12], [4, 20 / 11]]
    curve, level, *_ = [line for line in native.lines if line.get_linestyle() != "None"]
    assert curve.get_xdata()[-1] == pytest.approx(2), "the fit ends at the cores"
    assert curve.get_ydata()[-1] == pytest.approx(20 / 12)
    assert level.get_ydata() == [5.0, 5.0], "the gpu"
    assert native.lines[-1].get_ydata().tolist() == [1.0, 4.0], "the ideal"
    assert len(emulated.lines) == 3
