"""The JSON schema: what it accepts and refuses is what reading a grid accepts and refuses."""

import json
from pathlib import Path

import jsonschema
import pytest

from precision.data.options import COMMON
from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.grid.editor import json_schema
from precision.grid.file.reader import read_file
from precision.registry import ARCHITECTURES, DATASETS, METHODS

ROOT = Path(__file__).parents[3]
GRIDS = sorted((ROOT / "experiments").glob("*.yaml"))
BASE = """\
name: test
datasets: [digits]
architectures: [lenet, vgg]
policies: {float32: float32, half: float16}
methods: [ptq]
training: {epochs: 2}
seeds: [0]
"""
SCHEMA = jsonschema.Draft202012Validator(json_schema())
OLDER = jsonschema.Draft7Validator(json_schema())  # as editors still read it, which say the same


def accepted(path):
    data = read_file(path).plain()
    valid = SCHEMA.is_valid(data)
    assert OLDER.is_valid(data) == valid
    return valid


def with_line(line):
    key = line.split(":")[0].split(".")[0]
    return "\n".join([*(old for old in BASE.splitlines() if not old.startswith(f"{key}:")), line, ""])


def test_the_committed_file_is_the_schema():
    assert json.loads((ROOT / "docs" / "grid.schema.json").read_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.name)
def test_every_grid_that_ships_meets_it_and_names_it(path):
    SCHEMA.validate(read_file(path).plain())
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../docs/grid.schema.json"


VALID = [
    "architectures: lenet",
    "architectures: [{name: resnet, depth: 8, width: 0.5, label: r}, {name: vgg, width: {each: [1, 2.5]}}]",
    "architectures: [{name: {each: [lenet, vgg]}, width: {each: {thin: 0.5}}}]",
    "architectures: [{each: [lenet, {name: vgg, width: 2}]}]",
    "datasets: {name: mnist, train_size: 10, stratified: false, classes: [1, 2], resize: [32, 32],"
    " augment: {rotation: 10, shift: {each: [0, 0.1]}}}",
    "datasets: [{name: fashion_mnist, classes: [Coat, Bag], augment: null}]",
    "methods: [{name: qat, start: scratch, epochs: 3, learning_rate: 1e-3, estimator: straight,"
    " freeze_batch_norm: 2}, {name: low_precision, loss_scale: dynamic}]",
    "policies: [float32, 'fixed(8,4)', float16]",
    "policies: {float32: float32, p: {weights: {format: int(8), scaling: real, per: channel,"
    " zero_point: false, observer: percentile, percentile: 99.9}, accumulators: {format: float16, every: 4},"
    " rounding: stochastic(8), exempt: [first, last], calibration: {images: 16, observer: mse},"
    " layers: {'conv*': float16, '@last': {weights: float32},"
    " 'class:Dense': {format: int(8), scaling: pow2}},"
    " activations: {format: 'fixed(8,auto)'}, fold_batch_norm: true}}",
    "policies: {float32: float32, p: {weights: {each: [float16, {format: int(8), scaling: real}]},"
    " activations: {format: {each: [int(8), int(6)]}, scaling: real}}, q: {each: [float16, bfloat16]},"
    " r: {format: int(8), scaling: real}}",
    "training: {epochs: [1, 2], learning_rate: [null, 1e-3], optimizer: sgd, momentum: {each: [0, 0.9]}}",
    "training:",
    "runtime: {device: cpu, threads: [1, null]}",
    "seeds: 3",
    "repeats: 3",
    "zip: [[architectures, policies]]",
    "zip: [architectures, policies]",
    "exclude: [{policy: half, seed: 0, architecture: [lenet, 'v*'], training: {epochs: 2}}]",
    "include: [{policy: half, method: {name: qat, epochs: {each: [1, 2]}}, training: {epochs: [3, 4]},"
    " runtime: {threads: 1}, seed: [1, 2]}]",
    "report: {tolerance: 2, notes: x, published: {source: s, accuracy: {lenet: {half: 99}}}}",
    "report: {published: {source: s, margin: 1, figures: {policy: half, difference: -1, bound: at_most}}}",
    "x-anything: {goes: [here]}",
    "training.learning_rate: [1e-3]",
    "report.tolerance: 2",
    "architectures.1.width: 2",
]


@pytest.mark.parametrize("line", VALID, ids=[line[:50] for line in VALID])
def test_what_a_grid_may_say(tmp_path, line):
    text = with_line(line)
    if "." in line.split(":")[0]:
        text = BASE.replace("training: {epochs: 2}\n", "") + line + "\n"
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    assert expand(*load_grid(path))
    SCHEMA.validate(read_file(path).plain())
    assert accepted(path)


