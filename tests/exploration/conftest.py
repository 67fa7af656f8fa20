"""A tiny grid whose float32 networks are trained once, in this process, for all tests of the folder."""

from pathlib import Path

import pytest

GRID = """\
name: tiny
datasets: [{name: digits, train_size: 300, test_size: 60}]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  int8: &int
    weights: {format: "int(8,symmetric=true)", scaling: real, per: channel}
    biases: float16
    activations: {format: int(8), scaling: real}
    inputs: {format: int(8), scaling: real}
    calibration: {images: 100}
  int4:
    <<: *int
    weights: {format: "int(4,symmetric=true)", scaling: real, per: channel}
  int2:
    <<: *int
    weights: {format: "int(2,symmetric=true)", scaling: real, per: channel}
seeds: [0, 1]
training: {epochs: 8, batch_size: 32, learning_rate: 5e-3}
"""


def _train(folder: Path, text: str = GRID) -> Path:
    """Write a grid file, train its float32 networks into ``folder``/runs without other processes."""
    from precision.grid import Store, expand, load_grid
    from precision.methods.run import run_trial
    from precision.methods.workbench import Workbench

    path = folder / "tiny.yaml"
    path.write_text(text)
    store = Store(folder / "runs")
    store.create()
    bench = Workbench(None, store.weights)
    for trial in {cell.trial.baseline.id: cell.trial.baseline for cell in expand(*load_grid(path))}.values():
        if not store.finished(trial):
            store.save(run_trial(trial, bench))
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The path of the tiny grid, beside whose file lie its results; not to be changed."""
    return _train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def train():
    """A function that writes a grid file into a folder and trains its float32 networks."""
    return _train
