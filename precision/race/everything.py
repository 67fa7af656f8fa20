"""The whole race: the machine, training steps, single layers, and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from precision.arithmetic.convolutions import convolution
from precision.arithmetic.convolutions.step import Convolve
from precision.arithmetic.window import Window
from precision.measure.machine.environment import SHOWN, environment
from precision.race.layers import Layer, Rate, rates
from precision.race.limits import Limits, limits
from precision.race.steps import KERAS, SLOW, Setting, Step, steps
from precision.race.sums import Error, errors

WIDE = Layer("64 channels", (16, 16, 16, 64), (3, 3, 64, 64), Window((3, 3), (1, 1), (1, 1), "same"))
"""A layer as deep networks have them, beside the narrow ones of the network."""
CASES = ((3, 8), (3, 64), (5, 8), (5, 64))
"""Sizes of the kernel and channels whose errors are looked at."""


@dataclass(frozen=True)
class Found:
    """Everything that was measured.

    Attributes:
        environment: where and with what.
    """

    setting: Setting
    limits: Sequence[Limits]
    steps: Sequence[Step]
    layers: Sequence[Layer]
    rates: Sequence[Rate]
    errors: Sequence[Error]
    environment: Mapping[str, str]

    def json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def race(
    algorithms: Sequence[str],
    batches: Sequence[int],
    workers: Sequence[int],
    setting: Setting,
    say: Callable[[str], None] = lambda text: None,
) -> Found:
    """Run the race.

    Args:
        workers: numbers of cores, in rising order.
        say: is told what is measured next.
    """
    say("errors of the sums")
    wrong = [one for kernel, channels in CASES for one in errors(kernel, channels, algorithms)]
    say("the limits of the machine")
    roof = [limits(count, setting.rounds) for count in workers]
    found = []
    for count in workers:
        say(f"training steps on {count} {'core' if count == 1 else 'cores'}")
        found += steps(setting, (KERAS, *algorithms), batches, count)
    fast = [name for name in algorithms if name != SLOW]
    layers, measured = [*layers_of(setting, batches[0]), WIDE], []
    for layer in layers:
        say(f"the layer {layer.name}")
        measured += rates(layer, fast, setting.rounds)
    here = environment()
    shown = {name: here[name] for name in SHOWN if here.get(name)}
    return Found(setting, roof, found, layers, measured, wrong, shown)


def layers_of(setting: Setting, batch: int) -> list[Layer]:
    """Return the convolutions of a network, for a batch."""
    import architectures
    from precision.deploy.written_out import written_out

    model: Any = architectures.build(setting.network, setting.shape, setting.classes)
    x = np.zeros((1, *setting.shape), np.float32)
    found: list[Layer] = []
    for layer in written_out(model).layers:
        if isinstance(layer, Convolve):
            name = f"convolution {len(found) + 1}"
            found.append(Layer(name, (batch, *x.shape[1:]), layer.variables[0].shape, layer.window))
        x, _ = layer.forward(x, convolution("direct"))
    return found
