"""A network of integers: against TensorFlow with exact products, and twenty multipliers over 10,000 images.

The network is pointwise_lenet at 28x28, in integers of 8 bits, with the weights of an initialisation; its
images are enlarged digits of scikit-learn. TensorFlow computes the same codes with float32 convolutions and
the same requantisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from timing import Row, paired, row, seconds

IMAGES, TWENTY, LIMIT = 1000, 10_000, 20.0
POLICY = {
    "weights": {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"},
    "activations": {"format": "uint(8)", "scaling": "real"},
    "inputs": {"format": "uint(8)", "scaling": "real"},
}
MULTIPLIERS = [
    *(f"truncated(8,{columns})" for columns in range(1, 9)),
    *(f"loa(8,{columns})" for columns in range(2, 9)),
    *(f"drum(8,{bits})" for bits in range(3, 7)),
    "mitchell(8)",
]


def rows() -> list[Row]:
    import keras

    import architectures
    from precision.arithmetic.multipliers import parse_multiplier
    from precision.deploy.integer import Arithmetic, integer_network
    from precision.quantization import apply, calibrated, parse_policy
    from precision.quantization.calibration.calibrator import Calibrator

    keras.utils.set_random_seed(0)
    source, policy, images = architectures.build("pointwise_lenet"), parse_policy(POLICY), _images(IMAGES)
    observed = Calibrator(source, images[:200]).statistics(calibrated(source, policy), values=False)
    model = apply(source, policy, observed=observed)
    arithmetic = Arithmetic(parse_multiplier("mitchell(8)"))
    network = integer_network(model, lambda layer: arithmetic)
    exact = _in_tensorflow(integer_network(model))
    times = paired(lambda: network(images), lambda: exact(images), rounds=9)
    many = np.concatenate([images] * (TWENTY // IMAGES))
    multipliers = [Arithmetic(parse_multiplier(name)) for name in MULTIPLIERS]

    def twenty() -> None:
        for each in multipliers:
            integer_network(model, lambda layer, each=each: each)(many)

    took = seconds(twenty)
    return [
        row("pointwise_lenet through a table", "TensorFlow, exact", *times, limit=1.0, rate=False),
        Row(
            f"{len(multipliers)} multipliers, {TWENTY:,} images each",
            f"{LIMIT:g} s",
            took / LIMIT,
            took / LIMIT,
            took / LIMIT,
            1.0,
            False,
            f"{took:.1f} s",
        ),
    ]


def _in_tensorflow(network: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the steps of a network with exact products as one function of TensorFlow."""
    import tensorflow as tf

    from precision.arithmetic.integer.linear import Linear
    from precision.arithmetic.integer.operations import Clamp, Round
    from precision.arithmetic.integer.pooling import MaxPool

    parts, grid, unit = [], None, None
    for step in network.steps:
        operation = step.computes
        if isinstance(operation, Linear):
            assert grid is not None
            unit = grid.scale * operation.scales
            parts.append(("sums", tf.constant(operation.w, tf.float32), np.rint(operation.bias / unit)))
        elif isinstance(operation, Round):
            before, grid = unit, operation.grid
            parts.append(("codes", 1 / grid.scale if before is None else before / grid.scale, grid))
        else:
            parts.append((type(operation).__name__, operation, None))
    assert any(isinstance(step.computes, Clamp | MaxPool) for step in network.steps)

    @tf.function
    def compute(x: Any) -> Any:
        for kind, what, more in parts:
            if kind == "sums":
                x = tf.nn.conv2d(x, what, 1, "VALID") if len(what.shape) == 4 else x @ what
                x = x + tf.constant(more, tf.float32)
            elif kind == "codes":
                x = tf.clip_by_value(tf.round(x * tf.constant(what, tf.float32)), more.lowest, more.highest)
            elif kind == "Clamp":
                x = tf.nn.relu(x)
            elif kind == "MaxPool":
                x = tf.nn.max_pool2d(x, what.window.sizes, what.window.strides, what.window.padding.upper())
            else:
                x = tf.reshape(x, (len(x), -1))
        return x

    return lambda images: compute(tf.constant(images)).numpy()


def _images(count: int) -> np.ndarray:
    """Handwritten digits, float32 (count, 28, 28, 1), from 0 to 1."""
    from sklearn.datasets import load_digits

    digits = (load_digits().images[:count] / 16).astype(np.float32)
    return np.pad(digits.repeat(3, 1).repeat(3, 2), [(0, 0), (2, 2), (2, 2)])[..., None]
