import io
import math

import pandas as pd
import pytest

from precision.analysis.sensitivity import SENSITIVITY_COLUMNS, by_layer, pivot_layers, worst
from precision.report.figures.heat_map import heat_map
from precision.report.pages.sensitivity import worst_text, write_sensitivity

PNG = b"\x89PNG\r\n\x1a\n"


def frame(losses, seeds=(0, 1), architecture="lenet"):
    """Rows from {(slot, layer, policy): loss in points of seed 0}; a further seed loses 1 point more."""
    rows = []
    for (slot, layer, policy), loss in losses.items():
        for seed in seeds:
            rows.append(
                {
                    "dataset": "mnist",
                    "architecture": architecture,
                    "training": "",
                    "seed": seed,
                    "policy": policy,
                    "layer": layer,
                    "kind": "Dense",
                    "slot": slot,
                    "setting": f"{policy}(8)",
                    "images": 1000,
                    "accuracy": 0.98 - (loss + seed) / 100,
                    "baseline_accuracy": 0.98,
                    "accuracy_loss": loss + seed,
                    "loss": 0.5,
                    "baseline_loss": 0.1,
                    "tensor_sqnr": math.inf if policy == "exact" else 20.0 + seed,
                    "logits_sqnr": 10.0,
                }
            )
    return pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))


LOSSES = {
    ("weights", "b", "int4"): 3.0,
    ("weights", "a", "int4"): 0.5,
    ("weights", "b", "exact"): 0.0,
    ("weights", "a", "exact"): -1.0,
    ("activations", "a", "int4"): 40.0,
}


def test_means_over_seeds_in_the_order_of_the_rows():
    table = by_layer(frame(LOSSES))
    assert table["layer"].tolist() == ["b", "a", "b", "a", "a"]
    assert table["accuracy_loss"].tolist() == [3.5, 1.0, 0.5, -0.5, 40.5]
    assert table["tensor_sqnr"].tolist() == [20.5, 20.5, math.inf, math.inf, 20.5]
    assert set(table["n"]) == {2}
    wide = pivot_layers(table, "weights", "accuracy_loss")
    assert wide.index.tolist() == ["b", "a"] and wide.columns.tolist() == ["int4", "exact"]
    assert wide.loc["a", "exact"] == -0.5


def test_the_worst_layers_come_first_and_gains_not_at_all():
    bad = worst(by_layer(frame(LOSSES)), count=2)
    assert bad[["policy", "layer", "slot"]].to_numpy().tolist() == [
        ["int4", "a", "activations"],
        ["int4", "b", "weights"],
        ["exact", "b", "weights"],
    ]


def test_the_report(tmp_path):
    path = write_sensitivity(
        frame(LOSSES),
        "my *grid*",
        ["precision", "sensitivity", "my grid.yaml", "--images=9"],
        tmp_path,
        ["resnet: no | fit"],
        {"commit": "abc"},
    )
    text = path.read_text()
    assert text.startswith("# my \\*grid\\*: sensitivity\n")
    assert "1,000 images, mean of 2 seeds" in text
    assert "98.00 %" in text
    assert "- int4: activations of a 40.50, weights of b 3.50, weights of a 1.00" in text
    assert "- exact: weights of b 0.50" in text
    assert "resnet: no \\| fit" in text and "- commit: abc" in text
    rows = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    assert "b 3.50 0.50" in rows and "a 1.00 -0.50" in rows
    assert "b 20.5 / 10.0 ∞ / 10.0" in rows
    assert "precision sensitivity 'my grid.yaml' --images=9" in text
    assert text.index("### Weights") < text.index("### Activations")
    for slot in ("weights", "activations"):
        file = f"mnist_lenet_{slot}.png"
        assert f"]({file})" in text
        assert (tmp_path / file).read_bytes().startswith(PNG)
    stored = pd.read_csv(tmp_path / "sensitivity.csv")
    assert stored["accuracy_loss"].tolist() == frame(LOSSES)["accuracy_loss"].tolist()
    assert list(stored) == list(SENSITIVITY_COLUMNS)


def test_equal_rows_give_equal_bytes(tmp_path):
    def content(folder):
        folder.mkdir()
        write_sensitivity(frame(LOSSES), "x", ["precision"], folder)
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_labels_that_make_one_file_name(tmp_path):
    both = pd.concat([frame(LOSSES, architecture="a b"), frame(LOSSES, architecture="a/b")])
    write_sensitivity(both, "x", ["precision"], tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_lines_for_a_terminal():
    lines = worst_text(frame(LOSSES, seeds=(0,))).splitlines()
    assert lines[1] == "mnist, lenet"
    assert lines[2] == "  int4: activations of a 40.00, weights of b 3.00, weights of a 0.50"
    assert lines[3] == "  exact: no layer loses anything alone"


@pytest.mark.parametrize("shape", [(1, 1), (30, 12)])
def test_a_heat_map_of_any_size_has_every_number(shape):
    layers = [f"layer{i}" for i in range(shape[0])]
    policies = [f"policy{i}" for i in range(shape[1])]
    values = pd.DataFrame(
        [[(3.7 * i * j) % 97 - 0.04 for j in range(shape[1])] for i in range(shape[0])], layers, policies
    )
    values.iloc[-1, -1] = math.nan
    figure = heat_map(values, "a $title")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == layers
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == shape[0] * shape[1]
    assert "\N{EN DASH}" in texts
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.001, "0"),
        (0.004, "0"),
        (0.126, "0.13"),
        (-0.5, "\N{MINUS SIGN}0.50"),
        (1.0, "1.0"),
        (9.94, "9.9"),
        (9.96, "10"),
        (88.4, "88"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_numbers_in_a_heat_map(value, text):
    axes = heat_map(pd.DataFrame([[value]], ["a"], ["b"]), "t").axes[0]
    assert axes.texts[0].get_text() == text
