"""Which engine computes a layer: by name, or chosen from its size, its table and its bound."""

from __future__ import annotations

import numpy as np

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.factored import Factored
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.engines.sums import Engine, Sums
from precision.arithmetic.engines.table import Table
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window
from precision.errors import unknown

ENGINES: dict[str, type[Engine]] = {"factored": Factored, "table": Table, "naive": Naive}
AUTO = "auto"


def prepare(layer: Layer, engine: str = AUTO) -> Engine:
    """Return the engine for a layer, ready for any number of inputs.

    Args:
        layer: all but the input.
        engine: ``auto``, or the name of one.

    Raises:
        PrecisionError: for an unknown name.
    """
    if engine == AUTO:
        return Table(layer)
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
