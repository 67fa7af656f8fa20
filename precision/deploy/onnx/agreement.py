"""What a file of ONNX computes beside the emulation: logits, classes, and every code on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.values import Codes
from precision.data import as_float
from precision.deploy.onnx.file import OnnxFile, Rounded
from precision.deploy.onnx.predictor import OnnxPredictor
from precision.errors import PrecisionError

BATCH = 250  # images whose tensors are held at a time


@dataclass
class Compared:
    """How the codes of one tensor differ.

    Attributes:
        name: of the tensor.
        values: how many were compared.
        differing: how many of them differ.
        largest: by how many codes at most; of numbers without codes, the largest distance.
        alone: the same on images on which no tensor before differs, so that this rounding alone does.
        images: on how many images any differs.
        first: on how many images this is the first tensor with a difference.
    """

    name: str
    values: int = 0
    differing: int = 0
    largest: float = 0
    alone: float = 0
    images: int = 0
    first: int = 0

    def add(self, found: np.ndarray, expected: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Count the differences of a batch.

        Args:
            clean: of each image, whether no tensor before differed.

        Returns:
            of each image, whether none has differed so far.
        """
        gap = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        gap = gap.reshape(len(gap), -1)
        wrong = (gap > 0).any(axis=1)
        self.values += gap.size
        self.differing += int((gap > 0).sum())
        self.largest = max(self.largest, float(gap.max(initial=0)))
        self.alone = max(self.alone, float(gap[clean].max(initial=0)))
        self.images += int(wrong.sum())
        self.first += int((wrong & clean).sum())
        return np.asarray(clean & ~wrong)


@dataclass(frozen=True)
class Agreement:
    """How a file agrees with the emulation over images.

    Attributes:
        images: how many there were.
        classes: on how many both say the same class.
        logits: largest distance of two logits.
        tensors: in the order in which they are computed.
    """

    images: int
    classes: int
    logits: float
    tensors: tuple[Compared, ...]

    @property
    def differing(self) -> int:
        """How many codes differ, of all tensors."""
        return sum(tensor.differing for tensor in self.tensors)

    @property
    def largest(self) -> float:
        """By how many codes two differ at most."""
        return max((tensor.largest for tensor in self.tensors), default=0.0)

    @property
    def alone(self) -> float:
        """By how many codes two differ at most of which nothing before differs."""
        return max((tensor.alone for tensor in self.tensors), default=0.0)

    @property
    def first(self) -> str:
        """The tensor that is the first to differ on most images; empty where none does."""
        found = max(self.tensors, key=lambda tensor: tensor.first, default=None)
        return found.name if found is not None and found.first else ""


Values = Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]
"""Maps images, float32, to logits and to what there is at the points of a file, by their labels.

Of integers these are the codes less that of zero, which may be stored with an offset.
"""


def emulated(model: Any, file: OnnxFile) -> Values:
    """Return what computes the logits of a Keras model, its codes, and its values where there are none.

    Args:
        model: that the file was written from.

    Raises:
        PrecisionError: for a file that was read, which does not know the tensors of a model.
    """
    if file.points and not file.sources:
        raise PrecisionError("this file was read, so write it anew from the model that it is compared with")
    sources = list(zip(file.points, file.sources, strict=True))
    at = [(point, source) for point, source in sources if not point.images]
    watching = keras.Model(model.inputs[0], [*model.outputs, *(source.model for _, source in at)])

    def values(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        outputs = keras.tree.flatten(watching(images, training=False))
        logits, *rest = map(keras.ops.convert_to_numpy, outputs)
        found = {
            point.label: _codes(point, keras.ops.convert_to_numpy(source.quantizer(images)))
            for point, source in sources
            if point.images
        }
        return logits, found | {
            point.label: _codes(point, each) for (point, _), each in zip(at, rest, strict=True)
        }

    return values


def of_integers(network: IntegerNetwork) -> Values:
    """Return what computes the logits of a network of integers and its codes."""

    def values(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        steps = network.values(images)
        codes = {
            step.name: value.centred()
            for step, value in zip(network.steps, steps, strict=True)
            if isinstance(value, Codes)
        }
        return np.asarray(steps[-1].real(), np.float32), codes

    return values


def _codes(point: Rounded, values: np.ndarray) -> np.ndarray:
    """Return the codes of rounded values less that of zero, or the values where there are none."""
    return point.codes_of(values) - np.array(point.zero) if point.codes else np.asarray(values)


def agreement(compute: Values, predictor: OnnxPredictor, images: np.ndarray) -> Agreement:
    """Return how a file agrees with the emulation.

    Args:
        compute: the emulation: :func:`emulated`, or :func:`of_integers`.
        images: uint8 or float32 (N, H, W, C); all of their tensors are compared, some images at a time.
    """
    labels = [point.label for point in predictor.file.points]
    zeros = {point.label: np.array(point.zero) for point in predictor.file.points if point.codes}
    tensors = {label: Compared(label) for label in labels}
    same, distance = 0, 0.0
    for start in range(0, len(images), BATCH):
        part = np.asarray(as_float(images[start : start + BATCH]), np.float32)
        logits, expected = compute(part)
        found = predictor.logits(part)
        same += int((found.argmax(-1) == logits.argmax(-1)).sum())
        distance = max(distance, float(np.abs(found - logits).max(initial=0)))
        codes = predictor.tensors(part)
        given = {name: codes[name].astype(np.int64) - zero for name, zero in zeros.items()}
        given |= predictor.values(part)
        clean = np.ones(len(part), bool)
        for label in labels:
            if label in expected:  # a network of integers keeps one tensor of a layer
                clean = tensors[label].add(given[label], expected[label], clean)
    return Agreement(len(images), same, distance, tuple(t for t in tensors.values() if t.values))
