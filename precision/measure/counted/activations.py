"""The memory of activations: what one image needs at once while a network is computed.

Layers are computed in the order in which Keras computes them: by their depth in the graph, and within a depth
as they were called. A tensor lives from the layer that returns it to the last that reads it; the images and
what the network returns live throughout, as LiteRT keeps them. The peak is the largest sum, over the layers,
of the tensors that live while a layer is computed: the least that any arena for this order can have.

Not every tensor has memory of its own, see ``Tensor``:

- What merely names the same values (flatten, reshape, dropout in inference) shares the memory of what it
  reads.
- Element-by-element work (normalisation, activation function, addition) takes the place of a tensor of the
  same size that no one else reads any more. So what passes between a layer and the normalisation and
  activation function after it is never stored; the result of a convolution before its pooling is.

A tensor has the bits of the format in which the policy rounds it, and otherwise those of its own type. One
within a compute step (see ``layers.points``) has those of the end of the step. What a layer computes on its
way inside itself has no memory here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from keras import layers

from precision.errors import PrecisionError
from precision.measure.counted.cost import IMAGES, layer_costs, size_of
from precision.measure.counted.packed import FLOAT32_BITS, dtype_bits
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph, all_calls, is_float, producer
from precision.quantization.layers.points import ADDITIONS, FOLLOWING, moves, role, rounds_output
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites

_SAME = frozenset(
    {"Flatten", "Reshape", "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout"}
    | {"SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "ActivityRegularization", "Identity"}
    # operations
    | {"ExpandDims", "Ravel", "Squeeze", "StopGradient"}
)
_IN_PLACE = (
    frozenset(name for name in FOLLOWING | ADDITIONS if "Pool" not in name and name != "Dot")
    | {"Masking", "Normalization", "Rescaling"}
    # operations
    | {"Absolute", "Abs", "Clip", "Divide", "Exp", "Log", "Negative", "Power", "Sqrt", "Square", "TrueDivide"}
)


@dataclass
class Tensor:
    """Memory that one tensor has to itself, and others after it.

    Attributes:
        layer: that returns it; ``IMAGES`` for the images.
        values: of one image.
        bytes: that they take, packed without gaps.
        first, last: the layers, counted from 0 in the order of computation, while which it lives.
    """

    layer: str
    values: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Activations:
    """The activations of a network for one image.

    Attributes:
        order: the layers as they are computed; one that is called twice stands twice.
        tensors: those that have memory of their own, as they appear.
    """

    order: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def live(self) -> list[int]:
        """Bytes that live while each layer of ``order`` is computed."""
        steps = range(max(len(self.order), 1))
        return [sum(t.bytes for t in self.tensors if t.first <= step <= t.last) for step in steps]

    @property
    def peak(self) -> int:
        """Bytes that live at once at most."""
        return max(self.live)

    @property
    def by_layer(self) -> dict[str, int]:
        """Bytes that each layer needs for what it returns; 0 where that takes the place of what it reads."""
        found = dict.fromkeys(self.order, 0)
        for tensor in self.tensors:
            if tensor.layer != IMAGES:
                found[tensor.layer] += tensor.bytes
        return found


def activations(model: Any, policy: Policy) -> Activations:
    """Return the activations of an unquantised model under a policy.

    Raises:
        PrecisionError: when an image has no fixed size, or the policy does not fit.

    >>> import architectures
    >>> from precision.measure.counted.activations import activations
    >>> from precision.quantization import parse_policy
    >>> found = activations(architectures.build("lenet"), parse_policy("fixed(8,4)"))
    >>> found.peak == 28 * 28 + 28 * 28 * 32 + 14 * 14 * 32  # the images, a convolution, its pooling
    True
    """
    return _Liveness(flat(model), policy).result()


def handed_on_bytes(model: Any, policy: Policy) -> float:
    """Return the bytes of what compute steps hand on for one image, packed; NaN where an image may be any.

    >>> import architectures
    >>> from precision.measure.counted.activations import handed_on_bytes
    >>> from precision.quantization import parse_policy
    >>> handed_on_bytes(architectures.build("mlp"), parse_policy({"activations": "fixed(6,3)"}))
    103.5
    """
    found = sites(model, policy)
    try:
        costs = layer_costs(model, policy.exempt)
    except PrecisionError:
        return math.nan
    settings = {cost.name: found.get(cost.name, {}).get("activations") for cost in costs}
    bits = {
        name: setting.number_format.bits if setting else FLOAT32_BITS for name, setting in settings.items()
    }
    return sum(cost.outputs * bits[cost.name] for cost in costs) / 8


class _Liveness:
    """One flat network on its way through memory."""

    def __init__(self, model: Any, policy: Policy) -> None:
        self._model, self._exempt = model, policy.exempt
        self._graph, self._sites = Graph(model), sites(model, policy)
        self._calls = all_calls(model)
        self._readers: dict[int, list[Any]] = {}  # the calls that read a tensor, by its id
        self._last: dict[int, int] = {}  # of the calls that read it
        for step, call in enumerate(self._calls):
            for tensor in call.inputs:
                self._readers.setdefault(id(tensor), []).append(call)
                self._last[id(tensor)] = step
        self._end = max(len(self._calls) - 1, 0)
        self._returned = {id(tensor) for tensor in model.outputs}
        self._bits: dict[int, float] = {}
        self._tensors: list[Tensor] = []
        self._memory: dict[int, Tensor] = {}  # that a symbolic tensor lies in
        self._kept: list[Tensor] = []  # which nothing may take the place of

    def result(self) -> Activations:
        for tensor in self._model.inputs:
            self._place(tensor, self._new(IMAGES, tensor, 0), self._end, kept=True)
        for step, call in enumerate(self._calls):
            for tensor in call.outputs:
                memory = self._taken_over(call, tensor, step) or self._new(address(call.layer), tensor, step)
                kept = id(tensor) in self._returned
                self._place(tensor, memory, self._end if kept else self._last.get(id(tensor), step), kept)
        return Activations(tuple(address(call.layer) for call in self._calls), tuple(self._tensors))

    def _new(self, layer: str, tensor: Any, step: int) -> Tensor:
        memory = Tensor(layer, size_of(tensor), self._bytes(tensor), step, step)
        self._tensors.append(memory)
        return memory

    def _place(self, tensor: Any, memory: Tensor, last: int, kept: bool) -> None:
        memory.last = max(memory.last, last)
        self._memory[id(tensor)] = memory
        if kept:
            self._kept.append(memory)

    def _taken_over(self, call: Any, tensor: Any, step: int) -> Tensor | None:
        """Return the memory of something that a call reads, where what it returns lies in it too."""
        name, size = role(call.layer), self._bytes(tensor)
        for read in call.inputs:
            memory = self._memory[id(read)]
            if memory.bytes != size:
                continue
            if name in _SAME:
                return memory
            if name in _IN_PLACE and memory.last == step and all(memory is not one for one in self._kept):
                return memory
        return None

    def _bytes(self, tensor: Any) -> int:
        return math.ceil(size_of(tensor) * self._bits_of(tensor) / 8)

    def _bits_of(self, tensor: Any) -> float:
        if id(tensor) not in self._bits:
            self._bits[id(tensor)] = self._found(tensor)
        return self._bits[id(tensor)]

    def _found(self, tensor: Any) -> float:
        """Return the bits of a value of a tensor."""
        own, call = float(dtype_bits(tensor.dtype)), producer(tensor)
        layer = call.layer
        if not is_float(tensor):
            return own
        if isinstance(layer, layers.InputLayer):  # as wide as the widest of those who read it asks
            read = [self._rounded(reader.layer, "inputs") for reader in self._readers.get(id(tensor), ())]
            return max((own if bits is None else bits for bits in read), default=own)
        if moves(layer) and call.inputs:
            rounded = self._rounded(layer, "inputs")
            total = sum(size_of(read) for read in call.inputs)
            mean = sum(self._bits_of(read) * size_of(read) for read in call.inputs) / max(total, 1)
            return mean if rounded is None else rounded
        bits = self._rounded(layer, "activations")
        if bits is not None:
            return bits
        if rounds_output(self._graph, layer, self._exempt):
            return own  # by the policy
        readers = self._readers.get(id(tensor), ())
        if not readers or any(role(reader.layer) not in FOLLOWING for reader in readers):
            return own  # a pooling or a sum that is exempt
        ends = {self._bits_of(output) for reader in readers for output in reader.outputs}
        return ends.pop() if len(ends) == 1 else own

    def _rounded(self, layer: Any, slot: str) -> float | None:
        setting = self._sites.get(address(layer), {}).get(slot)
        return None if setting is None else float(setting.number_format.bits)
