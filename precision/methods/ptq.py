"""Post-training quantisation: round the trained float32 network and evaluate it as it is."""

from __future__ import annotations

from typing import Any

from precision.errors import PrecisionError
from precision.methods.marks import checked_by
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that asks for a training.

    Raises:
        PrecisionError: naming the slot.
    """
    for slot, _ in policy.settings():
        if slot in ("gradients", "optimizer_state"):
            raise PrecisionError(
                f"ptq trains nothing, so {slot!r} has no effect; leave it out, or use method low_precision"
            )


@METHODS.register("ptq")
@checked_by(check)
def ptq(trial: Trial, bench: Workbench) -> Outcome:
    """Post-training quantisation: the float32 baseline, calibrated and rounded as the policy says."""
    from precision.deploy.predictor import KerasPredictor

    policy = Policy.from_json(trial.policy)
    predictor = KerasPredictor(bench.quantised(trial, policy), policy, bench.source(trial, policy))
    return Outcome(predictor, None, timing="emulated")
