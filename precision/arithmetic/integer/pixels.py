"""Layers that see one number of an image at a time: what they make of it is looked up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import numpy as np

from precision.arithmetic.integer.linear import Linear, Record
from precision.arithmetic.integer.merged import Rounded
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Value

# The codes of each code, what they are, and what was seen of the sums of each layer.
_Table = tuple[np.ndarray, Codes, list[Record]]


@dataclass(frozen=True)
class Pixels:
    """Convolutions of one place behind an image of one channel: each code of a pixel has its codes.

    They are computed for the codes that there are, mostly 256 and fewer than an image has pixels.

    Attributes:
        layers: the first reads one channel.
    """

    layers: tuple[Rounded, ...]
    _known: dict[tuple[float, str], _Table | None] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, *values: Value, rule: str) -> Value:
        """Return the codes for one value."""
        (value,) = values
        found = self._table(value, rule) if isinstance(value, Codes) else None
        if found is None or not isinstance(value, Codes):
            for layer in self.layers:
                value = layer(value, rule=rule)
            return value
        table, made, records = found
        for layer, record in zip(self.layers, records, strict=True):
            layer.sums.count(record, value.images, value.codes[0].size if value.images else 0)
        of = value.codes[..., 0]
        if value.grid.lowest:
            of = of.astype(np.intp) - value.grid.lowest
        return replace(made, codes=np.take(table, of, axis=0))

    def _table(self, value: Codes, rule: str) -> _Table | None:
        """Return the table for inputs of a scale, made once.

        None where sums may overflow, as that is counted for the image that they are in, or are watched.
        """
        if not isinstance(value.scale, float):
            return None
        with self._lock:
            if (value.scale, rule) not in self._known:
                self._known[value.scale, rule] = self._made(value, rule)
            return self._known[value.scale, rule]

    def _made(self, value: Codes, rule: str) -> _Table | None:
        grid = value.grid
        every = np.arange(grid.lowest, grid.highest + 1).astype(value.codes.dtype)
        one = replace(value, codes=every.reshape(-1, *(1,) * (value.codes.ndim - 1)))
        records = []
        for layer in self.layers:
            sums = layer.sums.anew()
            if sums.watch or not sums.safe(one):
                return None
            found = replace(layer, sums=sums)(one, rule=rule)
            assert isinstance(found, Codes)
            one = found
            records.append(sums.record)
        return one.codes.reshape(len(every), -1), one, records


def with_pixels(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps with the same result, in which layers that see one number are looked up."""
    readers = [read for step in steps for read in step.reads]
    found: list[Step] = []
    places = {-1: -1}
    for place, step in enumerate(steps):
        reads = tuple(places[read] for read in step.reads)
        before = found[reads[0]] if reads and reads[0] >= 0 else None
        if isinstance(step.computes, Rounded) and _one_place(step.computes.sums):
            alone = step.reads == (place - 1,) and readers.count(place - 1) == 1
            if alone and before is not None and isinstance(before.computes, Pixels):
                joined = Pixels((*before.computes.layers, step.computes))
                found[reads[0]] = Step(step.name, joined, before.reads)
                places[place] = reads[0]
                continue
            if step.computes.sums.w.shape[-2] == 1:
                step = Step(step.name, Pixels((step.computes,)), reads)
        places[place] = len(found)
        found.append(replace(step, reads=reads))
    return tuple(found)


def _one_place(sums: Linear) -> bool:
    window = sums.window
    return bool(window.sizes) and {*window.sizes, *window.strides, window.groups} == {1}
