"""Trials as ONNX files: evaluated, exported, bundled for another machine and brought home again."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import here
from tiny import registered

from precision.analysis.collect import collect
from precision.analysis.deployed import Agreement, Deployed
from precision.arithmetic.integer.values import Codes
from precision.data import as_float
from precision.deploy.lite.interpreter import Session
from precision.deploy.lite.predictor import taken
from precision.deploy.onnx.agreement import agreement, emulated, of_integers
from precision.deploy.onnx.file import read, stored
from precision.deploy.onnx.predictor import OnnxPredictor
from precision.deploy.onnx.runtime import OnnxRuntime
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.methods.deployed import as_onnx
from precision.methods.restored import Restoring
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
INT8 = {"format": "int(8)", "scaling": "real", "zero_point": True}
AFFINE = {"weights": WEIGHTS, "activations": INT8, "inputs": INT8, "fold_batch_norm": True}
AARCH64 = Path(__file__).parent.parent.parent / "build" / "aarch64" / "python"


def trial(method, policy, **options):
    return Trial(
        Choice("digits", {"train_size": 400, "test_size": 60}),
        Choice("tiny"),
        Choice(method, options),
        parse_policy(policy).to_json(),
        Training(epochs=2, learning_rate=0.01),
        0,
    )


TRIALS = {
    "onnx": trial("onnx", AFFINE),
    "ptq": trial("ptq", AFFINE),
    "integer": trial("integer", {k: v for k, v in AFFINE.items() if k != "fold_batch_norm"}),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A store with trials of three methods, and their results."""
    store = Store(tmp_path_factory.mktemp("onnx") / "runs")
    store.create()
    bench = Workbench(None, store.weights, digest=store.weights_digest)
    with registered():
        for each in (TRIALS["ptq"].baseline, *TRIALS.values()):
            store.save(run_trial(each, bench))
        yield store, {name: store.load(each.id) for name, each in TRIALS.items()}


def test_a_trial_is_evaluated_by_the_runtime(results):
    store, found = results
    deployed, emulation = found["onnx"], found["ptq"]
    assert abs(deployed.metrics["accuracy"] - emulation.metrics["accuracy"]) <= 1 / 60
    ours, theirs = (store.predictions(each.trial.id) for each in (emulation, deployed))
    assert (ours == theirs).mean() > 0.95 and len(set(theirs)) > 5
    assert deployed.metrics["weight_bytes"] == emulation.metrics["weight_bytes"]
    assert deployed.metrics["file_bytes"] > deployed.metrics["weight_bytes"]
    assert deployed.facts["timing"] == "native"
    assert deployed.facts["deployed_runtime"].startswith("onnxruntime ")
    assert "3 QuantizeLinear" in deployed.facts["deployed"]


def test_codes_agree_with_the_emulation_and_with_the_integers(results):
    store, found = results
    bench = Restoring(None, store.weights)
    images = bench.dataset(TRIALS["ptq"].dataset).x_test
    file = as_onnx(found["ptq"], bench)
    model = METHODS["ptq"](TRIALS["ptq"], bench).predictor.model
    one = agreement(emulated(model, file), OnnxPredictor(file, kernels="as_written"), images)
    assert one.images == 60 and one.classes >= 59 and one.largest <= 1
    assert one.differing <= 0.005 * sum(tensor.values for tensor in one.tensors)
    integers = METHODS["integer"](TRIALS["integer"], bench).predictor.integers
    predictor = OnnxPredictor(as_onnx(found["integer"], bench))
    two = agreement(of_integers(integers), predictor, images)
    assert two.classes >= 59 and two.largest <= 1 and {t.name for t in two.tensors} >= {"relu", "logits"}


def test_every_step_of_a_network_of_integers_has_its_codes(results):
    """As a certificate wants them, by names of its own."""
    store, found = results
    bench = Restoring(None, store.weights)
    network = METHODS["integer"](TRIALS["integer"], bench).predictor.integers
    images = bench.dataset(TRIALS["integer"].dataset).x_test[:20]

    def labels(network, values):
        return {place: f"{place}" for place, value in enumerate(values) if isinstance(value, Codes)}

    runtime = OnnxRuntime(OnnxPredictor(as_onnx(found["integer"], bench)), network, labels)
    codes = runtime.codes(images)
    values = network.values(images.astype(np.float32) / np.float32(255))
    assert {int(name) for name in codes} == set(labels(network, values))
    assert len(codes) == 4  # images, relu, flatten, logits
    for place, given in codes.items():
        expected = values[int(place)].codes.astype(int)
        assert given.shape == expected.shape and abs(given - expected).max() <= 1
    assert runtime.facts["file_sha256"] and len(runtime.facts["runtime_sha256"]) == 64


