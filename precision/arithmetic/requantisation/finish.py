"""How the sums of a layer become codes: the rule, the factor of each channel, the range of the codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.arithmetic.requantisation.loops import KINDS, put_all
from precision.arithmetic.requantisation.rules import Factor, narrow
from precision.arithmetic.threads import divide, processors

PIECE = 1 << 15  # values of a piece of work
_RUN = 256  # factors that a loop runs along: long runs are vectors, whatever the number of channels


def code_type(lowest: int, highest: int) -> type[np.integer]:
    """Return the smallest type of NumPy that holds the codes of a range."""
    for kind in (np.uint8, np.int8, np.uint16, np.int16):
        limits = np.iinfo(kind)
        if limits.min <= lowest and highest <= limits.max:
            return kind
    return np.int32


@dataclass(frozen=True, eq=False)
class Finish:
    """See the module.

    Attributes:
        rule: of requantisation.
        first: of each channel, the factor in float64 or float32, or the integer of one; see ``rules.Factor``.
        second: of each channel, the shift of an integer factor; 0 for the others.
        limits: int64: the code of zero, the least and the largest code that may come of it.
        kind: of the codes.
    """

    rule: str
    first: np.ndarray
    second: np.ndarray
    limits: np.ndarray
    kind: type[np.integer]

    @classmethod
    def of(
        cls, factors: Any, channels: int, rule: str, limits: tuple[int, int, int],
        kind: type[np.integer], places: int = 1,
    ) -> Finish:  # fmt: skip
        """Return it for positive factors, float64: one, or one of each channel.

        Args:
            factors: likewise.
            channels: how many there are.
            rule: of requantisation.
            limits: as above.
            kind: of the codes.
            places: by whose number the sums are divided as well, under ``litert_reference``.
        """
        factors = np.broadcast_to(factors, (channels,))
        ends = np.array(limits, np.int64)
        if rule in ("float", "float32"):
            exact = np.float64 if rule == "float" else np.float32
            return cls(rule, factors.astype(exact), np.zeros(channels, np.int64), ends, kind)
        factor = Factor.of(factors)
        if places > 1:
            factor = factor.over(places)
        return cls(rule, factor.m, factor.shift, ends, kind)

    @property
    def whole(self) -> bool:
        """Whether its factors are integers, which take sums of 32 bits."""
        return self.rule not in ("float", "float32")

    def how(self, first: np.ndarray, second: np.ndarray) -> tuple[Any, ...]:
        """Return what the compiled loops take, with the factors laid out as the sums are."""
        return KINDS[self.rule], np.ascontiguousarray(first), np.ascontiguousarray(second), self.limits

    def along(self) -> tuple[Any, ...]:
        """Return it for sums of positions side by side: its factors again and again, for a long run."""
        again = max(1, _RUN // len(self.first))
        return self.how(np.tile(self.first, again), np.tile(self.second, again))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes of sums, integers (..., channels), in their shape."""
        numbers = np.ascontiguousarray(numbers)
        if self.whole:
            narrow(numbers)
        codes, how = np.empty(numbers.shape, self.kind), self.along()
        flat, written = numbers.reshape(-1), codes.reshape(-1)

        def part(first: int, last: int) -> None:
            put_all(flat, how, written, first, last)

        divide(part, flat.size, -(-flat.size // PIECE), processors(), multiple=len(how[1]))
        return codes
