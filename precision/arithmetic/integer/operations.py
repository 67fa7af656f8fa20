"""The steps of an integer network, each from values to a value; the sums of products are in ``linear``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from precision.arithmetic.integer.values import Codes, Grid, Real, Value, Wide, of_rank
from precision.arithmetic.requantisation.finish import Finish, code_type
from precision.arithmetic.requantisation.rules import FINE, scaled
from precision.errors import PrecisionError

REAL = ("float", "float32")  # rules that compute with real numbers


class Operation(Protocol):
    """One step; ``rule`` is that of requantisation."""

    def __call__(self, *values: Value, rule: str) -> Value:
        """Return what it makes of values."""
        ...


@dataclass(frozen=True)
class Round:
    """Brings images and sums to codes on a grid.

    Images are rounded as the emulation rounds them: times the float32 reciprocal of the scale, half to even.
    Sums of real numbers, as scales of each image make them, are rounded half to even whatever the rule is.
    """

    grid: Grid

    def __call__(self, *values: Value, rule: str) -> Value:
        """Round one value."""
        (value,) = values
        grid = self.grid
        if isinstance(value, Real):
            x = np.asarray(value.numbers, np.float32)
            with np.errstate(all="ignore"):
                steps = x * (np.float32(1) / np.float32(grid.scale))
            return Codes(_nearest(steps, grid, grid.lowest, grid.highest), grid, grid.scale)
        if isinstance(value, Codes) and value.grid == grid and np.ndim(value.scale) == 0:
            return value
        wide = value if isinstance(value, Wide) else Wide(value.centred(), value.scale)
        finish = self.finish(wide, rule)
        if finish is not None:
            return Codes(finish(wide.numbers), grid, grid.scale)
        rule, factors, (_, low, high) = wide.rule or rule, self._factors(wide, rule), self._limits(wide)
        if wide.numbers.dtype.kind == "f" or rule in REAL:
            with np.errstate(all="ignore"):
                steps = wide.numbers * factors
            return Codes(_nearest(steps, grid, low, high), grid, grid.scale)
        codes = np.clip(scaled(wide.numbers, factors, rule, wide.places) + grid.zero, low, high)
        return Codes(codes.astype(code_type(grid.lowest, grid.highest)), grid, grid.scale)

    def finish(self, wide: Wide, rule: str) -> Finish | None:
        """Return how sums become codes; None where they are real, or their unit is not that of a channel."""
        factors = self._factors(wide, rule)
        if factors.ndim > 1 or wide.numbers.dtype.kind != "i":
            return None
        kind = code_type(self.grid.lowest, self.grid.highest)
        channels, limits = wide.numbers.shape[-1], self._limits(wide)
        return Finish.of(factors, channels, wide.rule or rule, limits, kind, wide.places)

    def _factors(self, wide: Wide, rule: str) -> np.ndarray:
        exact: Any = np.float32 if (wide.rule or rule) == "float32" else np.float64
        return np.asarray(np.asarray(wide.unit, exact) / exact(self.grid.scale))

    def _limits(self, wide: Wide) -> tuple[int, int, int]:
        grid = self.grid
        low = max(grid.lowest, grid.zero) if wide.rectified else grid.lowest
        return grid.zero, low, grid.highest if wide.ceiling is None else grid.code_of(wide.ceiling)


@dataclass(frozen=True)
class RoundEach:
    """Brings images and sums to codes on a grid whose scale follows from each image.

    Attributes:
        scales: maps the least and the largest number of each image, float32 (batch,), to scales, float32
            (batch,).
        lowest, highest: the codes there are.
    """

    scales: Callable[[np.ndarray, np.ndarray], np.ndarray]
    lowest: int
    highest: int

    @property
    def grid(self) -> Grid:
        """The codes, whose scale is not known beforehand."""
        return Grid(float("nan"), 0, self.lowest, self.highest)

    def __call__(self, *values: Value, rule: str) -> Value:
        """Round one value, half to even, whatever the rule is: a scale that moves is a real number."""
        (value,) = values
        real = np.asarray(value.real(), np.float64)
        if not real.size:
            kind = code_type(self.lowest, self.highest)
            return Codes(real.astype(kind), self.grid, of_rank(np.ones(len(real)), real.ndim))
        flat = real.reshape(len(real), math.prod(real.shape[1:]))
        low, high = flat.min(axis=1).astype(np.float32), flat.max(axis=1).astype(np.float32)
        scale = of_rank(np.asarray(self.scales(low, high), np.float64), real.ndim)
        with np.errstate(all="ignore"):
            steps = real / scale
        return Codes(_nearest(steps, self.grid, self.lowest, self.highest), self.grid, scale)


def _nearest(steps: np.ndarray, grid: Grid, low: int, high: int) -> np.ndarray:
    """Return the codes nearest to numbers in steps of a grid, half to even, between two; NaN is a zero."""
    steps = np.where(np.isnan(steps), steps.dtype.type(0), np.rint(steps))
    codes = np.clip(steps, low - grid.zero, high - grid.zero) + grid.zero
    return codes.astype(code_type(grid.lowest, grid.highest))


@dataclass(frozen=True)
class Clamp:
    """The rectifier: nothing below zero, and nothing above ``ceiling`` where there is one."""

    ceiling: float | None = None

    def __call__(self, *values: Value, rule: str) -> Value:
        """Clamp one value."""
        (value,) = values
        if isinstance(value, Real):
            return Real(np.clip(value.numbers, 0, self.ceiling))
        if isinstance(value, Wide):
            ends = [end for end in (value.ceiling, self.ceiling) if end is not None]
            return replace(value, rectified=True, ceiling=min(ends) if ends else None)
        highest: Any = value.grid.highest
        if self.ceiling is not None:
            highest = np.minimum(highest, np.rint(self.ceiling / value.scale) + value.grid.zero)
        codes = np.clip(value.codes, value.grid.zero, highest).astype(value.codes.dtype)
        return Codes(codes, value.grid, value.scale)


@dataclass(frozen=True)
class Move:
    """Moves numbers without computing: flattening, reshaping, padding, cropping.

    Attributes:
        to: maps (numbers, what stands in new places) to numbers.
    """

    to: Callable[[np.ndarray, int], np.ndarray]

    def __call__(self, *values: Value, rule: str) -> Value:
        """Move one value."""
        (value,) = values
        if isinstance(value, Codes):
            moved = self.to(value.codes, value.grid.zero)
            return Codes(moved, value.grid, of_rank(value.scale, moved.ndim))
        if isinstance(value, Real):
            return Real(self.to(value.numbers, 0))
        unit = np.broadcast_to(np.asarray(value.unit, np.float64), value.numbers.shape)
        uniform = np.ndim(value.unit) == 0
        moved = self.to(value.numbers, 0)
        return replace(value, numbers=moved, unit=value.unit if uniform else self.to(unit, 1))


@dataclass(frozen=True)
class Add:
    """The sum of tensors with scales of their own.

    Under ``float`` and ``float32`` the real numbers are added. The integer rules bring each tensor to a
    common unit first, 2^-20 of twice the coarsest step, as LiteRT does, and add integers.
    """

    def __call__(self, *values: Value, rule: str) -> Value:
        """Add values."""
        for value in values:
            if not isinstance(value, Codes):
                raise PrecisionError("a sum of tensors is taken of numbers that were rounded")
        codes = [value for value in values if isinstance(value, Codes)]
        if rule in REAL or any(np.ndim(value.scale) for value in codes):
            total = codes[0].real()
            for value in codes[1:]:
                total = total + value.real()
            return Wide(total, 1.0)
        coarse = 2 * max(float(value.scale) for value in codes)
        parts = [scaled(value.centred() << FINE, float(value.scale) / coarse, rule) for value in codes]
        return Wide(np.asarray(sum(parts)), coarse / 2**FINE)


@dataclass(frozen=True)
class Join:
    """Tensors side by side, on the grid that holds the range of them all.

    Where the grids differ, numbers are rounded once more, as hardware has to.
    """

    axis: int = -1

    def __call__(self, *values: Value, rule: str) -> Value:
        """Join values."""
        codes = [value for value in values if isinstance(value, Codes)]
        if len(codes) < len(values) or any(np.ndim(value.scale) for value in codes):
            raise PrecisionError("tensors are joined that were rounded, with scales that do not move")
        grids = [value.grid for value in codes]
        if any(grid != grids[0] for grid in grids):
            common = spanning(grids)
            codes = [found for value in codes if isinstance(found := Round(common)(value, rule=rule), Codes)]
        joined = np.concatenate([value.codes for value in codes], axis=self.axis)
        return Codes(joined, codes[0].grid, codes[0].grid.scale)


def spanning(grids: list[Grid]) -> Grid:
    """Return the grid that reaches over the real range of all, with as many codes as any of them has."""
    low = min(grid.scale * (grid.lowest - grid.zero) for grid in grids)
    high = max(grid.scale * (grid.highest - grid.zero) for grid in grids)
    finest = max(grids, key=lambda grid: grid.highest - grid.lowest)
    lowest, highest = finest.lowest, finest.highest
    if all((grid.zero, grid.lowest, grid.highest) == (0, lowest, highest) for grid in grids):
        return max(grids, key=lambda grid: grid.scale)
    scale = (high - low) / (highest - lowest)
    return Grid(scale, int(np.rint(lowest - low / scale)), lowest, highest)
