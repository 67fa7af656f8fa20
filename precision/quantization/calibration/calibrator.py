"""Calibration: run the float32 network on training images and keep statistics of its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from precision.data import Dataset, as_float
from precision.data.sampling import allocate
from precision.errors import PrecisionError, suggest
from precision.quantization.calibration.statistics import (
    Histogram,
    Statistics,
    extremes,
    moving_average,
)
from precision.quantization.layers.channels import as_columns
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph, is_float

BATCH = 64  # images; all observed tensors of one batch are in memory together
_STREAM = 0xCA11  # sets the random numbers of calibration apart from those of training with the same seed

Key = tuple[str, str]  # the name of a layer, and "activations" (what it returns) or "inputs" (what it reads)


def calibration_images(dataset: Dataset, count: int, seed: int) -> np.ndarray:
    """Return ``count`` of the training images as float32 (count, H, W, C), in random order.

    Each class keeps its share to within one image. The test images are never looked at.

    Raises:
        PrecisionError: when there are not so many training images, or none is asked for.
    """
    labels = dataset.asks.strata(dataset.y_train)
    if not 1 <= count <= len(labels):
        raise PrecisionError(
            f"calibration takes between 1 and all {len(labels)} training images of {dataset.title}, "
            f"but got {count}"
        )
    order = np.random.default_rng([seed, _STREAM]).permutation(len(labels))
    present, sizes = np.unique(labels, return_counts=True)
    chosen = np.zeros(len(labels), bool)
    for label, share in zip(present, allocate(sizes, count), strict=True):
        chosen[np.flatnonzero(labels[order] == label)[:share]] = True
    return as_float(dataset.x_train[order[chosen]])


class Calibrator:
    """Statistics of the tensors of one network on one set of images; what was observed once is kept.

    Args:
        model: a functional or sequential float32 model with one input.
        images: float32, or uint8 to be divided by 255, (N, H, W, C).
        batch: images at a time at most. All batches but the last are of one size.
    """

    def __init__(self, model: Any, images: np.ndarray, *, batch: int = BATCH) -> None:
        self._model, self._images, self._batch = model, images, batch
        self._known: dict[tuple[Key, bool], Statistics] = {}

    def statistics(self, wanted: Mapping[Key, bool], *, values: bool = True) -> dict[Key, Statistics]:
        """Return the statistics of tensors, see :func:`observe`; only what is missing is computed."""

        def known(item: tuple[Key, bool]) -> bool:
            return item in self._known and (not values or self._known[item].points.shape[1] > 0)

        missing = dict(item for item in wanted.items() if not known(item))
        if missing:
            found = observe(self._model, missing, self._images, values=values, batch=self._batch)
            self._known.update({(key, missing[key]): seen for key, seen in found.items()})
        return {item[0]: self._known[item] for item in wanted.items()}


def observe(
    model: Any, wanted: Mapping[Key, bool], images: np.ndarray, *, values: bool = True, batch: int = BATCH
) -> dict[Key, Statistics]:
    """Return statistics of tensors inside a network while it computes on images.

    The network runs over the images for the extremes, and again for the histograms between them. What is
    counted depends on the images, their order and the batch size alone; the values themselves are those that
    the Keras backend computes, which may differ in their last bits with the number of its threads.

    Args:
        model: a functional or sequential float32 model with one input.
        wanted: maps (layer name, slot) to whether every channel (last axis) has statistics of its own.
            The slot is ``activations``, what the layer returns, or ``inputs``, what it reads of the inputs
            of the network. If that is several tensors, they count as one.
        images: float32, or uint8 to be divided by 255, (N, H, W, C); N at least 1.
        values: whether to count the values too, in a second run; most observers need it.
        batch: images at a time at most; they are shared out evenly, for the sake of the moving averages.

    Raises:
        PrecisionError: for a layer that the model lacks, a layer without such a tensor, a model with several
            inputs, no images, or values that are not finite.
    """
    if not wanted:
        return {}
    if len(model.inputs) != 1:
        raise PrecisionError(f"calibration: a network must have one input, but it has {len(model.inputs)}")
    model = flat(model)
    graph = Graph(model)
    tensors = {key: _tensors(model, graph, key, channels) for key, channels in wanted.items()}
    # The same tensor may be wanted under several keys and is computed once.
    fetched = list({id(t): t for group in tensors.values() for t in group}.values())
    index = {id(t): i for i, t in enumerate(fetched)}
    network = keras.Model(model.inputs[0], fetched)
    network.compile(jit_compile=False)  # XLA would compile convolutions to slower code than oneDNN's

    def batches() -> Iterator[tuple[int, Key, np.ndarray]]:
        for number, outputs in enumerate(_run(network, as_float(images), batch)):
            for key, channels in wanted.items():
                axis = -1 if channels else None
                parts = [as_columns(outputs[index[id(t)]], axis) for t in tensors[key]]
                yield number, key, parts[0] if len(parts) == 1 else np.concatenate(parts)

    ranges: dict[Key, list[tuple[np.ndarray, np.ndarray]]] = {key: [] for key in wanted}
    for number, key, columns in batches():
        location = f"the {key[1]} of layer {key[0]!r} in batch {number + 1} of the calibration images"
        ranges[key].append(extremes(columns, location))
    found: dict[Key, Statistics] = {}
    for key, pairs in ranges.items():
        lows, highs = [low for low, _ in pairs], [high for _, high in pairs]
        nothing = np.zeros((len(lows[0]), 0))
        found[key] = Statistics(
            np.min(lows, axis=0),
            np.max(highs, axis=0),
            moving_average(lows),
            moving_average(highs),
            nothing.astype(np.float32),
            nothing.astype(np.int64),
        )
    if not values:
        return found
    histograms = {key: Histogram(seen.low, seen.high) for key, seen in found.items()}
    for _, key, columns in batches():
        histograms[key].add(columns)
    for key, histogram in histograms.items():
        points, counts = histogram.sample()
        found[key] = replace(found[key], points=points, counts=counts)
    return found


def _run(network: Any, images: np.ndarray, batch: int) -> Iterator[list[np.ndarray]]:
    """Yield all outputs of a network for one batch of images after another."""
    if len(images) == 0:
        raise PrecisionError("calibration needs at least one image, but got none")
    size = math.ceil(len(images) / math.ceil(len(images) / batch))
    for start in range(0, len(images), size):
        part = images[start : start + size]
        # Another size would be another trace: the last batch is filled up, and what comes of that dropped.
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        values = network.predict_on_batch(filled)
        yield [v[: len(part)] for v in (values if isinstance(values, list) else [values])]


def _tensors(model: Any, graph: Graph, key: Key, channels: bool) -> list[Any]:
    """Return the symbolic tensors that a layer of a model returns or reads."""
    name, slot = key
    layers = {address(layer): layer for layer in model.layers}
    if name not in layers:
        raise PrecisionError(f"calibration: the network has no layer {name!r}; {suggest(name, layers)}")
    if slot not in ("activations", "inputs"):
        raise PrecisionError(
            f"calibration observes activations and inputs, but got {slot!r} of layer {name!r}"
        )
    found = graph.outputs(layers[name]) if slot == "activations" else graph.images(layers[name])
    found = [tensor for tensor in found if is_float(tensor)]
    if not found:
        verb = "returns" if slot == "activations" else "reads"
        kind = "tensor" if slot == "activations" else "input of the network"
        raise PrecisionError(f"calibration: layer {name!r} {verb} no {kind}, so that it has no {slot}")
    if channels and len({t.shape[-1] for t in found}) > 1:
        sizes = ", ".join(str(t.shape[-1]) for t in found)
        raise PrecisionError(
            f"calibration: a scale per channel needs tensors with as many channels each, but the {slot} of "
            f"layer {name!r} have {sizes}; take one scale per tensor"
        )
    return found
