"""The products of a network by the formats of their factors, and their bit operations.

The bit operations (BOPs) of a product are the bits of its one factor times those of the other, which is the
number of cells of an array multiplier; those of a network are their sum over its multiply-accumulates, as
M. van Baalen et al. 2020, "Bayesian Bits: Unifying Quantization and Pruning" (NeurIPS, arXiv:2005.07093)
count them. Additions are left out, as they are there. (C. Baskin et al. 2018, "UNIQ", arXiv:1804.10969, add
those of the accumulator: such figures are larger.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from precision.arithmetic.accumulators.register import Register
from precision.errors import PrecisionError
from precision.formats import Block, NumberFormat, parse
from precision.measure.counted.cost import IMAGES, LayerCost
from precision.measure.counted.operations import FLOAT32, WIDEST

Found = Mapping[str, Mapping[str, Any]]  # settings by layer and slot


class Products(NamedTuple):
    """How many products a layer forms of factors in two formats; None is float32."""

    a: NumberFormat | None
    b: NumberFormat | None
    number: float


def products(cost: LayerCost, found: Found) -> list[Products]:
    """Return the products of one layer for one image; of several formats that it reads, each in its share.

    Args:
        found: settings of the layer itself, of those that it reads from, and of the one that reads the images
            for it.
    """
    if not cost.macs:
        return []
    first = shares(cost, cost.reads[: len(cost.reads) - len(cost.second)], found)
    own = [(format_of(found.get(cost.name, {}), "weights"), 1.0)]
    second = shares(cost, cost.second, found) if cost.second else own
    return [Products(a, b, cost.macs * x * y) for a, x in second for b, y in first]


def shares(
    cost: LayerCost, reads: tuple[tuple[str, int], ...], found: Found
) -> list[tuple[NumberFormat | None, float]]:
    """Return the formats among values that a layer reads, each with its share.

    What no memory hands over comes as it left the sums before it: float32.
    """
    whole = sum(values for _, values in reads)
    if not whole:
        return [(None, 1.0)]
    return [(read_format(name, cost, found), values / whole) for name, values in reads]


def read_format(name: str, cost: LayerCost, found: Found) -> NumberFormat | None:
    """Return the format in which a layer reads what another hands on, or the images; None is float32."""
    if name == IMAGES:
        return format_of(found.get(cost.images, {}), "inputs")
    return format_of(found.get(name, {}), "activations")


def format_of(slots: Mapping[str, Any], slot: str) -> NumberFormat | None:
    """Return the format of a slot; None where it is not rounded. A register of integers is fixed point."""
    setting = slots.get(slot)
    if isinstance(setting, Register):
        return parse(f"fixed({min(setting.bits, WIDEST)},0)")
    return None if setting is None else setting.number_format


def bit_operations(cost: LayerCost, found: Found) -> float:
    """Return the BOPs of one layer for one image.

    Raises:
        PrecisionError: when the layer multiplies in a way that is not counted.
    """
    require_counted(cost, "bit operations")
    return sum(p.number * factor_bits(p.a) * factor_bits(p.b) for p in products(cost, found))


def require_counted(cost: LayerCost, what: str) -> None:
    """Refuse a layer whose products are not known.

    Raises:
        PrecisionError: naming what is not known of it.
    """
    if not cost.counted:
        raise PrecisionError(
            f"the {what} of layer {cost.name!r} is not known: its class {cost.kind} multiplies by weights in "
            "a way that is not counted; compare by weight memory instead"
        )


def factor_bits(number_format: NumberFormat | None) -> float:
    """Return the bits of one factor; those of shared scales are no part of the product."""
    number_format = number_format or FLOAT32
    return float((number_format.element if isinstance(number_format, Block) else number_format).bits)
