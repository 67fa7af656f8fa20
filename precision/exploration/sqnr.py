"""The signal-to-quantisation-noise ratio: 10 log10(sum y^2 / sum (y - Q(y))^2), in decibels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from precision.exploration.evaluator import Batch
from precision.quantization.layers.axes import scale_axis
from precision.quantization.layers.flat import address, flat, named
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.variables import VARIABLES
from precision.quantization.model import wrapped


class Power:
    """Adds up the power of a signal and of its noise over many parts."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, exact: Any, changed: Any) -> None:
        """Take in two arrays of one shape: the signal, and what became of it."""
        exact = np.asarray(exact, np.float64)
        with np.errstate(invalid="ignore"):
            self.signal += float(np.sum(exact * exact))
            self.noise += float(np.sum((exact - np.asarray(changed, np.float64)) ** 2))

    @property
    def decibels(self) -> float:
        """The ratio: infinite without noise, minus infinite without a signal, NaN where a value was none."""
        if not math.isfinite(self.signal + self.noise):
            return math.nan
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal > 0 else -math.inf


def of_tensors(
    source: Any, model: Any, batches: Sequence[Batch], wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """Return the ratios of tensors that a model rounds, by layer and slot, each rounded on its own.

    What flows is the float32 network's: no tensor is changed by the rounding of another.

    Args:
        source: the float32 network.
        model: the same network under a policy, from ``quantization.apply`` with ``switchable``, all on.
        batches: the images.
        wanted: layers and slots.
    """
    found: dict[tuple[str, str], Power] = defaultdict(Power)
    tensors = {}  # of the network, by layer
    source = flat(source)
    readers, graph = [], Graph(source)
    for layer in wrapped(model):
        name = address(layer)
        for site, quantizer in layer.quantizers.items():
            slot = layer.slot_of(site)
            if quantizer.scale is None or (name, slot) not in wanted:
                continue
            if slot in VARIABLES:
                variable = layer.variable_of(site)
                axis = scale_axis(layer.layer, variable, quantizer.scale.setting.per_channel)
                rounded = quantizer(variable, axis)
                found[name, slot].add(variable.numpy(), keras.ops.convert_to_numpy(rounded))
            elif slot == "activations":
                tensors[name] = graph.outputs(named(source, name))
            elif slot == "inputs":
                readers.append(layer)
    network = keras.Model(source.inputs, tensors) if tensors else None
    if network is not None:
        network.compile(jit_compile=False)
    for batch in batches:
        for layer in readers:
            _add(found[address(layer), "inputs"], layer.quantizers["inputs"], batch.images, batch.meant)
        values = network.predict_on_batch(batch.images) if network is not None else {}
        for name, parts in values.items():
            for part in parts:
                _add(
                    found[name, "activations"],
                    named(model, name).quantizers["activations"],
                    part,
                    batch.meant,
                )
    return {key: power.decibels for key, power in found.items()}


def _add(power: Power, quantizer: Any, values: np.ndarray, count: int) -> None:
    rounded = keras.ops.convert_to_numpy(quantizer(keras.ops.convert_to_tensor(values)))
    power.add(values[:count], rounded[:count])
