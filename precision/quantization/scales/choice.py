"""Which scale a tensor has: the classes beside this file, by setting and by what training adds."""

from __future__ import annotations

from collections.abc import Hashable

from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import PLAIN, Backward, Scale
from precision.quantization.scales.dynamic import Dynamic
from precision.quantization.scales.fixed import Fixed
from precision.quantization.scales.learned import Learned
from precision.quantization.scales.moving import Moving


def scale_class(setting: Setting, backward: Backward = PLAIN, *, weight: bool = False) -> type[Scale]:
    """Return the class of the scale of a tensor.

    Args:
        weight: whether the tensor is a variable of a layer.
    """
    scaling = setting.scaling
    if not setting.scaled:
        return Fixed
    if scaling.dynamic:
        return Dynamic
    if backward.learn and scaling.kind == "real" and not scaling.zero_point:
        return Learned
    if backward.follow and scaling.dynamic is None and weight and scaling.observer == "minmax":
        return Dynamic
    if backward.follow and not weight and scaling.observer == "moving_average":
        return Moving
    return Fixed


def kind(setting: Setting, backward: Backward = PLAIN, *, weight: bool = False) -> tuple[Hashable, ...]:
    """Return what two settings must share so that a traced quantizer can change from one to the other."""
    return scale_class(setting, backward, weight=weight).kind_of(setting)
