"""Checks of formats in which neighbours share a scale."""

from __future__ import annotations

import math

import numpy as np

from precision.formats.conformance.check import BASICS, LISTED, Check
from precision.formats.conformance.patterns import ROWS, WHOLE_BLOCKS
from precision.formats.conformance.subject import Subject
from precision.formats.conformance.verdict import broken, differs, first, not_applicable, number


def independent(subject: Subject) -> None:
    """What stands in one block changes no other, in its row or in the next."""
    block, x = _block(subject), subject.x
    y = subject.rounded()
    for row in range(1, ROWS):
        start = row % (WHOLE_BLOCKS + 1) * block  # a short block at the end of a row is one of them
        changed = x.copy()
        changed[row, start : start + block] *= 8  # below the largest of the tensor, which stays
        z = subject.quantize(changed)
        other = np.ones(x.shape, bool)
        other[row, start : start + block] = False
        if (at := first(differs(y, z) & other)) is not None:
            broken(
                f"a change of the block at row {row}, columns {start} to {start + block - 1}, changes the "
                f"element at {at}: {number(x[at])} rounds to {number(z[at])} instead of {number(y[at])}"
            )


def honours_axis(subject: Subject) -> None:
    """Blocks run along the axis that is asked for."""
    x, y = subject.x, subject.rounded()
    _compare(x.T, subject.quantize(x.T, axis=0), y.T, "with axis=0, a column")
    cube = np.repeat(x[:, :, None], 2, axis=2)
    want = np.repeat(y[:, :, None], 2, axis=2)
    _compare(cube, subject.quantize(cube, axis=1), want, "with axis=1 of three, a line")
    _compare(cube, subject.quantize(cube, axis=-2), want, "with axis=-2 of three, a line")


def short_block(subject: Subject) -> None:
    """The last block of a row may be short: it rounds as if zeros filled it up."""
    block, x = _block(subject), subject.x
    missing = -x.shape[1] % block
    full = np.concatenate([x, np.zeros((ROWS, missing), np.float32)], axis=1)
    want = subject.quantize(full)[:, : x.shape[1]]
    _compare(x, subject.rounded(), want, f"in a row that ends with a block of {block - missing}, an element")


def _compare(x: np.ndarray, y: np.ndarray, want: np.ndarray, what: str) -> None:
    if (at := first(differs(y, want))) is not None:
        broken(
            f"{what} rounds otherwise: {number(x[at])} at {at} to {number(y[at])} instead of "
            f"{number(want[at])}"
        )


def zero_block(subject: Subject) -> None:
    """A block of zeros stays zero, a tensor of zeros too."""
    if 0 not in subject.values:
        not_applicable("its elements have no zero")
    block = _block(subject)
    x = subject.x.copy()
    x[2, :block] = 0
    for part, y in (
        (x[2, :block], subject.quantize(x)[2, :block]),
        (x[2:3, :block], subject.quantize(x[2:3, :block])),
    ):
        if (at := first(np.asarray(y != 0).reshape(part.shape))) is not None:
            broken(f"in a block of zeros, 0 becomes {number(y[at])}")


def spoilt_block(subject: Subject) -> None:
    """NaN and infinity in one block become what is declared and harm no other block."""
    block = _block(subject)
    y = subject.rounded()
    lowest = -subject.format.infinity
    for bad, want in (
        (math.nan, subject.format.nan),
        (math.inf, subject.format.infinity),
        (-math.inf, lowest),
    ):
        x = subject.x.copy()
        x[3, block] = bad
        z = subject.quantize(x)
        other = np.ones(x.shape, bool)
        other[3, block : 2 * block] = False
        if (at := first(differs(y, z) & other)) is not None:
            broken(
                f"{number(bad)} in the block at row 3 changes the element at {at} of another block: "
                f"{number(x[at])} rounds to {number(z[at])} instead of {number(y[at])}"
            )
        got = z[3, block]
        if (math.isnan(want) or math.isinf(want)) and not (
            got == want or (math.isnan(got) and math.isnan(want))
        ):
            name = "nan" if math.isnan(bad) else "infinity"
            broken(
                f"{number(bad)} in a block becomes {number(got)}, but the format declares {name} = "
                f"{number(want)}"
            )


def error_bound(subject: Subject) -> None:
    """No element is further off than the gaps between the values allow, relative to the block's largest."""
    block, x, y = _block(subject), subject.x.astype(float), subject.rounded().astype(float)
    values = subject.values.astype(float)
    largest = np.abs(values).max()
    # The scale puts the largest of a block between half the element's largest value and twice that.
    clipped = 1 - largest / 2.0 ** (math.frexp(largest)[1])
    bound = max(np.diff(values).max() / largest, clipped, 2.0**-24)
    for start in range(0, x.shape[1], block):
        part, rounded = x[:, start : start + block], y[:, start : start + block]
        amax = np.abs(part).max(axis=1, keepdims=True)
        if (at := first(~(np.abs(part - rounded) <= bound * amax * (1 + 1e-6)))) is not None:
            broken(
                f"in a block whose largest element is {number(amax[at[0], 0])}, {number(part[at])} rounds to "
                f"{number(rounded[at])}: off by more than {bound:.3g} of the largest"
            )


def _block(subject: Subject) -> int:
    assert subject.format.block is not None
    return subject.format.block


CHECKS = [
    Check("blocks do not depend on each other", independent, BASICS, blocks=True),
    Check("blocks run along the axis", honours_axis, BASICS, blocks=True),
    Check("a short last block", short_block, BASICS, blocks=True),
    Check("a block of zeros", zero_block, LISTED, blocks=True),
    Check("NaN or infinity in a block", spoilt_block, LISTED, blocks=True),
    Check("error of a block is bounded", error_bound, LISTED, blocks=True),
]
