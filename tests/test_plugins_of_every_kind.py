"""What is wrong with a plugin of any kind is one sentence with its line, before anything is trained."""

import re
from pathlib import Path

import numpy as np
import pytest

import precision
from precision import plugins, tracking
from precision.errors import PrecisionError
from precision.exploration.sensitivity import sensitivity
from precision.grid import expand, load_grid
from precision.grid.execution import runner
from precision.grid.execution.preflight import check_plugins
from precision.grid.execution.worker import Setup
from precision.metrics import METRICS
from precision.quantization import parse_policy
from precision.registry import ARCHITECTURES, DATASETS, OBSERVERS, foreign
from precision.trial import Trial, TrialResult

NETWORK = """\
from precision.registry import ARCHITECTURES


@ARCHITECTURES.register("own")
def own(input_shape, classes, *, width=1):
    import keras
    from keras import layers

    images = keras.Input(input_shape)
    return keras.Model(images, layers.Dense(classes, name="logits")(layers.Flatten(name="f")(images)))
"""
DATA = """\
import numpy as np
from precision.data import Dataset
from precision.registry import DATASETS


@DATASETS.register("own")
def own(data_dir):
    x, y = np.zeros((20, 28, 28, 1), np.uint8), np.arange(20) % 2
    return Dataset("own", "Own", x, y, x, y, ("a", "b"))
"""
METHOD = """\
from precision.registry import METHODS


@METHODS.register("own")
def own(trial, bench, *, rate=0.1):
    return METHODS["ptq"](trial, bench)
"""
OBSERVER = """\
from precision.registry import OBSERVERS


@OBSERVERS.register("own")
def own(statistics, aim):
    return statistics.low / 2, statistics.high / 2
"""
TRANSFORM = """\
from precision.registry import TRANSFORMS


@TRANSFORMS.register("own")
def own(network, images):
    network.set_weights([w / 2 for w in network.get_weights()])
    return network
"""
MULTIPLIER = """\
from precision.arithmetic.multipliers import Multiplier, register_multiplier


@register_multiplier("own")
def own(bits):
    return Multiplier(f"own({bits})", (bits, bits), False, lambda a, w: a * w)
"""
SECTION = """\
from precision.registry import SECTIONS
from precision.report.document import Section, note


@SECTIONS.register("own")
def own(results):
    return Section("Own", (note("Words."),))
"""
FIGURE = """\
from precision.registry import FIGURES
from precision.report.document import Figure


@FIGURES.register("own")
def own(results):
    return Figure("own", "Own", "Nothing", None)
"""
TRACKER = """\
from precision.registry import TRACKERS


@TRACKERS.register("own")
def own(folder, grid_name):
    raise OSError("no room")
"""
METRIC = """\
from precision.metrics import METRICS, Metric

METRICS.add(Metric("own", "quality", "half", "fraction", "Half", computed=lambda found: found["loss"] / 2))
"""
ALL = {
    "architectures": NETWORK,
    "datasets": DATA,
    "methods": METHOD,
    "observers": OBSERVER,
    "transforms": TRANSFORM,
    "multipliers": MULTIPLIER,
    "sections": SECTION,
    "figures": FIGURE,
    "trackers": TRACKER,
    "metrics": METRIC,
}
GRID = """\
name: own
plugins: [p.py]
datasets: [digits]
architectures: [mlp]
policies: {float32: float32, int8: {weights: {format: int(8), scaling: real}}}
training: {epochs: 1}
"""
IN_GRID = {
    "architectures": ("[mlp]", "[own]"),
    "datasets": ("[digits]", "[own]"),
    "methods": ("training:", "methods: [own]\ntraining:"),
    "observers": ("scaling: real", "scaling: real, observer: own"),
    "transforms": ("scaling: real}", "scaling: real}, transforms: [own]"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plugins.load([])
    assert not foreign() and "own" not in METRICS


def write(kind, *changes):
    text = ALL[kind]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("p.py").write_text(text)
    Path("own.yaml").write_text(GRID.replace(*IN_GRID.get(kind, ("name", "name"))))


def refused(call):
    with pytest.raises(PrecisionError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run():
    return precision.run("own.yaml", quiet=True)


@pytest.mark.parametrize("kind", ALL)
def test_a_file_that_fails_leaves_nothing_behind(kind):
    write(kind)
    Path("p.py").write_text(ALL[kind] + "\n1 / 0\n")
    line = len(ALL[kind].splitlines()) + 2
    text = refused(lambda: load_grid("own.yaml"))
    assert f"p.py:{line}: a plugin must load without an error, but it raised ZeroDivisionError" in text
    assert not foreign() and "own" not in METRICS and not plugins.loaded()
    write(kind)
    load_grid("own.yaml")
    assert foreign() or "own" in METRICS


TAKEN = {
    "architectures": "lenet",
    "datasets": "mnist",
    "methods": "qat",
    "observers": "mse",
    "transforms": "equalize",
    "multipliers": "drum",
    "sections": "answer",
    "figures": "loss_curves",
    "trackers": "wandb",
    "metrics": "loss",
}


@pytest.mark.parametrize("kind", ALL)
def test_a_name_that_is_taken(kind):
    write(kind, ('"own"', f'"{TAKEN[kind]}"'))
    text = refused(lambda: load_grid("own.yaml"))
    assert re.search(rf"p\.py:\d+: .*'{TAKEN[kind]}' is already registered", text), text


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("architectures", "input_shape, classes, *, width=1", "input_shape", "(input_shape, classes)"),
        ("datasets", "own(data_dir)", "own()", "(data_dir)"),
        ("methods", "trial, bench, *", "trial, bench, start, *", "(trial, bench)"),
        ("observers", "statistics, aim", "statistics, aim, more", "(statistics, aim)"),
        ("transforms", "network, images", "network", "(network, images)"),
        ("sections", "own(results)", "own(results, more)", "(results)"),
        ("trackers", "folder, grid_name", "folder", "(folder, grid_name)"),
    ],
)
def test_a_function_that_is_not_called_so(kind, old, new, message):
    write(kind, (old, new))
    text = refused(lambda: load_grid("own.yaml"))
    assert f"'own' is called with {message} and options by keyword, but its function takes (" in text
    assert re.search(r"p\.py:\d+: ", text)


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        (
            "architectures",
            "    images =",
            "    1 / 0\n    images =",
            r"p\.py:9: .*ZeroDivisionError",
        ),
        ("architectures", "return keras.Model", "keras.Model", r"p\.py:4: .*must return a Model.*None"),
        ("architectures", "classes, name", "3, name", r"p\.py:4: .*10 logits, but.*\(None, 3\)"),
        ("architectures", '"logits"', '"last"', r"p\.py:4: .*last layer 'logits'.*'last'"),
        ("architectures", 'name="f"', "", r"p\.py:4: .*the same at every build.*'flatten"),
        ("datasets", "    x, y", "    1 / 0\n    x, y", r"p\.py:8: dataset 'own' raised ZeroDivisionError"),
        ("datasets", "return Dataset", "Dataset", r"p\.py:6: .*must return a Dataset.*None"),
        ("observers", "    return", "    [][1]\n    return", r"p\.py:6: observer 'own' raised IndexError"),
        ("observers", "return statistics.low / 2,", "return 3,", r"p\.py:4: .*one for each of 3 channels"),
        (
            "observers",
            "statistics.low / 2, statistics.high",
            "9, statistics.high",
            r"p\.py:4: .*one for each of",
        ),
        (
            "observers",
            "statistics.low / 2, statistics.high / 2",
            "statistics.high, statistics.low",
            r"p\.py:4: observer 'own' must return \(low, high\), low <= high",
        ),
        (
            "datasets",
            ', ("a", "b")',
            ', ("a",)',
            r"p\.py:9: dataset 'own' was refused: Own: at least 2 classes",
        ),
        ("metrics", '["loss"]', '["los"]', r"p\.py:3: <lambda> of a plugin raised KeyError: 'los'"),
        ("observers", "    return", "    ", r"p\.py:4: observer 'own' must return a tuple.*None"),
        (
            "transforms",
            "    return",
            "    1 / 0\n    return",
            r"p\.py:7: transform 'own' raised ZeroDivision",
        ),
        ("transforms", "return network", "return", r"p\.py:4: transform 'own' must return a Model.*None"),
        ("sections", "    return", "    1 / 0\n    return", r"p\.py:7: report section 'own' raised ZeroDiv"),
        ("sections", "return Section", "return 3 or", r"p\.py:5: .*must return a Section or None.*3"),
        ("figures", "return Figure", "results.nothing; return Figure", r"p\.py:7: figure 'own' raised Attr"),
        (
            "figures",
            'return Figure("own", "Own", "Nothing", None)',
            "return 'x'",
            r"p\.py:5: .*Figure or None",
        ),
    ],
)
def test_what_fails_when_it_is_called_is_told_before_anything_is_trained(folder, kind, old, new, message):
    write(kind, (old, new))
    text = refused(run)
    assert re.search(message, text), text
    assert not list((folder / "runs").rglob("result.json"))
    if kind in ("architectures", "datasets", "observers"):
        again = refused(lambda: sensitivity("own.yaml", images=8, quiet=True))
        assert re.search(message, again), again


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"quality"',
            '"nice"',
            "kind of metric 'own' is quality or counted or modelled or measured or timed, but got 'nice'",
        ),
        ("computed", 'better="less", computed', "better of metric 'own' is higher or lower or neither"),
        ("computed", 'dtype="int", computed', "dtype of metric 'own' is float64 or Int64, but got 'int'"),
    ],
)
def test_a_word_that_says_nothing_of_a_metric(old, new, message):
    write("metrics", (old, new))
    assert re.search(rf"p\.py:3: {message}", text := refused(lambda: load_grid("own.yaml"))), text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 // 0", r"p\.py:6: the function of multiplier own\(8\) .* raised ZeroDivisionError"),
        ("a * w / 2", "multiplier own.* whole numbers"),
        ("[1, 2]", "multiplier own"),
    ],
)
def test_a_multiplier_is_tried_before_anything_is_trained(body, message):
    write("multipliers", ("a * w)", f"{body})"))
    plugins.load(["p.py"])
    policy = {"weights": {"format": "int(8)", "scaling": "real"}, "multipliers": "own(8)"}
    text = refused(lambda: check_plugins([parse_policy(policy)]))
    assert re.search(message, text), text


