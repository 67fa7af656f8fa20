"""Native precision: the network runs in half precision types of Keras, with their real time and memory.

All of float16 or bfloat16, or mixed: float32 variables and computation in 16 bits, as in P. Micikevicius et
al. 2018, "Mixed Precision Training" (arXiv:1710.03740). Nothing is imitated: what a type cannot hold is lost.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from precision.errors import PrecisionError
from precision.methods.loss_scaling import scale_loss
from precision.methods.marks import checked_by, measured_alone
from precision.methods.options import Rate, Start
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Flag, Rule
from precision.quantization import Policy, parse_policy
from precision.registry import METHODS
from precision.trial import Trial

DTYPES = ("float16", "bfloat16")
LARGEST = 65504.0  # of float16, in which the gradients of a scaled loss begin


Epochs = Annotated[int, Field(ge=0), Rule("a whole number of at least 0")] | None
LossScale = Annotated[
    Annotated[float, Field(gt=0)] | Literal["auto", "dynamic"] | None,
    Rule("auto, dynamic, null or a finite number above 0"),
]


def dtype_of(policy: Policy) -> str:
    """Return the type whose numbers a policy asks for everywhere: ``float16`` or ``bfloat16``.

    Raises:
        PrecisionError: for any other policy.
    """
    for dtype in DTYPES:
        if policy.to_json() == parse_policy(dtype).to_json():
            return dtype
    raise PrecisionError(
        "native runs what the computer itself computes with: float16 or bfloat16 in weights, biases, "
        f"activations and inputs of every layer, rounded to nearest, but got '{policy}'; use ptq or qat for "
        "other policies"
    )


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that is no type of the computer, and options that contradict each other.

    Raises:
        PrecisionError: saying what to write instead.
    """
    dtype = dtype_of(policy)
    loss_scale = options.get("loss_scale", "auto")
    if options.get("epochs") == 0:
        if options.get("start", "scratch") == "scratch":
            raise PrecisionError(
                "epochs: 0 evaluates a trained network as it is, but the network starts from scratch; "
                "use start: baseline"
            )
        without = {"learning_rate": None, "loss_scale": "auto"}
        for name, default in without.items():
            if options.get(name, default) != default:
                raise PrecisionError(
                    f"epochs: 0 trains nothing, so {name} has no effect, but got {options[name]!r}; "
                    "leave it out"
                )
    if dtype == "float16" and isinstance(loss_scale, int | float) and loss_scale > LARGEST:
        raise PrecisionError(
            f"loss_scale is at most {LARGEST:g} in float16, its largest number, but got {loss_scale!r}"
        )


@METHODS.register("native")
@measured_alone
@checked_by(check)
def native(
    trial: Trial,
    bench: Workbench,
    *,
    mixed: Flag = False,
    start: Start = "scratch",
    epochs: Epochs = None,
    learning_rate: Rate = None,
    loss_scale: LossScale = "auto",
) -> Outcome:
    """The framework's own number type: training and evaluation in float16 or bfloat16.

    Args:
        mixed: keep the variables in float32 and compute in 16 bits.
        start: ``scratch`` for the initial weights of the seed, ``baseline`` for the trained float32 weights;
            both are rounded to the type of the variables.
        epochs, learning_rate: instead of those of the grid's training; no epochs evaluate the baseline as it
            is.
        loss_scale: multiply the loss while gradients are computed: a number, ``dynamic``, null for 1;
            ``auto`` is ``dynamic`` in float16 and null in bfloat16, whose range is that of float32.
    """
    from precision.deploy.predictor import KerasPredictor
    from precision.methods import native_network
    from precision.methods.fit import fit
    from precision.methods.training import prepare

    policy = Policy.from_json(trial.policy)
    check(
        policy,
        {
            "mixed": mixed,
            "start": start,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "loss_scale": loss_scale,
        },
    )
    dtype = dtype_of(policy)
    if loss_scale == "auto":
        loss_scale = "dynamic" if dtype == "float16" else None
    source = bench.baseline(trial) if start == "baseline" else bench.network(trial)
    model = native_network.build(trial, bench, source, f"mixed_{dtype}" if mixed else dtype)
    compiled = native_network.needs_compiling()
    facts = {"dtype": model.dtype_policy.name, "compiled": "yes" if compiled else "no"}

    def change(optimizer: Any) -> Any:
        facts["optimizer"] = native_network.fit_optimizer(optimizer, model.variable_dtype)
        facts["loss_scale"] = str(loss_scale or 1)
        return scale_loss(optimizer, loss_scale)

    trained = None
    with native_network.compiling(compiled):
        if epochs == 0:
            prepare(model, compiled=compiled)
        else:
            trained = fit(
                trial,
                bench,
                model,
                epochs=epochs,
                learning_rate=learning_rate,
                change=change,
                compiled=compiled,
            )
    return Outcome(KerasPredictor(model, policy), trained, timing="native", facts=facts)
