"""From a wide integer to a narrow code: the sum of products times a real factor, rounded to an integer.

Hardware and run-times differ here by one code now and then, so the rule has a name:

``float``
    The factor is a float64, the product is rounded half to even.
``float32``
    Likewise in float32: the factor, the sum and their product, as XNNPACK has them.
``single``
    The factor is an integer m of 31 bits over a power of two; the 64-bit product is rounded once, half up.
``litert_reference``
    The same m, but rounded twice, as the reference kernels of LiteRT (TensorFlow Lite) and gemmlowp do: a
    doubling high multiplication that rounds half away from zero, then a shift that does so once more.
    After B. Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018, section 2.2 and appendix B.

LiteRT rounds the sums of dense layers once (measured with 2.3.0), and so does a network under
``litert_reference``: convolutions, additions and averages alone are rounded twice.

The two integer rules work on 32-bit numbers. They differ for about one value in 2^(shift + 1).

The average of all places divides by their number too. ``litert_reference`` does so in the integer factor, as
the operator MEAN of LiteRT does, see :meth:`Factor.over`; the other rules in the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from precision.errors import PrecisionError, unknown

MANTISSA = 31  # bits of the integer factor
LEAST, MOST = -(2**31), 2**31 - 1
FINE = 20  # bits below the coarser step that two codes are brought to before they are added


@dataclass(frozen=True)
class Factor:
    """Real factors as integers: m * 2^(shift - 31), with 2^30 <= m < 2^31; a factor of 0 has m = 0.

    Attributes:
        m: int64.
        shift: int64; positive to the left.
    """

    m: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, real: np.ndarray) -> Factor:
        """Return the integers nearest to positive factors; below 2^-32 they are 0.

        Raises:
            PrecisionError: for a factor that is not finite, negative, or 2^30 and more.
        """
        real = np.asarray(real, np.float64)
        if not np.all((real >= 0) & (real < 2.0**30)):
            raise PrecisionError(f"a factor of requantisation is 0 to 2^30, but got {real.max()}")
        fraction, shift = np.frexp(real)
        m = np.floor(fraction * 2.0**MANTISSA + 0.5).astype(np.int64)
        carried = m == 2**MANTISSA
        m, shift = np.where(carried, m // 2, m), shift.astype(np.int64) + carried
        tiny = shift < -MANTISSA
        return cls(np.where(tiny, 0, m), np.where(tiny, 0, shift))

    def over(self, places: int) -> Factor:
        """Return the factors over a number of places: m is cut off, and has a bit less where it must.

        As LiteRT's MEAN divides, whose m is not below 2^30 again afterwards; the second rounding of
        ``litert_reference`` then falls on another bit than after a division of the real factor.
        """
        left = np.minimum(min(places.bit_length() - 1, 32), MANTISSA + self.shift)
        return Factor((self.m << left) // places, self.shift - left)


def _float(x: np.ndarray, real: np.ndarray, places: int = 1) -> np.ndarray:
    return np.rint(x * np.asarray(real, np.float64) / places).astype(np.int64)


def _float32(x: np.ndarray, real: np.ndarray, places: int = 1) -> np.ndarray:
    factor = np.asarray(np.asarray(real) / places, np.float32)
    return np.rint(np.asarray(x, np.float32) * factor).astype(np.int64)


def _single(x: np.ndarray, real: np.ndarray, places: int = 1) -> np.ndarray:
    factor = Factor.of(np.asarray(real) / places)
    right = MANTISSA - factor.shift
    return (narrow(x) * factor.m + (np.int64(1) << (right - 1))) >> right


def _litert_reference(x: np.ndarray, real: np.ndarray, places: int = 1) -> np.ndarray:
    factor = Factor.of(real) if places == 1 else Factor.of(real).over(places)
    left, right = np.maximum(factor.shift, 0), np.maximum(-factor.shift, 0)
    product = np.clip(narrow(x) << left, LEAST, MOST) * factor.m
    high = product + np.where(product >= 0, np.int64(1) << 30, 1 - (np.int64(1) << 30))
    high = np.where(high >= 0, high >> MANTISSA, -(-high >> MANTISSA))  # as C divides: towards zero
    rest, half = high & ((np.int64(1) << right) - 1), ((np.int64(1) << right) - 1) >> 1
    return (high >> right) + (rest > half + (high < 0))


def narrow(x: np.ndarray) -> np.ndarray:
    """Return sums as int64, refusing those that the integer rules do not take: of more than 32 bits."""
    x = np.asarray(x, np.int64)
    if x.size and (x.min() < LEAST or x.max() > MOST):
        raise PrecisionError(
            "the integer rules of requantisation take sums of 32 bits, but a sum has the magnitude "
            f"{max(abs(int(x.min())), abs(int(x.max())))}; give the registers at most 32 bits, or take the "
            "rule float"
        )
    return x


RULES: dict[str, Callable[..., np.ndarray]] = {
    "float": _float,
    "float32": _float32,
    "single": _single,
    "litert_reference": _litert_reference,
}


def scaled(x: np.ndarray, real: np.ndarray | float, rule: str, places: int = 1) -> np.ndarray:
    """Return integers times real factors, rounded to integers by a rule.

    Args:
        x: int64 sums; of 32 bits under an integer rule.
        real: positive factors in a shape that broadcasts with ``x``.
        rule: one of ``RULES``.
        places: by whose number the sums are divided as well.

    Returns:
        int64, of the broadcast shape.

    Raises:
        PrecisionError: for an unknown rule, or what a rule cannot take.

    >>> import numpy as np
    >>> [int(scaled(np.array([5]), 0.5, rule)[0]) for rule in RULES]
    [2, 2, 3, 3]
    """
    if rule not in RULES:
        raise unknown("requantisation rule", rule, RULES)
    return RULES[rule](np.asarray(x), np.asarray(real), places)
