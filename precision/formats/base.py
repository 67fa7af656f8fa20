"""What a number format is: an immutable value that rounds tensors, knows its limits and encodes itself."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import codes
from precision.formats.engine import backend, noise
from precision.formats.engine.program import Free, Program
from precision.formats.rounding import ROUNDINGS, Rounding, parse_rounding


class NumberFormat(ABC):
    """A set of representable numbers and the rule that rounds a float32 to one of them.

    Two formats are equal when their names are.

    Attributes:
        name: canonical text, for example ``"fixed(8,4)"``; ``precision.formats.parse(name)`` gives an
            equal format back.
        bits: storage bits per value; shared scales count by their share (MXFP8 has 8.25).
        roundings: the rounding modes that make sense for it.
        nan: what NaN becomes: NaN, or 0 (or the value nearest to 0) in a format that has none.
        infinity: what +infinity becomes, and mirrored, what -infinity becomes: infinity, NaN or a value.
        nearest: whether rounding to nearest gives a value at the least distance from x. False for formats
            whose standard draws the line between two values elsewhere, such as posits.
        symmetric: whether -x rounds to the negative of what x rounds to.
        idempotent: whether a rounded tensor is left as it is when it is rounded again.
        block: how many neighbours share a scale; None where every value stands alone.

    >>> import numpy as np
    >>> from precision import formats
    >>> fixed = formats.parse("fixed(4,2)")
    >>> fixed.bits, fixed.lowest, fixed.max, fixed.eps
    (4, -2.0, 1.75, 0.25)
    >>> fixed.quantize(np.array([0.3, 5.0]))
    array([0.25, 1.75], dtype=float32)
    """

    name: str
    bits: float
    roundings: tuple[str, ...] = ROUNDINGS
    nan: float = math.nan
    infinity: float = math.inf
    nearest: bool = True
    symmetric: bool = True
    idempotent: bool = True
    block: int | None = None

    @abstractmethod
    def quantize(
        self, x: Any, rounding: str | Rounding = "nearest", key: Any = None, *, axis: int = -1
    ) -> Any:
        """Round every element of ``x`` to a representable value.

        Args:
            x: NumPy array or backend tensor of any shape, read as float32.
            rounding: a mode of ``roundings``, see :mod:`precision.formats.rounding`.
            key: for stochastic rounding, an integer or a tuple of integers, for example
                ``(seed, step, site)``. The same key and shape give the same rounding.
            axis: along which the blocks of a format with shared scales run; other formats do not ask.

        Returns:
            float32 of the same shape and of the same kind (array or tensor) as ``x``. The gradient of a
            tensor passes straight through.

        Raises:
            PrecisionError: for a rounding that the format does not have, stochastic rounding without a key,
                or an ``x`` that is neither an array of real numbers nor a float tensor.
        """

    @abstractmethod
    def values(self) -> np.ndarray:
        """Return every representable finite value once, ascending, as float32 (at most 16 bits).

        Of a format with shared scales these are the values of an element under a scale of 1.
        """

    def program(self, rounding: str | Rounding = "nearest") -> tuple[Program, np.ndarray]:
        """Return the compiled half of a rounding and its run-time numbers, for use inside a network.

        Two formats with equal programs and as many numbers share one traced graph. A format that only has a
        ``quantize`` of its own is its own program.
        """
        low, high = (self.lowest, self.max) if self.block is None else (-math.inf, math.inf)
        return Free(self, str(rounding)), np.array([low, high], np.float32)

    @property
    def max(self) -> float:
        """Largest finite value."""
        return float(self.values()[-1])

    @property
    def lowest(self) -> float:
        """Least finite value."""
        return float(self.values()[0])

    @property
    def min_normal(self) -> float:
        """Smallest positive value that has the full relative precision of the format."""
        return self.min_subnormal

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        values = self.values()
        return float(values[values > 0][0])

    @property
    def eps(self) -> float:
        """Spacing of the representable values just above 1; NaN where none lies above 1."""
        values = self.values()
        above = values[values > 1]
        return float(above[0] - values[values <= 1][-1]) if above.size else math.nan

    def encode(self, x: Any, *, axis: int = -1) -> Any:
        """Return the codes that would be stored for ``x``, which is rounded to nearest first.

        Returns:
            Unsigned integers in the shape of ``x``, each less than 2^bits; a format with shared scales
            returns :class:`precision.formats.kernels.block.BlockCodes`.
        """
        table, order = self._by_value
        y = self.quantize(np.asarray(x), axis=axis)
        place = np.minimum(np.searchsorted(table[order], y), len(order) - 1)  # NaN and infinity lie past it
        found = np.asarray(order[place])
        special = ~np.isfinite(y)
        if special.any():
            found[special] = [self._code_of_special(v) for v in y[special]]
        return found.astype(codes.smallest_type(self._whole_bits))

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the float32 values of what :meth:`encode` returned.

        Raises:
            PrecisionError: for codes that the format does not have.
        """
        table = self.table()
        return table[codes.checked(encoded, len(table), self.name)]

    def table(self) -> np.ndarray:
        """Return the value of every code as float32, index = code (at most 16 bits).

        A format that does not say otherwise numbers its finite values in ascending order and puts the
        special ones that it has (NaN, +infinity, -infinity) after them.
        """
        special = [math.nan] if math.isnan(self.nan) else []
        if math.isinf(self.infinity):
            special += [math.inf, -math.inf]
        return np.concatenate([self.values(), np.array(special, np.float32)])

    def pack(self, x: Any, *, axis: int = -1) -> bytes:
        """Return ``x`` as a bit-packed byte string: code after code, least significant bit first.

        A code takes exactly its bits, across the borders of bytes; the last byte is filled with zeros.
        """
        return codes.pack(self.encode(x, axis=axis), self._whole_bits)

    def unpack(self, data: bytes, shape: Sequence[int], *, axis: int = -1) -> np.ndarray:
        """Return the float32 values, in ``shape``, of what :meth:`pack` returned.

        Raises:
            PrecisionError: when the string has another length than such values have.
        """
        codes.check_length(self.name, data, shape, self.packed_bytes(shape, axis=axis))
        return self.decode(codes.unpack(data, self._whole_bits, math.prod(shape)).reshape(shape), axis=axis)

    def packed_bytes(self, shape: Sequence[int], *, axis: int = -1) -> int:
        """Return the length of :meth:`pack` for values of a shape."""
        return math.ceil(math.prod(shape) * self._whole_bits / 8)

    @property
    def _whole_bits(self) -> int:
        if self.bits != int(self.bits):
            raise PrecisionError(
                f"{self.name}: {self.bits} bits per value are no whole number; write pack and unpack for it"
            )
        return int(self.bits)

    @functools.cached_property
    def _by_value(self) -> tuple[np.ndarray, np.ndarray]:
        """The values by code, and the codes of the finite ones in the order of their values."""
        table = self.table()
        finite = np.flatnonzero(np.isfinite(table))
        return table, finite[np.argsort(table[finite], kind="stable")]

    def _code_of_special(self, value: float) -> int:
        table = self.table()
        same = np.isnan(table) if math.isnan(value) else table == value
        return int(np.flatnonzero(same)[0])

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<format {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberFormat) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class Programmed(NumberFormat):
    """A format that rounds by a program; a family says which one, and with which numbers.

    Attributes:
        carries: whether float64 arrays may be rounded to odd float32 first, see ``backend.float32_array``.
    """

    carries = True

    @abstractmethod
    def program(self, rounding: str | Rounding = "nearest") -> tuple[Program, np.ndarray]:
        """Return the program of a rounding and its numbers."""

    def quantize(
        self, x: Any, rounding: str | Rounding = "nearest", key: Any = None, *, axis: int = -1
    ) -> Any:
        """Round ``x`` to the format; see :meth:`NumberFormat.quantize`."""
        rounding = parse_rounding(rounding, self.roundings, self.name)
        if rounding.stochastic and key is None:
            raise PrecisionError("stochastic rounding needs key=..., for example key=(seed, step)")
        program, parameters = self.program(rounding)
        words = noise.key(key) if rounding.stochastic else None
        if isinstance(x, np.ndarray | np.generic):
            return program.array(self._carried(np.asarray(x), rounding), parameters, words, axis)
        tensor = backend.float32_tensor(x)
        return backend.straight_through(program.tensor, tensor, parameters, words, axis)

    def _carried(self, x: np.ndarray, rounding: Rounding) -> np.ndarray:
        """Return an array as float32, ready to be rounded."""
        return backend.float32_array(x, odd=self.carries and not rounding.stochastic)
