"""Integer inference: the network computes with integers alone, bit for bit as hardware would.

Codes and scales are those of the emulation, ``ptq`` or, with epochs, ``qat``; every product goes through the
multiplier of the policy, every sum through its register. See ``deploy.integer``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from precision.methods.marks import checked_by, in_integers
from precision.methods.options import Rate
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Flag, Rule
from precision.quantization import Policy
from precision.quantization.policy.integers import check_integers
from precision.registry import METHODS
from precision.trial import Trial

if TYPE_CHECKING:  # they import Keras
    from precision.deploy.integer import IntegerPredictor
    from precision.methods.training import Trained

Requantisation = Annotated[
    Literal["float", "float32", "single", "litert_reference"],
    Rule("float, float32, single or litert_reference"),
]
Passes = Annotated[int, Field(ge=0), Rule("a whole number, 0 for none")]
Gradient = Annotated[Literal["straight", "slopes"], Rule("straight or slopes")]
EngineName = Annotated[
    Literal["auto", "factored", "table", "gather", "naive"],
    Rule("auto, factored, table, gather or naive"),
]


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
    epochs: Passes = 0,
    learning_rate: Rate = None,
    gradient: Gradient = "straight",
    requantisation: Requantisation = "float",
    engine: EngineName = "auto",
    watch: Flag = False,
) -> Outcome:
    """Integer inference: the float32 baseline in integers, through multipliers and registers of a policy.

    Batch normalisations are folded first, whether the policy says so or not.

    Args:
        epochs: of quantisation-aware training before, through the multipliers of the policy; none at 0.
        learning_rate: of that training, instead of the grid's.
        gradient: of a product in it: ``straight``, that of the exact product, or ``slopes``, the mean slope
            of the multiplier, see ``deploy.integer.training``.
        requantisation: how a sum becomes a code, see ``arithmetic.requantisation.rules``.
        engine: that computes the sums; all give the same bits.
        watch: look for the peaks of running sums, which takes longer.
    """
    predictor, trained = integers_of(
        trial,
        bench,
        epochs=epochs,
        learning_rate=learning_rate,
        gradient=gradient,
        rule=requantisation,
        engine=engine,
        watch=watch,
    )
    return Outcome(predictor, trained, timing="emulated")


def integers_of(
    trial: Trial,
    bench: Workbench,
    *,
    epochs: int = 0,
    learning_rate: float | None = None,
    gradient: str = "straight",
    rule: str,
    engine: str = "auto",
    watch: bool = False,
) -> tuple[IntegerPredictor, Trained | None]:
    """Return the network of integers of a trial, and the training before it; arguments are its options."""
    from precision.deploy.integer import Arithmetic, IntegerPredictor, integer_network

    policy = replace(Policy.from_json(trial.policy), fold_batch_norm=True)
    source = bench.source(trial, policy)
    arithmetic, trained = Arithmetic.of(policy, source), None
    if epochs:
        model, trained = _retrained(trial, bench, policy, arithmetic, epochs, learning_rate, gradient)
    else:
        model = bench.quantised(trial, policy.emulated(), source)
    network = integer_network(model, arithmetic, rule=rule, engine=engine, watch=watch)
    return IntegerPredictor(network, policy, source, model), trained


def _retrained(
    trial: Trial,
    bench: Workbench,
    policy: Policy,
    arithmetic: Any,
    epochs: int,
    learning_rate: float | None,
    gradient: str,
) -> tuple[Any, Any]:
    """Return the network that went on training, rounded and through the multipliers of the policy."""
    from precision.deploy.integer.training import train_through
    from precision.methods.fit import fit
    from precision.methods.verified import verify
    from precision.quantization import apply
    from precision.quantization.scales.base import Backward

    emulated = policy.emulated()
    source, observed = bench.start(trial, emulated, "baseline")
    model = apply(source, emulated, trial.seed, observed=observed, backward=Backward(follow=True))
    verify(trial, source, model, bench.dataset(trial.dataset))
    train_through(model, arithmetic, gradient)
    return model, fit(trial, bench, model, epochs=epochs, learning_rate=learning_rate)
