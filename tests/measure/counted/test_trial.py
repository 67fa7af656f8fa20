"""The counts as numbers of trials, and the modelled energy of stored results under other tables."""

import math

import keras
import pytest
import yaml

import architectures
from precision.analysis.collect import collect
from precision.analysis.modelled import modelled
from precision.grid import Store, expand, load_grid
from precision.measure.counted.activations import activations
from precision.measure.counted.by_layer import by_layer
from precision.measure.counted.energy import energy
from precision.measure.counted.energy_table import _FOLDER, shipped_table
from precision.measure.counted.packed import weight_memory
from precision.measure.counted.trial import counts
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.quantization.policy.policy import Policy
from precision.trial import TrialResult

GRID = """
name: g
datasets: [{name: digits, train_size: 40, test_size: 20}]
architectures: [{name: mlp, width: 0.1}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,4)", inputs: "ufixed(8,8)"}
training: {epochs: 1, batch_size: 20, optimizer: adam}
"""
COLUMN = "energy_modelled_pj"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A grid of float32 and fixed point, run, and what collects its results with a table of energies."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "grid.yaml").write_text(GRID)
    grid, source = load_grid(folder / "grid.yaml")
    cells, store = expand(grid, source), Store(folder / "runs")
    store.create()
    bench = Workbench(None, store.weights)
    for cell in cells:
        store.save(run_trial(cell.trial, bench))

    def collected(table=None):
        text = GRID if table is None else f"{GRID}report: {{energy_table: {table}}}\n"
        (folder / "grid.yaml").write_text(text)
        again, source = load_grid(folder / "grid.yaml")
        return collect(again, source, expand(again, source), store)

    return folder, cells, collected


def test_a_trial_has_the_counts_of_its_network(run):
    _, cells, collected = run
    frame = collected().cells().set_index("policy")
    model = architectures.build("mlp", (28, 28, 1), 10, width=0.1)
    for cell in cells:
        row, policy = frame.loc[cell.policy], Policy.from_json(cell.trial.policy)
        assert row["macs"] == 784 * 13 + 13 * 10
        bits = 8 if cell.trial.policy else 32
        assert row["bops"] == row["macs"] * bits * bits
        assert row["peak_activation_bytes"] == activations(model, policy).peak == (784 + 13 + 10) * bits / 8
        assert row[COLUMN] == pytest.approx(energy(model, policy).total_pj)
    values = 785 * 13 + 14 * 10
    trained = frame.loc["float32", ["gradient_bytes", "optimizer_bytes"]]
    assert trained.to_list() == [4 * values, 2 * 4 * values]
    assert frame.loc["fixed8", ["gradient_bytes", "optimizer_bytes"]].isna().all()  # which trained nothing
    assert math.isnan(frame.loc["float32", "ebops"])
    assert 0 < frame.loc["fixed8", "ebops"] < frame.loc["fixed8", "macs"] * 7 * 8


def test_another_table_changes_the_modelled_energy_alone(run):
    folder, _, collected = run

    def tripled(part):
        if isinstance(part, dict):
            return {k: 3 * v if k == "picojoules" else tripled(v) for k, v in part.items()}
        return [tripled(one) for one in part] if isinstance(part, list) else part

    table = tripled(yaml.safe_load((_FOLDER / "horowitz2014.yaml").read_text())) | {"title": "thrice"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(table))
    usual, other = collected(), collected("mine.yaml")
    before, after = usual.cells(), other.cells()
    assert after[COLUMN].to_list() == pytest.approx((3 * before[COLUMN]).to_list())
    assert before.drop(columns=COLUMN).equals(after.drop(columns=COLUMN))
    assert (usual.settings.energy_table, other.settings.energy_table) == ("Horowitz 2014, 45 nm", "thrice")
    assert collected("jouppi2021").cells()[COLUMN].lt(before[COLUMN]).all()


@pytest.mark.parametrize("facts", [{}, {"operations": "{"}, {"operations": "[1]"}, {"operations": "{}"}])
def test_a_result_whose_operations_are_not_known_has_no_energy(run, facts):
    result = TrialResult(run[1][0].trial, "ok", facts=facts)
    assert modelled(result, shipped_table()) == {}


UNCOUNTED = {
    "a layer of another kind": lambda: [keras.Input((5, 3)), keras.layers.LSTM(4)],
    "images of any size": lambda: [keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3)],
}


@pytest.mark.parametrize("name", UNCOUNTED)
def test_what_cannot_be_counted_is_empty(name):
    found = counts(keras.Sequential(UNCOUNTED[name]()), parse_policy("fixed(8,4)"), {})
    assert all(math.isnan(value) for value in found.numbers.values()) and not found.facts


def test_layer_by_layer_the_counts_add_up():
    policy = parse_policy({"weights": {"format": "int(4)", "scaling": "real", "per": "channel"}})
    model = architectures.build("resnet", depth=8, width=0.25)
    found = by_layer(model, policy)
    assert found.weights == sum(row.weights for row in found.rows) == weight_memory(model, policy).bytes
    assert sum(row.macs for row in found.rows) == counts(model, policy, {}).numbers["macs"]
    assert found.peak == activations(model, policy).peak
    unknown = by_layer(keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm")]), policy)
    assert unknown.rows[0].macs is None and unknown.rows[0].bops is None
