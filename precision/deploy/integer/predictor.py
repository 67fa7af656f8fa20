"""A network of integers as it is evaluated."""

from __future__ import annotations

import functools
import hashlib
import math
from typing import Any

import numpy as np

from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.multipliers import errors_of, parse_multiplier
from precision.data import as_float
from precision.measure.counted.effective import spans
from precision.measure.counted.packed import WeightMemory, activation_bits, weight_memory
from precision.measure.counted.trial import Counts, counts
from precision.quantization.policy.policy import Policy


class IntegerPredictor:
    """A network of integers as it is evaluated.

    Args:
        integers: the network.
        policy: that it was made under.
        source: the float32 network before any rounding, whose variables are counted in the formats of the
            policy.
        model: the quantised Keras network that it was converted from.

    >>> import architectures, numpy as np
    >>> from precision.deploy.integer import IntegerPredictor, integer_network
    >>> from precision.quantization import apply, parse_policy
    >>> source, policy = architectures.build("mlp", width=0.25), parse_policy("fixed(8,5)")
    >>> predictor = IntegerPredictor(integer_network(apply(source, policy)), policy, source)
    >>> predictor.logits(np.zeros((2, 28, 28, 1), np.uint8)).shape, predictor.memory().bits
    ((2, 10), 8.0)
    """

    def __init__(self, integers: IntegerNetwork, policy: Policy, source: Any, model: Any = None) -> None:
        self.integers, self.policy, self.network, self.model = integers, policy, source, model

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images."""
        return self.integers(as_float(images))

    def memory(self) -> WeightMemory:
        """Return what the variables take, packed without gaps."""
        return weight_memory(self.network, self.policy)

    def activation_bits(self) -> float:
        """Return the bits of an activation between layers; NaN where layers differ."""
        return activation_bits(self.network, self.policy)

    def counts(self) -> Counts:
        """Return what one inference computes and holds."""
        return counts(
            self.network, self.policy, {layer.name: spans(layer.w) for layer in self.integers.linear}
        )

    def forget(self) -> None:
        """Begin anew: no image was seen."""
        self.integers.forget()

    def observed(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return what was seen of its sums: numbers of a trial, and facts by name.

        An image counts once, however many layers it overflowed in.
        """
        records = self.integers.records()
        numbers: dict[str, float] = {
            "register_bits": max((record.proven_bits for record in records.values()), default=0),
            "overflowed_images": self.integers.seen.overflowed,
        }
        numbers |= _of_multipliers(self.integers.linear)
        return numbers, {"registers": "; ".join(f"{name}: {record}" for name, record in records.items())}

    def digest(self) -> str:
        """Return a sha256 of the codes, scales, biases and products of its layers."""
        digest = hashlib.sha256()
        for layer in self.integers.linear:
            parts = [layer.w, layer.scales, layer.products.table]
            for array in [*parts, *([] if layer.bias is None else [layer.bias])]:
                digest.update(f"{layer.name}\0{array.dtype}{list(array.shape)}\0".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _of_multipliers(layers: list[Linear]) -> dict[str, float]:
    """Return the figures of the multipliers of a network, each layer counted by its multiplications."""
    names = [layer.multiplier for layer in layers]
    if not any(names):
        return {}
    shares = np.array([layer.record.products for layer in layers], np.float64)
    shares /= shares.sum()
    found = [_figures(name) for name in names]
    return {key: float(sum(s * one[key] for s, one in zip(shares, found, strict=True))) for key in found[0]}


@functools.cache
def _figures(name: str) -> dict[str, float]:
    if not name:
        return dict.fromkeys(FIGURES, 0.0) | {"multiplier_power": math.nan}
    multiplier = parse_multiplier(name)
    errors = errors_of(multiplier, ranks=False)
    power = multiplier.published.power
    figures = {key: float(getattr(errors, field)) for key, field in FIGURES.items()}
    return figures | {"multiplier_power": math.nan if power is None else power}


FIGURES = {
    "multiplier_error_probability": "probability",
    "multiplier_mean_error": "mean",
    "multiplier_square_error": "square",
    "multiplier_relative_error": "relative",
    "multiplier_worst_error": "worst",
    "multiplier_bias": "bias",
}
