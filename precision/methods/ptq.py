"""Post-training quantisation: round the trained float32 network and evaluate it as it is."""

from __future__ import annotations

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial


@METHODS.register("ptq")
def ptq(trial: Trial, bench: Workbench) -> Outcome:
    """Post-training quantisation: the float32 baseline, calibrated and rounded as the policy says."""
    policy = Policy.from_json(trial.policy)
    return Outcome(bench.quantised(trial, policy), bench.source(trial, policy), None, timing="emulated")
