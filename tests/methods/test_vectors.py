"""A data set of vectors through a whole grid: trained, rounded and refused as images are."""

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.grid.execution.preflight import check_grid
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench

GRID = """\
name: flowers
datasets: [iris]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  fixed12: "fixed(12,8)"
  posit8: "posit(8,1)"
  int8:
    weights: {format: "int(8,symmetric=true)", scaling: real, per: channel}
    activations: {format: int(8), scaling: real}
    inputs: {format: int(8), scaling: real}
    calibration: {images: 60}
training: {epochs: 5, batch_size: 16, learning_rate: 0.05}
"""


def test_a_grid_on_flowers(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    cells, source = load_grid(tmp_path / "grid.yaml")
    cells = expand(cells, source)
    check_grid(cells, source, None)
    store = Store(tmp_path / "runs")
    store.create()
    bench = Workbench(None, store.weights)
    trials = {trial.id: trial for cell in cells for trial in (cell.trial.baseline, cell.trial)}
    results = {trial_id: run_trial(trial, bench) for trial_id, trial in trials.items()}
    assert {result.status for result in results.values()} == {"ok"}
    for cell in cells:
        result = results[cell.trial.id]
        assert result.metrics["accuracy"] >= 0.9, cell.policy  # a third by chance
        assert result.metrics["parameters"] == 32 * 5 + 3 * 33
        assert (result.metrics["train_images"], result.metrics["test_images"]) == (120, 30)
        assert result.facts["scale"].startswith("each feature to mean 0 and standard deviation 1")
        assert result.facts["test_classes"] == "setosa 10, versicolor 10, virginica 10"
        labels = bench.dataset(cell.trial.dataset).y_test
        assert (result.predictions == labels).mean() == pytest.approx(result.metrics["accuracy"])
    # Every format rounds otherwise.
    assert len({results[cell.trial.id].metrics["loss"] for cell in cells}) == 4


def test_networks_of_images_are_refused_before_anything_is_trained(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.zeros((20, 7)), y=np.arange(20) % 2)
    text = GRID.replace("[iris]", "[{name: npz, path: own.npz}]").replace("mlp, width: 0.25", "lenet")
    (tmp_path / "grid.yaml").write_text(text)
    grid, source = load_grid(tmp_path / "grid.yaml")
    with pytest.raises(PrecisionError) as caught:
        check_grid(expand(grid, source), source, None)
    assert str(caught.value) == (
        f"{tmp_path / 'grid.yaml'}:3: architecture 'lenet': architecture 'lenet' takes images, but the data "
        "are vectors of 7 numbers; networks that take vectors: mlp"
    )
