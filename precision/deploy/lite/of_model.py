"""The LiteRT file of a trained Keras model under a policy, without any trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from precision.deploy.integer import Arithmetic, integer_network
from precision.deploy.lite.converter import converted
from precision.deploy.lite.policies import kind_of
from precision.deploy.lite.writer import written
from precision.errors import PrecisionError
from precision.quantization import Policy, Setting, apply, calibrated
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.calibration.observers import needs_values
from precision.quantization.transforms.prepared import prepared


def file_of_model(
    network: Any, policy: Policy, images: np.ndarray | None = None, scales: str = "ours"
) -> bytes:
    """Return the file of a trained float32 model that returns logits.

    Args:
        images: float32 (N, H, W, C), on which activations are calibrated; None where none are.
        scales: of integers, ``ours`` or ``converter``.

    Raises:
        PrecisionError: for a policy or a network that LiteRT has no words for, images of another shape, and
            where images are wanted and there are none.
    """
    kind = kind_of(policy, scales)
    shape = tuple(network.inputs[0].shape[1:])
    if kind in ("int8", "int16x8"):
        if images is None:
            raise PrecisionError(f"'{policy}' rounds activations, whose scales are calibrated: give --data")
        if tuple(images.shape[1:]) != shape:
            raise PrecisionError(
                f"the network reads images of the shape {shape}, but those to calibrate on have "
                f"{images.shape[1:]}"
            )
    if kind != "int8" or scales != "ours":
        return converted(network, kind, images)
    assert images is not None
    seen = images
    policy = replace(policy, fold_batch_norm=True)
    source = prepared(network, policy, lambda: seen)
    wanted = calibrated(source, policy)
    values = any(needs_values(s.scaling.observer) for _, s in policy.settings() if isinstance(s, Setting))
    observed = Calibrator(source, images).statistics(wanted, values=values) if wanted else {}
    model = apply(source, policy.emulated(), observed=observed)
    integers = integer_network(model, Arithmetic.of(policy, source), rule="litert_reference")
    return written(integers, shape).content
