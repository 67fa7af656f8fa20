"""Quantisation-aware training: the network learns while its forward pass is rounded.

After B. Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (arXiv:1712.05877): forward with rounded weights and activations, backward
straight through, updates on the unrounded float32 weights.
"""

from __future__ import annotations

from typing import Any

from precision.errors import PrecisionError
from precision.methods.marks import checked_by
from precision.methods.options import Epochs, Estimator, Freeze, Rate, Start, check_scratch
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Flag
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial


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
    """Quantisation-aware training: from the float32 baseline or from scratch.

    Args:
        start: ``baseline`` to fine-tune the trained float32 weights, ``scratch`` for a new initialisation.
        epochs, learning_rate: instead of those of the grid's training.
        estimator: what becomes of a gradient where rounding clipped: ``clipped`` stops it, ``straight`` lets
            it pass.
        learn_scales: train calibrated real scales (LSQ, see ``quantization.scales.learned``).
        freeze_batch_norm: compute with the statistics of the baseline and train neither scale nor offset:
            from the start, or from the beginning of an epoch on.
    """
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.fit import fit
    from precision.methods.freezing import freezing
    from precision.methods.verified import verify
    from precision.quantization import apply
    from precision.quantization.scales.base import Backward

    policy = Policy.from_json(trial.policy)
    check(policy, {"start": start, "learn_scales": learn_scales, "freeze_batch_norm": freeze_batch_norm})
    backward = Backward(clip=estimator == "clipped", learn=learn_scales, follow=True)
    source, observed = bench.start(trial, policy, start)
    model = apply(source, policy, trial.seed, observed=observed, backward=backward)
    verify(trial, source, model, bench.dataset(trial.dataset))
    if learn_scales:
        _check_learned(model)
    trained = fit(
        trial,
        bench,
        model,
        epochs=epochs,
        learning_rate=learning_rate,
        before_epoch=freezing(model, int(freeze_batch_norm)),
    )
    return Outcome(KerasPredictor(model, policy, source), trained, timing="emulated")


def _check_learned(model: Any) -> None:
    from precision.quantization.model import wrapped
    from precision.quantization.scales.learned import Learned

    quantizers = [q for layer in wrapped(model) for q in layer.quantizers.values()]
    if not any(isinstance(q.scale, Learned) for q in quantizers):
        raise PrecisionError(
            "learn_scales needs a scale to train: 'scaling: real' without 'zero_point' and 'dynamic'"
        )
