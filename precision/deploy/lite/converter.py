"""LiteRT files by the converter of TensorFlow, which folds, calibrates and rounds by itself."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError, said
from precision.startup import silence


def converted(model: Any, kind: str, images: np.ndarray | None = None) -> bytes:
    """Return the file that the converter makes of a Keras model, for one image at a time.

    Args:
        model: float32, that returns logits.
        kind: ``float32``, ``float16``, ``dynamic``, ``int8`` or ``int16x8``.
        images: float32 (N, H, W, C), on which the last two are calibrated.

    Raises:
        PrecisionError: where Keras runs on another backend, and for a network that cannot be converted.
    """
    if keras.backend.backend() != "tensorflow":
        raise PrecisionError(
            f"the converter of LiteRT reads networks of TensorFlow, but Keras runs on "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow, or take a policy of integers with "
            "'scales: ours'"
        )
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = [1, *model.inputs[0].shape[1:]]
    call = tf.function(lambda x: model(x, training=False), autograph=False)
    function = call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="images"))
    frozen = convert_variables_to_constants_v2(function)  # the converter does not find variables of Keras 3
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in ("int8", "int16x8"):
        assert images is not None
        ops = tf.lite.OpsSet
        narrow = kind == "int8"
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8
            if narrow
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int8 if narrow else tf.int16
    try:
        with _quiet():
            return bytes(converter.convert())
    except Exception as error:  # of every kind, from C++
        raise PrecisionError(
            _refusal(str(error), kind)
            or (f"the converter of LiteRT does not take this network as {kind}: {said(error)}")
        ) from None


_LACKING = re.compile(r"'(?:tf|tfl)\.(\w+)' op is neither a custom op nor a flex op")


def _refusal(told: str, kind: str) -> str:
    """Return which operators LiteRT lacks, if that is what the converter says among much else."""
    names = ", ".join(sorted(set(_LACKING.findall(told))))
    if not names:
        return ""
    return (
        f"LiteRT has no operator for {names}, which this network needs as {kind}; take layers without it, or "
        "write a .onnx file"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the converter prints for developers from the terminal."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with silence(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it goes on from in any case
            yield
    finally:
        logger.setLevel(level)
