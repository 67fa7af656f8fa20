"""Training through multipliers: a layer learns from the sums that its integers make.

Forward, it sums the products that its multiplier makes of its codes, as in inference. Backward, such a sum
has no derivative. Two are offered:

``straight``
    That of the exact product: the straight-through estimator, which knows nothing of the multiplier.
``slopes``
    One-dimensional gradient tables: the derivative by an activation, w for an exact product, is the slope of
    the line through the products of w over all activations, by least squares; likewise that by a weight.
    After the idea of arXiv:2509.10519, which smooths the difference quotients of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.arithmetic.engines.choice import AUTO, prepare
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window
from precision.deploy.integer.arithmetic import Arithmetic
from precision.deploy.integer.conversion import read_by
from precision.errors import PrecisionError
from precision.formats.engine import backend
from precision.quantization.layers.axes import DEPTHWISE
from precision.quantization.layers.flat import address
from precision.quantization.model import wrapped
from precision.quantization.policy.integers import codes_of
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.kernel import ScaledProgram
from precision.quantization.sums import window_of
from precision.quantization.wrapper import Quantized


def train_through(model: Any, arithmetic: Callable[[str], Arithmetic], gradient: str = "straight") -> None:
    """Let the layers of a quantised model sum the products of their multipliers from now on.

    Registers are left out: a network is trained with sums that do not overflow.

    Args:
        model: as :func:`precision.quantization.apply` made it, not compiled yet.
        arithmetic: returns, for the name of a layer that sums products, what multiplies.
        gradient: ``straight`` or ``slopes``.

    Raises:
        PrecisionError: for a layer that cannot be trained so, and on another backend than TensorFlow.
    """
    sources: Mapping[str, Quantizer] | None = None
    for wrapper in wrapped(model):
        chosen = arithmetic(address(wrapper))
        if chosen.multiplier is None or not hasattr(wrapper.layer, "kernel"):
            continue
        if keras.backend.backend() != "tensorflow":
            raise PrecisionError(
                f"the {keras.backend.backend()} backend of Keras does not train through a multiplier; set "
                "KERAS_BACKEND=tensorflow"
            )
        sources = read_by(model) if sources is None else sources
        wrapper.through = _through(wrapper, chosen, sources.get(address(wrapper)), gradient)


def _through(wrapper: Quantized, chosen: Arithmetic, source: Quantizer | None, gradient: str) -> Through:
    layer, where = wrapper.layer, f"layer {address(wrapper)!r}"
    if source is None or source.scale is None:
        raise PrecisionError(
            f"{where} reads tensors of several scales, or a part of a tensor whose scale follows from all of "
            "it, and cannot be trained through a multiplier"
        )
    if getattr(layer, "padding", "valid") == "causal":
        raise PrecisionError(f"{where} has causal padding, and cannot be trained through a multiplier")
    rounded = wrapper.rounding_of(layer.kernel)
    assert rounded is not None  # a network of integers was made of it
    axis, weights = rounded
    (low_a, high_a, _), (low_w, high_w, _) = (
        codes_of(q.scale.setting, where) for q in (source, weights) if q.scale is not None
    )
    products = chosen.products(low_a, high_a, low_w, high_w)
    return Through(products, source, weights, layer.kernel, axis, gradient)


@dataclass(frozen=True, eq=False)
class Through:
    """The sums of a layer through a multiplier, with a gradient.

    Attributes:
        products: over all codes that a policy allows.
        source: rounded what the layer reads.
        weights: rounds its kernel, a ``variable`` with its channels along ``axis``.
        gradient: ``straight`` or ``slopes``.
    """

    products: Products
    source: Quantizer
    weights: Quantizer
    variable: Any
    axis: Any
    gradient: str

    def __call__(self, layer: Any, x: Any) -> Any:
        """Return what the layer returns for ``x``, whose kernel is rounded in the scope of the call."""
        ops = keras.ops
        kernel = ops.convert_to_tensor(layer.kernel)
        scale_a, zero = _scale(self.source, x, -1)
        scale_w, _ = _scale(self.weights, ops.convert_to_tensor(self.variable), self.axis)
        codes_a = ops.round(x / scale_a) + zero
        codes_w = ops.round(kernel / scale_w)
        sums = self._sums(layer, codes_a, codes_w, zero)
        true = sums * (scale_a * ops.reshape(scale_w, (-1,)))
        if self.gradient == "straight":
            known = _linear(layer, x, kernel)
        else:
            slope_a, slope_w = (ops.convert_to_tensor(slopes, "float32") for slopes in _slopes(self.products))
            by_a = ops.take(slope_a, ops.cast(codes_w - self.products.lowest_w, "int32"))
            by_w = ops.take(slope_w, ops.cast(codes_a - self.products.lowest_a, "int32"))
            known = _linear(layer, x, ops.stop_gradient(by_a * scale_w))
            known = known + _linear(layer, ops.stop_gradient((by_w - zero) * scale_a), kernel)
        y = known + ops.stop_gradient(true - known)
        if layer.use_bias:
            y = y + ops.convert_to_tensor(layer.bias)
        return y if layer.activation is None else layer.activation(y)

    def _sums(self, layer: Any, codes_a: Any, codes_w: Any, zero: Any) -> Any:
        """Return the sums of the centred activations, float32 in the layer's output shape."""
        import tensorflow as tf

        window = window_of(layer)
        depthwise = type(layer) in DEPTHWISE

        def on_codes(a: np.ndarray, w: np.ndarray, zero: np.ndarray) -> np.ndarray:
            a, w, pad = a.astype(np.int32), w.astype(np.int32), int(zero)
            if depthwise:
                w = w.reshape(*window.sizes, 1, -1)
            rows = a if window.sizes else a.reshape(-1, a.shape[-1])
            return _summed(rows, w, self.products, window, pad).reshape(*_outer(a, window), w.shape[-1])

        found = tf.numpy_function(on_codes, [codes_a, codes_w, zero], tf.float32, stateful=False)
        found.set_shape(layer.compute_output_shape(codes_a.shape))
        return found


