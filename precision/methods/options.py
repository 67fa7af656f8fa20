"""The options that methods share, and what they refuse together with a start from scratch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from precision.errors import PrecisionError
from precision.options import Rule
from precision.quantization import Policy, Setting

Start = Annotated[Literal["baseline", "scratch"], Rule("baseline or scratch")]
Epochs = Annotated[int, Field(ge=1), Rule("a whole number above 0")] | None
Rate = Annotated[float, Field(gt=0), Rule("a finite number above 0")] | None
Estimator = Annotated[Literal["clipped", "straight"], Rule("clipped or straight")]
Freeze = Annotated[
    bool | Annotated[int, Field(ge=1)], Rule("true, false or the epoch (from 1) that it begins with")
]


def check_scratch(policy: Policy, *, learn_scales: bool = False, freeze: bool = False) -> None:
    """Refuse what needs a trained network when there is none.

    Raises:
        PrecisionError: saying what to write instead.
    """
    if policy.fold_batch_norm:
        raise PrecisionError(
            "fold_batch_norm needs trained statistics, but the network starts from scratch; "
            "use start: baseline"
        )
    if policy.transforms:
        raise PrecisionError(
            f"transforms change trained weights, but the network starts from scratch, so "
            f"{' and '.join(policy.transforms)} would have no effect; use start: baseline"
        )
    if freeze:
        raise PrecisionError(
            "freeze_batch_norm needs trained statistics, but the network starts from scratch; name a later "
            "epoch, or use start: baseline"
        )
    if learn_scales:
        raise PrecisionError(
            "learned scales begin with calibrated ones, but the network starts from scratch; "
            "use start: baseline"
        )
    for slot, setting in policy.settings():
        if not isinstance(setting, Setting) or not setting.calibrated or slot not in _CALIBRATED:
            continue
        weight = slot in ("weights", "biases")
        moving = "minmax" if weight else "moving_average"
        still = weight and setting.scaling.dynamic is False  # the range of an initialisation
        if setting.scaling.observer != moving or still:
            raise PrecisionError(
                f"the scale of {slot} is calibrated on a trained network, but this one starts from scratch; "
                f"use 'observer: {moving}', which follows the training, or 'dynamic: true'"
            )


_CALIBRATED = ("weights", "biases", "activations", "inputs")
