"""A multiplier from a file: a table with a product for each pair of operands."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from precision.arguments import choice, flag
from precision.arithmetic.multipliers.base import Multiplier, Published
from precision.arithmetic.multipliers.files import TYPES, Stored, read
from precision.arithmetic.multipliers.published import PUBLISHED
from precision.errors import PrecisionError, shown
from precision.registry import MULTIPLIERS

FORM = "table(path)"
ORDERS = ("aw", "wa")
INDICES = ("value", "code")


@MULTIPLIERS.register("table")
def table(
    path: str, *, signed: object = "", index: str = "", order: str = "", dtype: str = "", sha256: str = ""
) -> Multiplier:
    """Table of products from a .bin, .npy or .npz file.

    A .bin file is a square of little-endian numbers, row after row, and its length says how many bits an
    operand has. The canonical text carries the conventions and the start of the file's sha256, so that a
    trial with another table under the same name, or the same read otherwise, is another trial.

    Args:
        path: of the file, seen from the working directory.
        signed: whether operands and products are signed; no where neither the text nor the file says it.
        index: of a signed table, what the place of a row or column is: ``value`` less the least value (-128
            comes first), or the two's-complement ``code`` (0 to 127 come first, then -128). There is no
            default: the text or the file must say it.
        order: ``aw`` where rows are activations and columns weights, ``wa`` where it is the reverse; aw where
            neither the text nor the file says it.
        dtype: of the numbers in a .bin file; uint16, or int16 of a signed table, if not given.
        sha256: at least eight hexadecimal digits that the file's digest must begin with.

    Raises:
        PrecisionError: when the file is missing, is no such table, is another one than sha256 says, says of
            itself another convention, or has products that its operands cannot have.
    """
    if not isinstance(path, str) or not path.isprintable() or not isinstance(sha256, str | int):
        raise PrecisionError(f"{FORM}: path must be that of a file, but got {shown(path)}")
    claimed = False if signed == "" else flag(FORM, "signed", signed)
    usual = "int16" if claimed else "uint16"
    dtype = choice(FORM, "dtype", dtype or usual, TYPES)
    stored = read(path, dtype)
    _check_digest(path, stored.digest, sha256)
    signed = bool(_agreed(path, stored, "signed", signed if signed == "" else claimed) or False)
    order = choice(FORM, "order", _agreed(path, stored, "order", order) or "aw", ORDERS)
    index = _agreed(path, stored, "index", index)
    index = index and choice(FORM, "index", index, INDICES)
    if signed and not index:
        raise PrecisionError(
            f"table {shown(path)}: the index of a signed table must be stated; write index=value where the "
            "least operand comes first, index=code where zero does"
        )
    values = stored.values.astype(np.int64)
    if signed and index == "code":  # of unsigned operands it is the value
        values = np.roll(values, [n // 2 for n in values.shape], (0, 1))
    if order == "wa":
        values = values.T
    bits = (values.shape[0].bit_length() - 1, values.shape[1].bit_length() - 1)
    _check_products(path, values, bits, signed)
    words = [f"order={order}"]
    words += [f"signed=True,index={index}"] if signed else []
    words += [f"dtype={dtype}"] if path.lower().endswith(".bin") and dtype != usual else []
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    name = f'table("{quoted}",{",".join(words)},sha256="{stored.digest[:8]}")'
    lowest = (-(values.shape[0] // 2), -(values.shape[1] // 2)) if signed else (0, 0)
    return Multiplier(name, bits, signed, functools.partial(_looked_up, values, *lowest), _published(stored))


def _looked_up(values: np.ndarray, lowest_a: int, lowest_w: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    return values[a - lowest_a, w - lowest_w]


def _check_digest(path: str, digest: str, sha256: object) -> None:
    expected = sha256 if isinstance(sha256, str) else shown(sha256)
    if expected and (len(expected) < 8 or not digest.startswith(expected.lower())):
        raise PrecisionError(
            f"table {shown(path)} has another content than the text says: its sha256 begins with "
            f"{digest[:8]}, not {shown(expected)}"
        )


def _agreed(path: str, stored: Stored, key: str, stated: Any) -> Any:
    """Return what the text or the file says of a convention, which must not contradict each other."""
    own = stored.notes.get(key, "")
    if stated != "" and own != "" and stated != own:
        raise PrecisionError(
            f"table {shown(path)}: the text says {key}={stated}, but the file says {key}={own}; leave it out"
        )
    return own if stated == "" else stated


def _check_products(path: str, values: np.ndarray, bits: tuple[int, int], signed: bool) -> None:
    span = 1 << sum(bits)
    low, high = (-span // 2, span // 2 - 1) if signed else (0, span - 1)
    if values.min() < low or values.max() > high:
        wrong = values.min() if values.min() < low else values.max()
        kind = "signed" if signed else "unsigned"
        raise PrecisionError(
            f"table {shown(path)}: products of {kind} operands of {bits[0]} and {bits[1]} bits lie in "
            f"{low}..{high}, but one of them is {wrong}; state signed and dtype as the file has them"
        )


def _published(stored: Stored) -> Published:
    known = {
        key: stored.notes[key]
        for key in ("power", "area", "delay", "technology", "source")
        if key in stored.notes
    }
    return Published(**known) if known else PUBLISHED.get(stored.digest, Published())
