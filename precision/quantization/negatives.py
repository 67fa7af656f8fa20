"""Tensors with negative values whose format has none: what they lose is no rounding any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from precision.quantization.calibration.statistics import Statistics
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.variables import variables
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.sites import sites


def lost_negatives(
    network: Any, policy: Policy, observed: Mapping[tuple[str, str], Statistics]
) -> dict[str, str]:
    """Return, by layer, which variables are negative, or tensors in calibration, and become 0 under a policy.

    A scale with a zero point moves the codes to where the values are, and loses none.

    Args:
        network: the unquantised one.
        observed: by layer and slot.

    >>> import numpy as np
    >>> import architectures
    >>> from precision.quantization import calibrated, parse_policy
    >>> from precision.quantization.calibration.calibrator import Calibrator
    >>> model = architectures.build("mlp", width=0.25)
    >>> policy = parse_policy({"activations": {"format": "uint(8)", "scaling": "real"}})
    >>> images = np.random.default_rng(0).random((8, 28, 28, 1)).astype(np.float32)
    >>> observed = Calibrator(model, images).statistics(calibrated(model, policy), values=False)
    >>> list(lost_negatives(model, policy, observed))
    ['logits']
    """
    if not any(isinstance(setting, Setting) and _has_none(setting) for _, setting in policy.settings()):
        return {}
    found: dict[str, list[str]] = {}
    settings = sites(network, policy)

    def note(layer: str, slot: str, low: float) -> None:
        setting = settings.get(layer, {}).get(slot)
        if isinstance(setting, Setting) and low < 0 and _has_none(setting):
            text = f"{slot} down to {low:.3g} become 0 in {setting.number_format}"
            found.setdefault(layer, []).append(text)

    for (layer, slot), seen in observed.items():
        note(layer, slot, float(seen.low.min()))
    for one in flat(network).layers:
        for variable, slot in variables(one):
            note(address(one), slot, float(variable.numpy().min(initial=0)))
    return {layer: ", ".join(texts) for layer, texts in found.items()}


def _has_none(setting: Setting) -> bool:
    """Return whether a format has no negative values, nor a zero point that makes up for it."""
    number_format = setting.number_format
    if number_format is None or setting.scaling.zero_point:
        return False
    element = getattr(number_format, "element", None) or number_format
    return bool(element.lowest >= 0)
