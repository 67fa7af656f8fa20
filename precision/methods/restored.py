"""From a stored trial back to its network: what was trained, as a plain Keras model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import parse_rounding
from precision.methods.workbench import Workbench
from precision.quantization import Policy, Setting
from precision.registry import METHODS
from precision.trial import Trial, TrialResult

if TYPE_CHECKING:
    from precision.deploy.packed.file import Packed


class Restoring(Workbench):
    """A workbench on which nothing is trained: where a method would train, the trained weights are read."""

    restores = True

    def save(self, trial: Trial, model: Any) -> None:
        """Leave the stored weights as they are."""


def exported(result: TrialResult, bench: Restoring, *, rounded: bool = False) -> Any:
    """Return the network that a trial evaluated, without any rounding in its graph.

    Its layers are those of the architecture as it is built, models inside models included; normalisations
    that the policy folds are folded. It returns logits, or the targets of a regression.

    Args:
        result: of the trial, with numbers.
        rounded: whether the variables are those that the trial computed with, on the values of their formats;
            otherwise they are the float32 ones that training changes.

    Raises:
        PrecisionError: for a method whose network is no Keras model, or weights that are gone or not those of
            the result.
    """
    trial = result.trial
    if rounded and _draws(Policy.from_json(trial.policy)):
        raise PrecisionError(
            f"trial {trial.id} rounds its weights stochastically, anew in every batch, so there are no "
            "rounded weights to export; export it without --rounded"
        )
    return _restored(result, bench, evaluated(result, bench), rounded=rounded)[0]


def packed(result: TrialResult, bench: Restoring) -> Packed:
    """Return the packed codes of a trial's variables, with the scales that training chose.

    Raises:
        PrecisionError: as :func:`exported`, and for weights that are not rounded to nearest.
    """
    return _packed(result, bench, evaluated(result, bench))


def _packed(result: TrialResult, bench: Restoring, predictor: Any) -> Packed:
    from precision.deploy.packed.file import pack_model

    network, numbers = _restored(result, bench, predictor, rounded=False)
    policy = replace(Policy.from_json(result.trial.policy), transforms=())  # which the network has seen
    return pack_model(network, policy, numbers=numbers, folded=True)


def coded(result: TrialResult, bench: Restoring) -> tuple[bytes, int, int]:
    """Return the file of the codes of a trial: of a network of integers, all integers that it computes with.

    Returns:
        its content, how many tensors or variables there are, and their bytes.

    Raises:
        PrecisionError: as :func:`packed`.
    """
    from precision.deploy.integer import IntegerPredictor
    from precision.deploy.integer.file import written
    from precision.deploy.packed.file import to_bytes

    policy = Policy.from_json(result.trial.policy)
    predictor = evaluated(result, bench)
    if isinstance(predictor, IntegerPredictor):
        shape = tuple(bench.dataset(result.trial.dataset).input_shape)
        file = written(predictor.integers, shape)
        return file.to_bytes(policy), len(file.tensors), file.payload_bytes
    codes = _packed(result, bench, predictor)
    return to_bytes(codes, policy), len(codes.entries), codes.payload_bytes


def evaluated(result: TrialResult, bench: Restoring) -> Any:
    """Return what a trial evaluated, made of a Keras model or a file of it, with the weights of its result.

    Raises:
        PrecisionError: for another kind of network, or other weights.
    """
    trial = result.trial
    predictor = METHODS[trial.method.name](trial, bench, **trial.method.options).predictor
    if getattr(predictor, "model", None) is None and getattr(predictor, "network", None) is None:
        raise PrecisionError(f"the network of method {trial.method.name} is no Keras model to be exported")
    digest = result.facts.get("weights_digest")
    if digest is not None and predictor.digest() != digest:
        raise PrecisionError(
            f"{bench.weights(trial.id)}: these are not the weights that the result is of; run the grid again"
        )
    return predictor


def _restored(
    result: TrialResult, bench: Restoring, predictor: Any, *, rounded: bool
) -> tuple[Any, dict[int, np.ndarray]]:
    """Return the network of a trial, and by the ids of its variables the numbers of their scales."""
    import architectures
    from precision.deploy.lite.predictor import LitePredictor
    from precision.quantization.layers.flat import flattened, plain
    from precision.quantization.layers.graph import take
    from precision.quantization.transforms.folding import fold
    from precision.quantization.wrapper import unwrapped

    trial = result.trial
    if isinstance(predictor, LitePredictor):
        raise PrecisionError(
            f"trial {trial.id} evaluated a LiteRT file, not a Keras model; export it to a .tflite file, or "
            f"export the float32 network {trial.baseline.id} that it starts from"
        )
    dataset, choice = bench.dataset(trial.dataset), trial.architecture
    network = architectures.build(
        choice.name, dataset.input_shape, dataset.classes, dataset.task, **choice.options
    )
    layers = [unwrapped(layer) for layer in predictor.model.layers]
    folds = Policy.from_json(trial.policy).fold_batch_norm or trial.method.name == "integer"
    if folds and not _fits(flattened(network).model, layers):
        network = fold(network).model
    values = _rounded(predictor.model) if rounded else {}
    scales = _scales(predictor.model)
    found: Any = flattened(network)
    numbers: dict[int, np.ndarray] = {}
    for place, layer in zip(found.model.layers, layers, strict=True):
        weights = [values.get(id(variable), variable.numpy()) for variable in layer.weights]
        take(found.original(place), [np.asarray(w).astype(np.float32) for w in weights])
        pairs = zip(found.original(place).weights, layer.weights, strict=True)
        numbers |= {id(own): scales[id(variable)] for own, variable in pairs if id(variable) in scales}
    return plain(network), numbers


def _draws(policy: Policy) -> bool:
    settings = [
        s for slot, s in policy.settings() if slot in ("weights", "biases") and isinstance(s, Setting)
    ]
    return any(parse_rounding(setting.rounding).stochastic for setting in settings)


def _fits(model: Any, layers: list[Any]) -> bool:
    shapes = [[tuple(w.shape) for w in layer.weights] for layer in model.layers]
    return shapes == [[tuple(w.shape) for w in layer.weights] for layer in layers]


def _rounded(model: Any) -> dict[int, np.ndarray]:
    """Return the values that a network computes with in the place of its variables, by their ids."""
    import keras

    from precision.quantization.model import wrapped

    return {
        id(variable): keras.ops.convert_to_numpy(layer.quantizers[site](variable, axis))
        for layer in wrapped(model)
        for variable, axis, site in layer.rounded_variables
    }


def _scales(model: Any) -> dict[int, np.ndarray]:
    """Return the numbers of the scales of a network's variables, by their ids."""
    import keras

    from precision.quantization.model import wrapped

    found = {}
    for layer in wrapped(model):
        for variable, axis, site in layer.rounded_variables:
            quantizer = layer.quantizers[site]
            if quantizer.scale is not None and quantizer.scale.setting.scaled:
                found[id(variable)] = keras.ops.convert_to_numpy(quantizer.numbers(variable, axis))
    return found
