"""The codebook kernel: any sorted table of values, rounded by looking up where x lies.

Every deterministic rounding to a table is a staircase: between two thresholds the result is the same. The
thresholds are worked out once per format and rounding mode, exactly. To find the step for an x, the float32
numbers are divided into buckets: each binade (a sign and an exponent field) is cut into 2^k equal parts, with
the least k that leaves at most one threshold in a part. The fields of x then give its bucket directly, and
one comparison the side of the threshold. The comparison is of bit patterns, so that not even a backend that
flushes subnormals takes a tiny number for zero.

Stochastic rounding and rounding to odd need both neighbours of x and look those up in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import codes as bit_codes
from precision.formats.base import Programmed
from precision.formats.engine.program import Program
from precision.formats.kernels import staircase
from precision.formats.rounding import ROUNDINGS, Rounding, parse_rounding

_HEAD = 3  # low, high, and what NaN becomes
_FIELDS = 512  # signs times exponents
_MANTISSA = 0x7FFFFF


@dataclass(frozen=True)
class CodebookProgram(Program):
    """The kernel for tables with a number of buckets.

    The run-time numbers are: low, high, NaN's image; for each of the 512 binades the place of its first
    bucket and the shift that makes a mantissa the number of a bucket, as one number; then columns with an
    entry for each bucket: the threshold's magnitude, the result for magnitudes below it, and the result from
    it on. In the modes of ``staircase.PAIRED`` each result is a pair of columns.
    """

    rounding: Rounding
    buckets: int

    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
        """Round ``x``; see :meth:`Program.__call__`."""
        head, size = _HEAD + _FIELDS, self.buckets
        count = 5 if self.rounding.mode in staircase.PAIRED else 3
        threshold, *results = (
            parameters[start : start + size] for start in range(head, head + count * size, size)
        )
        bits = xp.view(x, "int32")
        field = xp.right_shift(bits, 23) & (_FIELDS - 1)
        place = xp.cast(xp.take(parameters[_HEAD:head], field, axis=0), "int32")
        bucket = xp.right_shift(place, 5) + xp.right_shift(bits & _MANTISSA, place & 31)
        # Magnitudes as integers are in the order of the numbers that they stand for.
        beyond = (bits & 0x7FFFFFFF) >= xp.view(xp.take(threshold, bucket, axis=0), "int32")
        found = [xp.take(column, bucket, axis=0) for column in results]
        if len(found) == 2:
            y = xp.where(beyond, found[1], found[0])
        else:
            below, partner = xp.where(beyond, found[2], found[0]), xp.where(beyond, found[3], found[1])
            # Past the ends of the table x lies below the least value, or its partner is the largest one.
            if self.rounding.stochastic:
                y = xp.where((x - below) / (partner - below) >= uniform, partner, below)
            else:
                y = xp.where(x > below, partner, below)
        return xp.where(x == x, y, parameters[2])


class Codebook(Programmed):
    """A format given by its values: at most 65536 of them.

    Args:
        name: canonical text.
        bits: of a code.
        values: ascending finite values, exact in float32.
        codes: the code of each value; ascending from 0 when not given.
        boundaries: where rounding to nearest changes from ``values[i]`` to ``values[i + 1]``, exact in
            float64; None for the middles. A tie goes to the even code.
        nan: what NaN becomes; None for what 0 is rounded to, in a format without NaN.
        infinity: what +infinity becomes; None for the largest value.
        never_zero: whether a number that is not zero is never rounded to zero (posits).
        nan_code: the code of NaN, for a format that has one; the next free one when not given.

    Raises:
        PrecisionError: when the values are not ascending, finite float32 numbers, or too many for the bits.

    >>> import numpy as np
    >>> from precision.formats import Codebook
    >>> Codebook("mine", bits=2, values=[-0.5, 0.0, 0.5, 2.0]).quantize(np.array([0.2, 0.3, 9]))
    array([0. , 0.5, 2. ], dtype=float32)
    """

    def __init__(
        self,
        name: str,
        bits: int,
        values: Sequence[float] | np.ndarray,
        *,
        codes: Sequence[int] | np.ndarray | None = None,
        boundaries: Sequence[float] | np.ndarray | None = None,
        nan: float | None = None,
        infinity: float | None = None,
        never_zero: bool = False,
        nan_code: int | None = None,
    ) -> None:
        self.name, self.bits = name, bits
        self._values = _checked_values(name, bits, values)
        self._values.flags.writeable = False
        count = len(self._values)
        self._codes = np.arange(count) if codes is None else np.asarray(codes, np.int64)
        middles = staircase.middles(self._values)
        self._boundaries = middles
        if boundaries is not None:
            self._boundaries = np.asarray(boundaries, np.float64), np.zeros(count - 1)
        self._never_zero = never_zero
        self.nearest = not never_zero and np.array_equal(self._boundaries, middles)
        self.nan = float(self._image_of_zero()) if nan is None else nan
        self.infinity = float(self._values[-1]) if infinity is None else infinity
        self.nan_code = nan_code
        if math.isnan(self.nan) and nan_code is None:
            self.nan_code = int(np.setdiff1d(np.arange(count + 1), self._codes)[0])
        used = [*self._codes, *([] if self.nan_code is None else [self.nan_code])]
        if (
            len(self._codes) != count
            or len(set(used)) != len(used)
            or not 0 <= min(used) <= max(used) < 2**bits
        ):
            raise PrecisionError(
                f"format {name!r}: each of its {count} values (and NaN, where it has one) needs a code of "
                f"its own in 0..{2**bits - 1}"
            )
        mirrored = np.array_equal(self._values, -self._values[::-1])
        mirrored = mirrored and np.array_equal(self._boundaries[0], -self._boundaries[0][::-1])
        self.symmetric = bool(mirrored) and 0.0 in self._values
        self.roundings = tuple(mode for mode in ROUNDINGS if self._has(mode))
        self._programs: dict[str, tuple[int, np.ndarray]] = {}

    def _has(self, mode: str) -> bool:
        if mode == "toward_zero":
            return bool(0.0 in self._values or self._values[0] > 0 or self._values[-1] < 0)
        if mode == "odd":  # of two neighbours one must be odd
            return bool(((self._codes[1:] - self._codes[:-1]) % 2 == 1).all())
        return True

    def _image_of_zero(self) -> np.float32:
        steps = staircase.thresholds(self._values, self._codes, self._boundaries, "nearest")
        return self._values[np.searchsorted(steps, np.float32(0), side="right")]

    def program(self, rounding: str | Rounding = "nearest") -> tuple[CodebookProgram, np.ndarray]:
        """Return the kernel for a table of this size, and the table of a rounding mode."""
        rounding = parse_rounding(rounding, self.roundings, self.name)
        if rounding.mode not in self._programs:
            self._programs[rounding.mode] = self._table_of(rounding.mode)
        buckets, numbers = self._programs[rounding.mode]
        return CodebookProgram(rounding, buckets), numbers

    def _table_of(self, mode: str) -> tuple[int, np.ndarray]:
        steps = staircase.thresholds(self._values, self._codes, self._boundaries, mode)
        partners = None
        if mode in staircase.PAIRED:
            above = np.minimum(np.arange(len(steps) + 1) + 1, len(steps))
            if mode == "odd":
                above = np.where(self._codes % 2 == 1, np.arange(len(above)), above)
            partners = self._values[above]
        elif self._never_zero:
            steps = staircase.away_from_zero(self._values, steps)
        table = staircase.table(self._values, steps, self.infinity, self.name, partners)
        head = np.array([self._values[0], self._values[-1], self.nan], np.float32)
        return table.buckets, np.concatenate([head, table.places, *table.columns])

    def values(self) -> np.ndarray:
        """Return every value, ascending."""
        return self._values

    def table(self) -> np.ndarray:
        """Return the value of every code; one that no value has is NaN, or 0 in a format without NaN."""
        size = int(self._codes.max()) + 1 if self.nan_code is None else 2 ** int(self.bits)
        empty = np.float32(math.nan if self.nan_code is not None else 0)
        table = np.full(max(size, 1), empty, np.float32)
        table[self._codes] = self._values
        return table

    def encode(self, x: Any, *, axis: int = -1) -> np.ndarray:
        """Return the code of every element, which is rounded to nearest first."""
        y = self.quantize(np.asarray(x))
        place = np.searchsorted(self._values, y)
        missing = np.isnan(y) | np.isinf(y)
        found = np.where(missing, self.nan_code or 0, self._codes[np.where(missing, 0, place)])
        return found.astype(bit_codes.smallest_type(int(self.bits)))


def _checked_values(name: str, bits: int, values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the values as float32."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "fiu" or not 2 <= array.size <= 2**bits <= 2**16:
        raise PrecisionError(
            f"format {name!r}: a table lists 2 to 2^bits numbers, with bits <= 16, but got an array of "
            f"{array.dtype} and shape {array.shape} for {bits} bits"
        )
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    ascending = np.diff(single) > 0 if np.isfinite(single).all() else np.array([False])
    if not ascending.all():
        raise PrecisionError(
            f"format {name!r}: the values of a table must be finite and ascending as float32, each once, "
            f"but got {np.array2string(array, threshold=8)}"
        )
    return single + np.float32(0)  # -0 becomes +0
