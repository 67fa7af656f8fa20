"""Checks of what would be stored: codes and packed bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats.conformance.check import BASICS, LIMITS, LISTED, OWN, STORES, Check
from precision.formats.conformance.patterns import SPECIAL
from precision.formats.conformance.subject import Subject
from precision.formats.conformance.verdict import broken, differs, first, number, said

SHAPES = ((), (0,), (1,), (7,), (3, 5), (2, 3, 70))


def encode_decode(subject: Subject) -> None:
    """decode(encode(x)) is quantize(x), to the sign of zero."""
    x = subject.x
    parts = [x] if subject.format.block is not None else [np.concatenate([x, SPECIAL])]
    parts += [_numbers(subject, shape) for shape in SHAPES]
    for part in parts:
        back = _decoded(subject, part, subject.call("encode", part))
        _compare(part, subject.quantize(part), back, "decode(encode(x))")


def _numbers(subject: Subject, shape: tuple[int, ...]) -> np.ndarray:
    flat = subject.x.reshape(-1)
    within = flat[subject.within(flat)] if subject.format.block is None else flat
    return np.resize(within[:: max(within.size // 97, 1)], shape).astype(np.float32)


def _decoded(subject: Subject, x: np.ndarray, encoded: Any) -> np.ndarray:
    try:
        back = subject.format.decode(encoded)
    except Exception as error:
        broken(f"decode raised {said(error)}, on the codes of an array of shape {x.shape}")
    return _array(x, back, "decode(encode(x))")


def _array(x: np.ndarray, back: Any, what: str) -> np.ndarray:
    back = np.asarray(back)
    if back.shape != x.shape or back.dtype != np.float32:
        broken(f"{what} is {back.dtype} of shape {back.shape}, but x is float32 of shape {x.shape}")
    return back


def _compare(x: np.ndarray, y: np.ndarray, back: np.ndarray, what: str) -> None:
    at = first(differs(y, back))
    if at is None:
        return
    text = f"{number(x[at])} rounds to {number(y[at])}, but {what} gives {number(back[at])}"
    if y[at] == back[at]:
        text += "; where -0 has no code, it must become 0"
    broken(text)


def codes_fit(subject: Subject) -> None:
    """Every code is below 2^bits, and fewer bits would not do."""
    bits = subject.format.bits
    whole = math.ceil(bits)
    x = np.concatenate([subject.values if subject.lists else subject.x, SPECIAL])
    encoded = np.asarray(subject.call("encode", x))
    if encoded.dtype.kind != "u" or encoded.shape != x.shape:
        broken(
            f"codes must be unsigned integers in the shape {x.shape} of x, but are {encoded.dtype} of "
            f"{encoded.shape}"
        )
    if (at := first(encoded >= 2.0**whole)) is not None:
        broken(f"{number(x[at])} has the code {int(encoded[at])}, which needs more than {bits:g} bits")
    if subject.lists:
        used = len(np.unique(encoded))
        if used <= 2 ** (whole - 1):
            broken(
                f"the format declares {bits:g} bits, but only {used} codes are used: {whole - 1} bits would "
                "do"
            )
    elif encoded.max() < 2.0 ** (whole - 1):
        broken(f"the format declares {bits:g} bits, but no number has a code with the highest of them")


def pack_unpack(subject: Subject) -> None:
    """A packed string is as long as the bits say and gives the rounded values back."""
    for shape in SHAPES:
        x = _numbers(subject, shape)
        data = subject.call("pack", x)
        if not isinstance(data, bytes):
            broken(f"pack() must return bytes, but returns {type(data).__name__}")
        length = subject.call("packed_bytes", shape)
        if len(data) != length:
            broken(f"pack() gives {len(data)} bytes for shape {shape}, but packed_bytes says {length}")
        if subject.format.block is None:
            by_bits = math.ceil(math.prod(shape) * subject.format.bits / 8)
            if length != by_bits:
                bits = f"{subject.format.bits:g} bits"
                broken(f"values of shape {shape} take {length} bytes, but at {bits} each they need {by_bits}")
        back = subject.call("unpack", data, shape)
        _compare(x, subject.quantize(x), _array(x, back, "unpack(pack(x))"), "unpack(pack(x))")
        _refuses_length(subject, data, shape)


def _refuses_length(subject: Subject, data: bytes, shape: tuple[int, ...]) -> None:
    try:
        subject.format.unpack(data + b"\0", shape)
    except PrecisionError:
        return
    except Exception as error:
        broken(f"unpack of a string of the wrong length must be a PrecisionError, but raised {said(error)}")
    broken(
        f"unpack takes {len(data) + 1} bytes for shape {shape} without an error, though {len(data)} are right"
    )


def bits_of_blocks(subject: Subject) -> None:
    """The bits per value of whole blocks, their scales included, are those that are declared."""
    block = subject.format.block or 1
    shape = (64, 4 * block)
    count = math.prod(shape)
    length = subject.call("packed_bytes", shape)
    if abs(length - count * subject.format.bits / 8) > 8:  # a scale of the whole tensor may come on top
        each = 8 * length / count
        broken(f"the format declares {subject.format.bits:g} bits per value, but whole blocks take {each:g}")


_CODES = "codes fit the declared bits"
CHECKS = [
    Check(STORES, encode_decode, (*LISTED, LIMITS, OWN)),
    Check(_CODES, codes_fit, (*LISTED, STORES), blocks=False),
    Check("blocks take the declared bits", bits_of_blocks, BASICS, blocks=True),
    Check("pack and unpack", pack_unpack, (*LISTED, STORES, _CODES)),
]
