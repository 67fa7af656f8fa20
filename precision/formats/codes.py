"""Codes as bits: unsigned integers of any width to a byte string and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from precision.errors import PrecisionError

_CHUNK = 1 << 18  # codes at a time: their single bits, one byte each, stay in the cache


def smallest_type(bits: int) -> type[np.unsignedinteger]:
    """Return the narrowest unsigned NumPy type that holds ``bits`` bits."""
    for kind in (np.uint8, np.uint16, np.uint32):
        if bits <= 8 * kind().itemsize:
            return kind
    return np.uint64


def checked(encoded: Any, count: int, name: str) -> np.ndarray:
    """Return codes as an array.

    Raises:
        PrecisionError: when they are no integers, or do not lie in 0..count-1.
    """
    array = np.asarray(encoded)
    if array.dtype.kind not in "ui":
        raise PrecisionError(f"{name}: codes are integers, but got an array of {array.dtype}")
    if array.size and (array.min() < 0 or int(array.max()) >= count):
        raise PrecisionError(f"{name}: codes lie in 0..{count - 1}, but got {array.min()}..{array.max()}")
    return array


def check_length(name: str, data: bytes, shape: Sequence[int], expected: int) -> None:
    """Refuse a byte string that has another length than values of a shape take.

    Raises:
        PrecisionError: naming both.
    """
    if len(data) != expected:
        raise PrecisionError(
            f"{name}: values of shape {tuple(shape)} take {expected} bytes, but got {len(data)}"
        )


def pack(codes: np.ndarray, bits: int) -> bytes:
    """Return codes of ``bits`` bits each, least significant bit first, without gaps between them."""
    kind = smallest_type(bits)
    flat = np.ascontiguousarray(codes, np.dtype(kind).newbyteorder("<")).reshape(-1)
    if bits == 8 * kind().itemsize:
        return flat.tobytes()
    parts = []
    for start in range(0, flat.size, _CHUNK):  # a multiple of eight codes ends on the border of a byte
        part = flat[start : start + _CHUNK]
        wide = np.unpackbits(part.view(np.uint8).reshape(part.size, -1), axis=1, bitorder="little")
        parts.append(np.packbits(wide[:, :bits], bitorder="little").tobytes())
    return b"".join(parts)


def unpack(data: bytes, bits: int, count: int) -> np.ndarray:
    """Return ``count`` codes of ``bits`` bits each from what :func:`pack` returned."""
    kind = np.dtype(smallest_type(bits)).newbyteorder("<")
    if bits == 8 * kind.itemsize:
        return np.frombuffer(data, kind, count)
    codes = np.empty(count, kind)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        piece = np.frombuffer(data, np.uint8, -(-size * bits // 8), start * bits // 8)
        narrow = np.unpackbits(piece, count=size * bits, bitorder="little").reshape(size, bits)
        wide = np.zeros((size, 8 * kind.itemsize), np.uint8)
        wide[:, :bits] = narrow
        codes[start : start + size] = np.packbits(wide, axis=1, bitorder="little").view(kind)[:, 0]
    return codes
