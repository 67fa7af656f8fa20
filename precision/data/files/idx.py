"""IDX, the file format of MNIST: a magic number, the sizes, then unsigned bytes, last dimension fastest.

All numbers are big-endian and of 32 bits. The magic number is 0x000008dd for unsigned bytes in dd
dimensions, so images start with 0x00000803 and labels with 0x00000801.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from precision.data.files.streams import read_bytes
from precision.errors import PrecisionError

_AGAIN = "fetch the file again"


def read_images(path: Path, size: tuple[int, int], most: int) -> np.ndarray:
    """Read an IDX image file, gzipped or not.

    Args:
        path: the file.
        size: height and width that the images must have.
        most: how many images there may be, which bounds what is decompressed.

    Returns:
        uint8 (N, height, width, 1).

    Raises:
        PrecisionError: if the file is anything else.
    """
    images = _read(path, "image", size, most)
    return images.reshape(len(images), *size, 1)


def read_labels(path: Path, classes: int, most: int) -> np.ndarray:
    """Read an IDX label file, gzipped or not: int64 (N,) in 0..classes-1, at most ``most`` of them.

    Raises:
        PrecisionError: if the file is anything else.
    """
    labels = _read(path, "label", (), most)
    if labels.max() >= classes:
        index = int(np.argmax(labels >= classes))
        raise PrecisionError(
            f"{path}: labels are in 0..{classes - 1}, but got {labels[index]} at index {index}; {_AGAIN}"
        )
    return labels.astype(np.int64)


def _read(path: Path, kind: str, item_shape: tuple[int, ...], most: int) -> np.ndarray:
    magic = 0x800 + 1 + len(item_shape)
    header = 4 + 4 * (1 + len(item_shape))
    head = read_bytes(path, header)
    if len(head) >= 4 and head[:4] != struct.pack(">I", magic):
        raise PrecisionError(
            f"{path}: an IDX {kind} file starts with 0x{magic:08x}, but got 0x{head[:4].hex()}; {_AGAIN}"
        )
    if len(head) < header:
        raise PrecisionError(
            f"{path}: an IDX {kind} file has a header of {header} bytes, but got {len(head)}; {_AGAIN}"
        )
    count, *shape = struct.unpack(f">{1 + len(item_shape)}I", head[4:])
    if tuple(shape) != item_shape:
        raise PrecisionError(f"{path}: images are {_by(item_shape)}, but got {_by(shape)}; {_AGAIN}")
    if not 1 <= count <= most:
        raise PrecisionError(f"{path}: the header counts 1 to {most} {kind}s, but got {count}; {_AGAIN}")

    expected = count * int(np.prod(item_shape, dtype=np.int64))
    data = read_bytes(path, header + expected + 1)[header:]  # one more shows whether bytes trail
    if len(data) != expected:
        received = f"only {len(data)}" if len(data) < expected else "more"
        raise PrecisionError(
            f"{path}: {count} {kind}s are {expected} bytes after the header, but got {received}; {_AGAIN}"
        )
    return np.frombuffer(data, np.uint8).reshape(count, *item_shape).copy()


def _by(shape: tuple[int, ...] | list[int]) -> str:
    return "x".join(map(str, shape))
