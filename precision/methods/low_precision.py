"""Low precision training: weights, gradients and optimizer states lie in their formats between the steps.

The training that QPyTorch simulates (T. Zhang et al. 2019, "QPyTorch: A Low-Precision Arithmetic Simulation
Framework", arXiv:1910.04540), with the master copy and the loss scale of P. Micikevicius et al.
2018, "Mixed Precision Training" (arXiv:1710.03740); see ``quantization.updates``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.methods.loss_scaling import LossScale, scale_loss
from precision.methods.marks import checked_by
from precision.methods.options import Epochs, Rate, Start, check_scratch
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Flag
from precision.quantization import Policy, Setting
from precision.registry import METHODS
from precision.trial import Trial


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that cannot be trained with.

    Raises:
        PrecisionError: saying what to write instead.
    """
    for slot, setting in policy.settings():
        if not isinstance(setting, Setting):
            raise PrecisionError(
                "training sums in float32, so 'accumulators' has no effect; leave it out, or use method ptq"
            )
        if slot in ("weights", "biases") and not options.get("master_copy", False):
            _check_moving(slot, setting)
        if slot == "gradients" and options.get("loss_scale") == "dynamic":
            _check_overflow(setting)
    if options.get("start", "scratch") == "scratch":
        check_scratch(policy)


def _check_moving(slot: str, setting: Setting) -> None:
    if setting.calibrated and setting.scaling.observer != "minmax":
        raise PrecisionError(
            f"{slot} that are kept in their format move with every step, so that a scale calibrated once by "
            f"'observer: {setting.scaling.observer}' does not fit them; use 'observer: minmax', which "
            "follows them, or 'master_copy: true'"
        )


def _check_overflow(setting: Setting) -> None:
    """Refuse gradients whose overflow a dynamic loss scale cannot see."""
    f = setting.number_format
    if setting.scaled or f.block is not None:  # the range follows the gradients: they do not overflow
        return
    beyond = f.quantize(np.array([np.inf, _LARGEST, -_LARGEST], np.float32), setting.rounding, key=0)
    if (np.abs(beyond) < _WIDE).any():  # a format as wide as float32 may end at its largest value
        end = np.nanmin(np.abs(beyond))
        raise PrecisionError(
            f"a dynamic loss scale waits for gradients that overflow, but those in {setting} end at "
            f"{end:.6g}; use a format with infinities, such as float8_e5m2, or a number "
            "such as 1024"
        )


_LARGEST = np.finfo(np.float32).max
_WIDE = 2.0**120


@METHODS.register("low_precision")
@checked_by(check)
def low_precision(
    trial: Trial,
    bench: Workbench,
    *,
    start: Start = "scratch",
    epochs: Epochs = None,
    learning_rate: Rate = None,
    master_copy: Flag = False,
    loss_scale: LossScale = None,
) -> Outcome:
    """Training in low precision: of weights, gradients and optimizer state.

    Args:
        start: ``scratch`` for a new initialisation, ``baseline`` for the trained float32 weights.
        epochs, learning_rate: instead of those of the grid's training.
        master_copy: update weights in float32, and round them where they are used only.
        loss_scale: multiply the loss while gradients are computed: a number, or ``dynamic``.
    """
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.fit import fit
    from precision.methods.verified import verify
    from precision.quantization import apply
    from precision.quantization.scales.base import Backward
    from precision.quantization.updates import keep, places, round_variables, without_variables

    policy = Policy.from_json(trial.policy)
    check(policy, {"start": start, "master_copy": master_copy, "loss_scale": loss_scale})
    source, observed = bench.start(trial, policy, start)
    forward = policy if master_copy else without_variables(policy)
    model = apply(source, forward, trial.seed, observed=observed, backward=Backward(follow=True))
    verify(trial, source, model, bench.dataset(trial.dataset))
    found = places(source, model, policy)
    if not master_copy:
        round_variables(found)

    def kept(optimizer: Any) -> Any:
        optimizer = keep(optimizer, model, found, trial.seed, master_copy=master_copy)
        return scale_loss(optimizer, loss_scale)

    trained = fit(trial, bench, model, epochs=epochs, learning_rate=learning_rate, change=kept)
    return Outcome(KerasPredictor(model, policy, source), trained, timing="emulated")
