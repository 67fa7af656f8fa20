"""What is no LiteRT file, or a damaged one, ends in one sentence; the converter's files run as ours do."""

from __future__ import annotations

import struct

import keras
import numpy as np
import pytest
from keras import layers

from precision.deploy.lite import interpreter
from precision.deploy.lite.contents import contents
from precision.deploy.lite.converter import converted
from precision.deploy.lite.interpreter import Session, installed
from precision.deploy.lite.of_model import file_of_model
from precision.deploy.lite.policies import kind_of
from precision.deploy.lite.predictor import LitePredictor
from precision.deploy.lite.schema import from_bytes, to_bytes
from precision.deploy.rounded import of_size
from precision.errors import PrecisionError
from precision.quantization import Policy, parse_policy

IMAGES = np.random.default_rng(3).random((64, 8, 8, 1)).astype(np.float32)
WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
INT16 = {"format": "int(16,symmetric=true)", "scaling": "real"}
CODES = {"weights": WEIGHTS, "activations": "fixed(8,4)", "inputs": "fixed(8,7)"}
HALF = {"weights": "float16", "biases": "float16"}
SIXTEEN = {"weights": WEIGHTS, "activations": INT16, "inputs": INT16}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(4)
    x = keras.Input((8, 8, 1))
    y = layers.MaxPooling2D(2)(layers.Conv2D(16, 3, activation="relu", padding="same")(x))
    return keras.Model(x, layers.Dense(8)(layers.Flatten()(y)))


@pytest.fixture(scope="module")
def ours(model):
    return file_of_model(model, parse_policy("int8"), IMAGES)


def test_ours_is_close_to_the_network(model, ours):
    session = Session(ours)
    found = LitePredictor(session, parse_policy("int8"), model).logits(IMAGES)
    exact = model.predict_on_batch(IMAGES)
    assert found.dtype == np.float32 and np.abs(found - exact).max() < 0.05 * np.ptp(exact)
    assert contents(ours).real == ()


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("float32", 0, 1e-5),
        ("float16", 1e-7, 1e-3),
        ("dynamic", 1e-6, 0.02),
        ("int8", 1e-5, 0.05),
        ("int16x8", 1e-6, 0.02),
    ],
)
def test_the_converter_writes_every_kind(model, kind, least, most):
    content = converted(model, kind, IMAGES)
    found = LitePredictor(Session(content), Policy(), model).logits(IMAGES)
    exact = model.predict_on_batch(IMAGES)
    assert least <= np.abs(found - exact).max() / np.ptp(exact) < most
    assert bool(contents(content).real) == (kind not in ("int8", "int16x8"))


def test_an_operator_that_litert_lacks_is_named():
    class Determinant(layers.Layer):
        def call(self, x):
            return keras.ops.linalg.det(x[..., 0])[:, None]

    x = keras.Input((4, 4, 1))
    model = keras.Model(x, layers.Dense(2)(Determinant()(x)))
    with pytest.raises(PrecisionError, match="no operator for MatrixDeterminant, which") as error:
        file_of_model(model, Policy())
    assert len(str(error.value)) < 200


def test_a_network_for_images_of_any_size_is_written_for_one():
    x = keras.Input((None, None, 1))
    pooled = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    model = of_size(keras.Model(x, layers.Dense(2)(pooled)), (8, 8, 1))
    found = contents(file_of_model(model, parse_policy("int8"), IMAGES))
    assert [found.tensors[taken].shape[1:] for taken in found.inputs] == [(8, 8, 1)]
    assert of_size(model, (8, 8, 1)) is model


def test_threads_and_batches_change_nothing(ours):
    alone, several = Session(ours), Session(ours, threads=2)
    read = np.arange(5 * 64, dtype=np.int64).reshape(5, 8, 8, 1).astype(np.int8)
    (whole,) = several.run(read)
    assert np.array_equal(whole, np.concatenate([alone.run(read[i : i + 1])[0] for i in range(5)]))
    assert several.facts["threads"] == "2" and several.facts["runtime"].startswith(installed().package)
    assert len(several.facts["runtime_sha256"]) == 64


@pytest.fixture
def places(monkeypatch):
    """Let a test say where run-times are looked for."""

    def only(*found):
        monkeypatch.setattr(interpreter, "_PLACES", found)
        installed.cache_clear()

    yield only
    monkeypatch.undo()
    installed.cache_clear()


