"""What an engine returns: the sums of a layer, and what became of those that left the register."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.requantisation.finish import Finish


@dataclass(frozen=True)
class Sums:
    """The sums of a layer for a batch.

    Attributes:
        values: (batch, *output spatial, filters), int32 for a register of at most 32 bits, else int64.
        engine: the name of the engine that made them.
        overflowed: images with at least one value that is not the exact sum.
        overflowed_sums: how many values are not the exact sums. A register that wraps may leave its range
            and come back: no overflow.
        peak: the largest magnitude that an exact running sum reached, the bias included; None where it was
            not observed.
        images: which images overflowed, bool (batch,); None where none did.
    """

    values: np.ndarray
    engine: str
    overflowed: int = 0
    overflowed_sums: int = 0
    peak: int | None = None
    images: np.ndarray | None = None


class Engine(Protocol):
    """A way to compute the sums of one layer, prepared once and used for many inputs.

    Attributes:
        name: what one asks for it by.
    """

    name: str

    def __init__(self, layer: Layer) -> None: ...

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input, integer codes (batch, *spatial, channels).

        Args:
            x: any integer type.
            observe: also find the peak of the running sums, which takes about twice as long.

        Raises:
            PrecisionError: for an input that does not fit the layer or its table.
        """
        ...


@runtime_checkable
class Rounding(Engine, Protocol):
    """An engine that can round sums before they leave the cache."""

    def rounded(self, x: np.ndarray, finish: Finish) -> Sums | None:
        """Return codes in the place of the sums for an input; None where the sums have to be made first."""
        ...


def settled(exact: np.ndarray, layer: Layer, engine: str, peak: int | None = None) -> Sums:
    """Return exact sums as the register of a layer holds them, one that does not saturate on the way."""
    if layer.exact:
        return Sums(exact.astype(held(layer.register), copy=False), engine, peak=peak)
    return counted(layer.register.put(exact.astype(np.int64, copy=False)), exact, layer, engine, peak)


def counted(values: np.ndarray, exact: np.ndarray, layer: Layer, engine: str, peak: int | None) -> Sums:
    """Return what a register held in the end, with how often that is not the exact sum."""
    wrong = values != exact
    return Sums(
        values.astype(held(layer.register), copy=False),
        engine,
        int(np.count_nonzero(wrong.any(axis=tuple(range(1, wrong.ndim))))),
        int(np.count_nonzero(wrong)),
        peak,
        wrong.any(axis=1),
    )


def held(register: Register) -> type[np.signedinteger]:
    """Return the type of NumPy that holds what a register holds."""
    return np.int32 if register.bits <= 32 else np.int64
