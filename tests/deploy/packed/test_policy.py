"""``precision pack`` under a policy of a grid file, run in this process."""

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from precision import plugins
from precision.cli.app import app
from precision.deploy import model_file
from precision.deploy.packed import file as packing
from precision.errors import PrecisionError
from precision.formats import parse
from precision.measure.counted.packed import weight_memory
from precision.quantization import apply, parse_policy
from precision.quantization.transforms.folding import fold

WEIGHTS = '{format: "int(4,symmetric=true)", scaling: real, per: channel}'
GRID = f"""
name: deployed
datasets: [mnist]
architectures: [lenet]
policies:
  int4:
    weights: {WEIGHTS}
    activations: {{format: int(8), scaling: real, rounding: stochastic}}
    layers: {{"@last": {{weights: "fixed(8,auto)"}}}}
    fold_batch_norm: true
  half: float16
report: {{baseline: half}}
"""
POLICY = {
    "weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"},
    "layers": {"@last": {"weights": "fixed(8,auto)"}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((5, 5, 2)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3, name="dense"),
        ]
    )
    draw = np.random.default_rng(0)
    for variable in model.get_layer("norm").weights:
        variable.assign(draw.uniform(0.5, 2, variable.shape))
    model.save("model.keras")
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words) -> str:
    done = run(*words)
    assert isinstance(done.exception, PrecisionError), done.output
    return str(done.exception)


def test_pack_and_unpack_under_a_policy(folder):
    done = run("pack", "model.keras", "--grid", "grid.yaml", "--policy", "int4")
    assert done.exception is None
    original = model_file.load_model("model.keras")
    folded, policy = fold(original).model, parse_policy(POLICY)
    tensors = load_file("model.safetensors")
    assert sum(t.nbytes for t in tensors.values()) == weight_memory(folded, policy).bytes
    assert f"in {weight_memory(folded, policy).bytes:,} bytes" in done.output

    # conv: 3 x 3 x 2 inputs, 4 channels of 4-bit codes and float32 scales; dense: 36 inputs, 3 outputs.
    sizes = {"/".join(name.split("/")[-2:]): tensor.nbytes for name, tensor in tensors.items()}
    assert sizes == {
        "conv/kernel": 36,
        "conv/kernel:scales": 16,
        "conv/bias": 16,
        "dense/kernel": 9 * 4 * 3,
        "dense/kernel:scales": 1,
        "dense/bias": 12,
    }

    images = np.random.default_rng(1).standard_normal((4, 5, 5, 2)).astype(np.float32)
    wanted = np.asarray(apply(folded, policy)(images))
    folded.save("folded.keras")
    for number, given in enumerate(("model.keras", "folded.keras")):
        assert run("unpack", "model.safetensors", given, f"back{number}.keras").exception is None
        back = model_file.load_model(f"back{number}.keras")
        np.testing.assert_array_equal(np.asarray(back(images)), wanted)
    # Batch normalisations that were not folded are another network.
    run("pack", "model.keras", "float16", "--output", "half.safetensors")
    assert "it was packed from another model" in refused(
        "unpack", "half.safetensors", "folded.keras", "x.keras"
    )


def test_a_grid_gives_what_the_format_gives(folder):
    assert run("pack", "model.keras", "float16", "--output", "a.safetensors").exception is None
    words = ("--grid", "grid.yaml", "--policy", "half", "--output", "b.safetensors")
    assert run("pack", "model.keras", *words).exception is None
    a, b = load_file("a.safetensors"), load_file("b.safetensors")
    assert a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def test_a_plugin_that_the_grid_names_is_loaded(folder, request):
    request.addfinalizer(lambda: plugins.load([]))  # forgets the format
    (folder / "steps.py").write_text(
        "import numpy as np\n"
        "from precision.formats import Codebook, register_format\n\n\n"
        "@register_format('steps_of_this_grid')\n"
        "def steps():\n"
        '    """Five values."""\n'
        "    return Codebook('steps_of_this_grid', 3, np.array([-1, -0.25, 0, 0.25, 1], np.float32))\n"
    )
    text = GRID.replace(
        "policies:\n", "plugins: [steps.py]\npolicies:\n  mine: {weights: steps_of_this_grid}\n"
    )
    (folder / "grid.yaml").write_text(text)
    done = run("pack", "model.keras", "--grid", "grid.yaml", "--policy", "mine")
    assert done.exception is None, done.exception
    kernel = next(t for name, t in load_file("model.safetensors").items() if name.endswith("conv/kernel"))
    assert kernel.nbytes == 72 * 3 / 8


