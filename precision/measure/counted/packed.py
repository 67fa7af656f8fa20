"""The memory of a network's variables when each is stored in the bits of its own format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.quantization import Policy
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.points import rounds_output
from precision.quantization.sites import sites
from precision.quantization.stored import stored_variables

FLOAT32_BITS = 32


@dataclass(frozen=True)
class WeightMemory:
    """Counts for one network under one policy.

    Attributes:
        parameters: number of stored values, statistics of batch normalisation included.
        bytes: their size, packed without gaps in the formats' own bits, shared scales included; each variable
            begins on a whole byte.
        float32_bytes: their size as float32.
        bits: mean bits per stored value.
    """

    parameters: int
    bytes: int
    float32_bytes: int
    bits: float


def weight_memory(model: Any, policy: Policy) -> WeightMemory:
    """Count the stored values of an unquantised model under a policy; statistics stay float32.

    The bytes are those of the tensors in the file that ``precision pack`` writes.

    >>> import architectures
    >>> from precision.measure.counted.packed import weight_memory
    >>> from precision.quantization import parse_policy
    >>> memory = weight_memory(architectures.build("mlp"), parse_policy("fixed(4,3)"))
    >>> memory.parameters, memory.bytes, memory.bits
    (101770, 50885, 4.0)
    """
    stored = stored_variables(model, policy)
    parameters = sum(item.size for item in stored)
    return WeightMemory(
        parameters=parameters,
        bytes=sum(item.bytes for item in stored),
        float32_bytes=parameters * FLOAT32_BITS // 8,
        bits=sum(item.bits for item in stored) / parameters if parameters else float("nan"),
    )


def variable_memory(model: Any) -> WeightMemory:
    """Count the values that a network really holds, each in the bits of its variable's own type.

    Of a network whose variables are float16 the statistics of a normalisation are float16 too; of one that
    only computes in 16 bits every variable is float32. Seeds of dropout do not count.
    """
    variables = {id(v): v for layer in model.layers for v in layer.weights}.values()
    sizes = [(math.prod(variable.shape), dtype_bits(variable.dtype)) for variable in variables]
    parameters = sum(count for count, _ in sizes)
    total = sum(count * bits for count, bits in sizes)
    return WeightMemory(
        parameters=parameters,
        bytes=total // 8,
        float32_bytes=parameters * FLOAT32_BITS // 8,
        bits=total / parameters if parameters else float("nan"),
    )


def dtype_bits(name: str) -> int:
    """Return the bits of one value of a type of Keras."""
    return 16 if name == "bfloat16" else 8 * np.dtype(name).itemsize  # NumPy does not know bfloat16


def activation_bits(model: Any, policy: Policy) -> float:
    """Return the bits of an activation between layers; NaN where layers differ.

    >>> import architectures
    >>> from precision.measure.counted.packed import activation_bits
    >>> from precision.quantization import parse_policy
    >>> activation_bits(architectures.build("mlp"), parse_policy({"activations": "fixed(8,3)"}))
    8.0
    """
    model = flat(model)
    found, graph = sites(model, policy), Graph(model)
    bits = {
        float(s.number_format.bits)
        if (s := found.get(address(layer), {}).get("activations"))
        else float(FLOAT32_BITS)
        for layer in model.layers
        if rounds_output(graph, layer, policy.exempt)
    }
    return bits.pop() if len(bits) == 1 else float("nan")
