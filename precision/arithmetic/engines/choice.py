"""Which engine computes a layer: by name, or chosen from its table, its size, its register and its input.

All have the same bits, so that the choice is one of time alone.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines import native
from precision.arithmetic.engines.factored import Factored
from precision.arithmetic.engines.factors import factors, rank_one
from precision.arithmetic.engines.gather import Gather
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.engines.sums import Engine, Rounding, Sums
from precision.arithmetic.engines.table import Table
from precision.arithmetic.products import Products
from precision.arithmetic.requantisation.finish import Finish
from precision.arithmetic.window import Window
from precision.errors import unknown

ENGINES: dict[str, type[Engine]] = {
    "factored": Factored,
    "table": Table,
    "gather": Gather,
    "naive": Naive,
}
AUTO = "auto"

_FEW = 48  # positions below which laying out lines takes longer than looking up each product
_WIDE = 64  # filters from which on a matrix product is faster than the table engine


class Auto:
    """Chooses the engine anew for each input."""

    name = AUTO

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def chosen(self, positions: int, observe: bool = False) -> tuple[str, str]:
        """Return the name of an engine and why, one line, for so many output positions of all images."""
        layer = self._layer
        if layer.ordered:
            bits = layer.bound.bits
            return "table", f"a sum may need {bits} bits, and saturation depends on the order of the steps"
        if observe:
            return "table", "peaks are observed step by step"
        if positions < _FEW:
            return "gather", f"{positions} positions are too few to lay out lines for"
        if self._terms:
            return "factored", f"exact factors of {self._terms} {'term' if self._terms == 1 else 'terms'}"
        return "table", "any multiplier, an addition for each product"

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        return self._for(x, observe).sums(x, observe)

    def rounded(self, x: np.ndarray, finish: Finish) -> Sums | None:
        """Return codes in the place of the sums for an input; see :class:`Rounding`."""
        engine = self._for(x, False)
        return engine.rounded(x, finish) if isinstance(engine, Rounding) else None

    def _for(self, x: np.ndarray, observe: bool) -> Engine:
        spatial = self._layer.window.output(x.shape[1:-1]) if x.ndim == self._layer.w.ndim else ()
        name, _ = self.chosen(len(x) * math.prod(spatial), observe)
        if name not in self._ready:
            self._ready[name] = ENGINES[name](self._layer)
        return self._ready[name]

    @cached_property
    def _terms(self) -> int:
        """How many terms the factored engine would add where it is the faster one, else 0.

        On a CPU that is one term and many filters, in a matrix product or a convolution of the backend; with
        few filters or two terms, the table engine is level. On a GPU it is all that has factors.
        """
        layer = self._layer
        convolved = layer.steps > layer.w.shape[-2] and native.serves(layer.window)
        if convolved and native.accelerated():
            found = factors(layer.products)
            return found.terms if found else 0
        wide = layer.filters // layer.window.groups >= _WIDE
        return int(wide and (convolved or layer.steps == layer.w.shape[-2]) and rank_one(layer.products))

    @cached_property
    def _ready(self) -> dict[str, Engine]:
        return {}


def prepare(layer: Layer, engine: str = AUTO) -> Engine:
    """Return the engine for a layer, ready for any number of inputs.

    Args:
        layer: all but the input.
        engine: ``auto``, or the name of one.

    Raises:
        PrecisionError: for an unknown name, and for an engine that cannot compute the layer.
    """
    if engine == AUTO:
        return Auto(layer)
    if engine not in ENGINES:
        raise unknown("engine", engine, [AUTO, *ENGINES])
    return ENGINES[engine](layer)


def sums(
    x: np.ndarray,
    w: np.ndarray,
    products: Products,
    window: Window | None = None,
    bias: np.ndarray | None = None,
    register: Register | None = None,
    *,
    pad: int = 0,
    engine: str = AUTO,
    observe: bool = False,
) -> Sums:
    """Return the sums of one layer for one input; :class:`Layer` and :class:`Engine` have the arguments."""
    layer = Layer(w, products, window or Window(), bias, register or Register(), pad)
    return prepare(layer, engine).sums(x, observe)
