"""What a multiplier is: an immutable value that says what it makes of an activation and a weight."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from precision.arithmetic.products import Products
from precision.errors import PrecisionError, line_in, shown, trouble

LEAST, MOST = 2, 16  # bits of an operand
ENTRIES = 1 << 24  # of a table that is made
_PIECE = 1 << 18  # pairs that are multiplied at once
Function = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From activations and weights, int64 that broadcast, to their products, int64."""


@dataclass(frozen=True)
class Published:
    """What a paper or a file says of a circuit; None where it says nothing.

    Attributes:
        power: in milliwatts.
        area: in square micrometres.
        delay: in nanoseconds.
        technology: for which they hold.
        source: where they were published.

    >>> from precision.arithmetic.multipliers import Published
    >>> Published(power=0.391, technology="45 nm").power
    0.391
    """

    power: float | None = None
    area: float | None = None
    delay: float | None = None
    technology: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class Multiplier:
    """A multiplier of two whole numbers, exact or not. Its order is (activation, weight).

    Two multipliers are equal when their names are.

    Attributes:
        name: canonical text, for example ``"drum(8,6)"``; ``parse_multiplier(name)`` gives an equal
            multiplier back.
        bits: of the activation and of the weight, 2 to 16 each.
        signed: whether its operands are two's-complement numbers, from -2^(bits-1) to 2^(bits-1) - 1; else
            they are 0 to 2^bits - 1.
        function: the products of operands in these ranges.
        published: what is known of the circuit.

    >>> from precision.arithmetic.multipliers import parse_multiplier
    >>> drum = parse_multiplier("drum(8,3)")
    >>> int(drum.multiply(100, 3)), int(drum.multiply(100, -3))
    (336, -336)
    """

    name: str
    bits: tuple[int, int]
    signed: bool
    function: Function = field(repr=False)
    published: Published = field(default=Published(), repr=False)

    def __post_init__(self) -> None:
        if not all(isinstance(n, int) and LEAST <= n <= MOST for n in self.bits):
            raise PrecisionError(
                f"{self.name}: an operand has {LEAST} to {MOST} bits, but got {shown(self.bits)}"
            )

    @property
    def family(self) -> str:
        """The name under which its function is registered; of a plugin's, results depend on the plugin."""
        return self.name.partition("(")[0]

    @property
    def own(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The least and the greatest activation, and those of a weight, that the circuit itself takes."""
        a, w = ((-(1 << n - 1), (1 << n - 1) - 1) if self.signed else (0, (1 << n) - 1) for n in self.bits)
        return a, w

    @property
    def served(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The same of what :meth:`multiply` takes: of an unsigned circuit negative operands too."""
        if self.signed:
            return self.own
        a, w = ((-(1 << n) + 1, (1 << n) - 1) for n in self.bits)
        return a, w

    def multiply(self, a: np.ndarray | int, w: np.ndarray | int) -> np.ndarray:
        """Return the products of activations and weights, int64 of the shape to which both broadcast.

        An unsigned multiplier T serves signed operands by sign and magnitude: the product is
        sign(a) sign(w) T(abs(a), abs(w)). The sign of zero is +1, so that T(0, w) counts also where it is
        not zero, and nothing is changed where no operand is negative.

        Args:
            a: activations, whole numbers within ``served``.
            w: weights likewise.

        Raises:
            PrecisionError: for operands outside its width, or that are no whole numbers; when the function
                of a plugin returns something else than whole numbers in the shape of its operands.
        """
        a, w = self._operand(a, 0), self._operand(w, 1)
        return self._product(a, w)

    def products(self, lowest_a: int, highest_a: int, lowest_w: int, highest_w: int) -> Products:
        """Return the table over the ranges that a network uses, ends included.

        Raises:
            PrecisionError: for a range outside its width or without numbers, a table of more than 2^24
                entries, and a product beyond 32 bits.
        """
        ranges = ((lowest_a, highest_a), (lowest_w, highest_w))
        for place, (low, high) in enumerate(ranges):
            self._operand(np.array([low, high]), place)
            if low > high:
                raise PrecisionError(
                    f"{self.name}: a range of {_OPERANDS[place]} has its least first, but got {low} to {high}"
                )
        a, w = (np.arange(low, high + 1, dtype=np.int64) for low, high in ranges)
        if len(a) * len(w) > ENTRIES:
            raise PrecisionError(
                f"{self.name}: a table has at most {ENTRIES} entries, but {len(a)} activations times "
                f"{len(w)} weights are {len(a) * len(w)}; choose narrower operands"
            )
        table = np.empty((len(a), len(w)), np.int32)
        rows = max(1, _PIECE // len(w))
        limits = np.iinfo(np.int32)
        for first in range(0, len(a), rows):
            found = self._product(a[first : first + rows, None], w[None, :])
            if found.min() < limits.min or found.max() > limits.max:
                raise PrecisionError(
                    f"{self.name}: products in a table have 32 bits, but one of them is "
                    f"{max(found.min(), found.max(), key=abs)}; choose narrower operands"
                )
            table[first : first + rows] = found
        return Products(table, lowest_a, lowest_w)

    def table(self) -> Products:
        """Return the table over all operands that the circuit itself takes; as :meth:`products`."""
        (lowest_a, highest_a), (lowest_w, highest_w) = self.own
        return self.products(lowest_a, highest_a, lowest_w, highest_w)

    def _operand(self, values: np.ndarray | int, place: int) -> np.ndarray:
        values = np.asarray(values)
        low, high = self.served[place]
        if values.dtype.kind not in "iu":
            raise PrecisionError(
                f"{self.name}: {_OPERANDS[place]} are whole numbers, but got an array of {values.dtype}"
            )
        if values.size and (values.min() < low or values.max() > high):
            wrong = values.min() if values.min() < low else values.max()
            how = "two's complement" if self.signed else "sign and magnitude"
            raise PrecisionError(
                f"{self.name}: {_OPERANDS[place]} lie in {low}..{high} ({self.bits[place]} bits, {how}), "
                f"but got {wrong}; choose a multiplier with more bits, or operands with fewer"
            )
        return values.astype(np.int64)

    def _product(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        return self._called(a, w) if self.signed else by_magnitude(self._called, a, w)

    def _called(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        try:
            found = self.function(a, w)
        except (PrecisionError, MemoryError):
            raise
        except Exception as error:  # of a plugin
            raise PrecisionError(
                f"{self._place(error)}: the function of multiplier {self.name} must take arrays of whole "
                f"numbers that broadcast, but it raised {trouble(error)}; correct this line"
            ) from error
        shape = np.broadcast_shapes(a.shape, w.shape)
        if not isinstance(found, np.ndarray | np.generic) or found.dtype.kind not in "iu":
            got = f"an array of {found.dtype}" if hasattr(found, "dtype") else shown(found)
        elif found.shape != shape:
            got = f"the shape {found.shape}"
        else:
            return np.asarray(found, np.int64)
        raise PrecisionError(
            f"{self._place()}: the function of multiplier {self.name} must return whole numbers of the shape "
            f"{shape}, but it returned {got}; correct it"
        )

    def _place(self, error: BaseException | None = None) -> str:
        """Return the file and line of the function, or of an error in that file."""
        function = self.function
        while isinstance(function, functools.partial):
            function = function.func
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return self.name
        line = line_in(error, code.co_filename) if error is not None else None
        return f"{code.co_filename}:{line or code.co_firstlineno}"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Multiplier) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


_OPERANDS = ("activations", "weights")


def by_magnitude(function: Function, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return the products of the magnitudes under a function, with the sign that the operands give them."""
    found = function(np.abs(a), np.abs(w))
    return np.where((a < 0) != (w < 0), -found, found) if (a < 0).any() or (w < 0).any() else found
