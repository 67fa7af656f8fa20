"""What is evaluated: anything that maps images to logits, or targets, and knows what it stores."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol, runtime_checkable

import numpy as np

from precision.data import as_float
from precision.measure.counted.effective import spans_of
from precision.measure.counted.packed import WeightMemory, activation_bits, variable_memory, weight_memory
from precision.measure.counted.trial import Counts, counts
from precision.quantization import Policy


@runtime_checkable
class Predictor(Protocol):
    """A trained network in the form in which it is evaluated, be it a Keras model, a file or plain code."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images, uint8 or float32 (N, H, W, C).

        Of a regression these are the numbers that it predicts, (N, targets).

        The batches of one evaluation have one size, but for the last.
        """

    def memory(self) -> WeightMemory:
        """Return what its variables take where they are stored."""

    def activation_bits(self) -> float:
        """Return the bits of an activation between layers; NaN where layers differ."""

    def digest(self) -> str:
        """Return a sha256 (64 hexadecimal digits) of what it computes with: equal bits, equal digests."""


@runtime_checkable
class Watching(Protocol):
    """A predictor that notes what it sees in the images that it is given."""

    def forget(self) -> None:
        """Begin anew: no image was seen."""

    def observed(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return what was seen since: numbers of a trial, and facts, by name."""


@runtime_checkable
class Counting(Protocol):
    """A predictor that knows what one inference computes and holds."""

    def counts(self) -> Counts:
        """Return it as numbers of a trial and facts, see ``measure.counted.trial``."""


_OF_NOISE = ("_key", "_step")  # of quantizers: where their random numbers stand, which every batch moves on


class KerasPredictor:
    """A Keras model that returns logits or targets, compiled, under the policy that it was built for.

    Args:
        policy: the formats of its activations; None for float32.
        network: the same network without any rounding, whose variables are counted in the formats of the
            policy; None counts those of the model, each in its own type.
    """

    def __init__(self, model: Any, policy: Policy | None = None, network: Any = None) -> None:
        self.model, self.policy, self.network = model, policy or Policy(), network

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images."""
        return np.asarray(self.model.predict_on_batch(as_float(images)), np.float32)

    def memory(self) -> WeightMemory:
        """Return what the variables take, packed without gaps."""
        return (
            variable_memory(self.model) if self.network is None else weight_memory(self.network, self.policy)
        )

    def activation_bits(self) -> float:
        """Return the bits of an activation between layers; NaN where layers differ."""
        return activation_bits(self.model if self.network is None else self.network, self.policy)

    def counts(self) -> Counts:
        """Return what one inference computes and holds, with the weights as they are rounded now."""
        network = self.model if self.network is None else self.network
        return counts(network, self.policy, spans_of(self.model))

    def digest(self) -> str:
        """Return a sha256 of the variables of the model: names, types, shapes and bytes.

        The name of a variable is its own, ``kernel`` or ``bias``, without that of its layer: Keras numbers
        layers that were given none through all networks of a process. Seeds are left out,
        and where the noise of a rounding stands.
        """
        digest = hashlib.sha256()
        for variable in self.model.weights:
            if variable.dtype == "int32" and variable.name.endswith(_OF_NOISE):
                continue
            value = variable.numpy()
            digest.update(f"{variable.name}\0{value.dtype}{list(value.shape)}\0".encode())
            digest.update(value.tobytes())
        return digest.hexdigest()
