"""Deployed inference: the network as an ONNX file, run by ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from precision.methods.marks import checked_by, rounds_nothing
from precision.methods.options import Rate
from precision.methods.outcome import Outcome
from precision.methods.ptq import check as check_untrained
from precision.methods.qat import check as check_trained
from precision.methods.workbench import Workbench
from precision.options import Flag, Rule
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial

Passes = Annotated[int, Field(ge=0), Rule("a whole number, 0 for none")]
Kernels = Annotated[Literal["fused", "as_written"], Rule("fused or as_written")]
Threads = Annotated[int, Field(ge=1, le=1024), Rule("a whole number of at least 1")]


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse a policy that the training before, or ONNX, has no part for.

    Raises:
        PrecisionError: saying what to write instead.
    """
    from precision.deploy.onnx.elements import check_policy

    if options.get("epochs", 0):
        check_trained(policy, {})
    else:
        check_untrained(policy, options)
    check_policy(policy)


@METHODS.register("onnx")
@checked_by(check)
@rounds_nothing
def onnx(
    trial: Trial,
    bench: Workbench,
    *,
    epochs: Passes = 0,
    learning_rate: Rate = None,
    learn_scales: Flag = False,
    int32_biases: Flag = True,
    kernels: Kernels = "fused",
    threads: Threads = 1,
) -> Outcome:
    """Deployed inference by ONNX Runtime: the float32 baseline, quantised, as a file that rounds likewise.

    Args:
        epochs: of quantisation-aware training before; none at 0, where the network is calibrated alone.
        learning_rate: of that training, instead of the grid's.
        learn_scales: of that training, see ``qat``.
        int32_biases: biases as integers in the units of the sums, without which the runtime computes layers
            in float32 between the roundings.
        kernels: ``fused``, integer kernels where the runtime has them, or ``as_written``, node by node.
        threads: of the runtime.
    """
    from precision.deploy.onnx.conversion import onnx_file
    from precision.deploy.onnx.predictor import OnnxPredictor

    policy = Policy.from_json(trial.policy)
    if epochs:
        from precision.methods.qat import qat

        found = qat(trial, bench, epochs=epochs, learning_rate=learning_rate, learn_scales=learn_scales)
        model, source, trained = found.predictor.model, found.predictor.network, found.trained
    else:
        source, trained = bench.source(trial, policy), None
        model = bench.quantised(trial, policy)
    file = onnx_file(model, policy, int32_biases=int32_biases)
    predictor = OnnxPredictor(file, policy, source, model, threads=threads, kernels=kernels)
    return Outcome(predictor, trained, timing="native")
