"""Tables of products in files: read with a bound on their size, and never unpickled."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from precision import files, received
from precision.arithmetic.multipliers.base import Multiplier
from precision.data.files import npy
from precision.errors import PrecisionError, said, shown

WIDEST = 10  # bits of an operand in a file
MOST = 4**WIDEST * 8 + 2**16  # bytes: the largest table in int64, and what stands around it
ENDINGS = (".bin", ".npy", ".npz")
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_NUMBERS = ("power", "area", "delay")
_WORDS = ("index", "order", "technology", "source")
KEYS = ("signed", *_WORDS, *_NUMBERS)
"""What a .npz file may say beside its array ``table``."""


@dataclass(frozen=True)
class Stored:
    """A table as its file has it.

    Attributes:
        values: whole numbers, (2^m, 2^n), in the file's own order.
        digest: the sha256 of the file, in hexadecimal.
        notes: what the file says of itself, of KEYS.
    """

    values: np.ndarray
    digest: str
    notes: Mapping[str, Any] = field(default_factory=dict)


def read(path: str, dtype: str) -> Stored:
    """Return the table of a file.

    Args:
        path: ends in .bin (numbers alone, little-endian, square), .npy or .npz.
        dtype: of the numbers of a .bin file, one of TYPES.

    Raises:
        PrecisionError: when it is missing, too large, damaged, of another type or another size, or holds
            Python objects.
    """
    file = Path(path)
    if why := received.refusal(file, MOST, near="*.[bn][ip][nyz]"):
        raise PrecisionError(f"table {shown(path)}: {why}")
    content = received.read(file, MOST)
    digest = hashlib.sha256(content).hexdigest()
    notes: dict[str, Any] = {}
    try:
        match file.suffix.lower():
            case ".bin":
                values = _square(content, dtype)
            case ".npy":
                values = npy.decode(content)
            case ".npz":
                values, notes = _archive(content)
            case _:
                raise ValueError("the name must end in .bin, .npy or .npz")
        _check(values)
    except Exception as error:  # the header of an array and a damaged archive can raise anything
        raise PrecisionError(f"table {shown(path)}: {said(error)}") from None
    return Stored(values, digest, notes)


def write(multiplier: Multiplier, path: Path) -> None:
    """Write the table of a multiplier of at most 10 bits, with its conventions, as a .npz file.

    Raises:
        PrecisionError: for another ending, more bits, and a place where nothing can be written.

    >>> from pathlib import Path
    >>> from precision.arithmetic.multipliers import parse_multiplier, write_table
    >>> write_table(parse_multiplier("udm(4)"), Path("udm4.npz"))
    >>> int(parse_multiplier("table(udm4.npz)").multiply(3, 3))
    7
    """
    if path.suffix != ".npz":
        raise PrecisionError(f"{path}: a table that says what it is goes into a .npz file")
    if max(multiplier.bits) > WIDEST:
        raise PrecisionError(
            f"{path}: a file has a table of at most {WIDEST} bits, but {multiplier} has {multiplier.bits}"
        )
    known = {key: getattr(multiplier.published, key) for key in (*_NUMBERS, "technology", "source")}
    notes = {key: value for key, value in known.items() if value not in (None, "")}
    arrays: dict[str, Any] = {
        "table": multiplier.table().table,
        "signed": np.array(multiplier.signed),
        **{key: np.array(value) for key, value in {"index": "value", "order": "aw", **notes}.items()},
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with files.refused(path, "the table cannot be written here", "give another path"):
        files.write(path, buffer.getvalue())


def _square(content: bytes, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).newbyteorder("<")
    entries = len(content) // kind.itemsize
    bits = (entries.bit_length() - 1) // 2
    if len(content) != kind.itemsize * 4**bits:
        sizes = f"{kind.itemsize * 4**8} for 8 bits"
        raise ValueError(
            f"a square table of {dtype} has {kind.itemsize} 4^bits bytes ({sizes}), but got {len(content)}"
        )
    return np.frombuffer(content, kind).reshape(1 << bits, 1 << bits)


def _archive(content: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the array ``table`` of an archive, or its only one, and what it says besides."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        name = "table" if "table" in names or len(names) != 1 else next(iter(names))
        if name not in names:
            raise ValueError(f"it needs an array 'table', but has {', '.join(sorted(names)) or 'none'}")
        for key in {name, *KEYS} & set(names):
            if names[key].file_size > MOST:
                raise ValueError(f"{key} has at most {MOST} bytes, but got {names[key].file_size}")
            with archive.open(names[key]) as stream:
                arrays[key] = npy.decode(stream.read(MOST + 1))
    table = arrays.pop(name)
    return table, {key: _note(key, value) for key, value in arrays.items()}


def _note(key: str, value: np.ndarray) -> Any:
    kinds = "b" if key == "signed" else "U" if key in _WORDS else "iuf"
    if value.ndim or value.dtype.kind not in kinds:
        what = {"b": "one truth value", "U": "one text"}.get(kinds, "one number")
        raise ValueError(f"{key} must be {what}, but it is an array of {value.dtype} and shape {value.shape}")
    found = value.item()
    if kinds == "iuf" and not (math.isfinite(found) and found >= 0):
        raise ValueError(f"{key} must be a finite number of at least 0, but got {found}")
    return found


def _check(values: np.ndarray) -> None:
    if values.dtype.kind not in "iu":
        raise ValueError(f"a table holds whole numbers of an integer type, but got {values.dtype}")
    sizes = [1 << bits for bits in range(2, WIDEST + 1)]
    if values.ndim != 2 or not all(n in sizes for n in values.shape):
        raise ValueError(
            f"a table has a row and a column for each operand of 2 to {WIDEST} bits, such as (256, 256) for "
            f"8 bits, but got the shape {values.shape}"
        )
