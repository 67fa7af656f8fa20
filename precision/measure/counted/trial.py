"""The counts of a network as the numbers of a trial, see ``precision.metrics``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.measure.counted.activations import activations
from precision.measure.counted.cost import layer_costs
from precision.measure.counted.effective import effective_bit_operations
from precision.measure.counted.energy import joined, work
from precision.measure.counted.energy_table import shipped_table
from precision.measure.counted.operations import OPERATIONS
from precision.measure.counted.products import bit_operations
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites


@dataclass(frozen=True)
class Counts:
    """Numbers of a trial by name, and facts."""

    numbers: Mapping[str, float]
    facts: Mapping[str, str]


UNKNOWN = Counts(
    dict.fromkeys(("macs", "peak_activation_bytes", "bops", "ebops", "energy_modelled_pj"), math.nan), {}
)


def counts(model: Any, policy: Policy, kernels: Mapping[str, np.ndarray]) -> Counts:
    """Return what one inference of an unquantised model under a policy computes, moves and holds.

    What cannot be counted is NaN: the MACs, and what follows from them, of a network with a layer that
    multiplies in a way that is not known here; all of a network whose images have no fixed size.

    Args:
        kernels: the spans of its weights by layer, see ``counted.effective``.
    """
    numbers = dict(UNKNOWN.numbers)
    try:
        costs = layer_costs(model, joined(policy))
        if not all(cost.counted for cost in costs):
            return UNKNOWN
        numbers["macs"] = sum(cost.macs for cost in costs)
        numbers["peak_activation_bytes"] = activations(model, policy).peak
    except PrecisionError:  # the images have no fixed size
        return UNKNOWN
    found, done = sites(model, policy), work(model, policy)
    numbers["bops"] = sum(bit_operations(cost, found) for cost in costs)
    numbers["ebops"] = effective_bit_operations(model, policy, kernels)
    numbers["energy_modelled_pj"] = shipped_table().work_pj(done)
    return Counts(numbers, {OPERATIONS: done.text})
