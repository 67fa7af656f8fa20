"""Formats whose rounding is only available as a function of an array, or natively of torch tensors.

A library such as qtorch, or a hardware model in C, rounds one array at a time and cannot be traced. Its
rounding still has to run inside a compiled network. So on TensorFlow and JAX the graph calls back into Python
with the values of the tensor; torch has no graph, and its tensors are handed over as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats.base import NumberFormat
from precision.formats.engine import backend, noise
from precision.formats.rounding import Rounding, parse_rounding


class ArrayFormat(NumberFormat):
    """A format that rounds NumPy arrays by a function of its own, and tensors of every backend through it.

    A subclass writes :meth:`round_array`, the properties of :class:`NumberFormat` that differ, and where the
    function takes torch tensors :meth:`round_torch`. The gradient passes straight through.
    """

    @abstractmethod
    def round_array(
        self, x: np.ndarray, rounding: Rounding, words: np.ndarray | None, axis: int
    ) -> np.ndarray:
        """Return a float32 array rounded: float32, same shape.

        Args:
            words: two int32 that seed a stochastic rounding; None for the other modes. The same words and
                shape must give the same result.
            axis: along which shared scales run, for a format that has them.
        """

    def round_torch(self, x: Any, rounding: Rounding, words: np.ndarray | None, axis: int) -> Any:
        """Return a float32 torch tensor rounded, on the same device; by way of an array unless overridden."""
        import torch

        array = self.round_array(x.detach().cpu().numpy(), rounding, words, axis)
        return torch.from_numpy(np.ascontiguousarray(array)).to(x.device)

    def check(self, shape: tuple[int | None, ...] | None) -> None:
        """Refuse what can be known to fail before anything is rounded; called while a graph is traced too.

        Args:
            shape: of the tensor as far as it is known.

        Raises:
            PrecisionError: for example when a library is missing.
        """

    def quantize(
        self, x: Any, rounding: str | Rounding = "nearest", key: Any = None, *, axis: int = -1
    ) -> Any:
        """Round ``x`` to the format; see :meth:`NumberFormat.quantize`.

        float64 arrays are rounded to float32 first: the wrapped function knows no other type.
        """
        rounding = parse_rounding(rounding, self.roundings, self.name)
        if rounding.stochastic and key is None:
            raise PrecisionError("stochastic rounding needs key=..., for example key=(seed, step)")
        words = _words(key) if rounding.stochastic else None
        if isinstance(x, np.ndarray | np.generic):
            array = backend.float32_array(np.asarray(x), odd=False)
            self.check(array.shape)
            return self._call(array, rounding, words, axis)
        tensor = backend.float32_tensor(x)
        self.check(_known(tensor.shape))
        return backend.straight_through(self._tensor, tensor, rounding, words, axis)

    def _call(self, x: np.ndarray, rounding: Rounding, words: Any, axis: int) -> np.ndarray:
        """Round an array and check what the wrapped function returned."""
        words = None if words is None else np.asarray(words, np.int32)
        y = self.round_array(np.array(x, np.float32, order="C"), rounding, words, axis)
        if not isinstance(y, np.ndarray) or y.shape != x.shape or y.dtype != np.float32:
            received = f"{y.dtype} of shape {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
            raise PrecisionError(
                f"{self.name}: rounding float32 of shape {x.shape} must give the same, but got {received}"
            )
        return y

    def _tensor(self, x: Any, rounding: Rounding, words: Any, axis: int) -> Any:
        import keras

        def on_values(values: Any, *key: Any) -> np.ndarray:
            return self._call(np.asarray(values), rounding, key[0] if key else None, axis)

        inputs = [x] if words is None else [x, words]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Not stateful: the words are all the state there is, so an unused call may be left out.
            y = tf.numpy_function(on_values, inputs, tf.float32, stateful=False)
            y.set_shape(x.shape)
            return y
        if keras.backend.backend() == "jax":
            import jax

            result = jax.ShapeDtypeStruct(x.shape, np.float32)
            return jax.pure_callback(on_values, result, *inputs, vmap_method="sequential")
        if words is not None and keras.ops.is_tensor(words):
            words = keras.ops.convert_to_numpy(words)
        return self.round_torch(x, rounding, words, axis)


def _words(key: Any) -> Any:
    """Return the two int32 words of a key, which may be such words already: an array or a tensor."""
    if isinstance(key, np.ndarray) and key.dtype == np.int32 and key.shape == (2,):
        return key
    if isinstance(key, int | tuple | list):
        return noise.key(key)
    import keras

    return key if keras.ops.is_tensor(key) else noise.key(key)


def _known(shape: Any) -> tuple[int | None, ...] | None:
    try:
        return tuple(shape)
    except ValueError:  # TensorFlow's shape of unknown rank
        return None
