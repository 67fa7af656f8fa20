import subprocess
import sys

import pytest

from precision.errors import PrecisionError
from precision.grid import expand, load_grid, schedule
from precision.methods.marks import checked_by
from precision.registry import METHODS

BASE = """\
name: test
datasets: [digits]
architectures: [lenet, {name: vgg, width: 0.5}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,4)"}
  half: float16
methods: [ptq, {name: qat, epochs: 1}]
training: {epochs: 2, learning_rate: 1e-3}
seeds: [0, 1]
"""


def grid(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return load_grid(path)


def cells(tmp_path, text):
    return expand(*grid(tmp_path, text))


def test_the_product_of_the_axes(tmp_path):
    found = cells(tmp_path, BASE)
    assert len(found) == 2 * 3 * 2 * 2
    assert len({(c.architecture, c.policy, c.method, c.seed) for c in found}) == len(found)
    assert found[0].trial.training.learning_rate == 0.001
    assert {c.trial.architecture.options.get("width") for c in found} == {None, 0.5}


def test_float32_is_one_trial_under_every_method_that_trains_nothing_more(tmp_path):
    text = BASE.replace("{name: qat, epochs: 1}", "low_precision, {name: qat, start: scratch}")
    baselines = {c.trial.id for c in cells(tmp_path, text) if c.policy == "float32"}
    assert len(baselines) == 4  # two networks, two seeds


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("{name: qat, epochs: 1}", {"start": "baseline", "epochs": 1}),
        ("qat", {"start": "baseline"}),
        (
            "{name: qat, learning_rate: 0.1, estimator: straight, freeze_batch_norm: 2}",
            {"start": "baseline", "learning_rate": 0.1, "freeze_batch_norm": 2},
        ),
        ("{name: low_precision, start: baseline}", {"start": "baseline"}),
        ("{name: low_precision, epochs: 9}", {"start": "scratch", "epochs": 9}),
        ("low_precision", None),
        ("{name: qat, start: scratch, freeze_batch_norm: false}", None),
        ("ptq", None),
    ],
)
def test_float32_trains_as_the_method_does(tmp_path, method, options):
    text = BASE.replace("[ptq, {name: qat, epochs: 1}]", f"[{method}]")
    float32 = next(c for c in cells(tmp_path, text) if c.policy == "float32")
    assert float32.trial.policy == {} and float32.trial.method.name == "float32"
    assert float32.trial.method.options == (options or {})
    assert bool(float32.control) == bool(options)
    assert float32.trial.baseline.method.options == {}
    rounded = next(c for c in cells(tmp_path, text) if c.policy == "half")
    assert rounded.control == float32.control


QAT_ALONE = BASE.replace("methods: [ptq, {name: qat, epochs: 1}]", "methods: {name: qat, epochs: 1}")


def test_the_baseline_stays_visible_where_a_method_goes_on(tmp_path):
    found = cells(tmp_path, QAT_ALONE)
    untouched = [c for c in found if c.method == "float32"]
    assert {(c.architecture, c.policy, c.seed) for c in untouched} == {
        (a, "float32", s) for a in ("lenet", "vgg") for s in (0, 1)
    }
    assert all(c.trial == c.trial.baseline and not c.control for c in untouched)
    assert len(found) == 2 * 3 * 2 + len(untouched)
    # where another method has it, it stands there
    assert not [c for c in cells(tmp_path, BASE) if c.method == "float32"]


def test_what_formats_are_compared_with_is_added_to_what_is_included(tmp_path):
    text = BASE.replace(", {name: qat, epochs: 1}", "")
    method = "{name: qat, epochs: 4, label: long}"
    text += f"include: [{{policy: half, seed: 1, architecture: lenet, method: {method}}}]\n"
    *_, included, control = cells(tmp_path, text)
    assert (included.policy, included.method, included.seed) == ("half", "long", 1)
    assert (control.architecture, control.policy, control.method, control.seed) == (
        "lenet",
        "float32",
        "long",
        1,
    )
    assert control.trial.method.options == {"start": "baseline", "epochs": 4}
    order = [t.id for t in schedule(cells(tmp_path, text))]
    assert order.index(control.trial.baseline.id) < order.index(control.trial.id)


