"""The ONNX file of a trained Keras model under a policy, without any trial."""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.deploy.onnx.conversion import onnx_file
from precision.deploy.onnx.elements import check_policy
from precision.deploy.onnx.file import OnnxFile
from precision.deploy.onnx.refusals import check_installed
from precision.deploy.rounded import rounded
from precision.quantization import Policy


def file_of_model(
    network: Any,
    policy: Policy,
    images: np.ndarray | None = None,
    *,
    dialect: str = "qdq",
    int32_biases: bool = False,
) -> OnnxFile:
    """Return the file of a trained float32 model that returns logits.

    Args:
        images: float32 (N, H, W, C), on which activations are calibrated; None where none are.
        dialect, int32_biases: as of :func:`precision.deploy.onnx.conversion.onnx_file`.

    Raises:
        PrecisionError: for a policy or a network that ONNX has no words for, images of another shape, and
            where images are wanted and there are none.
    """
    check_policy(policy)
    check_installed()  # before anything is calibrated
    model = network if policy.is_float32 else rounded(network, policy, images)
    return onnx_file(model, policy, dialect=dialect, int32_biases=int32_biases)
