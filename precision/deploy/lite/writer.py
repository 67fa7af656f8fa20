"""From a network of integers to a LiteRT file that computes the same: its codes, its scales, its biases.

What a network keeps as wide as a register between two steps an operator of LiteRT never shows: it sums,
rounds and clamps in one. So a step that gives wide numbers is written for the grid of the rounding that ends
it, and what lies between - rectifiers, moves, maxima - is fused into the operator, or follows it on codes,
with which rounding commutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Add, Clamp, Join, Move, Round, RoundEach, spanning
from precision.arithmetic.integer.pooling import Average, MaxPool
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Grid, Real, Value
from precision.deploy.certificate.labels import labels
from precision.deploy.lite import operators
from precision.deploy.lite.builder import Builder, Tensor
from precision.deploy.lite.operators import unsayable
from precision.deploy.moves import moves


@dataclass(frozen=True)
class Written:
    """A file, and what its tensors are in the network that it was written from.

    Attributes:
        content: of the file.
        inspected: of a file that returns every integer tensor as well, for a certificate.
        front: the steps that make the codes of images, which the file takes.
        tensors: the numbers of the tensors in the file, by the labels of the network's steps.
        grids: what the codes of the network stand for, likewise; the file has them less ``offset``.
    """

    content: bytes
    inspected: bytes
    front: Sequence[Step]
    tensors: dict[str, int]
    grids: dict[str, Grid]

    def read(self, images: np.ndarray) -> np.ndarray:
        """Return what the file takes, int8, for images, float32 (N, ...)."""
        value: Value = Real(np.asarray(images, np.float32))
        for step in self.front:
            value = step.computes(value, rule="float")  # images are rounded alike under all rules
        assert isinstance(value, Codes)
        return (value.codes.astype(np.int16) - value.grid.offset).astype(np.int8)


def written(network: IntegerNetwork, shape: tuple[int, ...]) -> Written:
    """Return the file of a network.

    Args:
        shape: of one image.

    Raises:
        PrecisionError: naming the layer that LiteRT has no words for.
    """
    return _Writer(network, shape).written()


class _Writer:
    """Writes the operators behind a step when that step is asked for."""

    def __init__(self, network: IntegerNetwork, shape: tuple[int, ...]) -> None:
        self.steps = network.steps
        self.values = network.values(np.zeros((1, *shape), np.float32))
        network.forget()
        self.builder = Builder()
        self.made: dict[Any, Tensor] = {}
        self.names = labels(network, self.values)
        self.front = self._before_real()  # codes of which real numbers are made again
        self.input: tuple[int, Tensor] | None = None  # the rounding of the images, and its tensor

    def written(self) -> Written:
        """Write the network."""
        last = len(self.steps) - 1
        if not isinstance(self.values[last], Codes):
            raise unsayable(
                self.steps[last].name,
                "what it returns is not rounded, and a file of integers returns codes; exempt nothing",
            )
        tensors, grids = {}, {}
        for place, value in enumerate(self.values):  # in order, so that no step has far to look back
            if isinstance(value, Codes) and place not in self.front:
                name, found = self.names[place], self._codes(place)
                tensors[name], grids[name] = found.index, found.grid
        assert self.input is not None  # a network of integers begins with a rounding
        output, (begin, taken) = self._codes(last), self.input
        inner = sorted({*tensors.values()} - {output.index, taken.index})
        return Written(
            self.builder.to_bytes([taken.index], [output.index]),
            self.builder.to_bytes([taken.index], [output.index, *inner]),
            self._front(begin),
            tensors,
            grids,
        )

    def _before_real(self) -> set[int]:
        """Return the steps whose values go into real numbers in front of the network."""
        found: set[int] = set()
        for place in reversed(range(len(self.steps))):
            if place in found or isinstance(self.values[place], Real):
                found |= {read for read in self.steps[place].reads if read >= 0}
        return found

    def _front(self, place: int) -> list[Step]:
        """Return the steps from the images to a rounding of them."""
        found = []
        while place >= 0:
            found.append(self.steps[place])
            (place,) = self.steps[place].reads
        return found[::-1]

    def _codes(self, place: int) -> Tensor:
        """Return the tensor of a step that gives codes."""
        if place not in self.made:
            self.made[place] = self._written_codes(place)
        return self.made[place]

    def _written_codes(self, place: int) -> Tensor:
        step, value = self.steps[place], self.values[place]
        assert isinstance(value, Codes)
        operation, name, grid = step.computes, self.names[place], value.grid
        if isinstance(operation, RoundEach) or np.ndim(value.scale):
            raise unsayable(step.name, "its scale follows from each image; leave 'dynamic' out")
        if isinstance(operation, Round):
            return self._rounded(place, name, grid)
        if isinstance(operation, Join):
            return self._joined(step, name)
        x = self._codes(step.reads[0])
        if isinstance(operation, Clamp):
            high = grid.highest if operation.ceiling is None else grid.code_of(operation.ceiling)
            return operators.within(self.builder, name, x, grid.zero, high)
        return self._moved(step, name, x)

    def _rounded(self, place: int, name: str, grid: Grid) -> Tensor:
        (read,) = self.steps[place].reads
        if read == -1 or isinstance(self.values[read], Real):
            return self._taken(place, name, grid)
        if isinstance(self.values[read], Codes):
            x = self._codes(read)
            if x.grid == grid:
                return x
            y = operators.quantize(self.builder, name, x, grid)
            return operators.within(self.builder, name, y, grid.lowest, grid.highest)
        return self._wide(read, name, grid, grid.lowest, grid.highest)

    def _taken(self, place: int, name: str, grid: Grid) -> Tensor:
        """Return the tensor of the codes of the images, of which a file has one."""
        if self.input is None:
            shape = np.shape(self.values[place].codes)[1:]  # type: ignore[union-attr]
            self.input = place, self.builder.codes(name, shape, grid)
        known, tensor = self.input
        if tensor.grid != grid or self.steps[known].reads != self.steps[place].reads:
            raise unsayable(
                self.steps[place].name,
                f"it rounds the images to {grid}, and layer {self.steps[known].name!r} to {tensor.grid}; "
                "give both the same scale",
            )
        return tensor

    def _wide(self, place: int, name: str, grid: Grid, low: int, high: int) -> Tensor:
        """Return the tensor of a step that gives wide numbers, as codes of a grid between two of them."""
        key = (place, grid, low, high)
        if key not in self.made:
            self.made[key] = self._written_wide(place, name, grid, low, high)
        return self.made[key]

    def _written_wide(self, place: int, name: str, grid: Grid, low: int, high: int) -> Tensor:
        b, step = self.builder, self.steps[place]
        operation = step.computes
        if isinstance(operation, Clamp):
            if operation.ceiling is not None:
                high = min(high, grid.code_of(operation.ceiling))
            return self._wide(step.reads[0], name, grid, max(low, grid.zero), high)
        if isinstance(operation, Move | MaxPool):
            return self._moved(step, name, self._wide(step.reads[0], f"{name}/from", grid, low, high))
        if isinstance(operation, Linear | Add):
            function, least, most = operators.fused(grid, low, high)
            ends = (least, most) == (low, high)
            own = name if ends else f"{name}/unclamped"
            x, *more = (self._codes(read) for read in step.reads)
            if isinstance(operation, Linear):
                y = operators.linear(b, own, x, operation, grid, function)
            elif len(more) != 1:
                raise unsayable(step.name, f"it adds {len(step.reads)} tensors, and LiteRT adds 2 of int8")
            else:
                y = operators.add(b, own, x, more[0], grid, function)
            return y if ends else operators.within(b, name, y, low, high, (least, most))
        if isinstance(operation, Average):
            x = self._codes(step.reads[0])
            if operation.window is None:
                y = operators.reduce(b, f"{name}/mean", x, operation.keepdims, "MEAN", grid)
            else:
                operators.check_window(step.name, operation.window)
                y = operators.pool(b, f"{name}/average", x, operation.window, "AVERAGE_POOL_2D")
                y = y if x.grid == grid else operators.quantize(b, f"{name}/scaled", y, grid)
            return operators.within(b, name, y, low, high)
        raise unsayable(step.name, f"{type(operation).__name__} has no operator of int8")

    def _moved(self, step: Step, name: str, x: Tensor) -> Tensor:
        """Write what reads codes and gives codes of the same grid."""
        b, operation = self.builder, step.computes
        if isinstance(operation, MaxPool | Average) and operation.window is not None:
            operators.check_window(step.name, operation.window)
            kind = "MAX_POOL_2D" if isinstance(operation, MaxPool) else "AVERAGE_POOL_2D"
            return operators.pool(b, name, x, operation.window, kind)
        if isinstance(operation, MaxPool):
            return operators.reduce(b, name, x, operation.keepdims, "REDUCE_MAX", x.grid)
        if not isinstance(operation, Move):
            raise unsayable(step.name, f"{type(operation).__name__} has no operator of int8")
        found = moves(operation.to, x.shape)
        if found is None:
            raise unsayable(step.name, "it moves numbers otherwise than by reshaping, cutting and padding")
        for number, how in enumerate(found, 1):
            x = operators.move(b, name if number == len(found) else f"{name}/cut", x, how)
        return x

    def _joined(self, step: Step, name: str) -> Tensor:
        assert isinstance(step.computes, Join)
        parts = [self._codes(read) for read in step.reads]
        if any(part.grid != parts[0].grid for part in parts):
            common = spanning([part.grid for part in parts])
            parts = [
                part
                if part.grid == common
                else operators.quantize(self.builder, f"{name}/part", part, common)
                for part in parts
            ]
        return operators.join(self.builder, name, parts, step.computes.axis)
