"""The file of a network of integers: a safetensors file of what it computes with, ready for hardware.

For every step that sums products, named by its layer (``conv1``; a second call of it is ``conv1 (call 2)``):

    NAME/weights   the codes, int8 or uint8, (*sizes, channels / groups, filters)
    NAME/scales    of the weights, one for each filter: the real value of a step, float32
    NAME/bias      integers in units of the sums, scale of what it reads * NAME/scales: int32, or int64 where
                   they need it; real numbers, float32, where that scale follows from each image

The metadata are texts:

    precision  version of this library
    policy     JSON: the policy
    integers   JSON: {"requantisation", "steps"}, the steps in an order in which they can be computed

A step is {"name", "computes", "reads"}, the last being the places of other steps and -1 for the images, and
what else belongs to it: the scale, zero, lowest and highest code of a ``Round`` or ``Join``; the tensors,
window, multiplier and register of a ``Linear``. ``Move`` and ``InFront`` do what the layer of that name does.
With ``a`` the codes that a step reads, ``z`` their zero, ``s`` their scale, ``w`` the codes of its weights
and ``t`` their scales a sum is

    sum of products(a, w) + bias - z * sum(w), standing for that integer times s * t

and the next ``Round``, under the requantisation ``float``, makes of it the code rint(sum * (s * t / scale)) +
zero, clipped, in float64.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from precision import __version__
from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Clamp, Join, Round, RoundEach
from precision.arithmetic.integer.pooling import Average, MaxPool
from precision.arithmetic.integer.values import Codes, Value
from precision.arithmetic.window import Window
from precision.quantization.policy.policy import Policy


@dataclass(frozen=True)
class IntegerFile:
    """The content of a file.

    Attributes:
        tensors: by name.
        steps: as the metadata have them.
        requantisation: the rule by its name.
    """

    tensors: Mapping[str, np.ndarray]
    steps: list[dict[str, Any]]
    requantisation: str

    @property
    def payload_bytes(self) -> int:
        """Bytes of the tensors, without the file's header."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to_bytes(self, policy: Policy) -> bytes:
        """Return the content of the file.

        Args:
            policy: that the network was made under.
        """
        from safetensors.numpy import save

        network = {"requantisation": self.requantisation, "steps": self.steps}
        metadata = {
            "precision": __version__,
            "policy": json.dumps(policy.to_json()),
            "integers": json.dumps(network),
        }
        content: bytes = save(dict(self.tensors), metadata)
        return content


def written(network: IntegerNetwork, shape: tuple[int, ...]) -> IntegerFile:
    """Return what a network of integers is written as.

    Args:
        shape: of one image, which the network is run on once to see which codes its steps read.

    Raises:
        PrecisionError: where the network itself cannot be computed.
    """
    values = network.values(np.zeros((1, *shape), np.float32))
    network.forget()
    tensors: dict[str, np.ndarray] = {}
    steps = []
    for step, value in zip(network.steps, values, strict=True):
        operation = step.computes
        described: dict[str, Any] = {"name": step.name, "computes": type(operation).__name__}
        described["reads"] = list(step.reads)
        if isinstance(operation, Linear):
            label = _free(step.name, tensors)
            tensors |= {f"{label}/{part}": x for part, x in _of(operation, values[step.reads[0]]).items()}
            described["tensors"] = label
        if isinstance(operation, Join) and isinstance(value, Codes):
            described |= asdict(value.grid)
        steps.append({**described, **_more(operation)})
    return IntegerFile(tensors, steps, network.rule)


def _free(name: str, tensors: Mapping[str, np.ndarray]) -> str:
    number, found = 1, name
    while f"{found}/weights" in tensors:
        number += 1
        found = f"{name} (call {number})"
    return found


def _of(layer: Linear, read: Value) -> dict[str, np.ndarray]:
    """Return the arrays of a step that sums, which reads codes such as ``read``."""
    narrow = layer.scales.astype(np.float32)
    arrays = {
        "weights": layer.w.astype(np.uint8 if layer.w.max(initial=0) > 127 else np.int8),
        "scales": narrow if np.array_equal(narrow, layer.scales) else layer.scales,
    }
    if layer.bias is not None:
        assert isinstance(read, Codes)  # a layer computes with nothing else
        arrays["bias"] = layer.bias.astype(np.float32)
        if np.ndim(read.scale) == 0:
            codes = layer.bias_codes(float(read.scale))
            fits = np.abs(codes).max(initial=0) < 2**31
            arrays["bias"] = codes.astype(np.int32 if fits else np.int64)
    return arrays


def _window(window: Window | None) -> dict[str, Any]:
    return {"window": None if window is None else asdict(window)}


_MORE: dict[type, Callable[[Any], dict[str, Any]]] = {
    Linear: lambda o: {
        **_window(o.window),
        "multiplier": o.multiplier or "exact",
        "register": {"bits": o.register.bits, "overflow": o.register.overflow},
    },
    Round: lambda o: asdict(o.grid),
    RoundEach: lambda o: {"scale": "of each image", "zero": 0, "lowest": o.lowest, "highest": o.highest},
    Clamp: lambda o: {"ceiling": o.ceiling},
    Join: lambda o: {"axis": o.axis},
    Average: lambda o: {**_window(o.window), "keepdims": o.keepdims},
    MaxPool: lambda o: {**_window(o.window), "keepdims": o.keepdims},
}


def _more(operation: Any) -> dict[str, Any]:
    return _MORE[type(operation)](operation) if type(operation) in _MORE else {}
