"""A layer of integers as every engine sees it: weights, products, window, bias and register."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.bound import Bound, bound
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window
from precision.errors import PrecisionError

LARGEST_BIAS = 1 << 62  # so that no sum leaves 64 bits


@dataclass(frozen=True, eq=False)
class Layer:
    """All that the sums of a dense or convolution layer depend on, but its input.

    The arithmetic: the register of each output starts at the bias. Step by step, in the order of
    :class:`Window` (tap by tap, and within a tap over the input channels), the product of the activation
    and the weight is looked up in the table and added, and after each addition the register wraps or
    saturates. In the padding stands a code of its own, whose products are looked up like all others: a
    multiplier may well make something of zero.

    Attributes:
        w: codes of the weights, integers, (*sizes, channels / groups, filters).
        products: the multiplier; its rows are the activations that may occur.
        window: of the convolution; one without dimensions is a dense layer.
        bias: int64, (filters,), in units of the sums; None for zeros.
        register: holds the running sum.
        pad: the activation that stands in the padding: the code of zero.

    Raises:
        PrecisionError: for shapes that do not fit each other, weights or a padding that the table does not
            have, and a bias that the register does not hold.
    """

    w: np.ndarray
    products: Products
    window: Window = field(default_factory=Window)
    bias: np.ndarray | None = None
    register: Register = field(default_factory=Register)
    pad: int = 0

    def __post_init__(self) -> None:
        w, products = self.w, self.products
        if not isinstance(w, np.ndarray) or w.dtype.kind not in "iu":
            raise PrecisionError(f"weights are integer codes, not {getattr(w, 'dtype', type(w).__name__)}")
        if w.ndim != len(self.window.sizes) + 2 or w.shape[:-2] != tuple(self.window.sizes) or not w.size:
            raise PrecisionError(f"weights of shape {w.shape} do not fit a window of {self.window.sizes}")
        if self.filters % self.window.groups:
            raise PrecisionError(f"{self.filters} filters cannot be divided into {self.window.groups} groups")
        _within("weights", w, products.lowest_w, products.highest_w)
        _within("padding", np.array([self.pad]), products.lowest_a, products.highest_a)
        if self.bias is not None:
            if self.bias.shape != (self.filters,) or self.bias.dtype.kind not in "iu":
                raise PrecisionError(
                    f"the bias is {self.filters} integers, not {self.bias.dtype} of shape {self.bias.shape}"
                )
            for value in (int(self.bias.min()), int(self.bias.max())):
                if not self.register.holds(value, value) or abs(value) > LARGEST_BIAS:
                    raise PrecisionError(
                        f"an accumulator of {self.register.bits} bits does not hold the bias {value}; "
                        f"it holds {self.register.lowest} to {self.register.highest}"
                    )

    @property
    def filters(self) -> int:
        """How many outputs a position has."""
        return self.w.shape[-1]

    @property
    def channels(self) -> int:
        """How many channels the input has, of all groups."""
        return self.w.shape[-2] * self.window.groups

    @property
    def steps(self) -> int:
        """How many products are added to a sum."""
        return self.w[..., 0].size

    @cached_property
    def biases(self) -> np.ndarray:
        """The bias as int64, (filters,), zeros where there is none."""
        return np.zeros(self.filters, np.int64) if self.bias is None else self.bias.astype(np.int64)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The columns of the table that the weights stand for: int64, (steps, filters)."""
        return self.w.reshape(self.steps, self.filters).astype(np.int64) - self.products.lowest_w

    @cached_property
    def bound(self) -> Bound:
        """What is proven of its sums."""
        return bound(self.products, self.matrix, self.biases)

    @cached_property
    def exact(self) -> bool:
        """Whether the register can be left out: no input brings it to another value than the exact sum."""
        if self.register.overflow == "wrap":
            return self.bound.final_bits <= self.register.bits
        return self.bound.bits <= self.register.bits

    @property
    def ordered(self) -> bool:
        """Whether a sum depends on the order of the steps: its register may saturate on the way."""
        return self.register.overflow == "saturate" and not self.exact

    @property
    def wide(self) -> type[np.signedinteger]:
        """The type of NumPy that holds its exact sums."""
        return np.int32 if self.bound.bits <= 32 else np.int64

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return the rows of the table that an input stands for, with its padding around it.

        Args:
            x: codes of the activations, integers, (batch, *spatial, channels).

        Returns:
            uint8, or uint16 or int64 for a larger table, (batch, *padded spatial, channels).

        Raises:
            PrecisionError: for an input of another shape or type, and for codes that the table does not have.
        """
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu":
            raise PrecisionError(
                f"activations are integer codes, not {getattr(x, 'dtype', type(x).__name__)}"
            )
        if x.ndim != self.w.ndim or x.shape[-1] != self.channels:
            raise PrecisionError(
                f"an input of shape {x.shape} does not fit weights of shape {self.w.shape} "
                f"in {self.window.groups} groups"
            )
        low, high = self.products.lowest_a, self.products.highest_a
        kinds = np.iinfo(x.dtype)
        if kinds.min < low or kinds.max > high:
            _within("activations", x, low, high)
        kind = np.uint8 if high - low < 1 << 8 else np.uint16 if high - low < 1 << 16 else np.int64
        rows = x.astype(kind, copy=False)  # its lowest bits, and they are enough: a row fits the type
        if low:
            rows = np.subtract(rows, np.array(low).astype(kind))
        return self.window.padded(rows, self.pad - low)


def _within(what: str, values: np.ndarray, lowest: int, highest: int) -> None:
    if not values.size:
        return
    least, most = int(values.min()), int(values.max())
    if least < lowest or most > highest:
        raise PrecisionError(
            f"the multiplier has products of {what} from {lowest} to {highest}, "
            f"not of {least if least < lowest else most}"
        )
