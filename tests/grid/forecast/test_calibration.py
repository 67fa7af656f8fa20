"""The speed of this machine is measured once."""

import pytest

from precision.grid.forecast import calibration
from precision.grid.forecast.calibration import IMAGES, measured, speed
from precision.grid.forecast.work import epoch_seconds


def test_it_is_measured_once_for_each_backend(monkeypatch, tmp_path):
    monkeypatch.setenv("PRECISION_CACHE", str(tmp_path))
    size = {"macs": 5_000_000, "values": 40_000, "parameters": 400_000, "layers": 8}
    asked = []

    def elsewhere(function, backend):
        asked.append((function, backend))
        return {"seconds": 3 * epoch_seconds(size, IMAGES, 128), "size": size}

    monkeypatch.setattr(calibration, "elsewhere", elsewhere)
    assert speed(measure=False) is None
    for _ in range(2):
        assert speed() == pytest.approx(3.0)
    assert speed(measure=False) == pytest.approx(3.0)
    speed("jax")
    assert asked == [(measured, None), (measured, "jax")]


def test_a_second_of_training(monkeypatch):
    monkeypatch.setattr(calibration, "SECONDS", 0.0)
    monkeypatch.setattr(calibration, "FEWEST", 1)
    monkeypatch.setattr(calibration, "IMAGES", 128)
    found = measured()
    assert found["seconds"] > 0
    assert found["size"]["parameters"] == 369_174
