"""Where a rounding kernel runs: on NumPy arrays, or on tensors of the Keras backend.

Keras is imported only when the first tensor arrives, so that parsing a format stays instant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from precision.errors import PrecisionError

_NAMED_ALIKE = (
    *("abs", "floor", "ceil", "where", "maximum", "minimum", "max"),
    *("take", "right_shift", "stack", "reshape", "pad"),
)
ARRAYS = SimpleNamespace(
    view=lambda x, dtype: x.view(dtype),
    cast=lambda x, dtype: x.astype(dtype),
    round=np.rint,
    **{name: getattr(np, name) for name in _NAMED_ALIKE},
)


@functools.cache
def tensors() -> Any:
    """Return the same functions for tensors of the Keras backend."""
    import keras

    names = [*vars(ARRAYS), "shape", "size", "arange"]
    functions = {name: getattr(keras.ops, name) for name in names}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Those of Keras need a static shape.
        functions.update(view=tf.bitcast, shape=tf.shape, reshape=tf.reshape, take=tf.gather)
    return SimpleNamespace(**functions)


@functools.cache
def compiled(kernel: Callable[..., Any], same_shape: bool = True) -> Callable[..., Any]:
    """Return ``kernel`` fused by the compiler of the Keras backend.

    On TensorFlow only the rounding is compiled by XLA and the network around it stays an ordinary graph:
    XLA would compile the convolutions to slower code than oneDNN's on a CPU. The signature has no fixed
    shape, so the kernel is traced once per process whatever it rounds.

    Args:
        kernel: maps tensors to one tensor in the shape of the first, or to any others.
        same_shape: whether it is in that shape.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        specs = {
            "parameters": tf.TensorSpec([None], tf.float32),
            "words": tf.TensorSpec([2], tf.int32),
            "counter": tf.TensorSpec([], tf.int32),
        }
        tensor = tf.TensorSpec(None, tf.float32)
        signature = [
            specs.get(name, tensor) for name in kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
        ]
        # TensorFlow warns of too many traces by the function's code, which the kernels of all formats share.
        traced = functools.partial(kernel)
        function = tf.function(traced, input_signature=signature, jit_compile=True, autograph=False)
        with tf.init_scope():  # traced once and for all, and called without looking for the right trace
            concrete = function.get_concrete_function()

        @functools.wraps(function)
        def shaped(x: Any, *arguments: Any) -> Any:
            y = concrete(x, *(tf.convert_to_tensor(a) for a in arguments))
            if same_shape:
                y.set_shape(x.shape)  # which the signature without a shape has forgotten
            return y

        shaped.traces = function.experimental_get_tracing_count  # type: ignore[attr-defined]
        return shaped
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(kernel)
    return kernel


def straight_through(
    function: Callable[..., Any], x: Any, *arguments: Any, backward: Callable[[Any, Any], Any] | None = None
) -> Any:
    """Return ``function(x, *arguments)`` with the gradient of the identity, or with ``backward``.

    The straight-through estimator (Bengio, Leonard and Courville 2013, arXiv:1308.3432): rounding has a
    gradient of zero almost everywhere, so backward it is taken as if it were not there.

    Args:
        backward: maps (x, upstream gradient) to the gradient of x.
    """
    import keras

    @keras.ops.custom_gradient
    def rounded(x: Any) -> Any:
        def gradient(*received: Any, upstream: Any = None) -> Any:
            upstream = received[0] if upstream is None else upstream
            return upstream if backward is None else backward(x, upstream)

        return function(x, *arguments), gradient

    return rounded(x)


def float32_tensor(x: Any) -> Any:
    """Return a backend tensor as float32.

    Raises:
        PrecisionError: when ``x`` is no tensor or not of a floating type that float32 holds exactly.
    """
    import keras

    if not keras.ops.is_tensor(x) and not isinstance(x, keras.Variable | keras.KerasTensor):
        raise PrecisionError(
            f"quantize takes a NumPy array or a {keras.backend.backend()} tensor, but got "
            f"{type(x).__name__}; wrap it with numpy.asarray"
        )
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == "float32" and not isinstance(x, keras.Variable):
        return x
    if dtype not in ("float32", "float16", "bfloat16"):
        raise PrecisionError(f"quantize takes tensors of at most float32, but got {dtype}; cast it first")
    return keras.ops.cast(x, "float32")


def float32_array(x: np.ndarray | np.generic, odd: bool) -> np.ndarray:
    """Return an array as float32, ready to be rounded once more without harm.

    A float64 that is rounded to nearest float32 and then to a shorter format can end up on the wrong side of
    a tie. Rounding to odd first (S. Boldo and G. Melquiond 2008, "Emulation of FMA and correctly rounded
    sums") avoids that for every format with at least two bits fewer than float32.

    Args:
        odd: whether to round to odd; otherwise a plain conversion.

    Raises:
        PrecisionError: when the elements are not real numbers.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise PrecisionError(f"quantize takes real numbers, but got an array of {array.dtype}")
    with np.errstate(all="ignore"):
        single = array.astype(np.float32)
        if not odd or array.dtype.itemsize <= 2 or array.dtype == np.float32:
            return single
        exact = array.astype(np.float64)
        inexact = (single.astype(np.float64) != exact) & ~np.isnan(exact)
        even = (np.ascontiguousarray(single).view(np.int32) & 1) == 0
        toward = np.where(single.astype(np.float64) < exact, np.float32(np.inf), np.float32(-np.inf))
        return np.where(inexact & even, np.nextafter(single, toward), single)