def test_contradictory_words(folder):
    grid, policy = ("--grid", "grid.yaml"), ("--policy", "int4")
    assert "say how to round: a FORMAT" in refused("pack", "model.keras")
    assert "leave FORMAT out" in refused("pack", "model.keras", "float16", *grid, *policy)
    assert "leave --biases out" in refused("pack", "model.keras", "--biases", "float16", *grid, *policy)
    assert "leave --layer out" in refused("pack", "model.keras", "--layer", "a=float16", *policy)
    assert "add --grid GRID" in refused("pack", "model.keras", *policy)
    assert "--grid needs --policy NAME; grid.yaml has int4, half" in refused("pack", "model.keras", *grid)
    text = refused("pack", "model.keras", *grid, "--policy", "int44")
    assert text == "grid.yaml: unknown policy 'int44'; did you mean 'int4'?"
    assert "none.yaml" in refused("pack", "model.keras", "--grid", "none.yaml", *policy)
    (folder / "grid.yaml").write_text(GRID.replace("fold_batch_norm: true", "fold_batch_norm: 1"))
    assert "grid.yaml:10: policies.int4.fold_batch_norm" in refused("pack", "model.keras", *grid, *policy)
    assert sorted(p.name for p in folder.iterdir()) == ["grid.yaml", "model.keras"]


def test_it_says_what_rounding_did(folder):
    kernel = keras.saving.load_model("model.keras").get_layer("dense").kernel.numpy()
    result = run("pack", "model.keras", "fixed(4,6)")  # ends at 7/64 and -8/64
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()[3:]}
    rounded = np.clip(np.rint(kernel * 64), -8, 7) / 64
    clipped = ((kernel > 7 / 64) | (kernel < -8 / 64)).mean()
    noise = 10 * np.log10(np.square(kernel).sum() / np.square(kernel - rounded).sum())
    zeroed = ((rounded == 0) & (kernel != 0)).mean()
    assert rows["dense/kernel"][:2] == ["fixed(4,6)", str(kernel.size)]
    assert float(rows["dense/kernel"][2]) == pytest.approx(100 * clipped, abs=0.06)
    assert float(rows["dense/kernel"][4]) == pytest.approx(100 * zeroed, abs=0.06)
    assert float(rows["dense/kernel"][-1]) == pytest.approx(noise, abs=0.006)
    assert rows["dense/bias"][-1] == "exact"  # all zero
    assert int(rows["all"][0]) == kernel.size + 3 + 2 * 9 * 4 + 4 + 2 * 4


@pytest.mark.parametrize("zero_point", [True, False])
@pytest.mark.parametrize("observer", ["minmax", "percentile"])
def test_a_scale_that_reaches_every_value_clips_none(folder, observer, zero_point):
    network = model_file.load_model(folder / "model.keras")
    scaled = {"format": "int(4)", "scaling": "real", "observer": observer, "zero_point": zero_point}
    if observer == "percentile":
        scaled["percentile"] = 80.0
    packed = packing.pack_model(network, parse_policy({"weights": scaled}))
    values = network.get_layer("dense").kernel.numpy()
    loss = packed.losses["dense/kernel"]
    zero = 0
    if zero_point:
        zero = parse("int(4)").unpack(packed.tensors["dense/kernel:zero_points"].tobytes(), (1,))
    codes = values / packed.tensors["dense/kernel:scales"] + zero
    # a value within half a step of the end is rounded to it, as to any other
    assert loss.clipped == ((codes > 7.5) | (codes < -8.5)).sum()
    assert (loss.clipped == 0) == (observer == "minmax")
    assert set(packed.losses) == {"conv/kernel", "norm/gamma", "dense/kernel"}


@pytest.mark.parametrize(
    ("words", "named"),
    [(("int(8)",), "FORMAT int(8)"), (("fixed(8,6)", "--biases", "uint(8)"), "--biases uint(8)")],
)
def test_integers_without_a_scale_are_refused_with_what_to_write(folder, words, named):
    result = run("pack", "model.keras", *words)
    assert isinstance(result.exception, PrecisionError)
    assert str(result.exception).startswith(f"{named} without a scale")
    assert "int8 or int4_weights" in str(result.exception)
    assert not (folder / "model.safetensors").exists()


def test_a_preset_packs_integers_with_scales_and_a_layer_keeps_them(folder):
    assert run("pack", "model.keras", "int4_weights", "--layer", "dense=int(8)").exit_code == 0
    tensors = load_file(folder / "model.safetensors")
    assert tensors["conv/kernel"].size == 2 * 9 * 4 / 2 and tensors["conv/kernel:scales"].shape == (4,)
    assert tensors["dense/kernel:scales"].shape == (3,)
    assert tensors["dense/kernel"].size == 9 * 4 * 3
