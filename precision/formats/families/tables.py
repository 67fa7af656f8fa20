"""Small fixed tables of values, and tables from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from precision import received
from precision.arguments import written
from precision.data.files import npy
from precision.errors import PrecisionError, shown
from precision.formats.kernels.codebook import Codebook
from precision.registry import FORMATS


@FORMATS.register("binary")
def binary() -> Codebook:
    """-1 and +1 (M. Courbariaux et al. 2016, arXiv:1602.02830); 0 and NaN become +1."""
    return Codebook("binary", 1, [-1.0, 1.0], codes=[1, 0])


@FORMATS.register("ternary")
def ternary(threshold: float = 0.5) -> Codebook:
    """-1, 0 and +1 (F. Li et al. 2016, arXiv:1605.04711): 0 up to the threshold in magnitude.

    Raises:
        PrecisionError: when the threshold is not in 0..1, both excluded.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
        raise PrecisionError(f"ternary(threshold): 0 < threshold < 1 must hold, but got {shown(threshold)}")
    name = written("ternary", (), {"threshold": (float(threshold), 0.5)})
    return Codebook(name, 2, [-1.0, 0.0, 1.0], codes=[3, 0, 1], boundaries=[-threshold, threshold])


# Quantiles of the normal distribution, scaled to [-1, 1], with an exact 0: table of T. Dettmers et al. 2023,
# "QLoRA" (arXiv:2305.14314), appendix E.
NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


MOST = 1 << 22  # bytes of a file with a table


@FORMATS.register("codebook")
def codebook(path: str, *, sha256: str = "") -> Codebook:
    """Table of values from a file: .npy with one dimension, or .csv or .txt; the place is the code.

    The canonical text carries the start of the file's sha256, so that a trial with another table under the
    same name is another trial.

    Args:
        path: of the file, seen from the working directory.
        sha256: at least eight hexadecimal digits that the file's digest must begin with.

    Raises:
        PrecisionError: when the file is missing, is no such table, is another one than sha256 says, or has
            values too near to each other to be rounded to.
    """
    if not isinstance(path, str) or not path.isprintable() or not isinstance(sha256, str | int):
        raise PrecisionError(f"codebook(path): path must be that of a file, but got {shown(path)}")
    file = Path(path)
    if why := received.refusal(file, MOST, near="*.npy"):
        raise PrecisionError(f"codebook {shown(path)}: {why}")
    data = received.read(file, MOST)
    digest = hashlib.sha256(data).hexdigest()
    expected = sha256 if isinstance(sha256, str) else shown(sha256)
    if expected and (len(expected) < 8 or not digest.startswith(expected.lower())):
        raise PrecisionError(
            f"codebook {shown(path)} has another content than the text says: its sha256 begins with "
            f"{digest[:8]}, not {shown(expected)}"
        )
    values = _read(file)
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not 2 <= values.size <= 2**16:
        raise PrecisionError(
            f"codebook {shown(path)}: a table lists 2 to 65536 numbers, but this one is an array of "
            f"{values.dtype} and shape {values.shape}"
        )
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if not np.isfinite(single).all() or len(np.unique(single)) < len(single):
        raise PrecisionError(
            f"codebook {shown(path)}: values must be finite and different from each other as float32"
        )
    order = np.argsort(single)
    bits = max(1, (len(single) - 1).bit_length())
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    found = Codebook(f'codebook("{quoted}",sha256="{digest[:8]}")', bits, single[order], codes=order)
    if digest not in _ROUNDING:  # values that lie too near to each other are no format: better now than later
        found.program()
        _ROUNDING.add(digest)
    return found


_ROUNDING: set[str] = set()  # digests of tables that are known to round


def _read(file: Path) -> np.ndarray:
    """Return the numbers of a file."""
    if file.suffix == ".npy":
        return npy.read(file)
    if file.suffix not in (".csv", ".txt"):
        raise PrecisionError(f"codebook '{file}': the name must end in .npy, .csv or .txt")
    try:
        return np.array([float(word) for word in file.read_text().replace(",", " ").split()])
    except ValueError as error:
        raise PrecisionError(f"codebook '{file}': {shown(str(error))[1:-1]}") from None
