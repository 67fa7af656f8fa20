import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import here

import precision
from precision.analysis import explanation
from precision.analysis.collect import collect
from precision.data import as_float
from precision.errors import PrecisionError
from precision.exploration.explain import passes
from precision.exploration.explain.run import explain
from precision.exploration.explain.served import check
from precision.formats import parse
from precision.grid import Store, expand, load_grid
from precision.methods import evaluation
from precision.methods.restored import Restoring
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.report.document import Document
from precision.report.render.markdown import render
from precision.report.sections.explained import explained
from precision.trial import Choice

# Small steps: activations overflow, and weights have few values.
POLICY = {"weights": "fixed(4,2)", "biases": "float16", "activations": "fixed(6,3)"}


def run(store, policy, method="ptq", **options):
    """Run a trial with the float32 network of the tiny grid, and return its result."""
    cell = expand(*load_grid(store.root.parent / "tiny.yaml"))[0]
    trial = replace(
        cell.trial.baseline, method=Choice(method, options), policy=parse_policy(policy).to_json()
    )
    result = run_trial(trial, Workbench(None, store.weights))
    store.save(result)
    return result


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """The tiny grid with one more trial, that of ``POLICY``."""
    path = Path(shutil.copytree(trained.parent, tmp_path_factory.mktemp("explained") / "copy"))
    (path / "tiny.yaml").write_text(
        (path / "tiny.yaml").read_text().replace("seeds:", f"  coarse: {json.dumps(POLICY)}\nseeds:")
    )
    return path


@pytest.fixture(scope="module")
def result(folder):
    return run(Store(folder / "runs"), POLICY)


@pytest.fixture(scope="module")
def found(folder, result):
    return precision.explain(result.trial.id, store=folder / "runs", output=folder / "report", quiet=True)


def adds_up(found):
    assert found.before + sum(found.causes.values()) == pytest.approx(found.whole, abs=1e-9)
    assert found.before + found.frame["part"].sum() + found.others == pytest.approx(found.whole, abs=1e-9)


def test_the_whole_is_what_the_trial_stored(found, result, folder):
    baseline = Store(folder / "runs").load(result.trial.baseline.id)
    assert found.differing == 0
    assert found.scores.rounded == found.scores.stored == result.metrics["accuracy"]
    assert found.scores.baseline == found.scores.unrounded == baseline.metrics["accuracy"]
    assert found.whole > 5 and found.before == 0
    adds_up(found)


def test_an_error_alone_is_that_network_computed_by_hand(found, result, folder):
    """Of the weights of the first dense layer: only what becomes zero does, or only what does not."""
    store = Store(folder / "runs")
    bench = Workbench(None, store.weights)
    model, data = bench.baseline(result.trial), bench.dataset(result.trial.dataset)
    kernel = model.get_layer("dense1").kernel
    exact = kernel.numpy()
    rounded = parse("fixed(4,2)").quantize(exact)
    beyond = (exact > 1.875) | (exact < -2.125)
    zero = (rounded == 0) & (exact != 0)
    for cause, mask in (("underflow", zero), ("rounding", ~zero & ~beyond)):
        kernel.assign(np.where(mask, rounded, exact))
        right = model.predict(as_float(data.x_test), verbose=0).argmax(1) == data.y_test
        kernel.assign(exact)
        row = found.frame.query("layer == 'dense1' and slot == 'weights' and cause == @cause").iloc[0]
        assert row["alone"] == pytest.approx(100 * (found.scores.baseline - right.mean()))
        share = mask if cause == "underflow" else mask & (rounded != exact)
        assert row["share"] == pytest.approx(share.mean())


def test_it_reports_what_flipped(found, folder, result):
    flips = found.flips
    stored = Store(folder / "runs")
    before, after = stored.predictions(result.trial.baseline.id), stored.predictions(result.trial.id)
    assert flips.number.tolist() == np.flatnonzero(before != after).tolist()
    assert flips.lost - flips.won == pytest.approx(found.whole / 100 * found.images)
    data = json.loads((folder / "report" / "explain.json").read_text())
    assert data["whole"] == pytest.approx(found.whole) and len(data["errors"]) == len(found.frame)
    text = (folder / "report" / "explain.md").read_text()
    first = found.frame.iloc[0]
    assert f"by {first['cause']} of the {first['slot']} of {first['layer']}" in text.splitlines()[2]
    for name in ("parts", "magnitudes", "flipped"):
        assert f"]({name}.png)" in text and (folder / "report" / f"{name}.png").stat().st_size > 1000


