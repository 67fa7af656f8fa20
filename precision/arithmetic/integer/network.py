"""An integer network: steps in an order in which they can be computed, and what was seen of their sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from precision.arithmetic.integer.linear import Linear, Record
from precision.arithmetic.integer.merged import Rounded, merged
from precision.arithmetic.integer.pixels import with_pixels
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Real, Value, joined
from precision.arithmetic.threads import mapped, processors
from precision.errors import PrecisionError

AT_ONCE = 4000  # images that dense layers take together
IN_CACHE = 100  # images that convolutions take: their codes stay in the cache, and lines are made for many


@dataclass
class Seen:
    """What a network saw: how many images had a sum, in any layer, that was not the exact one."""

    overflowed: int = 0


@dataclass(frozen=True)
class IntegerNetwork:
    """Steps from images to logits, every product and every sum of them exact in integers.

    Attributes:
        steps: each reads from those before it; the last gives the logits.
        rule: of requantisation, see ``requantisation.rules``.
        seen: of the images so far.
    """

    steps: Sequence[Step]
    rule: str = "float"
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        if not self.steps:
            raise PrecisionError("an integer network needs at least one step")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of images, float32 (N, ...)."""
        images = np.asarray(images, np.float32)
        return np.concatenate([self._logits(part) for part in _pieces(images, AT_ONCE)])

    def _logits(self, images: np.ndarray) -> np.ndarray:
        """Take some images at a time up to the first dense layer, and from there on all of them.

        Several threads have some images each: what is between them and the dense layers stays in the cache.
        """
        front, behind = range(self._waist), range(self._waist, len(self._merged))
        found = mapped(lambda part: self._run(front, -1, Real(part)), _pieces(images, IN_CACHE), processors())
        overflowed = np.concatenate([one for _, one in found])
        if behind:
            last, more = self._run(behind, self._waist - 1, joined([value for value, _ in found]))
            overflowed |= more
            logits = last.real()
        else:
            logits = np.concatenate([value.real() for value, _ in found])
        self.seen.overflowed += int(overflowed.sum())
        return np.asarray(logits, np.float32)

    @cached_property
    def _merged(self) -> tuple[Step, ...]:
        return with_pixels(merged(self.steps))

    @cached_property
    def _waist(self) -> int:
        """The first dense layer if what it reads is all that is read behind it from before it; or the end."""
        for place, step in enumerate(self._merged):
            sums = step.computes.sums if isinstance(step.computes, Rounded) else step.computes
            if isinstance(sums, Linear) and not sums.window.sizes:
                read = [read for later in self._merged[place:] for read in later.reads]
                if min(read) == place - 1:
                    return place
        return len(self._merged)

    def _run(self, places: range, before: int, value: Value) -> tuple[Value, np.ndarray]:
        """Compute steps from the value of one before them.

        Returns:
            the value of the last one, and which images had a sum that was not the exact one.
        """
        steps = self._merged
        last_read = {read: place for place in places for read in steps[place].reads}
        overflowed = np.zeros(value.images, bool)
        last = value
        for place, values in self._computed(steps, places, {before: value}):
            last = values[place]
            if not isinstance(last, Real) and last.overflowed is not None:
                overflowed |= last.overflowed
            for read in steps[place].reads:
                if last_read[read] == place:  # no later step wants it
                    values.pop(read, None)
        return last, overflowed

    def values(self, images: np.ndarray) -> list[Value]:
        """Return the value of every step, for images that fit into memory together."""
        start: dict[int, Value] = {-1: Real(np.asarray(images, np.float32))}
        everything = self._computed(self.steps, range(len(self.steps)), start)
        return [values[place] for place, values in everything]

    def _computed(
        self, steps: Sequence[Step], places: range, values: dict[int, Value]
    ) -> Iterator[tuple[int, dict[int, Value]]]:
        """Yield the place of each step when its value is among those so far, which it is added to."""
        for place in places:
            step = steps[place]
            values[place] = step.computes(*(values[read] for read in step.reads), rule=self.rule)
            yield place, values

    def codes(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the codes of every tensor that was rounded, by the name of its layer."""
        return {
            step.name: value.codes
            for step, value in zip(self.steps, self.values(images), strict=True)
            if isinstance(value, Codes)
        }

    @property
    def linear(self) -> list[Linear]:
        """The steps that sum products."""
        return [step.computes for step in self.steps if isinstance(step.computes, Linear)]

    def records(self) -> dict[str, Record]:
        """Return what was seen of the sums of each layer so far, by its name.

        A layer that is called several times has a record of each call: ``conv``, ``conv (call 2)``.
        """
        found: dict[str, Record] = {}
        for layer in self.linear:
            calls = sum(name == layer.name or name.startswith(f"{layer.name} (call ") for name in found)
            found[f"{layer.name} (call {calls + 1})" if calls else layer.name] = layer.record
        return found

    def forget(self) -> None:
        """Begin all records anew."""
        self.seen.overflowed = 0
        for layer in self.linear:
            layer.forget()


def _pieces(images: np.ndarray, size: int) -> list[np.ndarray]:
    return [images[first : first + size] for first in range(0, max(1, len(images)), size)]
