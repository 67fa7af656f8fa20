"""Search and sensitivity of a regression: they lose per cent of the RMSE, and less of it is better."""

import numpy as np
import pytest

from precision.exploration.options import SearchOptions
from precision.exploration.search import search
from precision.exploration.sensitivity import sensitivity
from precision.grid import Store, expand, load_grid
from precision.measure.counted.energy_table import shipped_table
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.report.pages.search import found_text, write_search
from precision.report.pages.sensitivity import worst_text, write_sensitivity

GRID = """\
name: sugar
datasets: [{name: diabetes, target_scale: standard}]
architectures: [{name: mlp, width: 0.125}]
policies: {float32: float32, fixed12: "fixed(12,8)", fixed6: "fixed(6,3)", fixed3: "fixed(3,1)"}
training: {epochs: 6, batch_size: 16, learning_rate: 0.005}
"""


@pytest.fixture(scope="module")
def sugar(tmp_path_factory, train):
    return train(tmp_path_factory.mktemp("sugar"), GRID)


def rmse_of(grid, part, policy=None):
    """The RMSE of the network under a policy of the grid, on a part of the data."""
    store = Store(grid.parent / "runs")
    bench = Workbench(None, store.weights)
    cell = next(cell for cell in expand(*load_grid(grid)) if cell.policy == (policy or "float32"))
    data = bench.dataset(cell.trial.dataset)
    x, y = (data.x_train, data.y_train) if part == "train" else (data.x_test, data.y_test)
    model = bench.quantised(cell.trial, Policy.from_json(cell.trial.policy))
    return float(np.sqrt(((model.predict_on_batch(x) - y) ** 2).mean()))


def test_a_search_stays_within_per_cent_of_the_rmse(sugar, tmp_path):
    options = SearchOptions(tolerance=3)
    (found,) = search(sugar, store=sugar.parent / "runs", options=options, quiet=True).networks
    rows, exact = found.frame, rmse_of(sugar, "train")
    assert rows["baseline_rmse"].tolist() == pytest.approx([exact] * len(rows), rel=1e-5)
    assert rows["accuracy"].isna().all() and set(rows["task"]) == {"regression"}
    np.testing.assert_allclose(rows["rmse_rise"], 100 * (rows["rmse"] / exact - 1), atol=1e-3)
    assert rows["feasible"].tolist() == (rows["rmse_rise"] <= 3).tolist()
    assert len(set(rows["feasible"])) == 2
    chosen = rows[rows["chosen"]].iloc[0]
    assert chosen["weight_bytes"] == rows.loc[rows["feasible"], "weight_bytes"].min()
    fixed3 = rows[rows["policy"] == "fixed3"].iloc[0]
    assert fixed3["rmse"] == pytest.approx(rmse_of(sugar, "train", "fixed3"), rel=1e-5)
    write_search(
        [found],
        name="sugar",
        command=["precision"],
        energy_table=shipped_table(),
        objective="memory",
        method="greedy",
        tolerance=3.0,
        output=tmp_path,
        environment={},
    )
    text = " ".join((tmp_path / "search.md").read_text().split())
    assert "that the networks raise the RMSE by at most 3 % against float32" in text
    assert (
        f"at RMSE {chosen['rmse']:.4g} on the deciding images, +{chosen['rmse_rise']:.2f} % against" in text
    )
    assert "ccuracy" not in text
    assert f"of weights, +{chosen['rmse_rise']:.2f} %" in found_text([found], "memory")
    nothing = SearchOptions(tolerance=0, images=40)
    (none,) = search(
        sugar, store=sugar.parent / "runs", options=nothing, quiet=True, policies=["fixed3"]
    ).networks
    assert none.policy is None and not none.frame["feasible"].any()


def test_sensitivities_are_per_cent_of_the_rmse(sugar, tmp_path):
    found = sensitivity(
        sugar, store=sugar.parent / "runs", slots=["weights"], policies=["fixed3"], quiet=True
    )
    exact = rmse_of(sugar, "test")
    rows = found.frame.set_index("layer")
    assert rows["baseline_rmse"].tolist() == pytest.approx([exact] * 2, rel=1e-5)
    np.testing.assert_allclose(rows["rmse_rise"], 100 * (rows["rmse"] / exact - 1), atol=1e-3)
    assert rows["accuracy_loss"].isna().all() and (rows["rmse_rise"] > 0).any()
    write_sensitivity(found.frame, "sugar", ["precision"], tmp_path)
    text = " ".join((tmp_path / "sensitivity.md").read_text().split())
    assert "A loss is in per cent of the RMSE of float32 on the test images: 89 images" in text
    assert f"The RMSE of the float32 network on these images is {exact:.4g}." in text
    worst = rows["rmse_rise"].idxmax()
    assert f"weights of {worst} {rows.loc[worst, 'rmse_rise']:.2f}" in text
    assert worst_text(found.frame).startswith("percent of RMSE that the worst layers lose")
    assert "ccuracy" not in text
