"""Steps that are computed together: sums that are rounded at once never have to be written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.operations import Clamp, Round
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Value, Wide
from precision.arithmetic.requantisation.finish import Finish


@dataclass(frozen=True)
class Rounded:
    """A layer's sums, what clamps them, and what rounds them, with the bits of one after the other."""

    sums: Linear
    clamps: tuple[Clamp, ...]
    rounding: Round
    _known: dict[Any, Finish | None] = field(default_factory=dict, repr=False)

    def __call__(self, *values: Value, rule: str) -> Value:
        """Return the codes for one value."""
        (value,) = values
        finish = self._finish(value, rule)
        codes = None if finish is None else self.sums.rounded(value, finish)
        if codes is not None:
            return Codes(codes, self.rounding.grid, self.rounding.grid.scale)
        wide = self._clamped(self.sums(value, rule=rule), rule)
        assert isinstance(wide, Wide)
        found = self.rounding(wide, rule=rule)
        assert isinstance(found, Codes)
        return replace(found, overflowed=wide.overflowed)

    def _finish(self, value: Value, rule: str) -> Finish | None:
        """Return how the sums become codes; None where that differs from image to image."""
        if not isinstance(value, Codes) or not isinstance(value.scale, float):
            return None
        key = value.scale, rule
        if key not in self._known:
            none = self._clamped(
                self.sums.wide(self.sums.w[:0].reshape(0, self.sums.w.shape[-1]), *key), rule
            )
            self._known[key] = self.rounding.finish(none, rule) if isinstance(none, Wide) else None
        return self._known[key]

    def _clamped(self, value: Value, rule: str) -> Value:
        for clamp in self.clamps:
            value = clamp(value, rule=rule)
        return value


def merged(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return steps with the same result, in which sums that one step alone reads are rounded at once."""
    readers: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        for read in step.reads:
            readers.setdefault(read, []).append(place)
    together: dict[int, tuple[int, Rounded]] = {}  # by the place of the rounding: that of the sums
    within: set[int] = set()
    for place, step in enumerate(steps):
        if isinstance(step.computes, Linear) and (chain := _chain(steps, readers, place)):
            *clamps, last = (steps[link].computes for link in chain)
            if isinstance(last, Round):
                between = tuple(clamp for clamp in clamps if isinstance(clamp, Clamp))
                together[chain[-1]] = place, Rounded(step.computes, between, last)
                within.update([place, *chain[:-1]])
    places, found = {-1: -1}, list[Step]()
    for place, step in enumerate(steps):
        if place not in within:
            first, computes = together.get(place, (place, step.computes))
            places[place] = len(found)
            found.append(Step(step.name, computes, tuple(places[read] for read in steps[first].reads)))
    return tuple(found)


def _chain(steps: Sequence[Step], readers: dict[int, list[int]], place: int) -> list[int]:
    """Return the clamps behind a step and what comes after them, as long as one step alone reads each."""
    chain: list[int] = []
    while len(readers.get(place, [])) == 1 and (not chain or isinstance(steps[place].computes, Clamp)):
        (place,) = readers[place]
        chain.append(place)
    return chain
