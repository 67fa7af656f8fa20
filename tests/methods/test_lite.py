"""A LiteRT file as a trial: what was evaluated, in the format of its policy, and back out of the store."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import here
from tiny import registered

from precision.deploy.lite.contents import contents
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.trial import Choice, Training, Trial

AFFINE = {"format": "int(8)", "scaling": "real", "zero_point": True}
WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
FOLDED = {"weights": WEIGHTS, "activations": AFFINE, "inputs": AFFINE, "fold_batch_norm": True}


def trial(method="lite", policy="int8", **options):
    return Trial(
        Choice("digits", {"train_size": 128, "test_size": 60}),
        Choice("tiny"),
        Choice(method, options),
        parse_policy(policy).to_json() if policy else {},
        Training(epochs=1, learning_rate=0.01),
        0,
    )


OURS = trial(kernels="reference")
INTEGERS = trial("integer", requantisation="litert_reference")
FLOAT = trial(policy=None)
TRAINED = trial(epochs=1)
PTQ = trial("ptq", FOLDED)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a network of integers, its file, and a file of the float32 network."""
    with registered():
        store = Store(tmp_path_factory.mktemp("store"))
        store.create()
        bench = Workbench(None, store.weights)
        for each in (OURS.baseline, OURS, INTEGERS, FLOAT, TRAINED, PTQ):
            store.save(run_trial(each, bench))
        yield store


def test_the_file_says_what_the_integers_say(store):
    file, integers = store.load(OURS.id), store.load(INTEGERS.id)
    assert np.array_equal(store.predictions(OURS.id), store.predictions(INTEGERS.id))
    for name in ("accuracy", "loss", "weight_bytes", "activation_bits", "macs", "bops", "ebops"):
        assert file.metrics[name] == integers.metrics[name], name
    assert file.metrics["file_bytes"] > file.metrics["weight_bytes"]
    assert np.isnan(integers.metrics.get("file_bytes", np.nan))
    assert file.facts["timing"] == "native" and integers.facts["timing"] == "emulated"
    assert file.facts["deployed"] == "integers of 8 bits"
    assert file.facts["deployed_runtime"].endswith(", reference kernels, 1 thread")
    assert len(file.facts["deployed_file_sha256"]) == 64


def test_float32_is_a_file_of_its_own(store):
    file, baseline = store.load(FLOAT.id), store.load(FLOAT.baseline.id)
    assert FLOAT.id != FLOAT.baseline.id
    assert np.array_equal(store.predictions(FLOAT.id), store.predictions(FLOAT.baseline.id))
    assert file.metrics["loss"] == pytest.approx(baseline.metrics["loss"], rel=1e-5)
    assert file.metrics["file_bytes"] > 4 * file.metrics["parameters"] - 100


def test_a_training_before_is_that_of_integers(store):
    again = store.load(TRAINED.id)
    assert len(again.history) == 1 and "weights_digest" in again.facts
    assert again.metrics["loss"] != store.load(OURS.id).metrics["loss"]


@pytest.mark.parametrize("of", [TRAINED, PTQ], ids=["file", "emulation"])
def test_a_trial_is_certified(store, tmp_path, of):
    """A file that was evaluated, and the emulation, whose codes are those of the same integers."""
    run = here(tmp_path, "certify", of.id[:8], "--store", store.root, "--images", 50)
    assert run.returncode == 0 and "no code differs" in run.stdout
    made = json.loads((tmp_path / f"{of.id}-litert-reference.json").read_text())
    assert made["runtime"]["kernels"] == "reference" and "rounding is documented" in run.stdout
    assert f"kernels: reference ({made['runtime']['about_kernels']})" in run.stdout.splitlines()
    assert made["subject"]["trial"] == of.id and made["codes"]["images"] == 50
    assert made["codes"]["differing"] == 0 and len(made["codes"]["tensors"]) == 4
    said, equal = made["predictions"], made["predictions"]["equal"]
    assert said["images"] == 60 and said["share"] == equal / 60 and equal >= (60 if of is TRAINED else 57)
    assert (said["largest_difference_of_outputs"] == 0) or of is PTQ
    assert f"predictions: {equal} of 60 equal" in run.stdout
    again = here(tmp_path, "certify", of.id, "--store", store.root)
    assert again.returncode == 2 and "--force" in again.stderr