def test_a_signature_is_told_without_its_annotations():
    write("datasets", ("own(data_dir)", "own(*, size: 'a very long rule' = 3)"))
    assert "but its function takes (*, size=3) (" in refused(lambda: load_grid("own.yaml"))


def test_a_tracker_that_fails_is_a_warning():
    write("trackers")
    trial = trials()["float32"]
    [tracker] = tracking.make(["own"], "runs", "own")
    tracker.finished(trial, TrialResult(trial, "ok"), 1.0)
    with pytest.warns(
        UserWarning, match=r"tracking with own failed: .*p\.py:6: tracker 'own' raised OSError"
    ):
        tracker.close()


def trials():
    return {cell.policy: cell.trial for cell in expand(*load_grid("own.yaml"))}


@pytest.mark.parametrize("kind", IN_GRID)
def test_identity(kind):
    write(kind)
    before = trials()
    key = f"{kind[:-1]} own"
    assert list(before["int8"].plugins) == [key]
    trained = kind in ("architectures", "datasets")
    assert before["float32"].plugins == (before["int8"].plugins if trained else {})
    for trial in before.values():
        again = Trial.from_json(trial.to_json())
        assert (again.id, again.baseline.id) == (trial.id, before["float32"].id)
        assert runner.plugins_of(again) == trial.plugins
    Path("p.py").write_text(ALL[kind] + "# a word more\n")
    after = trials()
    assert after["int8"].id != before["int8"].id
    assert (after["float32"].id != before["float32"].id) == trained
    with pytest.raises(PrecisionError, match=r"another one gives .* now; run the same command again"):
        runner._check_plugins(before["int8"])


