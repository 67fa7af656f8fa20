"""What multiplies and what adds in each layer of a network of integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.multipliers import Multiplier
from precision.arithmetic.products import Products
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites


@dataclass(frozen=True)
class Arithmetic:
    """What multiplies and what adds in a layer.

    Attributes:
        multiplier: None for the exact one.
        register: of the running sums.

    >>> from precision.arithmetic.multipliers import parse_multiplier
    >>> from precision.deploy.integer import Arithmetic
    >>> int(Arithmetic(parse_multiplier("drum(8,4)")).products(0, 255, -127, 127).of(100, -77))
    -7488
    """

    multiplier: Multiplier | None = None
    register: Register = field(default_factory=Register)

    @classmethod
    def of(cls, policy: Policy, network: Any) -> Callable[[str], Arithmetic]:
        """Return what a policy says of each layer of a network, by name."""
        found = sites(network, policy)

        def chosen(layer: str) -> Arithmetic:
            slots = found.get(layer, {})
            named = slots.get("multipliers")
            return cls(named.multiplier if named else None, slots.get("accumulators") or Register())

        return chosen

    def products(self, lowest_a: int, highest_a: int, lowest_w: int, highest_w: int) -> Products:
        """Return the products over ranges of codes, ends included."""
        if self.multiplier is not None:
            return self.multiplier.products(lowest_a, highest_a, lowest_w, highest_w)
        table = np.outer(np.arange(lowest_a, highest_a + 1), np.arange(lowest_w, highest_w + 1))
        return Products(table.astype(np.int32), lowest_a, lowest_w)
