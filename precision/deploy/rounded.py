"""A trained Keras model under a policy, without any trial: what the files of a model are written from."""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.errors import PrecisionError, short
from precision.quantization import Policy, Setting, apply, calibrated
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.calibration.observers import needs_values
from precision.quantization.layers.flat import flat
from precision.quantization.transforms.prepared import prepared


def rounded(network: Any, policy: Policy, images: np.ndarray | None) -> Any:
    """Return a copy of a trained float32 model in which a policy rounds, with calibrated scales.

    Args:
        images: float32 (N, H, W, C), on which activations are calibrated; None where there are none.

    Raises:
        PrecisionError: where images are wanted and there are none, and as ``apply`` and :func:`check_images`.
    """

    def seen() -> np.ndarray:
        if images is None:
            raise wanting(policy)
        check_images(network, images)
        return images

    source = prepared(network, policy, seen)
    wanted = calibrated(source, policy)
    values = any(needs_values(s.scaling.observer) for _, s in policy.settings() if isinstance(s, Setting))
    observed = Calibrator(source, seen()).statistics(wanted, values=values) if wanted else {}
    return apply(source, policy, observed=observed)


def of_size(network: Any, shape: tuple[int, ...]) -> Any:
    """Return a network that reads images of one size, as a file does: itself, where it reads no other."""
    if None not in network.inputs[0].shape[1:]:
        return network
    import keras

    images = keras.Input(shape)
    return flat(keras.Model(images, network(images)))


def wanting(policy: Policy) -> PrecisionError:
    """Return the error of a policy that is calibrated, where there is nothing to calibrate it on."""
    return PrecisionError(
        f"'{short(str(policy))}' rounds activations, whose scales are calibrated: give --data"
    )


def check_images(network: Any, images: np.ndarray) -> None:
    """Refuse images of another shape than a network reads.

    Raises:
        PrecisionError: with both shapes.
    """
    shape = tuple(network.inputs[0].shape[1:])
    if tuple(images.shape[1:]) != shape:
        raise PrecisionError(
            f"the network reads images of the shape {shape}, but those to calibrate on have "
            f"{tuple(images.shape[1:])}"
        )
