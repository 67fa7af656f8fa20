"""Networks in the half precision types of Keras: how they are built, compiled and trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.methods.workbench import Workbench
from precision.quantization.layers.flat import address
from precision.quantization.model import copy_weights
from precision.startup import started
from precision.trial import Trial

# What Adam, AdamW and Nadam need where every number of theirs has 16 bits. In float16 the mean of squared
# gradients below 2^-25 is 0, and a step divides by epsilon alone: with the usual 1e-7 it leaps. In bfloat16
# the usual 0.999 of beta_2 is rounded to 1, and with it the corrected step is 0.
EPSILON = {"float16": 1e-4}
BETA_2 = {"bfloat16": 0.99}


def build(trial: Trial, bench: Workbench, source: Any, dtype: str) -> Any:
    """Return the network of a trial under a dtype policy of Keras, with the weights of a float32 network.

    The weights are rounded to nearest to the type of the variables. Dropout begins with the same seeds as in
    float32.

    Args:
        dtype: ``float16``, ``bfloat16``, ``mixed_float16`` or ``mixed_bfloat16``.
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = bench.network(trial)
    finally:
        keras.config.set_dtype_policy(usual)
    _check_types(model, dtype)
    with np.errstate(over="ignore"):  # what float16 cannot hold is infinite there
        copy_weights(source, model)
    return model


def _check_types(model: Any, dtype: str) -> None:
    """Refuse a network whose code or file says the types of its layers itself."""
    policy = keras.DTypePolicy(dtype)
    for layer in model.layers:
        if layer.weights and layer.compute_dtype != policy.compute_dtype:
            raise PrecisionError(
                f"layer {address(layer)!r} computes in {layer.compute_dtype} whatever the method says, so it "
                f"cannot run natively in {dtype}; evaluate it by emulation: method ptq"
            )


def needs_compiling() -> bool:
    """Return whether XLA has to compile the network: on a CPU, whose own kernels for 16 bits are slow.

    See ``benchmarks/native.py``: the gradient of a convolution in bfloat16 takes several times longer
    without it.
    """
    return not started()["GPUs"]


@contextmanager
def compiling(compiled: bool) -> Iterator[None]:
    """Let Keras compile with XLA, which it refuses while TensorFlow is asked for deterministic kernels.

    XLA on a CPU gives the same bits each time by itself; what TensorFlow lacks deterministic code for is the
    gradient of max-pooling on a GPU.
    """
    if keras.backend.backend() != "tensorflow":  # which compiles everything, and knows no such setting
        yield
        return
    from tensorflow.config.experimental import enable_op_determinism
    from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled

    asked = is_op_determinism_enabled()
    if compiled:
        disable_op_determinism()
    try:
        yield
    finally:
        if asked:
            enable_op_determinism()


def fit_optimizer(optimizer: Any, dtype: str) -> str:
    """Change what an optimizer of Keras cannot compute with in a type, and say what was changed.

    Args:
        dtype: of the variables, and so of the optimizer's state.
    """
    if not hasattr(optimizer, "beta_2"):
        return "as usual"
    changed = []
    for name, values, choose in (("epsilon", EPSILON, max), ("beta_2", BETA_2, min)):
        if dtype in values:
            setattr(optimizer, name, choose(getattr(optimizer, name), values[dtype]))
            changed.append(f"{name} {values[dtype]:g}")
    return ", ".join(changed) or "as usual"
