"""Modelled energy of one inference under a policy. It is a model: no energy is measured here.

What is in it: every multiply-accumulate of the network (``measure.counted.cost``) at the energy that
``measure.operations`` gives its operands' formats, one addition for each bias, each stored variable read once
and each activation written once and read once by whoever needs it, in the bits of their formats (of a format
with shared scales its mean bits), all in one on-chip memory of 1 MiB.

What is not: normalisations, activation functions, pooling and additions of branches; scales, zero points and
conversions between formats; registers and repeated fetches (each value is fetched once, which only an ideal
dataflow reaches); control, clock, leakage, and the fact that a machine has the multipliers that it has:
an approximate multiplier counts as the exact one of its width. So it
ranks formats and layers by how much arithmetic and traffic they save, in one technology (45 nm), and it tells
nothing about the energy of a device at hand. A format that no one built an arithmetic for is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from precision.arithmetic.accumulators.register import Register
from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.measure.counted.cost import IMAGES, LayerCost, layer_costs
from precision.measure.counted.operations import FLOAT32, add_pj, bit_pj, multiply_pj, operand, running_sum
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites

FLOAT32_BITS = 32
WIDEST = 32  # bits of an adder whose energy is known
MEMORY = "1 MiB"


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


def energy(model: Any, policy: Policy, memory: str = MEMORY) -> Energy:
    """Return the modelled energy of one inference of an unquantised model under a policy.

    If the policy folds normalisations, the model is the folded one.

    Args:
        memory: where variables and activations lie, a key of ``operations.MEMORIES``.

    Raises:
        PrecisionError: when a layer multiplies in a way that is not counted, or the policy does not fit.

    >>> import architectures
    >>> from precision.measure.counted.energy import energy
    >>> from precision.quantization import parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> narrow, wide = (energy(model, parse_policy(text)).total_pj for text in ("fixed(8,6)", "float32"))
    >>> round(wide / narrow, 1)
    3.4
    """
    found = sites(model, policy)
    costs = layer_costs(model, [word for word in policy.exempt if word == "additions"])
    layers = {cost.name: layer_energy(cost, found, memory) for cost in costs}
    return Energy(sum(layer.total for layer in layers.values()), layers)


def layer_energy(
    cost: LayerCost, found: Mapping[str, Mapping[str, Any]], memory: str = MEMORY
) -> LayerEnergy:
    """Return the modelled energy of one layer.

    Args:
        found: settings by layer and slot: of the layer itself and of those that it reads from.

    Raises:
        PrecisionError: when the layer multiplies in a way that is not counted.
    """
    if not cost.counted:
        raise PrecisionError(
            f"the modelled energy of layer {cost.name!r} is not known: its class {cost.kind} multiplies by "
            "weights in a way that is not counted; compare by weight memory instead"
        )
    own = found.get(cost.name, {})
    per_bit = bit_pj(memory)
    weights, biases = _format(own, "weights"), _format(own, "biases")
    reads = [(_read_format(name, own, found), values) for name, values in cost.reads]
    stored = (
        cost.weights * _bits(weights) + cost.biases * _bits(biases) + cost.statistics * FLOAT32_BITS
    ) * per_bit
    moved = sum(values * _bits(f) for f, values in reads) + cost.outputs * _bits(_format(own, "activations"))
    return LayerEnergy(_arithmetic(cost, own, weights, reads), stored, moved * per_bit)


def _arithmetic(
    cost: LayerCost,
    own: Mapping[str, Any],
    weights: NumberFormat | None,
    reads: list[tuple[NumberFormat | None, int]],
) -> float:
    """Return the energy of a layer's MACs and biases; of several formats it reads, each in its share."""
    if not cost.macs:
        return 0.0
    sums = _format(own, "accumulators")
    # What no memory hands over comes as it left the sums before it: float32.
    shares = reads if sum(values for _, values in reads) else [(None, 1)]
    whole = sum(values for _, values in shares)
    a = operand(weights)
    total = 0.0
    for number_format, values in shares:
        b = operand(number_format)
        add = add_pj(running_sum(a, b, sums))
        total += values / whole * (cost.macs * (multiply_pj(a, b) + add) + cost.biased * add)
    return total


def _read_format(
    name: str, own: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> NumberFormat | None:
    return _format(own, "inputs") if name == IMAGES else _format(found.get(name, {}), "activations")


def _format(slots: Mapping[str, Any], slot: str) -> NumberFormat | None:
    setting = slots.get(slot)
    if isinstance(setting, Register):
        return parse(f"fixed({min(setting.bits, WIDEST)},0)")
    return None if setting is None else setting.number_format


def _bits(number_format: NumberFormat | None) -> float:
    return float((number_format or FLOAT32).bits)