def test_tensorflow_runs_a_file_where_nothing_else_does(ours, places):
    read = np.full((2, 8, 8, 1), 7, np.int8)
    whole = Session(ours, kernels="reference").run(read)
    places(interpreter._PLACES[-1])
    other = Session(ours, kernels="reference")
    assert other.facts["runtime"].startswith("tensorflow ") and len(other.facts["runtime_sha256"]) == 64
    assert np.array_equal(other.run(read), whole)


def test_where_there_is_no_run_time(ours, places):
    places(("no_such_run_time", "none", "none.so"))
    with pytest.raises(PrecisionError, match=r"no run-time.*precision\[lite\]"):
        Session(ours)


def test_images_of_another_shape(ours):
    with pytest.raises(PrecisionError, match=r"shape \(8, 8, 1\), but got \(9, 8, 1\)"):
        Session(ours, "mine.tflite").run(np.zeros((1, 9, 8, 1), np.int8))


def damaged(content, how):
    if how == "foreign":
        return b"\x89PNG\r\n\x1a\n" + content[8:]
    if how == "empty":
        return b""
    if how == "no graph":
        return struct.pack("<I", 10**6) + content[4:]
    return content[: int(len(content) * float(how))]


@pytest.mark.parametrize("how", ["foreign", "empty", "no graph", "0.1", "0.5", "0.9", "0.999"])
def test_what_is_no_file_is_one_sentence(ours, how):
    with pytest.raises(PrecisionError, match=r"^mine\.tflite: this") as error:
        Session(damaged(ours, how), "mine.tflite")
    assert "\n" not in str(error.value)


def test_a_number_that_points_nowhere(ours):
    """The run-time itself would read beyond what it has."""
    whole = from_bytes(ours, "ours")
    whole.subgraphs[0].operators[0].inputs = [99, 1, 2]
    with pytest.raises(PrecisionError, match="not there"):
        Session(to_bytes(whole))
    whole = from_bytes(ours, "ours")
    kept = max(whole.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    kept.data = kept.data[:-1]
    with pytest.raises(PrecisionError, match="bytes instead of"):
        Session(to_bytes(whole))


def test_an_operator_that_the_run_time_lacks(ours):
    whole = from_bytes(ours, "ours")
    whole.operatorCodes[0].builtinCode = whole.operatorCodes[0].deprecatedBuiltinCode = 32  # CUSTOM
    whole.operatorCodes[0].customCode = "Mine"
    with pytest.raises(PrecisionError, match=r"^own\.tflite: the run-time refuses.*Mine") as error:
        Session(to_bytes(whole), "own.tflite")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("policy", "scales", "kind"),
    [
        ({}, "ours", "float32"),
        (HALF, "ours", "float16"),
        ("int8_dynamic", "converter", "dynamic"),
        ("int8", "ours", "int8"),
        ("int8", "converter", "int8"),
        (SIXTEEN, "converter", "int16x8"),
        ("fixed(8,5)", "ours", "int8"),
        ({**CODES, "accumulators": "register(32)"}, "ours", "int8"),
    ],
)
def test_as_what_a_policy_is_written(policy, scales, kind):
    assert kind_of(parse_policy(policy) if policy else Policy(), scales) == kind


@pytest.mark.parametrize(
    ("policy", "scales", "words"),
    [
        ("float16", "ours", "weights: float16, biases: float16"),
        ("bfloat16", "ours", "float16"),
        ("int8_dynamic", "ours", "scales: converter"),
        (SIXTEEN, "ours", "scales: converter"),
        ("fixed(8,5)", "converter", "weights in int(8,symmetric=true)"),
        ("fixed(12,8)", "ours", "weights in int(8,symmetric=true)"),  # the converter would not take it
        ({**SIXTEEN, "exempt": ["last"]}, "ours", "leave out 'layers' and 'exempt'"),
        ("posit(8,1)", "ours", "no integer times a step"),
        ("int4_weights", "ours", "activations"),
        (
            {**CODES, "accumulators": "register(16)"},
            "ours",
            "accumulators",
        ),
        ({"weights": WEIGHTS, "gradients": "float8_e5m2"}, "ours", "gradients"),
    ],
)
def test_what_a_file_has_no_words_for(policy, scales, words):
    with pytest.raises(PrecisionError) as error:
        kind_of(parse_policy(policy), scales)
    assert words in str(error.value)


def test_calibration_wants_images_of_the_shape(model):
    with pytest.raises(PrecisionError, match="--data"):
        file_of_model(model, parse_policy("int8"))
    with pytest.raises(PrecisionError, match=r"\(8, 8, 1\).*\(7, 8, 1\)"):
        file_of_model(model, parse_policy("int8"), IMAGES[:, 1:])
