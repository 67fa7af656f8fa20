"""``precision policy show``: what a policy means for a network, as a user reads it."""

import re
import sys

import pytest

from precision.cli import main

GRID = """
name: g
datasets: digits
architectures: [lenet, {name: resnet, depth: 8, width: 0.25, label: thin}]
policies:
  float32: float32
  int4:
    weights: {format: int(4), scaling: real, per: channel}
    activations: {format: int(4), scaling: real, zero_point: true}
    exempt: [first]
    fold_batch_norm: true
    layers: {"@last": {weights: float16}}
  wrong: {layers: {"class:Cnv*": float16}}
  absent: {layers: {"relu*": {weights: float16}}}
"""


@pytest.fixture
def show(tmp_path, monkeypatch, capsys):
    (tmp_path / "g.yaml").write_text(GRID)

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["precision", "policy", "show", str(tmp_path / "g.yaml"), *options])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def cells(out, layer, slot):
    """The line of a layer and slot, split where columns are."""
    [line] = [line for line in out.splitlines() if line.split()[:1] == [layer] and f" {slot} " in line]
    return " ".join(line.split())


def test_every_layer_and_slot_with_the_reason(show):
    code, out, _ = show("--policy", "int4", "--architecture", "thin", "--all")
    assert code == 0
    assert "folded: norm1 into conv1" in out
    assert cells(out, "conv1", "weights") == "conv1 Conv2D weights - the first layer is exempt"
    assert cells(out, "stage1_block1_conv1", "weights").endswith("int(4) scale per channel minmax")
    assert cells(out, "stage1_block1_conv1", "activations").endswith("one step with stage1_block1_norm1")
    assert cells(out, "relu1", "activations").endswith("int(4) affine scale per tensor minmax")
    assert cells(out, "relu1", "weights").endswith("has none")
    assert cells(out, "logits", "weights") == "logits Dense weights float16"
    assert "float32 in every layer: biases, inputs, gradients, optimizer_state, accumulators" in out
    assert "int4 on lenet" not in out


def rows(out):
    """The rows of the table, and how many more the lines below it stand for."""
    table = out.split("-----\n", 1)[1].split("\n\n", 1)[0]
    counts = re.findall(r"^  \w+ of (?:(\d+) layers|\w+): ", out, re.M)
    return table.splitlines(), sum(int(count or 1) for count in counts)


def test_what_has_nothing_to_round_is_folded(show):
    _, everything, _ = show("--policy", "int4", "--architecture", "thin", "--all")
    _, folded, _ = show("--policy", "int4", "--architecture", "thin")
    (whole, none), (short, stood_for) = rows(everything), rows(folded)
    assert none == 0 and len(whole) == len(short) + stood_for
    assert set(map(str.strip, short)) <= set(map(str.strip, whole))
    assert {line.split()[0] for line in short} >= {"conv1", "relu1", "logits"}  # an exempt one, too
    assert not [line for line in short if "has none" in line or "one step" in line]
    assert len(short) < len(whole) / 2


def test_a_policy_that_is_set_anew(show):
    code, out, _ = show("--policy", "absent", "--architecture", "lenet", "--set", "policies.absent=float16")
    assert code == 0
    assert cells(out, "conv1", "weights") == "conv1 Conv2D weights float16"


def test_every_network_of_the_grid(show):
    code, out, _ = show("--policy", "int4")
    assert code == 0
    assert "int4 on lenet" in out
    assert "int4 on thin" in out


def test_what_stays_as_it_is_is_said_by_layer(show):
    left = "the variables moving_mean and moving_variance, not trainable"
    unfolded = ("--set", "policies.int4.fold_batch_norm=false")
    _, out, _ = show("--policy", "int4", "--architecture", "thin", *unfolded)
    assert f"stays as it is in layers that are rounded:\n  7 layers: {left}\n" in out
    _, out, _ = show("--policy", "int4", "--architecture", "thin", "--all", *unfolded)
    assert "\n  norm1, stage1_block1_norm1, stage1_block1_norm2, stage2_block1_norm1, " in out
    _, out, _ = show("--policy", "int4", "--architecture", "thin")
    assert left not in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--policy", "int5"], "unknown policy 'int5'; did you mean 'int4'?"),
        (["--policy", "int4", "--architecture", "lenett"], "did you mean 'lenet'?"),
        (["--policy", "wrong"], "'class:Cnv*' matches no layer; did you mean 'class:Conv2D'?"),
        (["--policy", "absent", "--architecture", "thin"], "'relu*' names weights, but of its layers"),
    ],
)
def test_one_sentence_for_what_is_wrong(show, options, message):
    code, _, error = show(*options)
    assert code == 2
    assert message in error
    assert "Traceback" not in error


def test_what_each_layer_costs(show):
    code, out, _ = show("--policy", "int4", "--architecture", "lenet", "--costs")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    macs = 784 * 32 * 25  # the first layer is exempt: float32 weights, float32 images
    assert rows["conv1"] == ["Conv2D", str(macs), str(macs * 1024), str(4 * 26 * 32), str(784 * 32 // 2)]
    kernel, macs = 25 * 32 * 48, 100 * 48 * 25 * 32
    stored = kernel // 2 + 4 * 48 + 4 * 48  # float32 biases, and a scale for each channel
    assert rows["conv2"] == ["Conv2D", str(macs), str(macs * 16), str(stored), str(100 * 48 // 2)]
    assert rows["flatten"] == ["Flatten", "0", "0", "0", "0"]
    assert rows["all"][0] == "4796744" and rows["all"][3] == str(4 * 784 + (784 * 32 + 196 * 32) // 2)