def test_what_exclude_names_stays_away(tmp_path):
    text = QAT_ALONE + "exclude: [{policy: float32, method: qat, architecture: vgg*}]\n"
    found = [c for c in cells(tmp_path, text) if c.policy == "float32"]
    assert {(c.architecture, c.method) for c in found} == {
        ("lenet", "qat"),
        ("lenet", "float32"),
        ("vgg", "float32"),
    }


def test_exclude_and_include(tmp_path):
    found = cells(
        tmp_path,
        BASE
        + """\
exclude:
  - {architecture: vgg, policy: [fixed8, half]}
  - {method: qat, seed: 1}
include:
  - {architecture: vgg, policy: half, method: {name: qat, label: long qat, epochs: 9}, seed: 7}
  - {architecture: lenet, policy: "f*32", training: {epochs: 4}, method: ptq, seed: 0}
""",
    )
    assert not [c for c in found if c.architecture == "vgg" and c.policy != "float32" and c.seed != 7]
    assert not [c for c in found if c.method == "qat" and c.seed == 1]
    added = [c for c in found if c.seed == 7]
    assert [(c.policy, c.method, c.trial.method.options) for c in added] == [
        ("half", "long qat", {"epochs": 9}),
        ("float32", "long qat", {"start": "baseline", "epochs": 9}),  # what it is compared with
        ("float32", "float32", {}),  # and what both go on from
    ]
    longer = [c for c in found if c.training]
    assert [(c.training, c.trial.training.epochs, c.trial.training.learning_rate) for c in longer] == [
        ("epochs=4", 4, 0.001)
    ]


def test_a_list_in_training_is_an_axis(tmp_path):
    found = cells(
        tmp_path, BASE.replace("learning_rate: 1e-3", "learning_rate: [1e-3, null], optimizer: [sgd, adam]")
    )
    assert len(found) == 24 * 4
    assert {c.training for c in found} == {
        f"optimizer={o} learning_rate={r}" for o in ("sgd", "adam") for r in ("0.001", "default")
    }


def test_the_identity_is_the_content_not_the_labels(tmp_path):
    first = {c.trial.id for c in cells(tmp_path, BASE)}
    renamed = (
        BASE.replace("half:", "sixteen:")
        .replace("name: test", "name: other")
        .replace("name: vgg,", "name: vgg, label: v,")
    )
    assert {c.trial.id for c in cells(tmp_path, renamed)} == first
    assert not {c.trial.id for c in cells(tmp_path, BASE.replace("epochs: 2", "epochs: 3"))} & first
    assert not {c.trial.id for c in cells(tmp_path, BASE.replace("[0, 1]", "[2, 3]"))} & first


def test_identity_follows_the_content_of_files(tmp_path):
    import numpy as np

    def ids(value):
        data = {"x": np.full((20, 28, 28), value, np.uint8), "y": np.arange(20) % 2}
        np.savez(tmp_path / "own.npz", **data)
        text = BASE.replace("[digits]", f"[{{name: npz, path: {tmp_path / 'own.npz'}}}]")
        return {c.trial.id for c in cells(tmp_path, text)}

    first = ids(1)
    assert ids(1) == first
    assert not ids(2) & first
    ids(1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "own.npz").rename(tmp_path / "elsewhere" / "own.npz")
    moved = BASE.replace("[digits]", f"[{{name: npz, path: {tmp_path / 'elsewhere' / 'own.npz'}}}]")
    assert {c.trial.id for c in cells(tmp_path, moved)} == first


