"""The counts of a network layer by layer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from precision.measure.counted.activations import activations
from precision.measure.counted.cost import layer_costs
from precision.measure.counted.energy import joined
from precision.measure.counted.products import bit_operations
from precision.quantization.layers.flat import address, flattened
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites
from precision.quantization.stored import stored_variables
from precision.quantization.wrapper import unwrapped


class Row(NamedTuple):
    """What one layer computes, stores and holds for one image.

    Attributes:
        macs, bops: None where the layer multiplies in a way that is not counted.
        weights: bytes of its variables, packed in their own formats.
        activations: bytes of what it returns; 0 where that takes the place of what it reads.
    """

    layer: str
    kind: str
    macs: int | None
    bops: float | None
    weights: int
    activations: int


@dataclass(frozen=True)
class ByLayer:
    """The counts of a network.

    Attributes:
        weights: bytes of all variables.
        peak: bytes of activations at once, at most.
    """

    rows: tuple[Row, ...]
    weights: int
    peak: int


def by_layer(model: Any, policy: Policy) -> ByLayer:
    """Count an unquantised model under a policy; if it folds normalisations, the folded model.

    Raises:
        PrecisionError: when an image has no fixed size, or the policy does not fit.

    >>> import architectures
    >>> from precision.measure.counted.by_layer import by_layer
    >>> from precision.quantization import parse_policy
    >>> found = by_layer(architectures.build("mlp"), parse_policy("fixed(8,4)"))
    >>> [(row.layer, row.macs, row.weights, row.activations) for row in found.rows]
    [('flatten', 0, 0, 0), ('dense1', 100352, 100480, 128), ('logits', 1280, 1290, 10)]
    """
    found, held = sites(model, policy), activations(model, policy)
    own = _layer_of_variables(model)
    stored: Counter[str] = Counter()
    for item in stored_variables(model, policy):
        stored[own[id(item.variable)]] += item.bytes
    rows = tuple(
        Row(
            cost.name,
            cost.kind,
            cost.macs if cost.counted else None,
            bit_operations(cost, found) if cost.counted else None,
            stored[cost.name],
            held.by_layer.get(cost.name, 0),
        )
        for cost in layer_costs(model, joined(policy))
    )
    return ByLayer(rows, sum(stored.values()), held.peak)


def _layer_of_variables(model: Any) -> dict[int, str]:
    network = flattened(model)
    return {
        id(variable): address(layer)
        for layer in network.model.layers
        for variable in unwrapped(network.original(layer)).weights
    }
