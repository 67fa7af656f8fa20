"""The key ``latency`` of a grid: which sizes of batches are timed."""

import pytest

from precision.errors import PrecisionError
from precision.grid import expand, load_grid

GRID = "name: x\ndatasets: [digits]\narchitectures: [mlp]\npolicies: {float32: float32, half: float16}\n"


def cells(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID + text)
    return expand(*load_grid(path))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", ()),
        ("latency: false\n", ()),
        ("latency: true\n", (1, 8, 64, 256)),
        ("latency: 32\n", (1, 32)),
        ("latency: [64, 2, 2]\n", (1, 2, 64)),
    ],
)
def test_the_sizes_that_are_timed(tmp_path, text, sizes):
    found = cells(tmp_path, text)
    assert {trial.latency for cell in found for trial in (cell.trial, cell.trial.baseline)} == {sizes}
    plain = [cell.trial.id for cell in cells(tmp_path, "")]
    assert ([cell.trial.id for cell in found] == plain) == (not sizes)


@pytest.mark.parametrize("text", ["0", "[0]", "[1, 2.5]", "[]", "many", "[100000]", "[true]", "{a: 1}"])
def test_what_is_no_size_is_refused_with_its_line(tmp_path, text):
    with pytest.raises(PrecisionError, match=r"grid\.yaml:5: latency"):
        cells(tmp_path, f"latency: {text}\n")
