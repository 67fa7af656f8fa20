"""Formats whose neighbours share a scale: the kernel of ``scaling`` around an element format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from precision.errors import PrecisionError
from precision.formats import codes
from precision.formats.base import NumberFormat, Programmed
from precision.formats.engine import backend
from precision.formats.kernels.codebook import Codebook
from precision.formats.kernels.lattice import Lattice
from precision.formats.kernels.shared_scale import BlockProgram
from precision.formats.rounding import Rounding, parse_rounding

RULES = ("floor", "ceil", "even", "rceil")
E8M0_BITS = 8
_E8M0_NAN = 255


class BlockCodes(NamedTuple):
    """What is stored of a tensor whose blocks share scales.

    Attributes:
        elements: codes in the shape of the tensor.
        scales: codes, in that shape but for the axis, where one stands for each block.
        tensor_scale: scale of the whole tensor; 1 where the format has none.

    >>> import numpy as np
    >>> from precision.formats import parse
    >>> codes = parse("mxfp4_e2m1").encode(np.array([1.0, 2.0, 6.0]))
    >>> codes.elements.tolist(), codes.scales.tolist()
    ([2, 4, 7], [127])
    """

    elements: np.ndarray
    scales: np.ndarray
    tensor_scale: np.float32


class Block(Programmed):
    """A format whose neighbours share a scale.

    Args:
        name: canonical text.
        element: format of the elements, a lattice or a codebook, whose rounding saturates.
        size: values in a block.
        scale: None for a power of two (E8M0), or the format of the scales.
        rule: for a power of two: ``floor`` (OCP), ``ceil``, ``even`` (amax rounded to the element's mantissa
            first), ``rceil`` (the least power under which amax does not exceed the largest element).
        tensor_scale: whether there is also a float32 scale of the whole tensor.

    Raises:
        PrecisionError: when the element cannot stand in a block.

    >>> import numpy as np
    >>> from precision.formats import Block, parse
    >>> mine = Block("mine", parse("int(4)"), size=16)
    >>> mine.bits, mine.quantize(np.array([1, 2.2, 7]))
    (4.5, array([1., 2., 7.], dtype=float32))
    """

    def __init__(
        self,
        name: str,
        element: NumberFormat,
        size: int,
        *,
        scale: Lattice | None = None,
        rule: str = "floor",
        tensor_scale: bool = False,
    ) -> None:
        saturates = isinstance(element, Lattice) and element.overflow == "saturate"
        if not saturates and not isinstance(element, Codebook):
            raise PrecisionError(
                f"{name}: elements of a block are of a fixed, floating or codebook format that saturates, "
                f"but got {element}; for a float add overflow=saturate"
            )
        if rule == "even" and not isinstance(element, Lattice):
            raise PrecisionError(
                f"{name}: the rule 'even' needs an element with a mantissa, but got {element}"
            )
        if element.max <= 0 or (scale is not None and scale.bits > 32):
            raise PrecisionError(f"{name}: elements of a block need a positive value, but got {element}")
        self.name, self.element, self.block = name, element, size
        self.scale, self.rule, self.tensor_scale = scale, rule, tensor_scale
        self.bits = element.bits + (scale.bits if scale else E8M0_BITS) / size
        self.roundings = element.roundings
        self.infinity = math.nan
        self.nearest, self.symmetric = element.nearest, element.symmetric
        # A scale that follows amax stays where it is only if amax does.
        self.idempotent = scale is None and element.lowest == -element.max
        self._programs: dict[Rounding, tuple[BlockProgram, np.ndarray]] = {}

    def program(self, rounding: str | Rounding = "nearest") -> tuple[BlockProgram, np.ndarray]:
        """Return the kernel around the element's, and the numbers of both."""
        rounding = parse_rounding(rounding, self.roundings, self.name)
        if rounding not in self._programs:
            element, numbers = self.element.program(rounding)
            power = self.scale is None
            program = BlockProgram(rounding, element, power, self.tensor_scale, self.block or 1)
            head = self._power_numbers() if self.scale is None else self._real_numbers(self.scale)
            # No gradient is stopped: the scale follows the largest value.
            joined = np.concatenate([np.array([-math.inf, math.inf], np.float32), head, numbers])
            self._programs[rounding] = program, joined
        return self._programs[rounding]

    def _power_numbers(self) -> np.ndarray:
        significand, exponent = math.frexp(self.element.max)
        mantissa = round((2 * significand - 1) * 2**23)  # of the largest element, as bits
        element_bits = 0
        if isinstance(self.element, Lattice):
            floating = self.element.floating
            element_bits = self.element.man if floating else exponent - 1 - self.element.exponent
        carry = {
            "floor": 0,
            "ceil": 2**23 - 1,
            "even": 2 ** max(22 - element_bits, 0),
            "rceil": 2**23 - 1 - mantissa,
        }[self.rule]
        return np.array([carry, exponent - 1], np.float32)

    def _real_numbers(self, scale: Lattice) -> np.ndarray:
        top = np.float32(self.element.max)
        head = np.array([top, top * np.float32(scale.max) if self.tensor_scale else 1.0], np.float32)
        return np.concatenate([head, scale.program()[1]])

    def values(self) -> np.ndarray:
        """Return the values of an element under a scale of 1, ascending."""
        return self.element.values()

    @property
    def max(self) -> float:
        """Largest element times the largest scale, within float32."""
        most = 2.0**127 if self.scale is None else self.scale.max
        return min(self.element.max * most, float(np.finfo(np.float32).max))

    @property
    def lowest(self) -> float:
        """Least value, within float32."""
        most = 2.0**127 if self.scale is None else self.scale.max
        return max(self.element.lowest * most, float(np.finfo(np.float32).min))

    @property
    def min_normal(self) -> float:
        """Smallest element with full precision, under a scale of 1."""
        return self.element.min_normal

    @property
    def min_subnormal(self) -> float:
        """Smallest positive element, under a scale of 1."""
        return self.element.min_subnormal

    @property
    def eps(self) -> float:
        """Spacing of the elements just above 1, under a scale of 1."""
        return self.element.eps

    def encode(self, x: Any, *, axis: int = -1) -> BlockCodes:
        """Return the codes of elements and scales."""
        program, parameters = self.program()
        array = self._carried(np.asarray(x), Rounding())
        blocks, restore = program.blocks(backend.ARRAYS, array, axis)
        with np.errstate(all="ignore"):
            if self.scale is None:
                exponent, broken = program.exponents(backend.ARRAYS, blocks, parameters)
                found = np.where(broken, _E8M0_NAN, exponent + 127).astype(np.uint8)
                values, whole = np.ldexp(blocks, -exponent), np.float32(1)
            else:
                most = program.most(blocks) if self.tensor_scale else None
                scale, whole = program.numbers(backend.ARRAYS, blocks, parameters, most)
                _, part, rest = program.factors(backend.ARRAYS, scale, whole)
                found = self.scale.encode(scale)
                values = blocks * part * rest
            element = self.element.encode(values)
        scales = found.reshape(self._scale_shape(array.shape, axis))
        return BlockCodes(restore(element), scales, np.float32(whole))

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the values of :class:`BlockCodes`.

        Raises:
            PrecisionError: when elements and scales do not belong together.
        """
        elements, scales, whole = encoded
        elements, scales = np.asarray(elements), np.asarray(scales)
        if scales.shape != self._scale_shape(elements.shape, axis):
            raise PrecisionError(
                f"{self.name}: elements of shape {elements.shape} have scales of shape "
                f"{self._scale_shape(elements.shape, axis)}, but got {scales.shape}"
            )
        if self.scale is None:
            scales = codes.checked(scales, 256, self.name)
            factor = np.where(scales == _E8M0_NAN, math.nan, np.ldexp(1.0, scales.astype(np.int32) - 127))
        else:
            factor = self.scale.decode(scales) * np.float32(whole)
        if elements.ndim:
            factor = np.repeat(factor, self.block or 1, axis=axis)
            factor = np.take(factor, np.arange(elements.shape[axis]), axis=axis)
        values = self.element.decode(elements)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(factor == 0, np.float32(0), values * factor).astype(np.float32)

    def _scale_shape(self, shape: Sequence[int], axis: int) -> tuple[int, ...]:
        if not shape:
            return ()
        counts = list(shape)
        counts[axis] = -(-counts[axis] // (self.block or 1))
        return tuple(counts)

    def pack(self, x: Any, *, axis: int = -1) -> bytes:
        """Return the packed elements, then the packed scales, then the tensor's scale as a float32."""
        elements, scales, whole = self.encode(x, axis=axis)
        data = codes.pack(elements, self.element._whole_bits) + codes.pack(scales, self._scale_bits)
        return data + (whole.astype("<f4").tobytes() if self.tensor_scale else b"")

    def unpack(self, data: bytes, shape: Sequence[int], *, axis: int = -1) -> np.ndarray:
        """Return the values of what :meth:`pack` returned; see :meth:`NumberFormat.unpack`."""
        codes.check_length(self.name, data, shape, self.packed_bytes(shape, axis=axis))
        scale_shape = self._scale_shape(shape, axis)
        cut = self.element.packed_bytes(shape)
        elements = codes.unpack(data, self.element._whole_bits, math.prod(shape)).reshape(shape)
        scales = codes.unpack(data[cut:], self._scale_bits, math.prod(scale_shape)).reshape(scale_shape)
        whole = np.frombuffer(data[-4:], "<f4")[0] if self.tensor_scale else np.float32(1)
        return self.decode(BlockCodes(elements, scales, whole), axis=axis)

    def packed_bytes(self, shape: Sequence[int], *, axis: int = -1) -> int:
        """Return the length of :meth:`pack` for values of a shape."""
        scales = math.ceil(math.prod(self._scale_shape(shape, axis)) * self._scale_bits / 8)
        return self.element.packed_bytes(shape) + scales + (4 if self.tensor_scale else 0)

    @property
    def _scale_bits(self) -> int:
        return E8M0_BITS if self.scale is None else self.scale.bits
