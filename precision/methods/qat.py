"""Quantisation-aware training: the network learns while its forward pass is rounded.

After B. Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (arXiv:1712.05877): forward with rounded weights and activations, backward
straight through, updates on the unrounded float32 weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from precision.errors import PrecisionError
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.quantization import Policy, Setting
from precision.registry import METHODS, Rule, checked_by
from precision.trial import Trial

Start = Annotated[str, Rule("baseline or scratch", lambda value: value in ("baseline", "scratch"))]
Epochs = Annotated[int | None, Rule("a whole number above 0", lambda value: type(value) is int and value > 0)]
Rate = Annotated[
    float | None,
    Rule("a finite number above 0", lambda value: type(value) in (int, float) and 0 < value < math.inf),
]
Estimator = Annotated[str, Rule("clipped or straight", lambda value: value in ("clipped", "straight"))]
Flag = Annotated[bool, Rule("true or false", lambda value: isinstance(value, bool))]
Freeze = Annotated[
    bool | int,
    Rule("true, false or the epoch (from 1) that it begins with", lambda v: type(v) is bool or _is_epoch(v)),
]


def _is_epoch(value: Any) -> bool:
    return type(value) is int and value > 0


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy, or a combination of it and options, that cannot be trained.

    Raises:
        PrecisionError: saying what to write instead.
    """
    for slot, _ in policy.settings():
        if slot == "accumulators":
            raise PrecisionError(
                "training sums in float32, so 'accumulators' cannot be trained with; leave it out, or use "
                "method ptq"
            )
        if slot == "optimizer_state":
            raise PrecisionError(
                "qat updates in float32, so 'optimizer_state' has no effect; leave it out, or use method "
                "low_precision"
            )
    if options.get("start", "baseline") == "scratch":
        learn, freeze = options.get("learn_scales", False), options.get("freeze_batch_norm", False)
        check_scratch(policy, learn_scales=learn, freeze=int(freeze) == 1)  # true, or the first epoch


@METHODS.register("qat")
@checked_by(check)
def qat(
    trial: Trial,
    bench: Workbench,
    *,
    start: Start = "baseline",
    epochs: Epochs = None,
    learning_rate: Rate = None,
    estimator: Estimator = "clipped",
    learn_scales: Flag = False,
    freeze_batch_norm: Freeze = False,
) -> Outcome:
    """Quantisation-aware training, from the float32 baseline or from scratch.

    Args:
        start: ``baseline`` to fine-tune the trained float32 weights, ``scratch`` for a new initialisation.
        epochs, learning_rate: instead of those of the grid's training.
        estimator: what becomes of a gradient where rounding clipped: ``clipped`` stops it, ``straight`` lets
            it pass.
        learn_scales: train calibrated real scales (LSQ, see ``quantization.scales.learned``).
        freeze_batch_norm: compute with the statistics of the baseline and train neither scale nor offset:
            from the start, or from the beginning of an epoch on.
    """
    from precision.methods.training import train
    from precision.quantization import apply
    from precision.quantization.scales.base import Backward

    policy = Policy.from_json(trial.policy)
    check(policy, {"start": start, "learn_scales": learn_scales, "freeze_batch_norm": freeze_batch_norm})
    backward = Backward(clip=estimator == "clipped", learn=learn_scales, follow=True)
    if start == "baseline":
        source = bench.source(trial, policy)
        observed = bench.observed(trial, policy, source)
    else:
        source, observed = bench.network(trial), {}
    bench.restart(trial)
    model = apply(source, policy, trial.seed, observed=observed, backward=backward)
    if learn_scales:
        _check_learned(model)
    training = replace(
        trial.training,
        epochs=epochs or trial.training.epochs,
        learning_rate=learning_rate or trial.training.learning_rate,
    )
    dataset = bench.dataset(trial.dataset)
    trained = train(
        model,
        dataset,
        training,
        trial.seed,
        bench.augmentation(trial.dataset),
        bench.report,
        before_epoch=_freezing(model, int(freeze_batch_norm)),
        checkpoint=bench.checkpoint(trial),
    )
    bench.save(trial, model)
    return Outcome(model, source, trained, timing="emulated")


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


def _check_learned(model: Any) -> None:
    from precision.quantization.model import wrapped
    from precision.quantization.scales.learned import Learned

    quantizers = [q for layer in wrapped(model) for q in layer.quantizers.values()]
    if not any(isinstance(q.scale, Learned) for q in quantizers):
        raise PrecisionError(
            "learn_scales needs a scale to train: 'scaling: real' without 'zero_point' and 'dynamic'"
        )


def _freezing(model: Any, first: int) -> Callable[[int], None]:
    """Return what freezes the normalisations of a model when an epoch (from 1) begins; 0 is never."""

    from precision.quantization.layers.graph import parts

    def before(epoch: int) -> None:
        if epoch != first:
            return
        for layer in parts(model):
            if type(layer).__name__ == "BatchNormalization":
                layer.trainable = False
        model.make_train_function(force=True)  # traced anew, as what is trained has changed

    return before
