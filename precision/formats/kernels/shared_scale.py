"""The block kernel: neighbours share a scale, around elements of any other format.

Blocks run along one axis and never cross from one row into the next; a row whose length is no multiple of the
block ends with a shorter one. The scale is found from the largest magnitude of a block:

- a power of two (E8M0), as in the OCP Microscaling Formats (MX) Specification 1.0,
  X = 2^clamp(floor(log2 amax) - emax, -127, 127) with emax = floor(log2(largest element)).
- a number of a float format: amax / largest element, rounded; with a scale for the whole tensor beside it, as
  in NVFP4 (NVIDIA 2025, "Pretraining large language models with NVFP4", arXiv:2509.25149), the blocks' scales
  are relative to it, so that the largest of them meets the largest number of their format.

Elements are saturated. A NaN or an infinity makes its whole block NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats.engine import backend
from precision.formats.engine.program import CHUNK, Axis, Program, blocks_along, draws, in_graph, uniforms
from precision.formats.kernels.lattice import PARAMETERS, SHARED, LatticeProgram
from precision.formats.rounding import Rounding

HEAD = 4  # low, high, and two numbers of the scale
# The scale of a tensor is at least this, so that 2^-9 of it, the least scale of a block, is a normal number.
_LEAST = np.float32(2.0**-117)
_INFINITY_BITS = np.int32(0x7F800000)
_LEAST_NORMAL = np.int32(0x00800000)  # 2^-126 as bits
_NAN_BITS = np.int32(0x7FC00000)


@dataclass(frozen=True)
class BlockProgram(Program):
    """The kernel around an element program; takes tensors of shape (outer, block, inner).

    Attributes:
        power_of_two: whether scales are powers of two, or numbers of a lattice format whose parameters
            follow the head.
        tensor_scale: whether these are relative to a scale of the whole tensor.
        size: values in a block.
        rows: whether the values of a block lie side by side (inner = 1), for the compiler's sake.
    """

    rounding: Rounding
    element: Program
    power_of_two: bool
    tensor_scale: bool
    size: int
    rows: bool = False

    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None, most: Any = None) -> Any:
        """Round ``x``, float32 of shape (outer, block, inner); see :meth:`Program.__call__`.

        Args:
            most: bit pattern of the largest magnitude of the tensor, where ``x`` is only a part of it.
        """
        if self.power_of_two:
            elements = parameters[HEAD:]
            exponent, broken = self.exponents(xp, x, parameters)
            if isinstance(self.element, LatticeProgram) and xp is not backend.ARRAYS:
                return self.element(xp, x, _scaled(xp, elements, exponent, broken), uniform)
            # In two steps, each by a normal number: neither 2^127 nor 2^-127 has a normal reciprocal.
            down, up = _powers(xp, exponent, broken)
            return self.element(xp, x * down[0] * down[1], elements, uniform) * up[0] * up[1]
        factors = self.factors(xp, *self.numbers(xp, x, parameters, most))
        return self.elements(xp, x, parameters, factors, uniform)

    def units(self, xp: Any, x: Any, parameters: Any) -> Any:
        """Return ``x`` of that shape in units of the elements, as it is before they are rounded."""
        if self.power_of_two:
            down, _ = _powers(xp, *self.exponents(xp, x, parameters))
            return x * down[0] * down[1]
        scale, part, rest = self.factors(xp, *self.numbers(xp, x, parameters))
        return xp.where(scale == 0, np.float32(0), x * part * rest)

    def exponents(self, xp: Any, x: Any, parameters: Any) -> tuple[Any, Any]:
        """Return the power of two of each block, shape (outer, 1, inner), and where there is none (NaN)."""
        largest, broken = self._largest(xp, x)
        carry, emax = xp.cast(parameters[2], "int32"), xp.cast(parameters[3], "int32")
        if xp is backend.ARRAYS:  # tensors flush subnormal numbers
            largest = _normalised(largest)
        # Adding to the mantissa carries into the exponent where the rule goes up to the next power.
        exponent = xp.right_shift(xp.where(broken, 0, largest) + carry, 23) - 127 - emax
        return xp.minimum(xp.maximum(exponent, -127), 127), broken

    def numbers(self, xp: Any, x: Any, parameters: Any, most: Any = None) -> tuple[Any, Any]:
        """Return the scale of each block, shape (outer, 1, inner), relative to the tensor's, and that."""
        largest, broken = self._largest(xp, x)
        amax = xp.view(xp.where(broken, _NAN_BITS, largest), "float32")
        whole = np.float32(1)
        if self.tensor_scale:
            if most is None:
                most = xp.max(xp.where(broken, 0, largest))
            whole = _quotient(xp, xp.view(most, "float32"), parameters[3], most == 0)
            whole = xp.where(most == 0, np.float32(1), xp.maximum(whole, _LEAST))
        number = parameters[HEAD : HEAD + PARAMETERS]
        # A quotient of a quotient is what a compiler may rewrite; a quotient by a product is not.
        scale = _quotient(xp, amax, parameters[2] * whole, broken)
        return LatticeProgram(Rounding())(xp, scale, number), whole

    def factors(self, xp: Any, block: Any, whole: Any) -> tuple[Any, Any, Any]:
        """Return the scale of each block, and two factors that take it out, which is at most by 2^128.

        Of a division by what a block shares, some compilers make a multiplication by the reciprocal, and
        others do not; so it is one everywhere. The largest scales have a subnormal reciprocal, which tensors
        flush to zero, so it is in two parts.
        """
        scale = block * whole
        part = xp.where(scale > np.float32(2.0**100), np.float32(2.0**-50), np.float32(1))
        return scale, part, xp.minimum(np.float32(1) / (scale * part), np.finfo(np.float32).max)

    def elements(self, xp: Any, x: Any, parameters: Any, factors: Any, uniform: Any = None) -> Any:
        """Return ``x`` rounded under the factors of its blocks."""
        scale, part, rest = factors
        y = self.element(xp, x * part * rest, parameters[HEAD + PARAMETERS :], uniform) * scale
        return xp.where(scale == 0, np.float32(0), y)  # 0 / 0 is no number

    def _largest(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Return the bit pattern of the largest magnitude of each block, and whether it is not finite."""
        found = xp.view(x, "int32") & 0x7FFFFFFF
        size = self.size
        while self.rows and size % 2 == 0 and size > 4:  # many at once, as a compiler reduces one by one
            size //= 2
            found = xp.maximum(found[:, :size], found[:, size:])
        largest = xp.max(found, axis=1, keepdims=True)
        return largest, largest >= _INFINITY_BITS

    def array(
        self, x: np.ndarray, parameters: np.ndarray, words: np.ndarray | None = None, axis: Axis = -1
    ) -> np.ndarray:
        """Round a float32 array, a few blocks at a time."""
        if x.size == 0:
            return x.copy()
        blocks, restore = self.blocks(backend.ARRAYS, x, blocks_along(axis))
        more = {"most": self.most(blocks)} if self.tensor_scale else {}
        out = np.empty_like(blocks)
        rows = max(1, CHUNK // max(1, blocks[:1].size))
        for start in range(0, len(blocks), rows):
            part = blocks[start : start + rows]
            uniform = None
            if words is not None:
                first = start * blocks[:1].size
                index = np.arange(first, first + part.size, dtype=np.int64).astype(np.int32)
                bits = self.rounding.random_bits
                uniform = draws(backend.ARRAYS, index.reshape(part.shape), words, bits)
            with np.errstate(all="ignore"):
                out[start : start + rows] = self(backend.ARRAYS, part, parameters, uniform, **more)
        rounded: np.ndarray = restore(out)
        return rounded

    def tensor(self, x: Any, parameters: Any, words: Any = None, axis: Axis = -1) -> Any:
        """Round a float32 tensor with one compiled kernel."""
        if 0 in x.shape:
            return x
        blocks, restore = self.blocks(backend.tensors(), x, blocks_along(axis))
        arguments = (blocks, parameters) if words is None else (blocks, parameters, words)
        shaped = replace(self, size=blocks.shape[1], rows=blocks.shape[2] == 1)
        if self.power_of_two:
            return restore(in_graph(shaped)(*arguments))
        return restore(_in_two(shaped)(*arguments))

    def most(self, blocks: np.ndarray) -> np.int32:
        """Return the bit pattern of the largest magnitude outside the blocks with a NaN or an infinity."""
        largest = (blocks.view(np.int32) & 0x7FFFFFFF).max(axis=1, initial=0)
        return np.int32(np.where(largest >= _INFINITY_BITS, 0, largest).max(initial=0))

    def blocks(self, xp: Any, x: Any, axis: int) -> tuple[Any, Any]:
        """Return ``x`` as (outer, block, inner), and the function that undoes it.

        Raises:
            PrecisionError: when ``x`` has no such axis or its length is not known.
        """
        shape = tuple(x.shape)
        rank = len(shape)
        if rank == 0:
            return xp.reshape(x, (1, 1, 1)), lambda y: xp.reshape(y, ())
        if not -rank <= axis < rank:
            raise PrecisionError(f"a tensor of shape {shape} has no axis {axis} for blocks to run along")
        length, behind = shape[axis % rank], shape[axis % rank + 1 :]
        if length is None or None in behind:
            raise PrecisionError(
                f"blocks run along axis {axis}, but in the shape {shape} this length or one behind it is open"
            )
        inner = math.prod(behind)
        whole = xp.shape(x) if None in shape else shape
        if length == 0 or inner == 0:
            return xp.reshape(x, (0, 1, 1)), lambda y: xp.reshape(y, whole)
        size = min(self.size, length)
        rest = -length % size
        rows = xp.reshape(x, (-1, length, inner))
        if rest == 0:
            return xp.reshape(rows, (-1, size, inner)), lambda y: xp.reshape(y, whole)
        padded = xp.pad(rows, ((0, 0), (0, rest), (0, 0)))  # a zero changes no block's largest magnitude

        def restore(y: Any) -> Any:
            return xp.reshape(xp.reshape(y, (-1, length + rest, inner))[:, :length], whole)

        return xp.reshape(padded, (-1, size, inner)), restore


@functools.cache
def _in_two(program: BlockProgram) -> Callable[..., Any]:
    """Return a program with numbers for scales compiled in two: a compiler would fuse the work for a block
    into that for each of its elements.
    """

    def scales(x: Any, parameters: Any) -> Any:
        xp = backend.tensors()
        return program.factors(xp, *program.numbers(xp, x, parameters))

    def deterministic(x: Any, parameters: Any, scale: Any, part: Any, rest: Any) -> Any:
        return program.elements(backend.tensors(), x, parameters, (scale, part, rest))

    def stochastic(x: Any, parameters: Any, words: Any, scale: Any, part: Any, rest: Any) -> Any:
        xp = backend.tensors()
        uniform = uniforms(xp, x, words, program.rounding.random_bits)
        return program.elements(xp, x, parameters, (scale, part, rest), uniform)

    first = backend.compiled(scales, same_shape=False)
    second = backend.compiled(stochastic if program.rounding.stochastic else deterministic)
    return lambda x, parameters, *words: second(x, parameters, *words, *first(x, parameters))


def _quotient(xp: Any, a: Any, b: Any, undivided: Any) -> Any:
    """Return a / b correctly rounded, and ``a`` where it is to stay undivided: a mask in the shape of ``a``.

    Of a division by one number for all, or by a constant, XLA makes a product with its reciprocal, whose last
    bit may be another one. It does not where the divisor is chosen for each element.
    """
    return a / xp.where(undivided, np.float32(1), b)


def _normalised(magnitude: np.ndarray) -> np.ndarray:
    """Return bit patterns of magnitudes, subnormal ones with an exponent field (below 0) like the others."""
    steps = magnitude.astype(np.float32).view(np.int32)  # a subnormal number counts steps of 2^-149
    return np.where(magnitude < 1 << 23, steps - np.int32(149 << 23), magnitude)


def _powers(xp: Any, exponent: Any, broken: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return 2^-exponent and 2^exponent, each as two factors that are normal numbers; NaN where broken."""
    half = xp.right_shift(exponent, 1)
    rest = exponent - half

    def power(k: Any) -> Any:
        return xp.view(xp.where(broken, _NAN_BITS, (k + 127) * (1 << 23)), "float32")

    return (power(-half), power(-rest)), (power(half), power(rest))


def _scaled(xp: Any, lattice: Any, exponent: Any, broken: Any) -> list[Any]:
    """Return the numbers of a lattice with all its values times 2^exponent; NaN where broken.

    To round on the scaled lattice gives what scaling down, rounding and scaling up does, without touching the
    elements. Only results below 2^-126, which tensors do not keep, may differ.

    The power of two p of the kernel stays a normal number. Where the step of fixed point is a smaller one,
    its values are taken as fractions of 2^-126; those of floating point are as fine there without that.
    """
    low, high, mask, smallest, half_scale, unscale, *_, keep = (lattice[i] for i in range(SHARED))
    shift = exponent * (1 << 23)

    def times(number: Any, least: Any) -> Any:
        bits = xp.maximum(xp.view(number, "int32") + shift, least)
        return xp.view(xp.minimum(bits, _INFINITY_BITS), "float32")

    nan = np.float32(np.nan)
    top, bottom = times(high, 0), -times(-low, 0)
    lack = xp.maximum(_LEAST_NORMAL - (xp.view(smallest, "int32") + shift), 0)
    lack = xp.where(xp.view(mask, "int32") == 0, lack, 0)
    half_scale = xp.view(xp.view(half_scale, "int32") + lack, "float32")
    unscale = xp.view(xp.view(unscale, "int32") - lack, "float32")
    unscale = xp.where(broken, nan, unscale)  # a factor of every result
    smallest = times(smallest, _LEAST_NORMAL)
    keep = xp.view(xp.view(keep, "int32") | _NAN_BITS, "float32")  # the element may have no NaN
    return [bottom, top, mask, smallest, half_scale, unscale, bottom, top, nan, nan, keep]
