"""Code of a plugin, called so that every error in it becomes one sentence with the line to correct."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import numpy as np

from precision.errors import PrecisionError, line_in, trouble


class Rounds(Protocol):
    """What is asked of a format here: a name, and a ``quantize`` as of ``NumberFormat``."""

    name: str

    def quantize(self, x: Any, rounding: str = "nearest", key: Any = None, *, axis: int = -1) -> Any:
        """Round ``x``."""


def quantize(number_format: Rounds, x: Any, rounding: str, key: Any = None, axis: int = -1) -> Any:
    """Return ``number_format.quantize(x)`` and check what it is; costs nothing once a graph is traced.

    Raises:
        PrecisionError: when it raises, or returns another kind, shape or type than float32 like ``x``.
    """
    try:
        with np.errstate(all="ignore"):  # an overflow inside a format is no accident
            y = number_format.quantize(x, rounding, key, axis=axis)
    except PrecisionError:
        raise
    except Exception as error:
        raise PrecisionError(
            f"{location(number_format, error)}: quantize of format {number_format.name!r} must round "
            f"float32 of any shape, but {_seen(x)} it raised {trouble(error)}; "
            f"try 'precision formats check {number_format.name}'"
        ) from error
    wrong = _difference(x, y)
    if wrong:
        raise PrecisionError(
            f"{location(number_format)}: quantize of format {number_format.name!r} must return float32 in "
            f"the shape and of the kind of its input, but {_seen(x)} it returned {wrong}; "
            f"try 'precision formats check {number_format.name}'"
        )
    return y


def _difference(x: Any, y: Any) -> str:
    """Say how ``y`` is no rounding of ``x``; empty when it may be one. Sizes known only at run time pass."""
    arrays = isinstance(x, np.ndarray)
    if arrays != isinstance(y, np.ndarray | np.generic) or not hasattr(y, "shape"):
        return f"a {type(y).__module__.split('.')[0]} {type(y).__name__}"
    dtype = getattr(y.dtype, "name", str(y.dtype))
    if dtype.removeprefix("torch.") != "float32":
        return dtype
    got, expected = _sizes(y), _sizes(x)
    if None in (got, expected):
        return ""
    same = len(got) == len(expected) and all(
        None in pair or pair[0] == pair[1] for pair in zip(got, expected, strict=True)
    )
    return "" if same else f"the shape {got}"


def _sizes(x: Any) -> Any:
    """Return a shape as a tuple, None for a size that is not known; None where not even the rank is."""
    return None if getattr(x.shape, "rank", 0) is None else tuple(x.shape)


def _seen(x: Any) -> str:
    kind = "an array" if isinstance(x, np.ndarray) else "a tensor"
    return f"for {kind} of shape {_sizes(x) or 'unknown'}" if _sizes(x) != () else f"for {kind} of shape ()"


def location(number_format: Rounds, error: BaseException | None = None) -> str:
    """Return the file and line of a format's own ``quantize``, or of an error in that file."""
    code = getattr(inspect.unwrap(type(number_format).quantize), "__code__", None)
    if code is None:
        return type(number_format).__module__
    line = line_in(error, code.co_filename) if error is not None else None
    return f"{code.co_filename}:{line or code.co_firstlineno}"
