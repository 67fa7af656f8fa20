"""Reading files, compressed or not, without trusting them."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from precision import received
from precision.errors import PrecisionError

_CHUNK = 1 << 20


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the first ``limit`` bytes of a file, decompressed if its name ends in ``.gz``.

    Never allocates more than the file holds, however large the limit. If the file ends before the
    limit, the checksum of a compressed file has been verified.

    Raises:
        PrecisionError: if the file cannot be read, or its compression is truncated or corrupt.
    """
    received.check(path)
    pieces = []
    left = limit
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            while left > 0 and (piece := stream.read(min(left, _CHUNK))):
                pieces.append(piece)
                left -= len(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PrecisionError(
            f"{path}: a .gz file holds one complete gzip stream, but got: {error}; fetch the file again"
        ) from None
    except OSError as error:
        raise PrecisionError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    return b"".join(pieces)