@pytest.mark.parametrize("kind", sorted(set(ALL) - set(IN_GRID)))
def test_what_a_trial_does_not_use_is_no_part_of_it(kind):
    write(kind)
    own = trials()
    Path("own.yaml").write_text(GRID.replace("plugins: [p.py]\n", ""))
    assert {name: trial.id for name, trial in own.items()} == {
        name: trial.id for name, trial in trials().items()
    }


def test_a_plugin_that_names_what_another_gives_depends_on_it():
    write("architectures", ('"own"', '"other"'))
    Path("q.py").write_text(
        NETWORK.replace("    import keras\n", '    ARCHITECTURES["other"]\n    import keras\n')
    )
    plugins.load(["p.py", "q.py"])
    both = plugins.identities((), [(ARCHITECTURES, "own")])["architecture own"]
    alone = plugins.identities((), [(ARCHITECTURES, "other")])["architecture other"]
    assert both.endswith(f" with architecture other {alone}") and " with " not in alone


def test_a_thing_of_this_process_alone_cannot_be_in_a_grid():
    @DATASETS.register("mine")
    def mine(data_dir):
        """Never called."""

    try:
        with pytest.raises(PrecisionError, match=r"dataset 'mine' was registered by .*which the processes"):
            plugins.identities((), [(DATASETS, "mine")])
    finally:
        DATASETS.remove("mine")


def test_an_observer_of_a_plugin_chooses_the_range():
    from precision.quantization.calibration.observers import choose_range, needs_values, statistics_of

    write("observers")
    load_grid("own.yaml")
    seen = statistics_of(np.array([-2.0, 1.0, 4.0]))
    low, high = choose_range(seen, "own", symmetric=False, rounds=lambda points, low, high: points)
    assert (low, high) == (-1, 2) and low.dtype == np.float32
    assert needs_values("own") and not needs_values("minmax") and OBSERVERS.summary("own") == ""


def test_a_method_that_fails_is_told_by_its_trial_with_its_line():
    write("methods", ("    return METHODS", "    1 / 0\n    return METHODS"))
    frame = run().cells()
    assert list(frame["status"]) == ["ok", "failed"]
    assert re.fullmatch(
        r"p\.py:6: own of a plugin raised ZeroDivisionError: division by zero; correct this line",
        frame["reason"].iloc[1].removeprefix(f"{Path.cwd()}/"),
    )


def test_a_file_that_only_the_worker_cannot_load_fails_the_trials_that_use_it(folder):
    write("architectures")
    trial = trials()["float32"]
    broken = plugins.Plugin("p.py", b"raise OSError('not on this machine')")
    work = runner.runner(Setup(folder / "runs", plugins=(broken,)), lambda *_: None)
    with pytest.raises(PrecisionError, match=r"p\.py:1: .*not on this machine"):
        work(trial)
