"""LiteRT: the network as the file that a phone or a board runs, computed by the run-time that runs it there.

What the file holds follows from the policy, see ``deploy.lite.policies``: float32; weights in float16; int8
weights with activations that are rounded while it runs; int8 throughout; int8 weights, 16-bit activations.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from precision.deploy.lite.policies import KINDS, kind_of
from precision.errors import PrecisionError
from precision.methods.integer import Passes, integers_of
from precision.methods.marks import checked_by, in_integers, rounds_nothing
from precision.methods.options import Rate
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Rule
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial

Scales = Annotated[Literal["ours", "converter"], Rule("ours or converter")]
KernelsOf = Annotated[Literal["default", "reference"], Rule("default or reference")]
Threads = Annotated[int, Field(ge=1, le=1024), Rule("a whole number of at least 1")]


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that a LiteRT file cannot carry.

    Raises:
        PrecisionError: naming what it has no words for.
    """
    scales = options.get("scales", "ours")
    kind = kind_of(policy, scales)
    if options.get("epochs") and (kind != "int8" or scales != "ours"):
        raise PrecisionError(
            f"'{policy}' is {KINDS[kind]} by the converter, which rounds a network that was trained in "
            "float32; leave 'epochs' out"
        )


@METHODS.register("lite")
@checked_by(check)
@in_integers
@rounds_nothing
def lite(
    trial: Trial,
    bench: Workbench,
    *,
    scales: Scales = "ours",
    kernels: KernelsOf = "default",
    threads: Threads = 1,
    epochs: Passes = 0,
    learning_rate: Rate = None,
) -> Outcome:
    """A LiteRT file: the float32 baseline as a device runs it, in the format of the policy.

    Args:
        scales: of integers: ``ours``, those of ``ptq`` and, with epochs, of ``qat``, so that the file
            computes what was evaluated; ``converter``, which rounds by itself after the same calibration
            images.
        kernels: ``default``, those of a device, or ``reference``, whose rounding is documented.
        threads: of the run-time.
        epochs: of quantisation-aware training before, under our scales; none at 0.
        learning_rate: of that training, instead of the grid's.
    """
    from precision.deploy.lite.interpreter import Session
    from precision.deploy.lite.predictor import LitePredictor
    from precision.deploy.lite.writer import written

    policy = Policy.from_json(trial.policy)
    kind = kind_of(policy, scales)
    facts = {"deployed": KINDS[kind]}
    if kind == "int8" and scales == "ours":
        emulated, trained = integers_of(
            trial, bench, epochs=epochs, learning_rate=learning_rate, rule="litert_reference"
        )
        file = written(emulated.integers, tuple(bench.dataset(trial.dataset).input_shape))
        session = Session(file.content, kernels=kernels, threads=threads)
        predictor = LitePredictor(
            session, emulated.policy, emulated.network, (emulated.integers, file), facts
        )
        return Outcome(predictor, trained, timing="native", facts={})
    return Outcome(
        _by_the_converter(trial, bench, policy, kind, kernels, threads, facts), None, timing="native"
    )


def _by_the_converter(
    trial: Trial,
    bench: Workbench,
    policy: Policy,
    kind: str,
    kernels: Any,
    threads: int,
    facts: dict[str, str],
) -> Any:
    """Return the file that the converter makes of the network of a trial."""
    from precision.deploy.lite.converter import converted
    from precision.deploy.lite.interpreter import Session
    from precision.deploy.lite.predictor import LitePredictor
    from precision.quantization.calibration.calibrator import calibration_images

    source, images = bench.source(trial, policy), None
    if kind in ("int8", "int16x8"):
        dataset = bench.dataset(trial.dataset)
        images = calibration_images(dataset, policy.images_of(len(dataset.x_train)), trial.seed)
    session = Session(converted(source, kind, images), kernels=kernels, threads=threads)
    return LitePredictor(session, policy, source, None, facts)