def test_the_command_writes_the_file(results, tmp_path):
    store, found = results
    for name, words in {"qdq": (), "qonnx": ("--dialect", "qonnx")}.items():
        path = tmp_path / f"{name}.onnx"
        done = here(tmp_path, "export", found["ptq"].trial.id, "--to", path, *words, "--store", store.root)
        assert done.returncode == 0 and "roundings of trial" in done.stdout, done.stderr
        assert read(path).dialect == name and len(read(path).points) == 3
    again = here(tmp_path, "export", found["ptq"].trial.id, tmp_path / "qdq.onnx", "--store", store.root)
    assert again.returncode == 2 and "this file exists" in again.stderr


def test_a_model_of_ones_own_is_written_as_its_trial_is(results, tmp_path):
    """From the same data: the same weights, and the scales of the same calibration images."""
    store, found = results
    here(tmp_path, "export", TRIALS["ptq"].baseline.id, "own.keras", "--store", store.root)
    data = ("--data", "digits", "--data-option", "train_size=400", "--data-option", "test_size=60")
    policy = ("--policy", json.dumps(AFFINE))
    done = here(tmp_path, "export", "own.keras", *policy, *data, "--to", "own.onnx")
    assert done.returncode == 0 and "3 roundings" in done.stdout, done.stderr
    ours, theirs = read(tmp_path / "own.onnx"), as_onnx(found["ptq"], Restoring(None, store.weights))
    assert [(p.scale, p.zero) for p in ours.points] == [(p.scale, p.zero) for p in theirs.points]
    pairs = zip(stored(ours).values(), stored(theirs).values(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    for words, said in {
        ("--policy", "int8"): "calibrated: give --data",
        ("--policy", "posit(8,1)"): "which ONNX cannot say",
        ("--policy", "float32", "--scales", "ours"): "--scales is for .tflite files",
        ("--policy", "float32", "--data-option", "scale=none"): "no --data are given",
    }.items():
        done = here(tmp_path, "export", "own.keras", *words, "--to", "other.onnx")
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "other.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "x.onnx", "--rounded"), "is rounded already"),
        (("--to", "x.keras", "--dialect", "qdq"), "--dialect is for .onnx files"),
        (("--to", "x.onnx", "--dialect", "qqq"), "unknown --dialect 'qqq'; did you mean 'qdq'"),
        ((), "name the file to write once"),
        (("x.onnx", "--to", "y.onnx"), "name the file to write once"),
    ],
)
def test_words_that_contradict_are_refused(words, message, tmp_path):
    done = here(tmp_path, "export", "abc", *words)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_policies_are_refused_before_anything_runs(tmp_path):
    grid = tmp_path / "grid.yaml"
    rest = "datasets: [digits]\narchitectures: [lenet]\nmethods: [onnx]\n"
    for policy, message in {
        "posit(8,2)": "which ONNX cannot say",
        "{weights: 'fixed(8,4)', gradients: 'fixed(8,4)'}": "trains nothing",
        "{weights: 'fixed(8,4)', accumulators: float16}": "are no part of an ONNX file",
    }.items():
        grid.write_text(f"name: x\n{rest}policies: {{float32: float32, one: {policy!r}}}\n".replace('"', ""))
        with pytest.raises(PrecisionError, match=message):
            expand(*load_grid(grid))


@pytest.fixture(scope="module")
def bundle(results, tmp_path_factory):
    store, found = results
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    names = [found[name].trial.id for name in ("ptq", "integer")]
    done = here(path.parent, "bundle", *names, path, "--images", 20, "--store", store.root)
    assert done.returncode == 0 and "of 4 models" in done.stdout, done.stderr
    return path


