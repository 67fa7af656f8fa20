"""Modelled energy of one inference under a policy. It is a model: no energy is measured here.

What is in it: every multiply-accumulate of the network (``counted.cost``) at the energy that an
``energy_table`` gives its operands' formats, one addition for each bias, each stored variable read once and
each activation written once and read once by whoever needs it, in the bits of their formats (of a format with
shared scales its mean bits), all in the one memory that the table names.

What is not: normalisations, activation functions, pooling and additions of branches; scales, zero points and
conversions between formats; registers and repeated fetches (each value is fetched once, which only an ideal
dataflow reaches); control, clock, leakage, and the fact that a machine has the multipliers that it has:
an approximate multiplier counts as the exact one of its width. So it ranks formats and layers by how much
arithmetic and traffic they save, in the technology of the table, and it tells nothing about the energy of a
device at hand. A format that no one built an arithmetic for is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from precision.formats import NumberFormat
from precision.measure.counted.cost import LayerCost, layer_costs
from precision.measure.counted.energy_table import EnergyTable, shipped_table
from precision.measure.counted.operations import FLOAT32, Work, operand, running_sum
from precision.measure.counted.products import Found, format_of, products, read_format, require_counted
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites

FLOAT32_BITS = 32


@dataclass(frozen=True)
class LayerEnergy:
    """Modelled picojoules of one layer for one image.

    Attributes:
        arithmetic: multiply-accumulates and biases.
        weights: reading the stored variables once.
        activations: reading what it reads and writing what it hands on.
    """

    arithmetic: float
    weights: float
    activations: float

    @property
    def total(self) -> float:
        """The sum of the three."""
        return self.arithmetic + self.weights + self.activations


@dataclass(frozen=True)
class Energy:
    """Modelled picojoules of one inference (one image); see the limits of the model in this module."""

    total_pj: float
    by_layer: Mapping[str, LayerEnergy] = field(default_factory=dict)


def energy(model: Any, policy: Policy, memory: str | None = None, table: EnergyTable | None = None) -> Energy:
    """Return the modelled energy of one inference of an unquantised model under a policy.

    If the policy folds normalisations, the model is the folded one.

    Args:
        memory: where variables and activations lie, a memory of the table; None for the one that it names.
        table: of energies; None for Horowitz's.

    Raises:
        PrecisionError: when a layer multiplies in a way that is not counted, or the policy does not fit.

    >>> import architectures
    >>> from precision.measure.counted.energy import energy
    >>> from precision.quantization import parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> narrow, wide = (energy(model, parse_policy(text)).total_pj for text in ("fixed(8,6)", "float32"))
    >>> round(wide / narrow, 1)
    4.3
    """
    found = sites(model, policy)
    layers = {
        cost.name: layer_energy(cost, found, memory, table) for cost in layer_costs(model, joined(policy))
    }
    return Energy(sum(layer.total for layer in layers.values()), layers)


def joined(policy: Policy) -> list[str]:
    """Return what of a policy's exemptions joins compute steps: ``additions``."""
    return [word for word in policy.exempt if word == "additions"]


def layer_energy(
    cost: LayerCost, found: Found, memory: str | None = None, table: EnergyTable | None = None
) -> LayerEnergy:
    """Return the modelled energy of one layer.

    Args:
        found: settings by layer and slot: of the layer itself, of those that it reads from, and of the one
            that reads the images for it.
        memory, table: as in :func:`energy`.

    Raises:
        PrecisionError: when the layer multiplies in a way that is not counted.
    """
    table = table or shipped_table()
    work, stored = layer_work(cost, found)
    arithmetic = table.work_pj(Work(work.products, work.sums))
    per_bit = table.bit_pj(memory)
    return LayerEnergy(arithmetic, stored * per_bit, (work.bits - stored) * per_bit)


def layer_work(cost: LayerCost, found: Found) -> tuple[Work, float]:
    """Return the operations of one layer, and how many of the bits that it moves are stored variables.

    Raises:
        PrecisionError: when the layer multiplies in a way that is not counted.
    """
    require_counted(cost, "modelled energy")
    own = found.get(cost.name, {})
    sums = format_of(own, "accumulators")
    work = Work()
    for p in products(cost, found):
        a, b = operand(p.a), operand(p.b)
        adder = running_sum(a, b, sums)
        biased = cost.biased * p.number / cost.macs
        work += Work({(a, b): p.number}, {adder: p.number + biased})
    stored = (
        cost.weights * _bits(format_of(own, "weights"))
        + cost.biases * _bits(format_of(own, "biases"))
        + cost.statistics * FLOAT32_BITS
    )
    moved = sum(values * _bits(read_format(name, cost, found)) for name, values in cost.reads)
    moved += cost.outputs * _bits(format_of(own, "activations"))
    return work + Work(bits=stored + moved), stored


def work(model: Any, policy: Policy) -> Work:
    """Return the operations of one inference of an unquantised model under a policy, from which any table
    tells its energy.

    Raises:
        PrecisionError: as :func:`energy`.
    """
    found = sites(model, policy)
    return sum((layer_work(cost, found)[0] for cost in layer_costs(model, joined(policy))), Work())


def _bits(number_format: NumberFormat | None) -> float:
    return float((number_format or FLOAT32).bits)