def test_baselines_come_first_and_networks_stay_together(tmp_path):
    trials = schedule(
        cells(
            tmp_path,
            BASE.replace("  float32: float32\n", "").replace("[0, 1]", "[0, 1]\nreport: {baseline: half}"),
        )
    )
    seen = set()
    for trial in trials:
        if trial.method.name != "float32":
            assert trial.baseline.id in seen
        seen.add(trial.id)
    assert len(seen) == len(trials)
    networks = [trial.architecture.name for trial in trials]
    assert networks == sorted(networks, key=["lenet", "vgg"].index)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lenet,",
            "lennet,",
            r"grid.yaml:3: architectures: unknown architecture 'lennet'; did you mean 'lenet'\?",
        ),
        ("width: 0.5", "widht: 0.5", r"grid.yaml:3: .*no option 'widht'; did you mean 'width'"),
        ("width: 0.5", "width: -1", r"grid.yaml:3: .*width"),
        ("[digits]", "[digit]", r"grid.yaml:2: .*unknown dataset 'digit'; did you mean 'digits'"),
        (
            "half: float16",
            "half: flaot16",
            r"grid.yaml:7: .*unknown format 'flaot16'; did you mean 'float16'",
        ),
        ("weights:", "weigths:", r"grid.yaml:6: .*unknown slot 'weigths'; did you mean 'weights'"),
        ("fixed(8,4)", "fixed(0,0)", r"grid.yaml:6: .*wl must be an integer with 1 <= wl <= 32, but got 0"),
        ("epochs: 2", "epoch: 2", r"grid.yaml:9: unknown key 'epoch'; did you mean 'epochs'"),
        (
            "architectures:",
            "architecture:",
            r"grid.yaml:3: unknown key 'architecture'; did you mean 'architectures'",
        ),
        ("epochs: 2", "epochs: two", r"grid.yaml:9: training.epochs: .*integer, but got 'two'"),
        ("epochs: 2", "epochs: '2'", r"grid.yaml:9: training.epochs: .*integer, but got '2'"),
        ("epochs: 2", "epochs: 0", r"grid.yaml:9: training.epochs: .*greater than or equal to 1, but got 0"),
        ("epochs: 2", "epochs: true", r"grid.yaml:9: training.epochs: .*integer, but got True"),
        ("epochs: 2", "epochs: []", r"grid.yaml:9: training.epochs: an empty list asks for no trial"),
        (
            "epochs: 2",
            "epochs: 2, momentum: 0.9",
            r"grid.yaml:9: training: momentum is an option of sgd and rmsprop",
        ),
        ("epochs: 2", "epochs: 2, optimizer: adm", r"grid.yaml:9: training.optimizer: .*did you mean 'adam'"),
        ("1e-3", "-1e-3", r"grid.yaml:9: training.learning_rate"),
        ("name: qat, epochs: 1", "name: qta", r"grid.yaml:8: .*unknown method 'qta'; did you mean 'qat'"),
        ("name: qat, epochs: 1", "name: qat, start: basline", r"grid.yaml:8: .*baseline or scratch"),
        ("name: qat, epochs: 1", "name: qat, epochs: 1.5", r"grid.yaml:8: .*whole number above 0"),
        ("[ptq,", "[float32,", r"grid.yaml:8: .*name ptq or qat"),
        ("[0, 1]", "[0, 0]", r"grid.yaml:10: seeds: each seed is listed once"),
        ("[0, 1]", "[]", r"grid.yaml:10: the grid is empty: seeds lists nothing"),
        ("[digits]", "[]", r"grid.yaml:2: the grid is empty: datasets lists nothing"),
        ("[digits]", "[digits, digits]", r"grid.yaml:2: datasets: 'digits' stands twice"),
        ("name: test", "name: ../x", r"grid.yaml:1: name: .*but got '../x'"),
        ("name: test\n", "", r"the key 'name' is missing"),
        ("seeds: [0, 1]", "exclude: [{}]", r"grid.yaml:10: the grid is empty: exclude leaves no trial"),
        (
            "seeds: [0, 1]",
            "exclude: [{policy: fixd8}]",
            r"grid.yaml:10: policy 'fixd8' is not in the grid; did you mean 'fixed8'",
        ),
        (
            "seeds: [0, 1]",
            "exclude: [{polcy: fixed8}]",
            r"grid.yaml:10: unknown key 'polcy'; did you mean 'policy'",
        ),
        (
            "seeds: [0, 1]",
            "include: [{training: {epochs: x}}]",
            r"grid.yaml:10: include.training.epochs: .*but got 'x'",
        ),
        ("seeds: [0, 1]", "include: [{seed: -1}]", r"grid.yaml:10: include.seed: .*but got -1"),
        ("seeds: [0, 1]", "include: [{training: {momentum: 0.9}}]", r"grid.yaml:10: .*optimizer is adam"),
        (
            "seeds: [0, 1]",
            "include: [{policy: half, method: {name: qat, epochs: 7}}]",
            r"grid.yaml:10: digits lenet half qat 0 stands for another trial already; give .* 'label:'",
        ),
        ("1e-3", ".inf", r"grid.yaml:9: training.learning_rate: .*finite"),
        ("1e-3", "1e400", r"grid.yaml:9: training.learning_rate: .*finite"),
        ("epochs: 1}", "learning_rate: .inf}", r"grid.yaml:8: .*a finite number above 0"),
        ('"fixed(8,6)"', "fixed(8,6)", r"grid.yaml:6: .*write a format in quotes"),
        ("name: vgg,", "name: vgg, label: [],", r"grid.yaml:3: .*a label is a printable text"),
        ("half: float16", '"": float16', r"grid.yaml:7: .*a label is a printable text"),
        ("1e-3", "!!float ''", r"grid.yaml:9: cannot read the value"),
        ("epochs: 2", "epochs: !!bool maybe", r"grid.yaml:9: cannot read the value"),
        ("[digits]", "[{name: npz, path: no/such.npz}]", r"grid.yaml:2: .*no/such.npz"),
        ("seeds: [0, 1]", "report: {tolerance: -1}", r"grid.yaml:10: report.tolerance"),
        ("seeds: [0, 1]", "report: {baseline: float23}", r"grid.yaml:10: .*did you mean 'float32'"),
    ],
)
def test_one_sentence_with_the_line(tmp_path, old, new, message):
    assert old in BASE
    with pytest.raises(PrecisionError, match=message) as caught:
        cells(tmp_path, BASE.replace(old, new))
    assert "\n" not in str(caught.value)


