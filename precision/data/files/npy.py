"""Arrays in NumPy's file format: what the header says is held against the file before it is believed.

Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import IO

import numpy as np

from precision import received
from precision.errors import PrecisionError, said, shown

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(path: str | Path) -> np.ndarray:
    """Return the array of a .npy file.

    Raises:
        PrecisionError: when it is missing, no array in NumPy's format, or announces more than it holds.
    """
    received.check(path, received.memory(), near="*.npy")
    try:
        with open(path, "rb") as stream:
            check_header(stream, Path(path).stat().st_size)
            stream.seek(0)
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except OSError as error:
        raise PrecisionError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # the header is a text of Python, whose parser can raise anything
        raise PrecisionError(f"{path}: this is no array in NumPy's format ({said(error)})") from None


def decode(content: bytes) -> np.ndarray:
    """Return the array of the content of a .npy file.

    Raises:
        ValueError: as :func:`check_header`; what is damaged can lead to any other exception.
    """
    stream = io.BytesIO(content)
    check_header(stream, len(content))
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def check_header(stream: IO[bytes], size: int, name: str = "the array") -> int:
    """Read the header of an array, before NumPy allocates memory for what it announces.

    Args:
        stream: at the beginning of the array.
        size: bytes from there to the end of the array.
        name: of the array, for messages.

    Returns:
        The bytes of header and content.

    Raises:
        ValueError: for Python objects, and for more content than there is; a damaged header can lead to any
            other exception.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is unknown")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the parser of Python warns of what is no header either
        try:
            shape, _, dtype = _HEADERS[version](stream)
        except Warning as warning:
            raise ValueError(f"Cannot parse header: {warning}") from None
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects; store plain numbers")
    announced = math.prod(shape) * dtype.itemsize  # Python's integers do not overflow
    held = size - stream.tell()
    if min(shape, default=0) < 0 or announced > held:
        raise ValueError(
            f"the header of {name} announces {announced} bytes of shape {shown(shape)}, which the file "
            f"cannot hold: it has {held}"
        )
    return stream.tell() + announced
