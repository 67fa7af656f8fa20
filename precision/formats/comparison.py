"""What rounding to a format does to samples of a distribution: errors, clipping, and what is lost to zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from precision.data.files import npy
from precision.errors import PrecisionError, shown, suggest
from precision.formats.base import NumberFormat
from precision.formats.kernels.block import Block

DEGREES = 3  # of freedom of Student's t
_Draw = Callable[[np.random.Generator, int], np.ndarray]
DISTRIBUTIONS: dict[str, tuple[str, _Draw]] = {
    "normal": ("standard deviation 1", lambda rng, n: rng.standard_normal(n)),
    "uniform": ("between -1 and 1", lambda rng, n: rng.uniform(-1, 1, n)),
    "laplace": ("mean magnitude 1", lambda rng, n: rng.laplace(0, 1, n)),
    "lognormal": (
        "magnitudes e^z of a normal z, either sign",
        lambda rng, n: rng.choice([-1.0, 1.0], n) * rng.lognormal(0, 1, n),
    ),
    "student": (f"Student's t, {DEGREES} degrees of freedom", lambda rng, n: rng.standard_t(DEGREES, n)),
}
FITS = ("none", "max")
MOST = 100_000_000  # samples: what a table needs is far less, and memory ends soon after


@dataclass(frozen=True)
class Comparison:
    """What a format does to the samples.

    Attributes:
        name: of the format.
        bits: per value.
        sqnr: signal to quantisation noise in decibels, of the samples that stay finite; infinite when all are
            exact.
        mean_error, max_error: absolute, of those that stay finite.
        relative_error: mean of the error over the magnitude, of those that stay finite and are not zero.
        clipped: share that lies beyond the largest or the least value; NaN where the format does not tell.
        flushed: share that is not zero and becomes zero.
        lost: share that becomes NaN or infinity.
    """

    name: str
    bits: float
    sqnr: float
    mean_error: float
    max_error: float
    relative_error: float
    clipped: float
    flushed: float
    lost: float


def samples(source: str, count: int | None = None, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Return float32 samples.

    Args:
        source: a name of ``DISTRIBUTIONS``, or the path of a .npy file of real numbers.
        count: how many; the first of a file. None for 100,000, or all of a file in their own shape.
        scale: factor on all of them.
        seed: of the draw.

    Raises:
        PrecisionError: for an unknown distribution, a file that is missing or no array of finite real
            numbers, a count below 1 or a scale that is not above 0.
    """
    if count is not None and not 1 <= count <= MOST:
        raise PrecisionError(f"samples: their number must lie in 1..{MOST:,}, but got {shown(count)}")
    if not (0 < scale < math.inf):
        raise PrecisionError(f"scale: it must be a finite number above 0, but got {shown(scale)}")
    if seed < 0:
        raise PrecisionError(f"seed: it must be at least 0, but got {shown(seed)}")
    if source in DISTRIBUTIONS:
        x = DISTRIBUTIONS[source][1](np.random.default_rng(seed), count or 100_000)
    elif source.endswith(".npy"):
        x = _read(source)
        x = x if count is None else x.reshape(-1)[:count]
    else:
        raise PrecisionError(
            f"unknown distribution {shown(source)}, and no name of a .npy file; "
            f"{suggest(source, DISTRIBUTIONS)}"
        )
    with np.errstate(over="ignore"):
        single = (x * scale).astype(np.float32)
    if not np.isfinite(single).all():
        raise PrecisionError(
            f"{source}: with the scale {scale:g} some samples are beyond float32 or no numbers"
        )
    return single


def _read(path: str) -> np.ndarray:
    x = npy.read(path)
    if x.dtype.kind not in "fiu":
        raise PrecisionError(f"{path}: an array of real numbers is needed, but it has {x.dtype}")
    if not x.size:
        raise PrecisionError(f"{path}: at least one sample is needed, but the array is empty")
    return x.astype(np.float64)


def compare(number_format: NumberFormat, x: np.ndarray, fit: str = "none") -> Comparison:
    """Return what rounding ``x`` to nearest in a format does to it.

    Args:
        x: finite float32.
        fit: ``max`` to multiply the samples, before rounding, by the number that takes their largest
            magnitude to the largest value, and to divide the results by it; a format whose blocks have scales
            takes the samples as they are. ``none`` to leave them alone.

    Raises:
        PrecisionError: for another fit.
    """
    if fit not in FITS:
        raise PrecisionError(f"unknown fit {shown(fit)}; {suggest(fit, FITS)}")
    factor = _factor(number_format, x) if fit == "max" else 1.0
    scaled = (x.astype(np.float64) * factor).astype(np.float32)
    rounded = number_format.quantize(scaled)
    finite = np.isfinite(rounded)
    exact, y = x.astype(np.float64)[finite], rounded.astype(np.float64)[finite] / factor
    error = np.abs(y - exact)
    nonzero = exact != 0
    noise = float(np.square(error).sum())
    signal = float(np.square(exact).sum())
    return Comparison(
        name=number_format.name,
        bits=number_format.bits,
        sqnr=_decibels(signal, noise),
        mean_error=float(error.mean()) if error.size else math.nan,
        max_error=float(error.max()) if error.size else math.nan,
        relative_error=float((error[nonzero] / np.abs(exact[nonzero])).mean()) if nonzero.any() else math.nan,
        clipped=_share(beyond(number_format, scaled)),
        flushed=float(((rounded == 0) & (scaled != 0)).mean()),
        lost=float((~finite).mean()),
    )


def _factor(f: NumberFormat, x: np.ndarray) -> float:
    largest = float(np.abs(x).max())
    if f.block is not None or largest == 0 or f.max <= 0:
        return 1.0
    return f.max / largest


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf if signal else math.nan
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _share(mask: np.ndarray | None) -> float:
    return math.nan if mask is None else float(mask.mean())


def beyond(f: NumberFormat, x: np.ndarray, axis: int = -1) -> np.ndarray | None:
    """Return which values lie beyond the largest or the least that a format has; None if it does not tell.

    Args:
        axis: along which blocks run.
    """
    if f.block is None:
        return np.asarray((x > f.max) | (x < f.lowest))
    if not isinstance(f, Block):
        return None
    # The largest and the least number that each place could hold under the scale it has.
    ends = []
    codes = f.encode(x, axis=axis)
    for end in (f.element.max, f.element.lowest):
        code = f.element.encode(np.array([end], np.float32))
        ends.append(f.decode(codes._replace(elements=np.broadcast_to(code[0], x.shape)), axis=axis))
    return np.asarray((x > ends[0]) | (x < ends[1]))
