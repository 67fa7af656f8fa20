"""Checks on tensors of the Keras backend: the same bits as on arrays, and the straight-through gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from precision.formats.conformance.check import BASICS, SHAPE, Check
from precision.formats.conformance.patterns import LEAST_NORMAL, SPECIAL, without_tiny
from precision.formats.conformance.subject import KEY, Subject
from precision.formats.conformance.verdict import (
    Broken,
    NotApplicable,
    broken,
    differs,
    first,
    not_applicable,
    number,
    said,
)
from precision.formats.kernels.callback import ArrayFormat

SIZE = 1 << 16  # always the same, so that what is compiled for one format serves the next
EAGER, GRAPH, COMPILED = "eagerly", "in a graph", "compiled"


def _input(subject: Subject) -> np.ndarray:
    """Return a sample of the numbers to try, without those that TensorFlow's kernels flush to zero."""
    x = without_tiny(subject.x)
    if subject.format.block is not None:
        return x
    if x.size > SIZE - SPECIAL.size:
        x = subject.rng.choice(x, SIZE - SPECIAL.size, replace=False)
    return np.resize(np.concatenate([SPECIAL, x]), SIZE).astype(np.float32)


def _way(name: str, function: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return a function of a tensor as the backend runs it in one of the three ways."""
    import keras

    backend = keras.backend.backend()
    if name == EAGER:
        return function
    if backend == "tensorflow":
        import tensorflow as tf

        traced: Callable[[Any], list[Any]] = tf.function(
            function, jit_compile=name == COMPILED, autograph=False
        )
        return traced
    if backend == "jax" and name == COMPILED:
        import jax

        return jax.jit(function)
    not_applicable(
        f"the {backend} backend runs every step eagerly" if backend == "torch" else f"{backend} has none"
    )


def _same_bits(name: str) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        import keras

        calls_back = isinstance(subject.format, ArrayFormat) and keras.backend.backend() == "tensorflow"
        if name == COMPILED and calls_back:
            not_applicable("the format calls back into Python, which XLA cannot")
        x = _input(subject)
        modes = subject.format.roundings

        def all_modes(tensor: Any) -> list[Any]:
            return [subject.format.quantize(tensor, m, KEY if m == "stochastic" else None) for m in modes]

        way = _way(name, all_modes)
        try:
            got = [_tensor(y, x) for y in way(keras.ops.convert_to_tensor(x))]
        except (Broken, NotApplicable):
            raise
        except Exception as error:
            broken(f"quantize of a tensor, run {name}, raised {said(error)}")
        for mode, y in zip(modes, got, strict=True):
            want = subject.quantize(x, mode)
            tiny = (np.abs(want) < LEAST_NORMAL) & (np.abs(y) < LEAST_NORMAL)
            if (at := first(differs(y, want) & ~(tiny & (want != 0)))) is not None:
                broken(
                    f"{number(x[at])} rounds ({mode}) to {number(y[at])} on a tensor, run {name}, but to "
                    f"{number(want[at])} on an array"
                )

    check.__doc__ = f"Tensors, run {name}, give the bits that arrays give."
    return check


def _tensor(y: Any, x: np.ndarray) -> np.ndarray:
    import keras

    if not keras.ops.is_tensor(y):
        broken(f"quantize turns a tensor into {type(y).__module__}.{type(y).__name__}")
    array = np.asarray(keras.ops.convert_to_numpy(y))
    if array.dtype != np.float32 or array.shape != x.shape:
        broken(f"a float32 tensor of shape {x.shape} comes back as {array.dtype} of shape {array.shape}")
    return array


def shapes(subject: Subject) -> None:
    """Tensors of every shape come back in it."""
    import keras

    for shape in ((), (0,), (1,), (2, 3, 4), (2, 0, 3)):
        x = np.full(shape, 0.3, np.float32)
        try:
            y = subject.format.quantize(keras.ops.convert_to_tensor(x))
        except Exception as error:
            broken(f"quantize of a tensor of shape {shape} raised {said(error)}")
        y = _tensor(y, x)
        if (at := first(differs(y, subject.quantize(x)))) is not None:
            want = number(subject.quantize(x)[at])
            broken(f"0.3 in a tensor of shape {shape} rounds to {number(y[at])}, but in an array to {want}")


def gradient(subject: Subject) -> None:
    """The gradient of quantize is that of the identity, inside the range and beyond it."""
    import keras

    x = np.array([-1e30, -100.0, -1.3, -0.3, -1e-20, 0.0, 1e-20, 0.1, 0.7, 1.0, 3.3, 100.0, 1e30], np.float32)
    weights = np.arange(1, x.size + 1, dtype=np.float32)
    try:
        got = _GRADIENTS[keras.backend.backend()](subject.format.quantize, x, weights)
    except Exception as error:
        broken(f"the gradient of quantize raised {said(error)}")
    if got is None:
        broken(
            "there is no gradient: quantize cuts the way back; see "
            "precision.formats.engine.backend.straight_through"
        )
    if (at := first(np.asarray(got) != weights)) is not None:
        ratio = float(np.asarray(got)[at] / weights[at])
        broken(f"the gradient at {number(x[at])} is {number(ratio)}, but straight through it is 1")


def _tensorflow(function: Callable[[Any], Any], x: np.ndarray, weights: np.ndarray) -> Any:
    import tensorflow as tf

    variable = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = tf.reduce_sum(function(variable) * weights)
    return tape.gradient(y, variable)


def _jax(function: Callable[[Any], Any], x: np.ndarray, weights: np.ndarray) -> Any:
    import jax

    return jax.grad(lambda v: (function(v) * weights).sum())(jax.numpy.asarray(x))


def _torch(function: Callable[[Any], Any], x: np.ndarray, weights: np.ndarray) -> Any:
    import torch

    variable = torch.tensor(x, requires_grad=True)
    y = function(variable)
    if not y.requires_grad:
        return None
    (y * torch.tensor(weights)).sum().backward()
    return None if variable.grad is None else variable.grad.numpy()


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
_EAGER = f"tensors run {EAGER} as arrays"


def program(subject: Subject) -> None:
    """The program that a network runs rounds as quantize does and knows the range."""
    for mode in subject.modes:
        try:
            one, parameters = subject.format.program(mode)
            again, _ = subject.format.program(mode)
            y = one.array(subject.x.copy(), parameters, None, -1)
        except Exception as error:
            broken(f"program({mode!r}) raised {said(error)}")
        if one != again or hash(one) != hash(again):
            broken(
                f"program({mode!r}) gives unequal programs when it is asked twice: a network would be "
                "traced anew"
            )
        if (at := first(differs(y, subject.rounded(mode)))) is not None:
            broken(
                f"{number(subject.x[at])} rounds ({mode}) to {number(y[at])} by program(), but to "
                f"{number(subject.rounded(mode)[at])} by quantize()"
            )


CHECKS = [
    Check("its program rounds alike", program, BASICS),
    Check("tensors keep their shape", shapes, BASICS, tensors=True),
    Check(_EAGER, _same_bits(EAGER), (*BASICS, "tensors keep their shape"), tensors=True),
    Check(f"tensors run {GRAPH} as arrays", _same_bits(GRAPH), (_EAGER,), tensors=True),
    Check(f"tensors run {COMPILED} as arrays", _same_bits(COMPILED), (_EAGER,), tensors=True),
    Check("gradient passes straight through", gradient, (SHAPE, "tensors keep their shape"), tensors=True),
]
