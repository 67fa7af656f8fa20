"""The LiteRT file of a trained Keras model under a policy, without any trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from precision.deploy.integer import integer_network
from precision.deploy.lite.converter import converted
from precision.deploy.lite.policies import kind_of
from precision.deploy.lite.writer import written
from precision.deploy.rounded import check_images, rounded, wanting
from precision.quantization import Policy


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
    if kind in ("int8", "int16x8"):
        if images is None:
            raise wanting(policy)
        check_images(network, images)
    if kind != "int8" or scales != "ours":
        return converted(network, kind, images)
    policy = replace(policy, fold_batch_norm=True)
    model = rounded(network, policy.emulated(), images)
    integers = integer_network(model, rule="litert_reference")
    return written(integers, tuple(network.inputs[0].shape[1:])).content
