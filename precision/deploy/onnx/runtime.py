"""A file of ONNX for a certificate: the codes of every step of the network of integers beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Round
from precision.arithmetic.integer.values import Codes, Real, Value
from precision.data import as_float
from precision.deploy.onnx.predictor import OnnxPredictor

Labels = Callable[[IntegerNetwork, Sequence[Value]], Mapping[int, str]]


class OnnxRuntime:
    """Runs a file for a certificate.

    Args:
        predictor: of the file.
        network: of integers, with the layers of the model that the file was written from; None where there
            is none, and no codes are asked for.
        labels: names the steps of a network that give codes, by their places.
    """

    def __init__(self, predictor: OnnxPredictor, network: IntegerNetwork | None, labels: Labels) -> None:
        self._predictor, self._network, self._labels = predictor, network, labels

    @property
    def facts(self) -> Mapping[str, str]:
        """Its version and kernels, and the sha256 of the file and of its library."""
        return self._predictor.facts

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return what the file returns, float32 (N, outputs), for images as they are stored."""
        return self._predictor.logits(images)

    def codes(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the codes of every integer tensor of the network, by its labels, int64.

        The file has a tensor of codes for each rounding. What a step merely moves or selects follows from the
        codes that the file has before it.
        """
        network = self._network
        assert network is not None
        images = np.asarray(as_float(images), np.float32)
        known = network.values(images)
        network.forget()
        names = self._labels(network, known)
        found: dict[int, Value] = {-1: Real(images)}
        for place, codes in self._rounded(network, images).items():
            like = known[place]
            assert isinstance(like, Codes)  # a step that rounds
            codes = codes + like.grid.zero
            found[place] = Codes(codes.astype(like.codes.dtype), like.grid, like.scale)
        for place, step in enumerate(network.steps):
            if place not in found:
                values = [found[read] for read in step.reads]
                found[place] = step.computes(*values, rule=network.rule)
        network.forget()
        return {name: _codes(found[place]) for place, name in names.items()}

    def _rounded(self, network: IntegerNetwork, images: np.ndarray) -> dict[int, np.ndarray]:
        """Return the codes of the steps that round less those of zero, by their places."""
        tensors = {**self._predictor.tensors(images), **self._predictor.unpooled(images)}
        waiting = {
            point.label: tensors[point.label].astype(np.int64) - np.array(point.zero)
            for point in self._predictor.file.points
            if point.codes
        }
        places = {}
        for place, step in enumerate(network.steps):
            if not isinstance(step.computes, Round):
                continue
            label = next((name for name in waiting if _is_of(name, step.name)), None)
            if label is not None:  # in the order of both: the images of a layer come before what it hands on
                places[place] = waiting.pop(label)
        return places


def _is_of(label: str, layer: str) -> bool:
    """Return whether a point is one of a layer's."""
    return label == layer or label.startswith((f"{layer} (call ", f"{layer} (images)"))


def _codes(value: Value) -> np.ndarray:
    assert isinstance(value, Codes)  # a step with a label
    return value.codes.astype(np.int64)
