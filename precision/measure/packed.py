"""The memory of a network's variables when each is stored in the bits of its own format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from precision.quantization import Policy
from precision.quantization.model import sites
from precision.quantization.points import rounds_output
from precision.quantization.wrapper import slot_of

FLOAT32_BITS = 32


@dataclass(frozen=True)
class WeightMemory:
    """Counts for one network under one policy.

    Attributes:
        parameters: number of stored values, statistics of batch normalisation included.
        bytes: their size, packed without gaps in the formats' own bits.
        float32_bytes: their size as float32.
        bits: mean bits per stored value.
    """

    parameters: int
    bytes: int
    float32_bytes: int
    bits: float


def weight_memory(model: Any, policy: Policy) -> WeightMemory:
    """Count the stored values of an unquantised model under a policy; statistics stay float32."""
    found = sites(model, policy)
    parameters, bits = 0, 0.0
    for layer in model.layers:
        formats = found.get(layer.name, {})
        for variable in layer.weights:  # not the seeds of dropout, which no deployed network stores
            slot = slot_of(variable)
            number_format = formats.get(slot) if slot else None
            size = math.prod(variable.shape)
            parameters += size
            bits += size * (number_format.bits if number_format else FLOAT32_BITS)
    return WeightMemory(
        parameters=parameters,
        bytes=math.ceil(bits / 8),
        float32_bytes=parameters * FLOAT32_BITS // 8,
        bits=bits / parameters if parameters else float("nan"),
    )


def activation_bits(model: Any, policy: Policy) -> float:
    """Return the bits of an activation between layers; NaN where layers differ."""
    found = sites(model, policy)
    bits = {
        float(f.bits) if (f := found.get(layer.name, {}).get("activations")) else float(FLOAT32_BITS)
        for layer in model.layers
        if rounds_output(layer)
    }
    return bits.pop() if len(bits) == 1 else float("nan")
