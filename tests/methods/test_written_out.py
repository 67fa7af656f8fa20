"""Training written out is the training of Keras, but for rounding; what has no written out form is named."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from precision.deploy.written_out import written_out
from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.trial import Choice, Training, Trial

TRIAL = Trial(
    Choice("digits", {"train_size": 150, "test_size": 60}),
    Choice("two_conv", {"width": 0.5}),
    Choice("float32"),
    {},
    Training(epochs=2, batch_size=32, optimizer="adam", learning_rate=3e-3, schedule="cosine"),
    seed=1,
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return Workbench(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


@pytest.fixture(scope="module")
def by_keras(bench):
    return run_trial(TRIAL, bench)


def own(**options):
    return replace(TRIAL, method=Choice("written_out", options))


@pytest.mark.parametrize(
    "options", [{"convolution": "direct", "workers": 2}, {"convolution": "fft"}], ids=str
)
def test_losses_lie_on_those_of_keras(bench, by_keras, options):
    """Ten steps of Adam under a cosine, from the same weights over the same images."""
    result = run_trial(own(**options), bench)
    assert result.status == "ok" and result.facts["timing"] == "native"
    assert result.facts["convolution"].startswith(options["convolution"])
    for mine, theirs in zip(result.history, by_keras.history, strict=True):
        for name in ("loss", "val_loss"):
            assert mine[name] == pytest.approx(theirs[name], rel=2e-4), name
        for name in ("accuracy", "val_accuracy"):  # an image on the border
            assert mine[name] == pytest.approx(theirs[name], abs=0.02), name
    for name in ("loss", "weight_bytes", "parameters", "epochs"):
        assert result.metrics[name] == pytest.approx(by_keras.metrics[name], rel=2e-4), name


def test_the_weights_that_it_trained_are_kept(bench):
    trial = own(convolution="im2col")
    result = run_trial(trial, bench)
    model = bench.network(trial)
    before = model.get_weights()
    model.load_weights(bench.weights(trial.id))
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True))
    images, labels = bench.dataset(trial.dataset).x_test, bench.dataset(trial.dataset).y_test
    said = model.predict_on_batch(images.astype(np.float32) / 255).argmax(1)
    assert (said == labels).mean() == pytest.approx(result.metrics["accuracy"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": Training(optimizer="sgd", batch_size=32)}, "the optimizer adam .* but got"),
        ({"training": Training(optimizer="adam", batch_size=149)}, "last batch of 150 images has 1"),
        ({"architecture": Choice("resnet", {"depth": 8, "width": 0.25})}, "layer .* is .*written"),
    ],
)
def test_what_cannot_be_trained_so_is_said(bench, changes, words):
    with pytest.raises(PrecisionError, match=words):
        run_trial(replace(own(convolution="direct", workers=2), **changes), bench)


def test_layers_without_a_written_out_form_are_named():
    def model(*layers):
        return keras.Sequential([keras.Input((8, 8, 2)), *layers])

    layers = keras.layers
    for layer, words in (
        (
            layers.Conv2D(2, 3, use_bias=False, name="bare"),
            "layer 'bare' is a Conv2D that has no written out",
        ),
        (layers.AveragePooling2D(2, name="mean"), "layer 'mean' is a AveragePooling2D"),
        (layers.MaxPooling2D(3, strides=2, name="over"), "layer 'over' is a MaxPooling2D"),
        (layers.Conv2D(2, 3, activation="tanh", name="curved"), "layer 'curved' has the activation tanh"),
    ):
        with pytest.raises(PrecisionError, match=words):
            written_out(model(layer))


def test_a_grid_takes_it_as_a_method_of_its_own(tmp_path):
    """Its float32 trial is not the baseline; a policy that rounds is refused with the line."""
    file = tmp_path / "grid.yaml"
    text = (
        "name: race\ndatasets: [digits]\narchitectures: [two_conv]\npolicies:\n  float32: float32\n{more}"
        "methods: [{{name: written_out, convolution: direct}}]\ntraining: {{optimizer: adam}}\n"
    )
    file.write_text(text.format(more=""))
    (cell,) = expand(*load_grid(file))
    assert cell.trial.method.name == "written_out" and cell.trial.baseline.method.name == "float32"
    file.write_text(text.format(more="  half: float16\n"))
    with pytest.raises(PrecisionError, match=r"yaml:6: .*written_out computes in float32 and rounds nothing"):
        expand(*load_grid(file))
