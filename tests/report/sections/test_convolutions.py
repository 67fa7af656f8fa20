"""The table of a race: times beside Keras', and how far losses lie from its."""

import pytest

from precision.report.document import Table
from precision.report.sections.convolutions import convolutions


def test_each_algorithm_stands_beside_keras(results, grid):
    frame = grid(("two_conv",), {"float32": 32.0}, ("keras", "direct", "fft"), seeds=(0, 1))
    frame["control"] = frame["method"].map(
        {"keras": "", "direct": "written_out convolution=direct", "fft": "written_out convolution=fft"}
    )
    frame["seconds_per_epoch"] = frame["method"].map({"keras": 2.0, "direct": 1.0, "fft": 8.0})
    frame["trial"] = frame["method"] + frame["seed"].astype(str)
    found = results(frame)
    offset = {"keras": 0.0, "direct": 0.001, "fft": -0.25}
    histories = {
        trial: [{"epoch": e, "loss": 1.0 / e + offset[trial[:-1]] * e} for e in (1, 2)]
        for trial in frame["trial"]
    }
    object.__setattr__(found, "histories", histories)
    (table,) = [part for part in convolutions(found).parts if isinstance(part, Table)]
    rows = {row[0]: row[2:] for row in table.rows}
    assert rows["Keras"] == pytest.approx((2.0, 1.0, 0.5, 0.0))
    assert rows["direct"] == pytest.approx((1.0, 2.0, 0.502, 0.002))
    assert rows["fft"] == pytest.approx((8.0, 0.25, 0.0, 0.5))


def test_other_grids_have_no_such_section(results, grid):
    assert convolutions(results(grid())) is None