def test_what_cannot_be_certified(store, tmp_path):
    for words, said in {
        ("--runtime", "tpu"): "unknown run-time 'tpu'",
        ("--kernels", "fast"): "unknown kernels of LiteRT 'fast'",
        ("--runtime", "onnx", "--kernels", "reference"): "unknown kernels of ONNX Runtime 'reference'",
        ("--threads", "0"): "--threads is a whole number",
        ("--images", "0"): "--images is a whole number",
    }.items():
        run = here(tmp_path, "certify", OURS.id, "--store", store.root, *words)
        assert run.returncode == 2 and said in run.stderr and len(run.stderr.splitlines()) == 1


def test_the_file_comes_back_out(store, tmp_path):
    for of, name in ((OURS, "ours"), (INTEGERS, "integers"), (FLOAT.baseline, "baseline")):
        run = here(tmp_path, "export", of.id, "--to", f"{name}.tflite", "--store", store.root)
        assert run.returncode == 0 and f"LiteRT file of trial {of.id}" in run.stdout
        assert ("operators of real numbers: none" in run.stdout) == (of is not FLOAT.baseline)
    ours, integers = ((tmp_path / f"{name}.tflite").read_bytes() for name in ("ours", "integers"))
    assert ours == integers and contents(ours).real == ()
    assert contents((tmp_path / "baseline.tflite").read_bytes()).real != ()
    run = here(tmp_path, "export", OURS.id, "x.keras", "--store", store.root)
    assert run.returncode == 2 and ".tflite" in run.stderr
    run = here(tmp_path, "export", OURS.id, "x.onnx", "--store", store.root)
    assert run.returncode == 2 and "evaluated a LiteRT file; export it to a .tflite" in run.stderr
    run = here(tmp_path, "bundle", OURS.id, "board", "--images", 5, "--store", store.root)
    assert run.returncode == 0 and "of 1 models" in run.stdout and not run.stderr, run.stderr
    assert (tmp_path / "board" / f"{OURS.id}.tflite").read_bytes() == ours
    run = here(tmp_path, "export", OURS.id, "x.keras", "--to", "y.keras", "--store", store.root)
    assert run.returncode == 2 and "once" in run.stderr


def test_a_model_of_ones_own(store, tmp_path):
    run = here(tmp_path, "export", OURS.baseline.id, "own.keras", "--store", store.root)
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28, 1)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(40) % 10)
    run = here(
        tmp_path, "export", "own.keras", "--policy", "int8", "--data", "data.npz", "--to", "own.tflite"
    )
    assert run.returncode == 0, run.stderr
    assert contents((tmp_path / "own.tflite").read_bytes()).real == ()
    half = ("--policy", "{weights: float16, biases: float16}", "--to", "half.tflite")
    assert here(tmp_path, "export", "own.keras", *half).returncode == 0
    sizes = [(tmp_path / f"{name}.tflite").stat().st_size for name in ("own", "half")]
    assert sizes[0] < sizes[1]
    for words, said in {
        ("--policy", "int8"): "--data",
        ("--policy", "int8_dynamic"): "scales: converter",
        ("--policy", "int8", "--scales", "mine"): "unknown scales 'mine'",
        ("--policy", "{weights: ["): "a mapping of slots",
        (): "give --policy",
    }.items():
        run = here(tmp_path, "export", "own.keras", *words, "--to", "other.tflite")
        assert run.returncode == 2 and said in run.stderr and len(run.stderr.splitlines()) == 1


GRID = """name: refused
datasets: [{name: digits, train_size: 128, test_size: 60}]
architectures: [mlp]
policies: {float32: float32, asked: POLICY}
methods: [{name: lite, OPTIONS}]
training: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("policy", "options", "said"),
    [
        ("float16", "threads: 1", "weights: float16, biases: float16"),
        ("int8_dynamic", "threads: 1", "scales: converter"),
        ("int8", "epochs: 1, scales: converter", "leave 'epochs' out"),
        ("int8", "threads: 0", "threads"),
        ("int8", "kernels: fast", "default or reference"),
    ],
)
def test_what_litert_cannot_say_is_refused_before_anything_runs(tmp_path, policy, options, said):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.replace("POLICY", policy).replace("OPTIONS", options))
    with pytest.raises(PrecisionError) as error:
        expand(load_grid(path)[0], load_grid(path)[1])
    assert said in str(error.value) and "grid.yaml" in str(error.value)
