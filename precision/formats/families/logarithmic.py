"""Logarithmic formats: a multiplication is an addition of codes.

``lns`` after E. Swartzlander and A. Alexopoulos 1975, "The sign/logarithm number system"; ``pow2`` after
A. Zhou et al. 2017, "Incremental network quantization" (arXiv:1702.03044).
"""

from __future__ import annotations

import numpy as np

from precision.arguments import choice, integer, written
from precision.errors import PrecisionError
from precision.formats.kernels.codebook import Codebook
from precision.registry import FORMATS

DOMAINS = ("value", "log")


@FORMATS.register("lns")
def lns(bits: int, frac: int, *, domain: str = "value") -> Codebook:
    """Logarithmic number: sign, then log2 of the magnitude as fixed point with frac fraction bits.

    Of the bits, one is the sign and the others are a two's complement logarithm, whose least code stands for
    zero. Zero has one code (its sign is not kept), NaN becomes 0.

    Args:
        domain: where the nearest neighbour is sought: by ``value``, or by its logarithm (``log``), as
            hardware does that rounds the logarithm. Zero ends at half of the smallest magnitude in both.

    Raises:
        PrecisionError: when bits is not in 3..16, frac not in 0..bits-2, or a magnitude leaves 2^-126..2^126.
    """
    form = "lns(bits,frac)"
    integer(form, "bits", bits, 3, 16)
    integer(form, "frac", frac, 0, bits - 2)
    choice(form, "domain", domain, DOMAINS)
    half = 2 ** (bits - 2)
    logs = np.arange(1 - half, half)
    if half / 2**frac > 126:
        raise PrecisionError(
            f"{form}: magnitudes must lie within 2^-126 and 2^126, but those of lns({bits},{frac}) reach "
            f"2^{(half - 1) / 2**frac:g}; give more fraction bits"
        )
    codes = logs & (2 * half - 1)  # two's complement
    name = written("lns", (bits, frac), {"domain": (domain, DOMAINS[0])})
    return _signed_powers(name, bits, logs / 2**frac, codes, 2 * half, half, domain)


@FORMATS.register("pow2")
def pow2(bits: int, emax: int = 0, *, domain: str = "value") -> Codebook:
    """Zero and signed powers of two: 2^emax is the largest, and there are 2^(bits-1) - 1 of each sign.

    A multiplication is a shift. NaN becomes 0.

    Args:
        domain: where the nearest neighbour is sought, as for ``lns``.

    Raises:
        PrecisionError: when bits is not in 2..8, or a magnitude leaves 2^-126..2^126.
    """
    form = "pow2(bits,emax)"
    integer(form, "bits", bits, 2, 8)
    count = 2 ** (bits - 1) - 1
    integer(form, "emax", emax, count - 127, 126)
    choice(form, "domain", domain, DOMAINS)
    codes = np.arange(1, count + 1)  # 0 is zero
    name = written("pow2", (bits,), {"emax": (emax, 0), "domain": (domain, DOMAINS[0])})
    return _signed_powers(name, bits, np.arange(emax - count + 1.0, emax + 1), codes, count + 1, 0, domain)


def _signed_powers(
    name: str, bits: int, logs: np.ndarray, codes: np.ndarray, sign: int, zero: int, domain: str
) -> Codebook:
    """Return the format of magnitudes 2^logs; ``sign`` is the sign bit of a code, ``zero`` the code of 0."""
    magnitudes = np.exp2(logs).astype(np.float32)
    boundaries = None
    if domain == "log":
        between = np.exp2((logs[:-1] + logs[1:]) / 2)
        least = magnitudes[0] / 2
        boundaries = np.concatenate([-between[::-1], [-least, least], between])
    return Codebook(
        name,
        bits,
        np.concatenate([-magnitudes[::-1], [0], magnitudes]),
        codes=np.concatenate([codes[::-1] + sign, [zero], codes]),
        boundaries=boundaries,
    )