WRONG = [
    "report: {published: {source: s, figures: {policy: half, margin: 1}}}",
    "report: {published: {source: s, figures: {accuracy: 9, difference: 1, margin: 1}}}",
    "report: {published: {source: s, figures: {accuracy: 9, margin: 1, bound: above}}}",
    "architecture: [lenet]",
    "architectures: [{width: 2}]",
    "architectures: [{name: vgg, widht: 2}]",
    "architectures: [{name: vgg, width: -1}]",
    "architectures: [{name: vgg, width: wide}]",
    "architectures: [{name: vgg, depth: 8}]",
    "architectures: [{name: vgg, width: {each: []}}]",
    "architectures: [{name: vgg, width: {each: [1], more: 2}}]",
    "datasets: [{name: npz}]",
    "datasets: [{name: mnist, train_size: 0}]",
    "datasets: [{name: mnist, resize: [32]}]",
    "datasets: [{name: mnist, resize: [32, 32, 32]}]",
    "datasets: [{name: mnist, classes: [1]}]",
    "datasets: [{name: mnist, stratified: 1}]",
    "datasets: [{name: mnist, augment: {rotation: 200}}]",
    "datasets: [{name: mnist, augment: {rotate: 20}}]",
    "datasets: [{name: npz, path: x.npz, test_fraction: 1.5}]",
    "methods: [float32]",
    "methods: [{name: qat, start: basline}]",
    "methods: [{name: qat, epochs: 0}]",
    "methods: [{name: qat, epochs: 1.5}]",
    "methods: [{name: ptq, epochs: 1}]",
    "methods: [{name: low_precision, loss_scale: auto}]",
    "policies: {float32: float32, p: {weigths: float16}}",
    "policies: {float32: float32, p: {weights: 'fixed(8'}}",
    "policies: {float32: float32, p: {weights: {format: int(8), scale: real}}}",
    "policies: {float32: float32, p: {weights: {format: int(8), scaling: reel}}}",
    "policies: {float32: float32, p: {weights: {format: int(8), scaling: real, percentile: 101}}}",
    "policies: {float32: float32, p: {weights: {format: int(8), scaling: real, observer: percentile,"
    " percentile: 30}}}",
    "policies: {float32: float32, p: {calibration: {percentile: 50}}}",
    "policies: {float32: float32, p: {weights: {scaling: real}}}",
    "policies: {float32: float32, p: {rounding: nearst}}",
    "policies: {float32: float32, p: {exempt: [frist]}}",
    "policies: {float32: float32, p: {calibration: {image: 3}}}",
    "policies: {float32: float32, p: {accumulators: {format: float16, every: 0}}}",
    "policies: {float32: float32, p: {layers: {conv1: {weight: float16}}}}",
    "policies: {float32: float32, p: 3}",
    "training: {epoch: 3}",
    "training: {epochs: 0}",
    "training: {epochs: '3'}",
    "training: {optimizer: adm}",
    "training: {momentum: 1}",
    "runtime: {thread: 2}",
    "runtime: {device: tpu}",
    "runtime: {threads: 0}",
    "seeds: [-1]",
    "seeds: [a]",
    "repeats: 0",
    "zip: [[architectures, epochs]]",
    "zip: [[architectures]]",
    "exclude: [{polcy: half}]",
    "exclude: [{training: {epoch: 2}}]",
    "include: [{seed: -1}]",
    "report: {tolerance: -1}",
    "report: {tolerence: 1}",
    "name: ../x",
    "name: [x]",
    "y-anything: 1",
    "extends: 3",
    "training.epoch: 3",
    "training.epochs: 0",
    "trainig.epochs: 3",
]


@pytest.mark.parametrize("line", WRONG)
def test_what_a_grid_may_not_say(tmp_path, line):
    text = with_line(line)
    if "." in line.split(":")[0]:
        text = BASE.replace("training: {epochs: 2}\n", "") + line + "\n"
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(PrecisionError):
        expand(*load_grid(path))
    assert not accepted(path)


@pytest.mark.parametrize(
    "line",
    [
        "architectures: [lennet]",
        "architectures: [{name: lennet, depth: 3}]",
        "datasets: [minst]",
        "methods: [qta]",
        "include: [{method: {name: qta}}]",
        "policies: {float32: float32, p: {weights: {format: int(8), scaling: real, observer: mes}}}",
    ],
)
def test_a_name_that_a_plugin_may_have_given(tmp_path, line):
    path = tmp_path / "grid.yaml"
    path.write_text(with_line(line))
    with pytest.raises(PrecisionError, match=r"did you mean|known:"):
        expand(*load_grid(path))
    assert accepted(path)


def test_what_may_come_from_another_file_may_be_missing(tmp_path):
    (tmp_path / "grid.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(
        "extends: grid.yaml\npolicies: {half: null}\nexclude: null\ntraining.epochs: null\n"
    )
    assert load_grid(tmp_path / "child.yaml")
    assert accepted(tmp_path / "child.yaml")
    (tmp_path / "part.yaml").write_text("seeds: [1]\n")
    assert not accepted(tmp_path / "part.yaml")


@pytest.mark.parametrize("registry", [DATASETS, ARCHITECTURES, METHODS], ids=lambda registry: registry.kind)
def test_every_name_and_option_is_there(registry):
    definitions = json_schema()["$defs"]
    names = [name for name in registry if registry.owner(name).builtin and name != "float32"]
    *entries, plugin = definitions[f"{registry.kind}_name"]["anyOf"]
    assert [entry["const"] for entry in entries] == names and plugin["type"] == "string"
    text = json.dumps(definitions[registry.kind])
    for name in names:
        known = json.loads(text)["else"]["then"]["allOf"][0]["then"]["allOf"][names.index(name)]
        assert known["if"] == {"properties": {"name": {"const": name}}}
        common = COMMON if registry is DATASETS else {}
        assert set(known["then"]["properties"]) == {"name", "label", *common, *registry.options(name)}
