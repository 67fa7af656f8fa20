"""Values and bit strings of the formats whose values stand alone, from their published definitions.

Written for plainness: one bit string at a time, in rational arithmetic.
"""

from __future__ import annotations

import decimal
import functools
import itertools
from fractions import Fraction

import numpy as np

from oracles.definition import Definition

TWO = Fraction(2)


def sorted_codes(decoded: dict[int, Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """Return values (float64) and codes in the order of the values; of equal values the least code."""
    values = {code: float(value) for code, value in decoded.items()}
    for code, value in decoded.items():
        if values[code].as_integer_ratio() != (value.numerator, value.denominator):
            raise ValueError(f"the value of code {code} is no float64")
    ordered = np.array(sorted(values))
    found = np.array([values[code] for code in ordered.tolist()])
    distinct, first = np.unique(found, return_index=True)
    return distinct, ordered[first]


@functools.cache
def magnitudes(e: int, m: int, bias: int, subnormals: bool) -> list[Fraction]:
    """Return the magnitude of every exponent and mantissa field, and of the one that would follow."""
    found = []
    for code in range(2 ** (e + m) + 1):
        field, fraction = code >> m, Fraction(code % 2**m, 2**m)
        if field:
            found.append((1 + fraction) * TWO ** (field - bias))
        else:
            found.append(fraction * TWO ** (1 - bias) if subnormals else Fraction(0))
    return found


def fixed(wl: int, fl: int, *, signed: bool = True, symmetric: bool = False) -> Definition:
    """Two's complement (or unsigned) fixed point that saturates; no NaN (0), no -0."""
    codes = range(2**wl)
    numbers = {c: c - 2**wl if signed and c >= 2 ** (wl - 1) else c for c in codes}
    if symmetric:
        del numbers[2 ** (wl - 1)]
    values, ordered = sorted_codes({c: Fraction(n) / TWO**fl for c, n in numbers.items()})
    return Definition(
        values, ordered, wl, nan=0.0, plus=float(values[-1]), minus=float(values[0]), zero_sign=False
    )


def floating(
    e: int,
    m: int,
    kind: str = "ieee",
    overflow: str = "",
    *,
    bias: int | None = None,
    subnormals: bool = True,
) -> Definition:
    """Sign, e exponent bits, m mantissa bits.

    Args:
        kind: ``ieee``: the top exponent holds infinity and NaN. ``fn``: only the top code is NaN, there is
            no infinity. ``fnuz``: the code of -0 is NaN, there is neither infinity nor -0. ``finite``: every
            code is a number (OCP FP6, FP4). ``extended`` and ``bounded``: those of P3109, as ``fnuz``
            with and without an infinity in the last code.
        overflow: ``infinity``, ``nan`` or ``saturate``; by default what the kind means.
        bias: 2^(e-1) - 1 by default, one more in ``fnuz``.
    """
    bits = 1 + e + m
    signless = kind in ("fnuz", "extended", "bounded")
    bias = bias if bias is not None else 2 ** (e - 1) - (not signless)
    decoded: dict[int, Fraction] = {}
    found = magnitudes(e, m, bias, subnormals)
    top = {"ieee": 2 ** (bits - 1) - 2**m, "fn": 2 ** (bits - 1) - 1, "extended": 2 ** (bits - 1) - 1}.get(
        kind, 2 ** (bits - 1)
    )
    for magnitude in range(top):
        if magnitude == 0 or found[magnitude]:
            decoded[magnitude] = found[magnitude]
            decoded[magnitude + 2 ** (bits - 1)] = -found[magnitude]
    values, codes = sorted_codes(decoded)
    usual = {"ieee": "infinity", "finite": "saturate", "extended": "infinity", "bounded": "saturate"}
    overflow = overflow or usual.get(kind, "nan")
    special = {"infinity": np.inf, "nan": np.nan, "saturate": values[-1]}[overflow]
    upper_even = codes[1:] % 2 == 0
    if not subnormals:  # between 0 and the least normal number the middle goes to 0
        upper_even = np.where(values[:-1] == 0, False, np.where(values[1:] == 0, True, upper_even))
    return Definition(
        values,
        codes,
        bits,
        upper_even=upper_even,
        beyond=None if overflow == "saturate" else float(found[top]),
        special=float(special),
        nan=0.0 if kind == "finite" else np.nan,
        plus=float(special),
        minus=-float(special),
        zero_sign=not signless,
    )


def posit_value(code: int, n: int, es: int) -> Fraction | None:
    """Return the value of a posit's bit string; None for NaR (Posit Standard 2022, with any es)."""
    if code == 0:
        return Fraction(0)
    if code == 1 << (n - 1):
        return None
    if code >> (n - 1):
        return -posit_value((1 << n) - code, n, es)  # type: ignore[operator]
    string = format(code, f"0{n}b")[1:]
    run = len(string) - len(string.lstrip(string[0]))
    regime = run - 1 if string[0] == "1" else -run
    rest = string[run + 1 :]
    exponent = int((rest[:es] + "0" * es)[:es] or "0", 2)  # bits that were cut off count as 0
    fraction = rest[es:]
    significand = 1 + Fraction(int(fraction or "0", 2), 2 ** len(fraction))
    return significand * TWO ** (regime * 2**es + exponent)


def posit(n: int, es: int) -> Definition:
    """Posits, rounded as bit strings: the boundary between two codes is the posit one bit longer."""
    decoded = {c: posit_value(c, n, es) for c in range(2**n) if c != 1 << (n - 1)}
    values, codes = sorted_codes(decoded)  # type: ignore[arg-type]
    middles = np.array([float(posit_value((2 * int(c) + 1) % 2 ** (n + 1), n + 1, es)) for c in codes[:-1]])  # type: ignore[arg-type]
    return Definition(
        values,
        codes,
        n,
        middles=middles,
        plus=np.nan,
        minus=np.nan,
        zero_sign=False,
        never_zero=True,
    )


@functools.cache
def irrational_power(exponent: Fraction) -> Fraction:
    """Return 2^exponent to 60 digits."""
    whole = exponent.numerator // exponent.denominator
    if whole:
        return irrational_power(exponent - whole) * TWO**whole
    with decimal.localcontext(decimal.Context(prec=60)):
        return Fraction(decimal.Decimal(2) ** (decimal.Decimal(exponent.numerator) / exponent.denominator))


def nearest_float32(exact: Fraction) -> float:
    """Return the float32 nearest to a positive number that is no tie."""
    guess = np.float32(float(exact))
    near = [np.nextafter(guess, np.float32(0)), guess, np.nextafter(guess, np.float32(np.inf))]
    return float(min(near, key=lambda v: abs(Fraction(float(v)) - exact)))


def signed_powers(
    bits: int, logs: list[Fraction], codes: list[int], sign: int, zero: int, domain: str
) -> Definition:
    """Zero and plus and minus 2^log for each log, carried as float32; NaN becomes 0.

    Args:
        codes: of the positive values; the negative ones have ``sign`` added.
        zero: the code of 0.
        domain: ``value``: the nearest value; ``log``: the value whose logarithm is nearest, where the line
            beside zero is half of the smallest magnitude.
    """
    magnitudes = [nearest_float32(irrational_power(k)) for k in logs]
    middles = None
    if domain == "log":
        between = [float(irrational_power((a + b) / 2)) for a, b in itertools.pairwise(logs)]
        positive = np.array([magnitudes[0] / 2, *between])
        middles = np.concatenate([-positive[::-1], positive])
    return Definition(
        np.array([-v for v in magnitudes[::-1]] + [0.0] + magnitudes),
        np.array([c + sign for c in codes[::-1]] + [zero] + codes),
        bits,
        middles=middles,  # type: ignore[arg-type]
        nan=0.0,
        plus=magnitudes[-1],
        minus=-magnitudes[-1],
        zero_sign=False,
    )


def lns(bits: int, frac: int, domain: str = "value") -> Definition:
    """Sign and a two's complement log2 with frac fraction bits, whose least code means zero."""
    half = 2 ** (bits - 2)
    numbers = range(-half + 1, half)
    codes = [n % (2 * half) for n in numbers]
    return signed_powers(bits, [Fraction(n, 2**frac) for n in numbers], codes, 2 * half, half, domain)


def pow2(bits: int, emax: int = 0, domain: str = "value") -> Definition:
    """Zero and plus and minus 2^k for the 2^(bits-1) - 1 integers k up to emax; code 0 is zero."""
    count = 2 ** (bits - 1) - 1
    logs = [Fraction(emax - count + i) for i in range(1, count + 1)]
    return signed_powers(bits, logs, list(range(1, count + 1)), count + 1, 0, domain)


def table(
    bits: int,
    values: list[float],
    codes: list[int],
    middles: list[float] | None = None,
    nan: float = 0.0,
) -> Definition:
    """Values carried as float32; the infinities become the outer ones."""
    single = np.array(values, np.float32).astype(np.float64)
    return Definition(
        single,
        np.array(codes),
        bits,
        middles=None if middles is None else np.array(middles),  # type: ignore[arg-type]
        nan=nan,
        plus=float(single[-1]),
        minus=float(single[0]),
        zero_sign=False,
    )
