"""A short trial of a format that did not come with this project, before hours of training rely on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from precision.errors import PrecisionError, trouble
from precision.formats.base import NumberFormat
from precision.formats.engine import backend, foreign
from precision.formats.engine.program import Free, Program
from precision.formats.rounding import Rounding, parse_rounding
from precision.startup import start_backend

# Weights, biases and activations are of one to four axes; a training that goes wrong brings NaN.
SHAPES = ((7,), (5, 3), (2, 3, 3, 4))
SPECIAL = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 3e38, -1e-30], np.float32)


def probe(number_format: NumberFormat, rounding: str | Rounding = "nearest") -> None:
    """Round a few small arrays, and in a graph if the format rounds by code of its own.

    Raises:
        PrecisionError: when something raises, or gives another shape or type than it must.
    """
    rounding = parse_rounding(rounding, number_format.roundings, number_format.name)
    bits = getattr(number_format, "bits", None)
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits <= 64:
        raise PrecisionError(
            f"{foreign.location(number_format)}: bits of format {number_format.name!r} must be a number with "
            f"0 < bits <= 64, but got {bits!r}; say how many a stored value takes"
        )
    program = _program(number_format, rounding)
    if isinstance(program, Free):
        start_backend()
    key = (0, 1) if rounding.stochastic else None
    draws = np.random.default_rng(0)
    arrays = [draws.standard_normal(shape).astype(np.float32) for shape in SHAPES]
    for x in (*arrays, SPECIAL):
        foreign.quantize(number_format, x, str(rounding), key)
    if isinstance(program, Free):
        _probe_graph(number_format, program, arrays[1])


def _program(number_format: NumberFormat, rounding: Rounding) -> Program:
    """Return the program of a format; it asks for the range, which a format of many bits must tell."""
    try:
        program, numbers = number_format.program(rounding)
    except PrecisionError:
        raise
    except Exception as error:
        raise PrecisionError(
            f"{foreign.location(number_format, error)}: the least and the largest value of format "
            f"{number_format.name!r} must be known, but asking for them raised {trouble(error)}; "
            "give it values(), or lowest and max"
        ) from error
    if not isinstance(program, Program) or len(numbers) < 2 or not numbers[0] <= numbers[1]:
        raise PrecisionError(
            f"{foreign.location(number_format)}: program of format {number_format.name!r} must return a "
            f"Program and its numbers, least and largest value first, but got {program!r} and {numbers!r}; "
            "leave it out to round by quantize"
        )
    return program


def _probe_graph(number_format: NumberFormat, program: Free, x: np.ndarray) -> None:
    """Round inside a graph whose first size is open, as a network does."""
    import keras

    words: Any = np.array([1, 2], np.int32) if program.rounding.stochastic else None
    numbers = np.array([number_format.lowest, number_format.max], np.float32)
    if keras.backend.backend() != "tensorflow":
        foreign.quantize(number_format, keras.ops.convert_to_tensor(x), program.text, words)
        return
    import tensorflow as tf

    graph = tf.function(
        lambda y: backend.straight_through(program.tensor, y, numbers, words),
        input_signature=[tf.TensorSpec([None, x.shape[1]], tf.float32)],
        autograph=False,
    )
    try:
        graph(tf.constant(x))
    except PrecisionError:
        raise
    except Exception as error:
        raise PrecisionError(
            f"{foreign.location(number_format, error)}: format {number_format.name!r} must round in a graph, "
            f"but it raised {trouble(error)}; write its quantize in keras.ops"
        ) from error
