"""Integer inference: the network computes with integers alone, bit for bit as hardware would.

Codes and scales are those of the emulation, ``ptq`` or, with epochs, ``qat``; every product goes through the
multiplier of the policy, every sum through its register. See ``deploy.integer``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Flag, Rule
from precision.quantization import Policy
from precision.quantization.policy.integers import check_integers
from precision.registry import METHODS, checked_by, in_integers
from precision.trial import Trial

Requantisation = Annotated[
    Literal["float", "single", "litert_reference"], Rule("float, single or litert_reference")
]
EngineName = Annotated[Literal["auto", "factored", "table", "naive"], Rule("auto, factored, table or naive")]


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that leaves a tensor without integers.

    Raises:
        PrecisionError: saying what to write instead.
    """
    check_integers(policy)


@METHODS.register("integer")
@checked_by(check)
@in_integers
def integer(
    trial: Trial,
    bench: Workbench,
    *,
    requantisation: Requantisation = "float",
    engine: EngineName = "auto",
    watch: Flag = False,
) -> Outcome:
    """Integer inference: the float32 baseline in integers, through multipliers and registers of a policy.

    Batch normalisations are folded first, whether the policy says so or not.

    Args:
        requantisation: how a sum becomes a code, see ``arithmetic.integer.requantisation``.
        engine: that computes the sums; all give the same bits.
        watch: look for the peaks of running sums, which takes longer.
    """
    from precision.deploy.integer import Arithmetic, IntegerPredictor, integer_network

    policy = replace(Policy.from_json(trial.policy), fold_batch_norm=True)
    source = bench.source(trial, policy)
    model = bench.quantised(trial, policy.emulated(), source)
    network = integer_network(
        model, Arithmetic.of(policy, source), rule=requantisation, engine=engine, watch=watch
    )
    return Outcome(IntegerPredictor(network, policy, source), None, timing="emulated")
