"""From a quantised Keras model to a network of integers with the same scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.arithmetic.engines.choice import AUTO
from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import (
    Add,
    Clamp,
    Join,
    Move,
    Operation,
    Round,
    RoundEach,
    spanning,
)
from precision.arithmetic.integer.pooling import Average, MaxPool
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Grid
from precision.arithmetic.window import Window
from precision.deploy.integer.arithmetic import Arithmetic
from precision.deploy.integer.codes import of_each_image, rounding, same_codes, weight_codes
from precision.deploy.integer.layers import (
    COMPLETE,
    IN_FRONT,
    POOLS,
    SAME,
    InFront,
    check_tensors,
    moving,
    unknown,
)
from precision.errors import PrecisionError
from precision.quantization.layers.axes import CONVOLUTIONS, DEPTHWISE
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import all_calls, ends, is_image
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.points import moves, role
from precision.quantization.quantizer import Quantizer
from precision.quantization.sums import window_of
from precision.quantization.wrapper import Quantized, unwrapped


def integer_network(
    model: Any,
    arithmetic: Callable[[str], Arithmetic] = lambda layer: Arithmetic(),
    *,
    rule: str = "float",
    engine: str = AUTO,
    watch: bool = False,
) -> IntegerNetwork:
    """Return the network of integers that a quantised model stands for: its codes, its scales.

    Every tensor that a policy rounds becomes integer codes with the scales that the model's quantizers have,
    be they calibrated or learned; weights likewise, and biases integers in the units of the sums. What passes
    between the layers of one step (see ``layers.points``) stays as wide as the register.

    Args:
        model: as :func:`precision.quantization.apply` made it, or trained on.
        arithmetic: returns, for the name of a layer that sums products, what multiplies and adds.
        rule: of requantisation, see ``arithmetic.requantisation.rules``.
        engine: by name.
        watch: whether the peaks of running sums are looked for, which takes longer.

    Raises:
        PrecisionError: naming the layer that cannot be computed in integers, and what to do.

    >>> import architectures, numpy as np
    >>> from precision.deploy.integer import integer_network
    >>> from precision.quantization import apply, parse_policy
    >>> model = apply(architectures.build("mlp", width=0.25), parse_policy("fixed(8,5)"))
    >>> images = np.full((1, 28, 28, 1), 0.5, np.float32)
    >>> bool((integer_network(model)(images) == model.predict_on_batch(images)).all())
    True
    """
    return _Conversion(arithmetic, engine, watch).of(model, rule)


def read_by(model: Any) -> dict[str, Quantizer]:
    """Return, for the layers that sum products, the quantizer that rounded what they read.

    Layers that read tensors side by side, of several quantizers, are left out.

    Raises:
        PrecisionError: as :func:`integer_network`.
    """
    conversion = _Conversion(lambda layer: Arithmetic(), AUTO, False)
    conversion.of(model, "float")
    return {name: quantizer for name, quantizer in conversion.read.items() if quantizer is not None}


class _Conversion:
    """Walks the calls of a model and writes the steps."""

    def __init__(self, arithmetic: Callable[[str], Arithmetic], engine: str, watch: bool) -> None:
        self.arithmetic, self.engine, self.watch = arithmetic, engine, watch
        self.steps: list[Step] = []
        self.places: dict[int, int] = {}  # of what a symbolic tensor holds, among the steps
        self.grids: dict[int, Grid | None] = {-1: None}  # of the codes that a step gives
        self.quantizers: dict[int, Quantizer | None] = {-1: None}  # that made them, where one did
        # By layers that sum: what rounded their inputs, if one did.
        self.read: dict[str, Quantizer | None] = {}
        self.begun = 0  # the steps before the call at hand

    def of(self, model: Any, rule: str) -> IntegerNetwork:
        inputs, outputs = (keras.tree.flatten(part) for part in ends(model))
        if len(inputs) != 1 or len(outputs) != 1:
            raise PrecisionError(
                "an integer network has one input and one output, but this one has "
                f"{len(inputs)} and {len(outputs)}"
            )
        self.places[id(inputs[0])] = -1
        for call in all_calls(model):
            self._add(call)
        return IntegerNetwork(tuple(self.steps), rule)

    def _add(self, call: Any) -> None:
        wrapper, layer = call.layer, unwrapped(call.layer)
        quantizers = wrapper.quantizers if isinstance(wrapper, Quantized) else {}
        if len(call.outputs) != 1:
            raise unknown(layer, "it returns several tensors")
        reads = [self._read(layer, tensor, quantizers.get("inputs")) for tensor in call.inputs]
        self.begun = len(self.steps)
        check_tensors(layer, call)
        place = self._computed(wrapper, layer, reads)
        if "activations" in quantizers:
            place = self._rounded(layer, quantizers["activations"], place)
        self.places[id(call.outputs[0])] = place

    def _read(self, layer: Any, tensor: Any, quantizer: Quantizer | None) -> int:
        place = self.places[id(tensor)]
        if quantizer is not None and is_image(tensor):
            return self._rounded(layer, quantizer, place)
        return place

    def _step(self, layer: Any, operation: Operation, *reads: int, keeps: bool = False) -> int:
        """Add a step; one that ``keeps`` gives codes of the kind that it reads."""
        self.steps.append(Step(address(layer), operation, reads))
        place = len(self.steps) - 1
        self.grids[place] = self.grids[reads[0]] if keeps else None
        source = self.quantizers[reads[0]] if keeps and len(reads) == 1 else None
        if source is not None and of_each_image(source) and role(layer) not in COMPLETE:
            source = None
        self.quantizers[place] = source
        return place

    def _rounded(self, layer: Any, quantizer: Quantizer, place: int) -> int:
        operation = rounding(quantizer, f"the activations of layer {address(layer)!r}")
        if isinstance(operation, Round) and self._pools_last(place):
            pool = self.steps.pop()  # rounding keeps the order of numbers: codes pool alike, in less time
            return self._step(
                layer, pool.computes, self._rounded(layer, quantizer, pool.reads[0]), keeps=True
            )
        rounded = self._step(layer, operation, place)
        self.grids[rounded], self.quantizers[rounded] = operation.grid, quantizer
        return rounded

    def _pools_last(self, place: int) -> bool:
        """Return whether the call at hand, alone, takes the largest of numbers that were not rounded.

        The step of another call may have other readers, who want it as it is.
        """
        if place < self.begun or place != len(self.steps) - 1:
            return False
        step = self.steps[place]
        return isinstance(step.computes, MaxPool) and self.grids[step.reads[0]] is None

    def _computed(self, wrapper: Any, layer: Any, reads: list[int]) -> int:
        """Write what a layer computes, and return the place of its result."""
        name = role(layer)
        if type(layer) in (keras.layers.Dense, *CONVOLUTIONS, *DEPTHWISE):
            return self._activated(layer, self._linear(wrapper, layer, reads), layer.activation)
        if getattr(layer, "only_moves", False) and len(reads) == 1:
            return self._step(layer, Move(moving(layer)), reads[0], keeps=True)
        if not name:
            raise unknown(layer, "what a class of one's own computes is not known; take layers of Keras")
        if name in SAME:
            return reads[0]
        if name in ("Activation", "ReLU", "Relu", "Relu6"):
            return self._rectified(layer, reads[0])
        if name == "Add":
            return self._step(layer, Add(), *reads)
        if name == "Concatenate":
            return self._joined(layer, reads)
        if name.rstrip("123D") in POOLS:
            return self._pooled(layer, reads[0])
        if name == "Masking":
            raise unknown(layer, "it compares real numbers, and codes have none")
        if moves(layer) and len(reads) == 1:
            return self._step(layer, Move(moving(layer)), reads[0], keeps=True)
        if name in IN_FRONT and self._is_image(reads[0]):
            return self._step(layer, InFront(layer), reads[0])
        if name == "BatchNormalization":
            raise unknown(layer, "it was not folded into the layer before it; see 'fold_batch_norm'")
        raise unknown(layer, f"{name} is not one of the operations that the integer engine knows")

    def _is_image(self, place: int) -> bool:
        """Return whether a step has done nothing to the images but round them."""
        return place == -1 or (
            isinstance(self.steps[place].computes, Round | RoundEach | InFront)
            and self._is_image(self.steps[place].reads[0])
        )

    def _linear(self, wrapper: Any, layer: Any, reads: list[int]) -> int:
        where = f"layer {address(layer)!r}"
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise unknown(layer, "it has its channels first")
        kernel = wrapper.rounding_of(layer.kernel) if isinstance(wrapper, Quantized) else None
        if kernel is None:
            raise PrecisionError(
                f"{where}: its weights are not rounded to integers, which a network of integers needs; give "
                "them int(8) with a scale, or fixed point"
            )
        grid = self.grids[reads[0]]
        if grid is None:
            raise PrecisionError(
                f"{where} reads numbers that are not rounded to integers; give the policy 'inputs' and "
                "'activations' in int(8) with a scale, or in fixed point, and exempt nothing"
            )
        axis, quantizer = kernel
        codes, scales = weight_codes(quantizer, layer.kernel, axis, f"the weights of {where}")
        window = window_of(layer)
        if type(layer) in DEPTHWISE:  # output c * multiplier + m reads channel c alone
            codes = codes.reshape(*window.sizes, 1, -1)
        chosen = self.arithmetic(address(layer))
        ranges = (grid.lowest, grid.highest, int(codes.min()), int(codes.max()))
        bias = None
        if layer.use_bias:
            rounded = wrapper.rounding_of(layer.bias)
            values = layer.bias.value if rounded is None else rounded[1](layer.bias)
            bias = np.asarray(keras.ops.convert_to_numpy(values), np.float64)
        try:
            products = chosen.products(*ranges)
        except PrecisionError as error:
            raise PrecisionError(f"{where}: {error}") from None
        operation = Linear(
            address(layer),
            codes,
            np.broadcast_to(scales, (codes.shape[-1],)).astype(np.float64),
            bias,
            products,
            window,
            chosen.register,
            self.engine,
            self.watch,
            chosen.multiplier.name if chosen.multiplier else "",
        )
        source, name = self.quantizers[reads[0]], address(layer)
        self.read[name] = source if same_codes(source, self.read.get(name, source)) else None
        return self._step(layer, operation, reads[0])

    def _joined(self, layer: Any, reads: list[int]) -> int:
        found = [self.grids[place] for place in reads]
        grids = [grid for grid in found if grid is not None and not np.isnan(grid.scale)]
        if len(grids) < len(found):
            raise unknown(layer, "it joins tensors that were not all rounded with scales that do not move")
        axis = layer.computes.axis if isinstance(layer, OperationLayer) else layer.axis
        place = self._step(layer, Join(axis), *reads)
        self.grids[place] = grids[0] if all(grid == grids[0] for grid in grids) else spanning(grids)
        return place

    def _activated(self, layer: Any, place: int, function: Any) -> int:
        function = keras.activations.linear if function is None else function
        name = getattr(function, "__name__", type(function).__name__)
        if not getattr(function, "__module__", "").startswith("keras."):
            raise unknown(
                layer, f"its activation function {name} is none of Keras; use keras.activations.relu"
            )
        if name in ("relu", "relu6"):
            return self._step(layer, Clamp(6.0 if name == "relu6" else None), place, keeps=True)
        if name == "linear":
            return place
        raise unknown(layer, f"the activation function {name} is not computed in integers; use relu")

    def _rectified(self, layer: Any, place: int) -> int:
        if kind(layer) == "Activation":
            return self._activated(layer, place, layer.activation)
        if kind(layer) in ("Relu", "Relu6"):
            ceiling: float | None = 6.0 if kind(layer) == "Relu6" else None
        else:
            if layer.negative_slope or layer.threshold:
                raise unknown(layer, "it has a slope or a threshold")
            ceiling = None if layer.max_value is None else float(layer.max_value)
        return self._step(layer, Clamp(ceiling), place, keeps=True)

    def _pooled(self, layer: Any, place: int) -> int:
        name = kind(layer)
        if layer.data_format != "channels_last":
            raise unknown(layer, "it has its channels first")
        whole = name.startswith("Global")
        window = None
        if not whole:
            ones = (1,) * len(layer.pool_size)
            window = Window(tuple(layer.pool_size), tuple(layer.strides), ones, layer.padding)
        if "Average" in name:
            return self._step(layer, Average(window, whole and layer.keepdims), place)
        return self._step(layer, MaxPool(window, whole and layer.keepdims), place, keeps=True)