def _outer(a: np.ndarray, window: Window) -> tuple[int, ...]:
    return a.shape[:-1] if not window.sizes else (len(a), *window.output(a.shape[1:-1]))


def _summed(a: np.ndarray, w: np.ndarray, products: Products, window: Window, pad: int) -> np.ndarray:
    engine = prepare(Layer(w, products, window, pad=pad), AUTO)
    exact = engine.sums(a).values.astype(np.float64)
    return (exact - pad * w.reshape(-1, w.shape[-1]).sum(axis=0, dtype=np.int64)).astype(np.float32)


def _scale(quantizer: Quantizer, x: Any, axis: Any) -> tuple[Any, Any]:
    """Return the scale and the zero point of a quantizer, in shapes that meet those of ``x``."""
    ops, scale = keras.ops, quantizer.scale
    assert scale is not None
    step = np.float32(codes_of(scale.setting, "numbers")[2])
    if not isinstance(scale.program, ScaledProgram):
        return ops.convert_to_tensor(step), ops.convert_to_tensor(np.float32(0))
    placed = scale.program.placed(x, axis)
    _, found, zero = placed.factors(backend.tensors(), quantizer.numbers(x, axis))
    return ops.stop_gradient(found * step), ops.stop_gradient(zero)


def _linear(layer: Any, x: Any, kernel: Any) -> Any:
    """Return the sums of products of a layer with another kernel, without its bias."""
    ops = keras.ops
    if not hasattr(layer, "kernel_size"):
        return ops.matmul(x, kernel)
    function = ops.depthwise_conv if type(layer) in DEPTHWISE else ops.conv
    return function(
        x, kernel, tuple(layer.strides), layer.padding, layer.data_format, tuple(layer.dilation_rate)
    )


def _slopes(products: Products) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each weight, the slope of the products over the activations, and likewise the other way.

    Returns:
        float64, (weights,) and (activations,): for exact products the weights and the activations.
    """
    table = products.table.astype(np.float64)

    def along(axis: int) -> np.ndarray:
        x = np.arange(table.shape[axis], dtype=np.float64)
        x -= x.mean()
        return np.tensordot(x, table, (0, axis)) / (x @ x)

    return along(0), along(1)
