"""What a worker keeps must not change a number."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precision import files
from precision.data import as_float, load
from precision.data.shared import share
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.trial import Choice, Training, Trial

POLICIES = {
    "float32": "float32",
    "half": "float16",
    "fixed": "fixed(8,4)",
    "weights": {"weights": "fixed(4,3)"},
    "noisy": {"activations": "fixed(6,3)", "rounding": "stochastic"},
}


def trial(policy, method="ptq", seed=0, **options):
    content = parse_policy(POLICIES[policy]).to_json()
    return Trial(
        Choice("digits", {"train_size": 80, "test_size": 80}),
        Choice("mlp", {"width": 0.25}),
        Choice(method, options) if content else Choice("float32"),
        content,
        Training(epochs=1, learning_rate=0.01),
        seed,
    )


def bench(folder):
    return Workbench(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the trained baselines of two seeds."""
    path = tmp_path_factory.mktemp("weights")
    for seed in (0, 1):
        run_trial(trial("float32", seed=seed), bench(path))
    return path


ORDER = [
    ("half", 0),
    ("noisy", 0),
    ("fixed", 1),
    ("weights", 0),
    ("noisy", 1),
    ("noisy", 0),
    ("half", 1),
    ("fixed", 0),
]


def numbers(result):
    return result.metrics["accuracy"], result.metrics["loss"], result.predictions.tobytes()


def test_a_warm_worker_gives_the_numbers_of_a_cold_one(folder):
    warm = bench(folder)
    for policy, seed in ORDER:
        cold = run_trial(trial(policy, seed=seed), bench(folder))
        assert numbers(run_trial(trial(policy, seed=seed), warm)) == numbers(cold), (policy, seed)


def test_policies_of_one_structure_share_a_model(folder):
    warm = bench(folder)
    models = {p: warm.quantised(trial(p), parse_policy(POLICIES[p])) for p in ("half", "fixed", "weights")}
    assert models["half"] is models["fixed"]
    assert models["half"] is not models["weights"]


@pytest.mark.parametrize("start", ["baseline", "scratch"])
def test_training_repeats_whatever_ran_before(folder, start):
    one = trial("fixed", "qat", start=start)
    alone = run_trial(one, bench(folder))
    warm = bench(folder)
    run_trial(trial("noisy", seed=1), warm)
    run_trial(trial("half"), warm)
    again = run_trial(one, warm)
    assert numbers(again) == numbers(alone)
    assert alone.history[0]["loss"] == again.history[0]["loss"]


def test_qat_starts_where_it_says(folder):
    still = {"learning_rate": 1e-30}  # hardly a step: what is evaluated is where it started
    baseline, scratch = (
        run_trial(trial("half", "qat", start=s, **still), bench(folder)) for s in ("baseline", "scratch")
    )
    assert numbers(baseline) == numbers(run_trial(trial("half"), bench(folder)))
    assert scratch.metrics["loss"] != baseline.metrics["loss"]
    options = {"epochs": 3, "learning_rate": 1e-4}
    assert run_trial(trial("half", "qat", **options), bench(folder)).metrics["epochs"] == 3


def test_trained_weights_are_kept(folder):
    result = run_trial(trial("fixed", "qat"), bench(folder))
    assert (folder / f"{result.trial.id}.weights.h5").exists()
    assert not [path for path in folder.iterdir() if files.is_draft(path.name)]
    ptq = run_trial(trial("fixed"), bench(folder))
    assert not (folder / f"{ptq.trial.id}.weights.h5").exists()
    assert np.isnan(ptq.metrics["train_seconds"])


@pytest.mark.parametrize("augment", [None, {"rotation": 10, "shift": 0.1}], ids=["plain", "augmented"])
@pytest.mark.parametrize("floats", [False, True], ids=["uint8", "float32"])
def test_a_shared_data_set_gives_the_same_numbers(floats, augment, tmp_path):
    options = {"train_size": 80, "test_size": 80, **({"augment": augment} if augment else {})}
    digits = load("digits", **options)
    if floats:
        images = {name: as_float(getattr(digits, name)) * np.float32(0.9) for name in ("x_train", "x_test")}
        digits = replace(digits, **images)
    choice = Choice("digits", options)
    calibrated = {"activations": {"format": "int(8)", "scaling": "real"}}
    trials = [
        replace(trial("float32"), dataset=choice),
        replace(trial("fixed"), dataset=choice, policy=parse_policy(calibrated).to_json()),
        replace(trial("fixed", "qat"), dataset=choice),
    ]
    if floats != bool(augment):  # that a training is the same is seen by that of the baseline
        trials = trials[:1]
    plain, mapped = (bench(tmp_path) for _ in range(2))
    plain._datasets = {repr(choice): digits}
    mapped._shared = {repr(choice): share(digits, tmp_path / "shared")}
    for one in trials:
        assert numbers(run_trial(one, mapped)) == numbers(run_trial(one, plain))
    assert not mapped.dataset(choice).x_train.flags.writeable


def spoilt(folder, what):
    """The baselines of two seeds, of which the first has other weights than it was trained to."""
    mine, other = (folder / f"{trial('float32', seed=seed).id}.weights.h5" for seed in (0, 1))
    if what == "of another seed":
        shutil.copy(other, mine)
    elif what == "torn":
        mine.write_bytes(mine.read_bytes()[:1000])
    else:
        content = mine.read_bytes()
        at = content.index(weights_of(folder).tobytes()[:64]) + 3
        mine.write_bytes(content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :])
    return mine


def weights_of(folder):
    return bench(folder).baseline(trial("float32")).get_weights()[0]


@pytest.mark.parametrize("what", ["of another seed", "torn", "one bit"])
@pytest.mark.faults("weights of a baseline that are torn, changed, or of another seed")
def test_weights_that_were_not_trained_are_set_aside(folder, what, tmp_path):
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    wanted = KerasPredictor(bench(tmp_path).baseline(trial("float32"))).digest()
    known = {trial("float32").id: wanted}
    careful = Workbench(None, lambda name: tmp_path / f"{name}.weights.h5", digest=known.get)
    assert run_trial(trial("half"), careful).status == "ok"
    path = spoilt(tmp_path, what)
    careful = Workbench(None, lambda name: tmp_path / f"{name}.weights.h5", digest=known.get)
    with pytest.raises(PrecisionError, match=rf"{path.name}: these are not the weights that .* set aside"):
        run_trial(trial("half"), careful)
    assert not path.exists(), "so that the baseline is not finished"
    run_trial(trial("float32"), careful)
    if what == "torn":  # which is seen without a digest, too
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(PrecisionError, match="these are not the weights that"):
            bench(tmp_path).baseline(trial("half"))
        run_trial(trial("float32"), careful)
    again = Workbench(None, lambda name: tmp_path / f"{name}.weights.h5", digest=known.get)
    assert KerasPredictor(again.baseline(trial("half"))).digest() == wanted


def test_weights_are_on_the_disk_before_they_have_their_name(folder, tmp_path, monkeypatch):
    order, sync, replace_by = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda n: (order.append(os.readlink(f"/proc/self/fd/{n}")), sync(n))[1])
    monkeypatch.setattr(Path, "replace", lambda one, to: (order.append("renamed"), replace_by(one, to))[1])
    one = trial("float32")
    bench(tmp_path / "new").save(one, bench(folder).baseline(one))
    *_, draft, renamed, end = order
    assert files.is_draft(Path(draft).name) and (renamed, end) == ("renamed", str(tmp_path / "new"))
    assert order[0] == str(tmp_path), "the new folder stays, too"
