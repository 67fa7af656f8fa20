"""qtorch (the QPyTorch package, arXiv:1910.04540) as formats: its real behaviour, bit for bit.

Use these to repeat what was computed with qtorch. ``fixed``, ``float`` and ``bfp`` are the same formats with
correct rounding; docs/formats.md lists where the two differ, and with which values.

torch and qtorch are imported when the first number is rounded. qtorch then compiles a part of itself in C++,
once per machine, which takes about half a minute and needs ninja and a compiler.

Stochastic rounding: ``qtorch_fixed`` draws from torch's generator, which a key seeds. The other two draw from
a generator that the C++ code seeds from the device, out of reach; a trial with it could not be repeated, so
they only round to nearest.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import shutil
import sys
import threading
import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import codes
from precision.formats.arguments import flag, integer, written
from precision.formats.callback import ArrayFormat
from precision.formats.fixed import fixed
from precision.formats.floating import float32
from precision.formats.lattice import Lattice
from precision.formats.program import Free
from precision.formats.rounding import MOST_RANDOM_BITS, Rounding, parse_rounding
from precision.registry import FORMATS

_SEEDING = threading.Lock()  # torch has one generator, and a graph may call from several threads


class Qtorch(ArrayFormat):
    """A quantiser of qtorch.

    Attributes:
        grid: a format of ours with the same values; it knows limits and codes, and does not round.
    """

    roundings = ("nearest",)
    nearest = False  # an addition in float32 before the rounding moves what lies next to a tie
    grid: Lattice

    @abstractmethod
    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Return a contiguous float32 torch tensor rounded by the module ``qtorch.quant``."""

    def available(self) -> None:
        """Import qtorch, compiling it where that has not been done.

        Raises:
            PrecisionError: when torch, qtorch, ninja or a C++ compiler is missing.
        """
        _quant(self.name)

    def check(self, shape: tuple[int | None, ...] | None) -> None:
        """Refuse a machine without qtorch before a graph is traced."""
        self.available()

    def quantize(
        self, x: Any, rounding: str | Rounding = "nearest", key: Any = None, *, axis: int = -1
    ) -> Any:
        """Round ``x`` as qtorch does; see :meth:`ArrayFormat.quantize`."""
        self._check_rounding(parse_rounding(rounding))
        return super().quantize(x, rounding, key, axis=axis)

    def _check_rounding(self, rounding: Rounding) -> None:
        if not rounding.stochastic:
            return
        if "stochastic" not in self.roundings:
            raise PrecisionError(
                f"{self.name}: qtorch seeds this stochastic rounding from the device, so that no run could be "
                f"repeated; use rounding nearest, or stochastic with {self._ours}"
            )
        if rounding.random_bits != MOST_RANDOM_BITS:
            raise PrecisionError(
                f"{self.name}: qtorch always draws {MOST_RANDOM_BITS} random bits, but got {rounding}"
            )

    _ours = "a format of this library"

    def round_array(
        self, x: np.ndarray, rounding: Rounding, words: np.ndarray | None, axis: int
    ) -> np.ndarray:
        """Round an array through a torch tensor that shares its memory."""
        import torch

        y: np.ndarray = self.round_torch(torch.from_numpy(x), rounding, words, axis).numpy()
        return y

    def round_torch(self, x: Any, rounding: Rounding, words: np.ndarray | None, axis: int) -> Any:
        """Round a torch tensor; on a GPU by qtorch's own kernel."""
        import torch

        quant = _quant(self.name)
        x = x.detach()
        if not x.numel():
            return x.clone()
        if words is None:
            return self.apply(quant, x, "nearest")
        devices = [x.device] if x.is_cuda else []
        with _SEEDING, torch.random.fork_rng(devices=devices):
            # One word of 32 bits: torch's generator for the CPU ignores the others.
            torch.manual_seed(int(np.random.SeedSequence(words.view(np.uint32)).generate_state(1)[0]))
            return self.apply(quant, x, "stochastic")

    def values(self) -> np.ndarray:
        """Return every value, ascending (at most 16 bits)."""
        return self.grid.values()

    def table(self) -> np.ndarray:
        """Return the value of every code (at most 16 bits)."""
        return self.grid.table()

    def encode(self, x: Any, *, axis: int = -1) -> Any:
        """Return the codes of ``x``, rounded to nearest first: those of our format with the same values."""
        return self.grid.encode(self.quantize(np.asarray(x), axis=axis))

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the values of codes; this needs no qtorch."""
        return self.grid.decode(encoded)

    @property
    def max(self) -> float:
        """Largest finite value."""
        return self.grid.max

    @property
    def lowest(self) -> float:
        """Least finite value."""
        return self.grid.lowest

    @property
    def min_normal(self) -> float:
        """Smallest positive value with the full relative precision."""
        return self.grid.min_normal

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return self.grid.min_subnormal

    @property
    def eps(self) -> float:
        """Spacing of the values just above 1."""
        return self.grid.eps


class QtorchFixed(Qtorch):
    """``fixed_point_quantize``: rint((x 2^fl + 0.5) - 0.5) 2^-fl with the first sum in float32."""

    roundings = ("nearest", "stochastic")
    symmetric = False  # the 0.5 is added whatever the sign

    def __init__(self, name: str, wl: int, fl: int, clamp: bool, symmetric: bool) -> None:
        self.name = name
        self.arguments = (wl, fl, clamp, symmetric)
        # Without clamping only the precision is cut: nothing short of a float32 holds the result.
        self.grid = fixed(wl, fl, symmetric=symmetric) if clamp else float32()
        self.bits = self.grid.bits
        self.infinity = self.grid.max if clamp else math.inf

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.fixed_point_quantize(x, *self.arguments, rounding=rounding)

    def encode(self, x: Any, *, axis: int = -1) -> Any:
        """Return two's complement codes, or float32 codes where nothing is clamped.

        Raises:
            PrecisionError: for a NaN, which qtorch leaves as it is and no integer stands for.
        """
        y = self.quantize(np.asarray(x), axis=axis)
        if not self.grid.has_nan and np.isnan(y).any():
            raise PrecisionError(f"{self.name}: NaN stays NaN in qtorch, and none of the codes stands for it")
        return self.grid.encode(y)


class QtorchFloat(Qtorch):
    """``float_quantize``: ties away from zero, and the top exponent is finite below eight exponent bits."""

    _ours = "float(e,m)"

    def __init__(self, exp: int, man: int) -> None:
        self.name = f"qtorch_float({exp},{man})"
        self.arguments = (exp, man)
        top = 2 ** (exp - 1) if exp < 8 else 127
        high = (2.0 - 2.0**-man) * 2.0**top
        self.grid = Lattice(
            name=self.name,
            bits=1 + exp + man,
            man=man,
            exponent=2 - 2 ** (exp - 1),
            low=-high,
            high=high,
            floating=True,
            overflow="infinity" if exp == 8 else "saturate",
            has_nan=exp == 8,
            has_zero_sign=False,
        )
        self.bits = self.grid.bits
        self.nan = math.nan if exp == 8 else high
        self.infinity = self.grid.infinity

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.float_quantize(x, *self.arguments, rounding=rounding)


class QtorchBlock(Qtorch):
    """``block_quantize``: one exponent for the whole tensor, or for every index of one dimension.

    The dimension is named in the text and not asked for as ``axis``: dim=0 gives each row of a matrix its own
    exponent. The exponents, 8 bits each, are too few beside the values to count in ``bits``;
    ``packed_bytes`` counts them.
    """

    _ours = "bfp(wl)"
    infinity = math.nan
    symmetric = False  # ties go toward +infinity

    def __init__(self, wl: int, dim: int) -> None:
        self.name = written("qtorch_block", (wl,), {"dim": (dim, -1)})
        self.arguments = (wl, dim)
        self.bits = wl
        self.grid = fixed(wl, wl - 2, symmetric=True)

    def apply(self, quant: Any, x: Any, rounding: str) -> Any:
        """Call qtorch."""
        return quant.block_quantize(x, *self.arguments, rounding=rounding)


def _flag_text(name: str, wl: int, fl: int, clamp: bool, symmetric: bool) -> str:
    return written(name, (wl, fl), {"clamp": (clamp, True), "symmetric": (symmetric, False)})
