"""Faults that are planted in one tensor of a small trained network, each known by its layer and its cause.

    make planted

A fault is one when it costs accuracy: a range is halved, values are left out until it does, in a network of
which every other tensor is rounded well.
"""

from __future__ import annotations

import math
import zlib
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from precision.data import as_float, load
from precision.exploration.explain.errors import divided, measured
from precision.exploration.explain.passes import Passes, everything
from precision.exploration.explain.subject import settings_of
from precision.methods.training import prepare
from precision.quantization import apply, assign, parse_policy, structure
from precision.quantization.switched import SUMS, switched
from precision.tasks import CLASSIFICATION

IMAGES = 500
COSTS = 2.0  # percentage points from which on a fault is one
WELL = "fixed(20,12)"
CAUSES = ("overflow", "underflow", "rounding", "accumulation")


class Fault(NamedTuple):
    network: str
    layer: str
    slot: str
    cause: str


def plain():
    x = images = keras.Input((10, 10, 1))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv1")(x)
    x = layers.Conv2D(12, 3, activation="relu", name="conv2")(x)
    x = layers.Dense(24, activation="relu", name="dense1")(layers.Flatten(name="flatten")(x))
    return keras.Model(images, layers.Dense(10, name="logits")(x))


def residual():
    x = images = keras.Input((10, 10, 1))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem")(x)
    y = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    y = layers.Conv2D(8, 3, padding="same", name="second")(y)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, y]))
    return keras.Model(images, layers.Dense(10, name="logits")(layers.Flatten(name="flatten")(x)))


class Network:
    """A trained network, and under a policy of lattices one traced model for all of them."""

    def __init__(self, build, seed):
        data = load("digits")
        keras.utils.set_random_seed(seed)
        self.name, self.source = build.__name__, build()
        self.source.compile(
            keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        small = as_float(data.x_train[:, ::3, ::3])
        self.source.fit(small, data.y_train, batch_size=32, epochs=5, verbose=0)
        self.images, self.targets = small[:IMAGES], data.y_train[:IMAGES]
        self.accuracy = float((self.source.predict(self.images, verbose=0).argmax(1) == self.targets).mean())
        self._models = {}

    def sites(self):
        """Return layer, slot and magnitudes of every tensor that may be faulty, biases left out."""
        model, _ = self.under({})
        found = {}

        def told(layer, slot, quantizer, x, *_):
            found.setdefault((layer, slot), np.abs(np.asarray(x)).ravel())

        Passes(model, self.images, self.targets, IMAGES, CLASSIFICATION).watched(everything, told)
        return {key: values for key, values in found.items() if key[1] in ("weights", "activations")}

    def under(self, override):
        """Return the model with one layer under other settings, and the errors that have switches."""
        slots = dict.fromkeys(("weights", "activations"), WELL)
        policy = parse_policy({**slots, "layers": override})
        key = structure(self.source, policy)
        if key in self._models:
            assign(self._models[key][0], self.source, policy)
        else:
            model = apply(self.source, policy)
            self._models[key] = model, switched(model)
            prepare(model)
        return self._models[key]

    def passes(self, model):
        return Passes(model, self.images, self.targets, IMAGES, CLASSIFICATION)


def formats(cause, values, folder):
    """Yield formats for a tensor with these magnitudes, each worse than the one before.

    Only the error of the cause comes with them: a range ends earlier and the step stays; the small values are
    missing, flushed to zero, and the others lie densely; there are values of every size, but few of them.
    """
    largest = math.log2(values.max())
    for worse in range(6):
        if cause == "overflow":
            whole = math.ceil(largest) - 1 - worse
            yield f"fixed({13 + whole},12)" if whole > -11 else "fixed(2,12)"
        elif cause == "accumulation":
            yield f"fixed({14 - worse},8,overflow=wrap)"
        elif cause == "underflow":
            text = table(2 ** (largest - 4 + worse / 2 + np.arange(1024) / 64), folder)
            yield {"format": text, "rounding": "toward_zero"}
        else:
            yield table((2.0 ** (1 + worse)) ** np.arange(-15, 16), folder)


def table(magnitudes, folder):
    """Return the text of a format with these values, their negatives and zero, in a file."""
    values = np.concatenate([-magnitudes[::-1], [0.0], magnitudes]).astype(np.float32)
    path = folder / f"{zlib.crc32(values.tobytes())}.npy"
    np.save(path, values)
    return f"codebook({str(path)!r})"


def plant(networks, rng, cause, folder):
    """Return a random fault that costs accuracy, with its network, the model that has it and its errors."""
    for _ in range(40):
        network = networks[rng.integers(len(networks))]
        sites = network.sites()
        summing = [layer for layer, slot in sites if slot == "weights"]
        if cause == "accumulation":
            layer, slot = summing[rng.integers(len(summing))], SUMS
            values = np.ones(1)
        else:
            (layer, slot) = list(sites)[rng.integers(len(sites))]
            values = sites[layer, slot]
        for setting in formats(cause, values, folder):
            override = {layer: {slot: setting}}
            model, keys = network.under(override)
            found = network.passes(model).judged(everything)
            if 100 * (network.accuracy - found.accuracy) >= COSTS:
                return Fault(network.name, layer, slot, cause), network, model, keys
    raise AssertionError(f"no {cause} in 40 tensors costs anything")


def named(network, model, keys):
    """Return layer, slot and cause of the error that an explanation names first; its parts add up."""
    passes = network.passes(model)
    found = measured(passes, keys, settings_of(model))
    causes, frame, others = divided(found, CLASSIFICATION, found.free.accuracy)
    whole = 100 * (found.free.accuracy - found.whole.accuracy)
    assert abs(sum(causes.values()) - whole) < 1e-9
    assert abs(frame["part"].sum() + others - whole) < 1e-9
    first = frame.iloc[0]
    return Fault(network.name, first["layer"], first["slot"], first["cause"])


def planted(networks, number, seed, folder, causes=CAUSES):
    """Yield so many random faults, each beside what an explanation names first."""
    rng = np.random.default_rng(seed)
    for count in range(number):
        fault, network, model, keys = plant(networks, rng, causes[count % len(causes)], folder)
        yield fault, named(network, model, keys)