@pytest.fixture(scope="module")
def measured(bundle, tmp_path_factory):
    """The results of this machine, and the logits."""
    folder = tmp_path_factory.mktemp("measured")
    done = runner(bundle, folder, sys.executable)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def runner(bundle, folder, *python):
    words = ["--threads", "1,2", "--output", folder / "results.json", "--logits", folder / "logits.npz"]
    return subprocess.run(
        [*python, bundle / "run.py", "--name", "a board", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": os.environ["PATH"]},  # none of the modules of this project
    )


def computed(path, images):
    """What a file returns here for images: logits, or their codes."""
    if path.suffix == ".onnx":
        return OnnxPredictor(read(path), threads=1).logits(images)
    session = Session(path.read_bytes())
    return session.run(taken(session, np.asarray(as_float(images), np.float32)))[0]


def test_a_bundle_measures_with_numpy_and_a_runtime_alone(results, bundle, measured):
    _, found = results
    folder, text = measured
    assert "accuracy" in text and text.count(".onnx") == text.count(".tflite") == 2
    told = json.loads((folder / "results.json").read_text())
    assert told["machine"]["name"] == "a board" and told["machine"]["emulated"] == ""
    with np.load(bundle / "sample.npz") as sample, np.load(folder / "logits.npz") as logits:
        images, labels = sample["images"], sample["labels"]
        for model in told["models"]:
            assert [row["threads"] for row in model["latency"]] == [1, 2]
            assert all(0 < row["median_ms"] <= row["p95_ms"] for row in model["latency"])
            expected = computed(bundle / model["file"], images)
            np.testing.assert_array_equal(logits[model["file"]], expected)
            same = {"images": 20, "bits": 20, "classes": 20, "largest": 0.0}
            assert model["agreement"] == same  # with what it gave when the bundle was made
            assert model["correct"] == (expected.argmax(1) == labels).sum()
            assert model["resident_kb"]["peak"] > model["resident_kb"]["before"] > 1000
    assert {model["trial"] for model in told["models"]} == {found[n].trial.id for n in ("ptq", "integer")}


def test_results_come_home_beside_others(results, bundle, measured, tmp_path):
    store, _ = results
    folder, _ = measured
    done = here(tmp_path, "results", "import", folder / "results.json", "--store", store.root)
    assert done.returncode == 0 and "a board" in done.stdout, done.stderr
    before = repr({trial_id: result.metrics for trial_id, result in store.results().items()})
    told = json.loads((folder / "results.json").read_text())
    told["machine"] |= {"name": "another", "emulated": "emulated processor"}
    for model in told["models"]:
        model["latency"] = [{"threads": 1, "calls": 20, "median_ms": 123.0, "p95_ms": 456.0}]
    (tmp_path / "more.json").write_text(json.dumps(told))
    done = here(tmp_path, "results", "import", "more.json", "--store", store.root)
    assert "a board" in done.stdout and "another" in done.stdout and "results of 2 machines" in done.stdout
    assert "123" not in done.stdout and "456" not in done.stdout  # times of an emulated processor
    assert repr({trial_id: result.metrics for trial_id, result in store.results().items()}) == before


GRID = f"""name: small
datasets: [{{name: digits, train_size: 400, test_size: 60}}]
architectures: [tiny]
policies: {{float32: float32, int8: {json.dumps(AFFINE)}}}
methods: [ptq, onnx]
training: {{epochs: 2, learning_rate: 0.01}}
"""


def test_the_files_of_a_grid_are_taken_to_an_arm_processor_and_its_report_says_so(results, tmp_path):
    store, _ = results
    (tmp_path / "grid.yaml").write_text(GRID)
    grid, source = load_grid(tmp_path / "grid.yaml")
    cells = {(cell.policy, cell.method): cell.trial for cell in expand(grid, source)}
    own = TRIALS["onnx"]  # the trials of the grid know of the network of the tests, which is all that differs
    for former, asked in ((own.baseline, cells["float32", "ptq"]), (own, cells["int8", "onnx"])):
        store.save(replace(store.load(former.id), trial=asked, predictions=store.predictions(former.id)))
    shutil.copy(store.weights(own.baseline.id), store.weights(cells["float32", "ptq"].id))
    onnx_trial = cells["int8", "onnx"].id
    done = here(tmp_path, "bundle", "grid.yaml", "new", "--images", 20, "--store", store.root)
    assert done.returncode == 0 and "1 of its 2 trials are not finished" in done.stderr, done.stderr
    (file,) = (path.name for path in (tmp_path / "new").iterdir() if path.suffix in (".onnx", ".tflite"))
    assert file == f"{onnx_trial}.onnx"  # what it evaluated, and ptq evaluated none
    assert runner(tmp_path / "new", tmp_path, sys.executable).returncode == 0
    told = json.loads((tmp_path / "results.json").read_text())
    told["machine"] |= {"architecture": "aarch64", "emulated": "emulated processor"}
    told["models"][0]["agreement"] |= {"bits": 18}
    (tmp_path / "results.json").write_text(json.dumps(told))
    done = here(tmp_path, "results", "import", "results.json", "--store", store.root)
    assert done.returncode == 0 and "18 of 20" in done.stdout, done.stderr
    (store.root / "bundles" / told["bundle"] / "cut-off.json").write_text("{")
    with pytest.warns(UserWarning, match=r"cut-off\.json: this is no file that run\.py"):
        report = collect(grid, source, expand(grid, source), store)
    (store.root / "bundles" / told["bundle"] / "cut-off.json").unlink()
    assert report.deployed[onnx_trial] == Deployed(1, Agreement(20, 18, 20))
    (machine,) = (one for one in report.machines if one.bundle == told["bundle"])
    assert machine.emulated and [sent.latency for sent in machine.sent] == [()]
    done = here(
        tmp_path, "bundle", "grid.yaml", "more", "--only", "method=ptq", "--store", store.root / "none"
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    done = here(tmp_path, "bundle", onnx_trial, "more", "--only", "method=ptq", "--store", store.root)
    assert done.returncode == 2 and "--only chooses cells of a grid" in done.stderr


def changed(told, **changes):
    return {**told, **changes}


def with_model(told, **changes):
    first, *rest = told["models"]
    return {**told, "models": [{**first, **changes}, *rest]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: changed(t, version=2), "of version 2, and this precision reads version 1"),
        (lambda t: changed(t, bundle="0" * 64), "bundle 000000000000, which was not made of the store"),
        (lambda t: changed(t, bundle="../../etc"), "no file that run.py"),
        (lambda t: with_model(t, sha256="0" * 64), "its models are not those of bundle"),
        (lambda t: with_model(t, accuracy=float("nan")), "have numbers that cannot be"),
        (lambda t: with_model(t, images="20"), "have numbers that cannot be"),
        (
            lambda t: with_model(t, agreement={"images": 20, "bits": 21, "classes": 20}),
            "have numbers that cannot be",
        ),
        (lambda t: [1, 2], "no file that run.py"),
    ],
)
def test_foreign_results_are_refused(results, measured, tmp_path, change, message):
    store, _ = results
    told = json.loads((measured[0] / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(change(told)))
    done = here(tmp_path, "results", "import", "results.json", "--store", store.root)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_what_is_no_text_is_one_short_sentence(results, measured, tmp_path):
    store, _ = results
    done = here(tmp_path, "results", "import", measured[0] / "logits.npz", "--store", store.root)
    assert done.returncode == 2 and "no file that run.py of a bundle wrote" in done.stderr
    assert len(done.stderr) < 400, done.stderr


def test_a_folder_that_exists_is_refused(results, bundle):
    store, found = results
    done = here(bundle.parent, "bundle", found["ptq"].trial.id, bundle, "--store", store.root)
    assert done.returncode == 2 and "this exists; a bundle is written to a new folder" in done.stderr
    done = here(bundle.parent, "bundle", "new", "--store", store.root)
    assert done.returncode == 2 and "name at least one trial" in done.stderr


def test_a_bundle_that_was_changed_does_not_run(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    path = next(copy.glob("*.onnx"))
    path.write_bytes(path.read_bytes()[:-1])
    done = runner(copy, tmp_path, sys.executable)
    assert done.returncode == 2 and "is not the one that was bundled" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not AARCH64.exists(), reason="there is no emulated ARM processor; see make aarch64")
def test_an_arm_processor_computes_the_same_bits(bundle, measured, tmp_path):
    """And it says that its processor is emulated, and takes no times."""
    done = runner(bundle, tmp_path, AARCH64)
    assert done.returncode == 0, done.stderr
    assert "its times are no times" in done.stdout
    told = json.loads((tmp_path / "results.json").read_text())
    assert (
        told["machine"]["emulated"] == "emulated processor" and told["machine"]["architecture"] == "aarch64"
    )
    assert all(model["latency"] == [] for model in told["models"])
    assert all(model["agreement"]["classes"] == 20 for model in told["models"])
    with np.load(measured[0] / "logits.npz") as here_, np.load(tmp_path / "logits.npz") as there:
        for name in here_.files:
            np.testing.assert_array_equal(here_[name].argmax(1), there[name].argmax(1))


def test_a_trial_is_certified(results, tmp_path):
    """By the labels of the certificate: its codes are those of the network of integers, but for a few."""
    store, found = results
    output = tmp_path / "certificate.json"
    words = ("certify", found["integer"].trial.id, "--runtime", "onnx", "--images", 40, "--output", output)
    done = here(tmp_path, *words, "--store", store.root)
    assert done.returncode == 0, done.stderr
    told = json.loads(output.read_text())
    tensors = told["codes"]["tensors"]
    assert len(tensors) > 2 and all(tensor["codes"] > 0 for tensor in tensors)
    assert sum(tensor["differing"] for tensor in tensors) <= 0.02 * sum(tensor["codes"] for tensor in tensors)
    assert told["predictions"]["share"] >= 0.95 and told["codes"]["not_in_the_file"] == []
