"""LeNet and ResNet-20 in torch, plain and with the quantisers of other libraries, for a fair comparison.

Layer by layer the networks of architectures/, with weights and the results of activation functions rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

Maker = Callable[..., nn.Module]


class Lenet(nn.Module):
    """The layers of architectures/lenet.py."""

    def __init__(self, conv: Maker, dense: Maker, relu: Maker) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(1, 32, 5, padding=2), nn.MaxPool2d(2), relu(),
            conv(32, 48, 5), nn.MaxPool2d(2), relu(), nn.Flatten(),
            dense(48 * 25, 256), relu(), dense(256, 84), relu(), dense(84, 10),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.layers(x)


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters."""

    def __init__(self, inputs: int, filters: int, stride: int, conv: Maker, relu: Maker) -> None:
        super().__init__()
        self.first = nn.Sequential(
            conv(inputs, filters, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(filters), relu()
        )
        self.second = nn.Sequential(conv(filters, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters))
        self.relu, self.stride, self.grown = relu(), stride, filters - inputs

    def forward(self, x: Any) -> Any:
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, 0, self.grown))
        return self.relu(self.second(self.first(x)) + shortcut)


class Resnet(nn.Module):
    """The layers of architectures/resnet.py at depth 20."""

    def __init__(self, conv: Maker, dense: Maker, relu: Maker) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), relu()]
        inputs = 16
        for stage, filters in enumerate((16, 32, 64)):
            for index in range(3):
                stride = 2 if stage and not index else 1
                layers.append(Block(inputs, filters, stride, conv, relu))
                inputs = filters
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense(64, 10))

    def forward(self, x: Any) -> Any:
        return self.layers(x)


NETWORKS = {"lenet": Lenet, "resnet": Resnet}


def plain(network: str) -> nn.Module:
    return NETWORKS[network](nn.Conv2d, nn.Linear, nn.ReLU)


def quantised(library: str, network: str) -> dict[str, nn.Module]:
    """Return the variants of a network that a library can round, by what they round."""
    makers = {"qtorch": _qtorch, "brevitas": _brevitas}[library]()
    return {label: NETWORKS[network](*maker) for label, maker in makers.items()}


def step(model: nn.Module, batch: int) -> Callable[[], object]:
    """Return a training step of a model on one batch."""
    torch.manual_seed(0)
    images, labels = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.Adam(model.parameters())

    def run() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return run


def _qtorch() -> dict[str, tuple[Maker, Maker, Maker]]:
    from qtorch import FixedPoint, FloatingPoint
    from qtorch.quant import Quantizer

    def makers(**options: Any) -> tuple[Maker, Maker, Maker]:
        number = partial(Quantizer, forward_rounding="nearest", **options)
        weight, activation = number(forward_number=FixedPoint(8, 6)), number(forward_number=FixedPoint(8, 3))

        class Relu(nn.Module):
            def forward(self, x: Any) -> Any:
                return activation(torch.relu(x))

        class Conv(nn.Conv2d):
            def forward(self, x: Any) -> Any:
                return self._conv_forward(x, weight(self.weight), self.bias)

        class Linear(nn.Linear):
            def forward(self, x: Any) -> Any:
                return nn.functional.linear(x, weight(self.weight), self.bias)

        return Conv, Linear, Relu

    gradient = {"backward_number": FloatingPoint(5, 2), "backward_rounding": "stochastic"}
    return {"fixed 8 bits": makers(), "stochastic gradients": makers(**gradient)}


def _brevitas() -> dict[str, tuple[Maker, Maker, Maker]]:
    import brevitas.nn as qnn
    from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat

    def makers(weight: Any) -> tuple[Maker, Maker, Maker]:
        options = {"weight_quant": weight}
        return (
            partial(qnn.QuantConv2d, **options),
            lambda inputs, outputs: qnn.QuantLinear(inputs, outputs, bias=True, **options),
            qnn.QuantReLU,
        )

    return {
        "scale per tensor": makers(Int8WeightPerTensorFloat),
        "scale per channel": makers(Int8WeightPerChannelFloat),
    }
