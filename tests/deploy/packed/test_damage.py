"""A packed file with scales that was changed: one sentence says what is wrong, and no model is touched."""

import json

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from precision.deploy.packed import file as packing
from precision.errors import PrecisionError
from precision.quantization import parse_policy


@pytest.fixture(scope="module")
def model():
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((6, 6, 3)),
            layers.Conv2D(5, 3, name="conv"),
            layers.Flatten(),
            layers.Dense(3, name="dense"),
        ]
    )


@pytest.fixture(scope="module")
def packed_file(model, tmp_path_factory):
    affine = {"format": "int(4)", "scaling": "real", "per": "channel", "zero_point": True}
    power = {"format": "posit(8,1)", "scaling": "pow2", "per": "channel"}
    policy = parse_policy({"weights": affine, "layers": {"dense": {"weights": power}}})
    path = tmp_path_factory.mktemp("packed") / "model.safetensors"
    path.write_bytes(packing.to_bytes(packing.pack_model(model, policy), policy))
    return path


CONV, DENSE = "conv/kernel", "dense/kernel"


def put(end, change):
    """Return what replaces the tensor of a kernel by ``change(tensor)``."""
    kernel, _, part = end.partition(":")

    def apply_to(tensors, described):
        name = next(n for n in described if n.endswith("/" + kernel)) + (":" + part if part else "")
        tensors[name] = np.ascontiguousarray(change(tensors[name]))

    return apply_to


def say(kernel, **changes):
    def apply_to(tensors, described):
        described[next(n for n in described if n.endswith("/" + kernel))].update(changes)

    return apply_to


def without(end):
    def apply_to(tensors, described):
        del tensors[next(n for n in tensors if n.endswith("/" + end))]

    return apply_to


def forget(key):
    def apply_to(tensors, described):
        del described[next(n for n in described if n.endswith("/" + CONV))][key]

    return apply_to


def with_first(value):
    return lambda tensor: np.concatenate([np.array([value], tensor.dtype), tensor[1:]])


CHANGES = {
    "no scales": (without(CONV + ":scales"), "disagree about"),
    "no zero points": (without(CONV + ":zero_points"), "disagree about"),
    "no codes": (without(CONV), "disagree about"),
    "scaling forgotten": (forget("scaling"), "disagree about"),
    "per forgotten": (forget("per"), "metadata are damaged"),
    "few scales": (put(CONV + ":scales", lambda t: t[:-1]), "scales are float32 of shape (5,)"),
    "wide scales": (put(CONV + ":scales", lambda t: t.astype(float)), "but got float64 of shape (5,)"),
    "real for a power": (put(DENSE + ":scales", lambda t: t.astype(np.float32)), "scales are uint8"),
    "NaN": (put(CONV + ":scales", with_first(np.nan)), "finite and above 0, but got nan"),
    "infinity": (put(CONV + ":scales", with_first(np.inf)), "finite and above 0, but got inf"),
    "zero": (put(CONV + ":scales", with_first(0)), "finite and above 0, but got 0"),
    "negative": (put(CONV + ":scales", with_first(-1)), "finite and above 0, but got -1"),
    "exponent": (put(DENSE + ":scales", with_first(255)), "bytes up to 254, but got 255"),
    "few zero points": (put(CONV + ":zero_points", lambda t: t[:-1]), "take 3 bytes, but got 2"),
    "zero points": (put(CONV + ":zero_points", lambda t: t.astype(np.float32)), "codes are a row of bytes"),
    "few codes": (put(CONV, lambda t: t[:-1]), "take 68 bytes, but got 67"),
    "kind": (say(CONV, scaling="rael"), "did you mean 'real'"),
    "kind none": (say(CONV, scaling="none"), "metadata are damaged"),
    "kind list": (say(CONV, scaling=["real"]), "metadata are damaged"),
    "per": (say(CONV, per="row"), "per 'row'"),
    "per block": (say(CONV, per="block"), "per 'block'"),
    "zero point": (say(CONV, zero_point="yes"), "zero_point must be true or false"),
    "zero point of a posit": (say(DENSE, zero_point=True), "a zero point is a code"),
    "scaled float32": (say(CONV, format=None), "metadata are damaged"),
    "scaled blocks": (say(CONV, format="mxint8"), "has scales of its own"),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.faults("a packed file that says something else")
def test_a_changed_file_is_one_sentence(model, packed_file, tmp_path, what):
    change, text = CHANGES[what]
    with safe_open(packed_file, framework="numpy") as file:
        described = json.loads(file.metadata()["tensors"])
    tensors = load_file(packed_file)
    change(tensors, described)
    path = tmp_path / "changed.safetensors"
    save_file(tensors, path, {"tensors": json.dumps(described)})
    before = [v.numpy() for v in model.weights]
    with pytest.raises(PrecisionError) as error:
        packing.load_into(model, packing.read(path), path)
    assert text in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(before, model.weights, strict=True))
