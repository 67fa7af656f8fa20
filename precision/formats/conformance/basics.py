"""Checks of the interface: what a format says of itself, what it takes, and what it gives back."""

from __future__ import annotations

import math

import numpy as np

from precision.errors import PrecisionError
from precision.formats.conformance.check import BASICS, RUNS, SHAPE, Check
from precision.formats.conformance.patterns import SPECIAL
from precision.formats.conformance.subject import KEY, Subject
from precision.formats.conformance.verdict import broken, differs, first, listed, not_applicable, number, said
from precision.formats.rounding import ROUNDINGS
from precision.formats.text import parse
from precision.registry import FORMATS

LARGE = 70_001  # more than a format is likely to work on at a time, and no round number


def declares(subject: Subject) -> None:
    """Name, bits and roundings are what they have to be."""
    name, bits, roundings = (subject.read(a) for a in ("name", "bits", "roundings"))
    if not isinstance(name, str) or not name:
        broken(f"name must be a text, but is {name!r}")
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits < math.inf:
        broken(f"bits must be a number above 0, but is {bits!r}")
    strange = [mode for mode in roundings if mode not in ROUNDINGS]
    if strange:
        broken(f"roundings lists {strange[0]!r}, which is none of {listed(ROUNDINGS)}")
    if "nearest" not in roundings:
        broken("roundings lacks 'nearest', which is what quantize does when it is not told otherwise")
    block = subject.read("block")
    if block is not None and (not isinstance(block, int) or block < 1):
        broken(f"block must be None or a number of elements, but is {block!r}")


def runs(subject: Subject) -> None:
    """Nothing that float32 can hold makes quantize fail, in any rounding."""
    for mode in subject.format.roundings:
        if subject.format.block is None:
            subject.unchecked(np.concatenate([SPECIAL, subject.x]), mode)
        else:
            subject.unchecked(_edge_blocks(subject.format.block), mode)


def _edge_blocks(block: int) -> np.ndarray:
    """Return blocks of one power of two each, and of one special number each among ones."""
    powers = np.repeat(np.ldexp(np.float32(1), np.arange(-149, 128, 3))[:, None], block, axis=1)
    special = np.repeat(SPECIAL[:, None], block, axis=1)
    special[:, 1:] = 1
    return np.concatenate([powers, special]).astype(np.float32)


def keeps_shape(subject: Subject) -> None:
    """Arrays of every shape come back in it, as float32, and no element depends on how it was stored."""
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)
    shapes: list[np.ndarray] = [np.float32(0.3), np.array(0.3, np.float32), np.zeros(0, np.float32)]  # type: ignore[list-item]
    shapes += [x[0, 0, :1], x, np.zeros((2, 0, 3), np.float32), x[0]]
    for part in shapes:
        subject.quantize(part)
    for kind in (np.float16, np.float64, np.int32):
        subject.quantize(x.astype(kind))
    for axis in range(3):
        subject.quantize(x, axis=axis)
    for view, how in ((x[:, ::2, ::3], "every second element of an array"), (x.T, "a transposed array")):
        y, want = subject.quantize(view), subject.quantize(np.ascontiguousarray(view))
        _same(view, y, want, f"{how} rounds otherwise than a copy of it")
    large = np.resize(x.reshape(-1), LARGE)
    rows = large[: LARGE - LARGE % 24].reshape(-1, 24)
    want = np.repeat(subject.quantize(x.reshape(1, -1)), len(rows), axis=0)
    _same(
        rows, subject.quantize(rows), want, "in a large array, a number rounds otherwise than in a small one"
    )
    if subject.format.block is None:
        want = np.resize(subject.quantize(x.reshape(-1)), LARGE)
        _same(
            large,
            subject.quantize(large),
            want,
            "in a large array, a number rounds otherwise than in a small one",
        )


def _same(x: np.ndarray, y: np.ndarray, want: np.ndarray, what: str) -> None:
    if (at := first(differs(y, want))) is not None:
        broken(f"{what}: {number(x[at])} at {at} rounds to {number(y[at])} instead of {number(want[at])}")


def leaves_input(subject: Subject) -> None:
    """The array that was given is as it was."""
    for mode in subject.format.roundings:
        x = subject.x.copy()
        subject.format.quantize(x, mode, KEY if mode == "stochastic" else None)
        if (at := first(differs(x, subject.x))) is not None:
            where = f"quantize (rounding {mode})"
            broken(f"{where} overwrites its input: {number(subject.x[at])} has become {number(x[at])}")


def parses_back(subject: Subject) -> None:
    """The name is a text from which the same format comes."""
    name = subject.format.name
    if name.split("(")[0] not in FORMATS:
        not_applicable(f"{name!r} is not registered")
    try:
        again = parse(name)
    except PrecisionError as error:
        broken(f"its own name does not parse: {error}")
    if again != subject.format:
        broken(f"the text {name!r} parses to a format named {again.name!r}")
    y = Subject(again).quantize(subject.x)
    if (at := first(differs(subject.rounded(), y))) is not None:
        broken(
            f"the text {name!r} parses to another format, in which {number(subject.x[at])} rounds to "
            f"{number(y[at])} and not to {number(subject.rounded()[at])}"
        )


def refuses(subject: Subject) -> None:
    """A rounding that the format does not list is an error and not silently another one."""
    x = subject.x[:4]
    for mode in [mode for mode in ROUNDINGS if mode not in subject.format.roundings] + ["sideways"]:
        _must_refuse(subject, f"rounding={mode!r}, which is not in roundings,", x, mode, KEY)
    if "stochastic" in subject.format.roundings:
        _must_refuse(subject, "stochastic rounding without a key", x, "stochastic", None)


def _must_refuse(subject: Subject, what: str, x: np.ndarray, mode: str, key: object) -> None:
    try:
        subject.format.quantize(x, mode, key)
    except PrecisionError:
        return
    except Exception as error:
        broken(f"{what} must be a PrecisionError, but quantize raised {said(error)}")
    broken(f"quantize takes {what} without an error; pass rounding to precision.formats.parse_rounding")


CHECKS = [
    Check("declares what it is", declares),
    Check(RUNS, runs, ("declares what it is",)),
    Check(SHAPE, keeps_shape, (RUNS,)),
    Check("leaves its input alone", leaves_input, BASICS),
    Check("parses back", parses_back, BASICS),
    Check("refuses other roundings", refuses, BASICS),
]
