"""From a stored trial to what a device runs: its file, and a certificate of how far the two agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from precision.errors import PrecisionError, unknown
from precision.methods.restored import Restoring, evaluated
from precision.quantization import Policy
from precision.trial import TrialResult

if TYPE_CHECKING:  # it imports Keras
    from precision.arithmetic.integer.network import IntegerNetwork
    from precision.deploy.certificate.agreement import Certificate
    from precision.deploy.certificate.certify import Runtime

RULE = "litert_reference"  # by which the codes of a trial in real numbers are made whole


@dataclass(frozen=True)
class Deployable:
    """A trial's network in the form in which files are written from it.

    Attributes:
        integers: the network of integers; None where the trial has none, as in float32.
        predictor: what was evaluated.
        network: the float32 network before any rounding.
        shape: of one image.
        policy: of the trial.
    """

    integers: IntegerNetwork | None
    predictor: Any
    network: Any
    shape: tuple[int, ...]
    policy: Policy


def deployable(result: TrialResult, bench: Restoring) -> Deployable:
    """Return the network of a stored trial, ready to be written into a file.

    Raises:
        PrecisionError: for a trial that evaluated something else, or whose weights are gone.
    """
    from precision.deploy.integer import IntegerPredictor, integer_network
    from precision.deploy.lite.predictor import LitePredictor

    predictor = evaluated(result, bench)
    shape = tuple(bench.dataset(result.trial.dataset).input_shape)
    policy = Policy.from_json(result.trial.policy)
    if isinstance(predictor, IntegerPredictor):
        return Deployable(predictor.integers, predictor, predictor.network, shape, policy)
    if isinstance(predictor, LitePredictor):
        integers = None if predictor.integers is None else predictor.integers[0]
        return Deployable(integers, predictor, predictor.network, shape, policy)
    network = predictor.model if predictor.network is None else predictor.network
    if policy.is_float32:
        return Deployable(None, predictor, network, shape, policy)
    return Deployable(integer_network(predictor.model, rule=RULE), predictor, network, shape, policy)


@dataclass(frozen=True)
class Offered:
    """A run-time that is certified.

    Attributes:
        title: in words.
        kernels: what each choice of them is, by name; the first is taken where none is asked for.
        make: makes the run-time for a trial's network, with kernels and a number of threads.
    """

    title: str
    kernels: Mapping[str, str]
    make: Callable[[Deployable, Any, int], Runtime]


def chosen(runtime: str, kernels: str | None, images: int, threads: int) -> str:
    """Return the kernels of a run-time that were asked for, or those that are taken then.

    Raises:
        PrecisionError: for a run-time or kernels of another name, and numbers that no certificate can have.
    """
    if runtime not in RUNTIMES:
        raise unknown("run-time", runtime, RUNTIMES)
    offered = RUNTIMES[runtime]
    kernels = kernels or next(iter(offered.kernels))
    if kernels not in offered.kernels:
        raise unknown(f"kernels of {offered.title}", kernels, offered.kernels)
    for name, number in (("images", images), ("threads", threads)):
        if number < 1:
            raise PrecisionError(f"--{name} is a whole number of at least 1, but got {number}")
    return kernels


def certificate_of(
    result: TrialResult, bench: Restoring, runtime: str, *, kernels: str, threads: int = 1, images: int
) -> Certificate:
    """Return how far a run-time computes what a stored trial evaluated.

    Args:
        runtime: by its name, a key of ``RUNTIMES``.
        kernels: of the run-time, as :func:`chosen` returns them, and its ``threads``.
        images: test images whose codes are compared; predictions are compared on all of them.
    """
    from precision.deploy.certificate.certify import certify

    trial, found, offered = result.trial, deployable(result, bench), RUNTIMES[runtime]
    dataset = bench.dataset(trial.dataset)
    task, targets = dataset.asks, dataset.y_test

    def predictions(logits: np.ndarray) -> np.ndarray:
        return task.judge(logits, targets[: len(logits)]).predictions

    made = certify(
        offered.make(found, kernels, threads),
        found.integers,
        _evaluated_logits(found),
        predictions,
        dataset.x_test,
        subject=_subject(result, found),
        coded=images,
    )
    return replace(made, runtime={**made.runtime, "about_kernels": offered.kernels[kernels]})


def _evaluated_logits(found: Deployable) -> Callable[[np.ndarray], np.ndarray]:
    """Return what computes the logits that a file is held against: the emulation, never the file itself."""
    from precision.data import as_float
    from precision.deploy.lite.predictor import LitePredictor
    from precision.deploy.predictor import KerasPredictor

    if not isinstance(found.predictor, LitePredictor):
        return lambda images: np.asarray(found.predictor.logits(images), np.float32)
    if found.integers is None:
        return KerasPredictor(found.network).logits
    integers = found.integers
    return lambda images: integers(as_float(images))


def _subject(result: TrialResult, found: Deployable) -> Mapping[str, str]:
    from precision import __version__

    trial = result.trial
    return {
        "trial": trial.id,
        "dataset": trial.dataset.words,
        "architecture": trial.architecture.words,
        "method": trial.method.words,
        "policy": str(Policy.from_json(trial.policy)),
        "requantisation": "" if found.integers is None else found.integers.rule,
        "seed": str(trial.seed),
        "precision": __version__,
    }


def lite_file(found: Deployable) -> bytes:
    """Return the LiteRT file of a trial's network.

    Raises:
        PrecisionError: naming what LiteRT has no words for.
    """
    from precision.deploy.lite.predictor import LitePredictor

    if isinstance(found.predictor, LitePredictor):
        return bytes(found.predictor.session.content)
    if found.integers is None:
        from precision.deploy.lite.converter import converted

        return converted(found.network, "float32")
    from precision.deploy.lite.writer import written

    return written(found.integers, found.shape).content


def _litert(found: Deployable, kernels: Any, threads: int) -> Runtime:
    from precision.deploy.lite.runtime import LiteRuntime
    from precision.deploy.lite.writer import written

    file: Any = lite_file(found) if found.integers is None else written(found.integers, found.shape)
    return LiteRuntime(file, kernels, threads)


def _onnx(found: Deployable, kernels: Any, threads: int) -> Runtime:
    from precision.deploy.certificate.labels import labels
    from precision.deploy.onnx.conversion import onnx_file
    from precision.deploy.onnx.predictor import OnnxPredictor
    from precision.deploy.onnx.runtime import OnnxRuntime

    model = getattr(found.predictor, "model", None)
    if model is None:
        raise PrecisionError("a trial of method lite has a LiteRT file; certify it with --runtime litert")
    file = onnx_file(model, found.policy, int32_biases=found.integers is not None)
    predictor = OnnxPredictor(file, found.policy, found.network, model, threads=threads, kernels=kernels)
    return OnnxRuntime(predictor, found.integers, labels)


RUNTIMES = {
    "litert": Offered(
        "LiteRT",
        {
            "reference": "plain loops, whose rounding is documented; a device runs the kernels 'default'",
            "default": "those of a device: XNNPACK where it knows an operator",
        },
        _litert,
    ),
    "onnx": Offered(
        "ONNX Runtime",
        {
            "fused": "kernels of integers for what lies between two roundings, as a device runs it",
            "as_written": "every node as it stands in the file",
        },
        _onnx,
    ),
}
"""By name."""