def test_the_line_of_the_slot_is_named(tmp_path):
    text = BASE.replace(
        "  half: float16\n", "  half:\n    weights: float16\n    layers:\n      conv: {biases: flaot16}\n"
    )
    with pytest.raises(
        PrecisionError, match=r"grid.yaml:10: policies.half.layers.conv.biases: unknown format"
    ):
        cells(tmp_path, text)


def test_options_of_an_inclusion_join_those_of_the_grid(tmp_path):
    text = BASE.replace("epochs: 2", "epochs: 2, optimizer: sgd").replace(
        "seeds: [0, 1]",
        "include: [{policy: half, method: {name: ptq, label: fast}, training: {momentum: 0.9}}]",
    )
    (training,) = {c.trial.training for c in cells(tmp_path, text) if c.method == "fast"}
    assert (training.optimizer, training.momentum, training.epochs) == ("sgd", 0.9, 2)


def test_one_entry_needs_no_list_and_an_empty_section_is_absent(tmp_path):
    text = (
        "name: x\ndatasets: digits\narchitectures: lenet\npolicies: {float32: float32}\ntraining:\nseeds: 3\n"
    )
    (cell,) = cells(tmp_path, text)
    assert (cell.dataset, cell.architecture, cell.seed, cell.trial.training.epochs) == (
        "digits",
        "lenet",
        3,
        5,
    )


def test_validating_and_planning_import_no_framework(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(BASE)
    code = (
        "import sys; from precision.grid import load_grid, expand; expand(*load_grid(sys.argv[1]));"
        "import precision.cli.plan, precision.grid.forecast.counted;"
        "sys.exit(bool({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


def test_a_method_refuses_a_policy_before_anything_runs(tmp_path, monkeypatch):
    seen = []

    def check(policy, options):
        seen.append((str(policy), options))
        if "fixed" in str(policy):
            raise PrecisionError("no fixed point here")

    # What the decorator does, undone after the test.
    monkeypatch.setattr(METHODS["qat"], "check", check, raising=False)
    with pytest.raises(PrecisionError) as caught:
        cells(tmp_path, BASE)
    assert str(caught.value).endswith(
        "grid.yaml:6: policy 'fixed8' cannot run under method 'qat': no fixed point here"
    )
    seen.clear()
    assert cells(tmp_path, BASE + "exclude: [{method: qat, policy: fixed8}]\n")
    assert [options for _, options in seen] == [{"epochs": 1}]  # half, once; float32 is the baseline
    with pytest.raises(PrecisionError, match="'fixed8' cannot run under method 'short'"):
        cells(
            tmp_path,
            BASE.replace(", {name: qat, epochs: 1}", "")
            + "include: [{policy: fixed8, method: {name: qat, label: short}}]\n",
        )


def test_the_decorator_files_the_check_with_the_method():
    def check(policy, options):
        raise PrecisionError("never")

    @checked_by(check)
    def method(trial, bench):
        """What it does."""

    assert method.check is check
    assert method.__doc__ == "What it does."
