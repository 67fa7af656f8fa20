"""Reading files, compressed or not, without trusting them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from precision import received
from precision.errors import PrecisionError, said

_CHUNK = 1 << 20
_COMPRESSED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    ".gz": ("gzip", gzip.open),
    ".bz2": ("bzip2", bz2.open),
    ".xz": ("xz", lzma.open),
}


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the first ``limit`` bytes of a file, decompressed if it is called ``.gz``, ``.bz2`` or ``.xz``.

    Never allocates more than the file holds, however large the limit. If the file ends before the
    limit, the checksum of a compressed file has been verified.

    Raises:
        PrecisionError: if the file cannot be read, or its compression is truncated or corrupt.
    """
    received.check(path)
    pieces = []
    left = limit
    kind, opened = _COMPRESSED.get(path.suffix, ("", _plain))
    try:
        with opened(path) as stream:
            while left > 0 and (piece := stream.read(min(left, _CHUNK))):
                pieces.append(piece)
                left -= len(piece)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if getattr(error, "errno", None) is None:  # not of the system, but of what was decompressed
            raise PrecisionError(
                f"{path}: a {path.suffix} file holds one complete {kind} stream, but got: {error}; fetch the "
                "file again"
            ) from None
        raise PrecisionError(f"{path}: cannot be read ({said(error)}); check the file") from None
    return b"".join(pieces)


def _plain(path: Path) -> IO[bytes]:
    return open(path, "rb")


class Limited:
    """A compressed stream of which only so much is read, whatever it promises.

    Args:
        stream: to read from.
        most: bytes that it may have, decompressed.
        path: for the message.
    """

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, most: int, path: Path) -> None:
        self._stream, self._left, self._most, self._path = stream, most, most, path

    def read(self, count: int) -> bytes:
        """Return at most so many bytes.

        Raises:
            PrecisionError: when there are more than there may be.
        """
        piece = self._stream.read(min(count, self._left + 1))
        self._left -= len(piece)
        if self._left < 0:
            raise PrecisionError(
                f"{self._path}: at most {self._most} bytes are taken out of this file, but it has more; "
                "fetch the file again"
            )
        return piece