def test_the_command_evaluates_nothing_again(found, folder, monkeypatch):
    calls = []
    judged = passes.Passes.judged
    monkeypatch.setattr(passes.Passes, "judged", lambda self, on: calls.append(on) or judged(self, on))
    before = (folder / "report" / "explain.md").read_text()
    done = here(folder, "explain", found.trial, "--output", "report")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("weights fixed(4,2), biases float16, activations fixed(6,3) loses ")
    assert calls == [passes.nothing, passes.everything]  # which are compared with the stored predictions
    assert (folder / "report" / "explain.md").read_text() == before


def test_more_images_than_there_are(found, folder):
    few = here(folder, "explain", found.trial, "--images", "61", "--output", "few")
    assert few.returncode == 2 and "has 60 test images, but --images is 61" in few.stderr


def test_the_report_of_the_grid_has_what_was_explained(found, folder):
    store = Store(folder / "runs")
    grid, source = load_grid(folder / "tiny.yaml")
    results = collect(grid, source, expand(grid, source), store)
    kept = results.explanations[found.trial]
    assert kept.frame.equals(found.frame)
    assert (kept.whole, kept.others, dict(kept.causes)) == (found.whole, found.others, dict(found.causes))
    text = render(Document("tiny", (explained(results),)))
    assert "### digits, mlp, coarse, ptq, seed 0" in text and f"**{found.whole:.2f}**" in text
    torn = next((folder / "runs" / "explain").glob("*.jsonl"))
    content = torn.read_text()
    torn.write_text(content[: content.rindex('{"scores"')])
    assert not collect(grid, source, expand(grid, source), store).explanations  # it was not finished
    torn.write_text(content.replace('"images": 60', '"images": "many"', 1))
    with pytest.warns(UserWarning, match="this explanation cannot be read and is left out"):
        assert not collect(grid, source, expand(grid, source), store).explanations
    torn.write_text(content)


def test_noise_and_batches_are_those_of_the_trial(folder, monkeypatch):
    monkeypatch.setattr(explanation, "PLAYERS", 1)
    for module in (evaluation, passes):
        monkeypatch.setattr(module, "BATCH", 25)
    store = Store(folder / "runs")
    dynamic = {"format": "int(3)", "scaling": "real", "dynamic": True}
    sums = {"accumulators": "fixed(8,2,overflow=wrap)"}
    policy = {
        "weights": "fixed(4,2)",
        "inputs": dynamic,
        "rounding": "stochastic",
        "layers": {"logits": sums},
    }
    noisy = run(store, policy)
    whole = explain(noisy, Restoring(None, store.weights), store, quiet=True)
    assert whole.differing == 0 and whole.scores.rounded == noisy.metrics["accuracy"]
    assert set(whole.causes) == {"overflow", "underflow", "rounding", "accumulation"}
    adds_up(whole)
    sums = whole.frame[whole.frame["cause"] == "accumulation"].iloc[0]
    assert (sums["layer"], sums["slot"], sums["setting"]) == (
        "logits",
        "accumulators",
        "fixed(8,2,overflow=wrap)",
    )
    assert math.isnan(sums["share"])


def test_what_training_did_is_no_error_of_rounding(folder, monkeypatch):
    """Of a network that went on training, the float32 one that did so too is not in this store."""
    monkeypatch.setattr(explanation, "PLAYERS", 1)
    store = Store(folder / "runs")
    trained = run(store, {"weights": "fixed(3,1)"}, "qat", epochs=1)
    found = explain(trained, Restoring(None, store.weights), store, quiet=True)
    assert found.differing == 0 and found.scores.rounded == trained.metrics["accuracy"]
    assert found.before == pytest.approx(100 * (found.scores.baseline - found.scores.unrounded))
    adds_up(found)


@pytest.mark.parametrize(
    ("method", "policy", "words"),
    [
        ("onnx", POLICY, "is of method onnx, whose errors cannot be switched off one by one"),
        ("integer", POLICY, "explain a trial of ptq, qat or low_precision with the same policy"),
        ("ptq", {}, "rounds nothing, so there is nothing to explain"),
    ],
)
def test_what_cannot_be_explained_is_refused(folder, method, policy, words):
    cell = expand(*load_grid(folder / "tiny.yaml"))[0]
    trial = replace(cell.trial, method=Choice(method), policy=policy)
    with pytest.raises(PrecisionError, match=words):
        check(trial)
