"""A quantised network of which each kind of error, in each tensor, can be switched off for itself.

Where an error is switched off, the values that would suffer it stay as they are: with all of them off the
network computes in float32, and with all on it computes what it computed before, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.formats.engine.program import Axis
from precision.quantization.fates import FATES, ends, fates
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import more_variables
from precision.quantization.model import wrapped
from precision.quantization.policy.settings import Setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import variable
from precision.quantization.wrapper import Quantized

ACCUMULATION = "accumulation"
SUMS = "accumulators"  # the slot of it
Switch = Callable[[str, str, str], bool]
"""Says by layer, slot and error whether it is on."""
Watch = Callable[[str, str, Quantizer, Any, Any, Any, Any, Axis], None]
"""Is told layer and slot, the quantizer, a tensor, what became of it, what overflows, what vanishes, axis."""


class Switched:
    """A quantizer whose errors can be switched off, in the place of the quantizer.

    Attributes:
        quantizer: what rounds.
        on: variable (3,), one for each of ``FATES``.
        watch: called with what each call of it outside a graph does; None for nothing.
    """

    def __init__(self, quantizer: Quantizer, layer: Any, site: str) -> None:
        self.quantizer = quantizer
        self.on = variable(layer, f"{site}_on", (len(FATES),), "bool", initializer="ones")
        self.limits = variable(layer, f"{site}_ends", (2,))
        self.watch: Callable[[Any, Any, Any, Any, Axis], None] | None = None
        self._place()

    def assign(self, setting: Setting | None, *others: Any) -> None:
        """Change the setting, see :meth:`Quantizer.assign`."""
        self.quantizer.assign(setting, *others)
        self._place()

    def _place(self) -> None:
        if self.quantizer.scale is not None:
            self.limits.assign(ends(self.quantizer.scale.setting.number_format))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.quantizer, name)

    def __call__(self, x: Any, axis: Axis = -1, training: bool | None = None) -> Any:
        """Return ``x`` with the errors that are on; see :meth:`Quantizer.__call__`."""
        x = keras.ops.cast(x, "float32")
        if self.quantizer.scale is None:
            return x
        if self.watch is not None:
            y = self.quantizer(x, axis, training)
            beyond, vanished = fates(self.quantizer, x, y, self.limits, axis)
            self.watch(x, y, beyond, vanished, axis)
            return self._mixed(x, y, beyond, vanished)
        on = keras.ops.logical_and(self.on, True)  # a tensor: outside a graph, cond takes no variable
        return keras.ops.cond(
            keras.ops.all(on),
            lambda: self.quantizer(x, axis, training),
            lambda: keras.ops.cond(keras.ops.any(on), lambda: self._some(x, axis, training), lambda: x),
        )

    def _some(self, x: Any, axis: Axis, training: bool | None) -> Any:
        y = self.quantizer(x, axis, training)
        return self._mixed(x, y, *fates(self.quantizer, x, y, keras.ops.copy(self.limits), axis))

    def _mixed(self, x: Any, y: Any, beyond: Any, vanished: Any) -> Any:
        """Return for each value what its fate, if that is on, makes of it."""
        on = keras.ops.copy(self.on)
        kept = keras.ops.where(beyond, on[0], keras.ops.where(vanished, on[1], on[2]))
        return keras.ops.where(kept, y, x)


def switched(model: Any) -> list[tuple[str, str, str]]:
    """Make every error of a quantised network switchable, in place; return layer, slot and error of each.

    Args:
        model: from ``quantization.apply``, trained or not; it has to be compiled anew before it predicts.
    """
    found = []
    for layer in wrapped(model):
        with more_variables(layer):
            for site, quantizer in list(layer.quantizers.items()):
                layer.quantizers[site] = Switched(quantizer, layer, site)  # type: ignore[assignment]
                if quantizer.scale is not None:
                    key = address(layer), layer.slot_of(site)
                    found += [(*key, fate) for fate in FATES if (*key, fate) not in found]
            if isinstance(layer.settings.get(SUMS), Accumulator):
                _switch_sums(layer)
                found.append((address(layer), SUMS, ACCUMULATION))
    return found


def _switch_sums(layer: Quantized) -> None:
    """Put a switch before the emulated sums of a layer, on at first."""
    from precision.quantization import sums

    accumulator: Any = layer.settings[SUMS]
    key = layer._key
    on = variable(layer, f"{SUMS}_on", (), "bool", initializer="ones")

    def through(inner: Any, x: Any) -> Any:
        return keras.ops.cond(
            keras.ops.logical_and(on, True),
            lambda: sums.call(inner, x, accumulator, key),
            lambda: inner(x),
        )

    layer.settings = {slot: setting for slot, setting in layer.settings.items() if slot != SUMS}
    through.on, through.settings = on, {SUMS: accumulator}  # type: ignore[attr-defined]
    layer.through = through


def turn(model: Any, on: Switch) -> None:
    """Switch each error of a network that is :func:`switched` on or off."""
    for layer in wrapped(model):
        for site, quantizer in layer.quantizers.items():
            slot = layer.slot_of(site)
            states = [on(address(layer), slot, fate) for fate in FATES]
            quantizer.on.assign(np.array(states))  # type: ignore[attr-defined]
        sums: Any = layer.through
        if hasattr(sums, "on"):
            sums.on.assign(on(address(layer), SUMS, ACCUMULATION))


def watch(model: Any, told: Watch | None) -> None:
    """Let a function see what each call outside a graph rounds; None for nothing more."""

    def noting(layer: str, slot: str, quantizer: Quantizer, told: Watch) -> Callable[..., None]:
        return lambda x, y, beyond, vanished, axis: told(layer, slot, quantizer, x, y, beyond, vanished, axis)

    for layer in wrapped(model):
        for site, each in layer.quantizers.items():
            switch: Any = each
            slot = layer.slot_of(site)
            switch.watch = noting(address(layer), slot, switch.quantizer, told) if told else None
