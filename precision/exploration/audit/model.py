"""What an audit says of a model before it rounds anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from architectures._model_file import SUFFIXES, load
from architectures.keras_file import check_input
from precision.errors import PrecisionError, short
from precision.quantization import Policy
from precision.quantization.layers.flat import flat
from precision.quantization.layers.operation import kind
from precision.quantization.sites import unreached, untouched
from precision.quantization.transforms.folding import fold

_IMAGES = 16  # of random numbers, by which the end of a model is told
_CLOSE = 1e-3
_SMALL = 0.1  # a factor below which a model expects numbers up to 255


@dataclass(frozen=True)
class Seen:
    """A model as it came.

    Attributes:
        path: of its file.
        input_shape: of one image or vector; None for a size that may be any.
        outputs: how many numbers it returns for an image.
        unscaled: whether it begins with a layer that scales its images itself, as they are in files.
        facts: what it is, in words, by name.
    """

    path: Path
    input_shape: tuple[int | None, ...]
    outputs: int
    unscaled: bool
    facts: dict[str, str]


def seen(path: Path) -> Seen:
    """Read a model file and look at what is in it; nothing in it is executed.

    Raises:
        PrecisionError: when the file is missing, damaged or of another kind, or the model is no network with
            one input and one row of numbers for an image.
    """
    if path.suffix not in SUFFIXES:
        raise PrecisionError(
            f"{path}: a model is a .keras or .h5 file, as model.save('model.keras') writes it"
        )
    model = load(path)
    _check_ends(model, str(path))
    inputs = tuple(model.inputs[0].shape[1:])
    outputs = int(model.outputs[0].shape[-1] or 0)
    return Seen(path, inputs, outputs, _scales_itself(model), {"input": _size(inputs), "end": _end(model)})


def described(network: Any, policy: Policy) -> dict[str, str]:
    """Return what the network of a model is, in words, by name.

    Args:
        network: flat, with logits.
        policy: by which it is asked what no policy reaches.
    """
    network = flat(network)
    layers = [layer for layer in network.layers if kind(layer) != "InputLayer"]
    kinds = Counter(kind(layer) for layer in layers)
    named = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
    trained = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    fixed = sum(int(np.prod(v.shape)) for layer in layers for v in layer.weights) - trained
    found = {
        "layers": short(f"{len(layers)}: {named}", 400),
        "parameters": f"{trained:,}" + (f", and {fixed:,} statistics" if fixed else ""),
    }
    folded = fold(network)
    if folded.folded or folded.kept:
        stays = "; ".join(f"{name} stays, as {why}" for name, why in folded.kept.items())
        text = f"{len(folded.folded)} folded into the layers before them"
        found["batch normalisations"] = short(f"{text}; {stays}" if stays else text, 400)
    inside = [f"{name}: {what}" for name, what in unreached(folded.model, policy).items()]
    kept = [f"{', '.join(names)}: {what}" for what, names in untouched(folded.model, policy).items()]
    found["reached by no policy"] = short("; ".join([*inside, *kept]), 400) or "nothing"
    return found


def _check_ends(model: Any, name: str) -> None:
    """Refuse what is no network, so that the rest may look at its input; ``keras_file`` says more of it."""
    inputs = model.inputs[0].shape[1:] if getattr(model, "inputs", None) else ()
    check_input(model, name, tuple(inputs))


def _size(shape: tuple[int | None, ...]) -> str:
    if None in shape and len(shape) == 3:
        return f"images of any size with {shape[2]} channel{'' if shape[2] == 1 else 's'}"
    sizes = "x".join(map(str, shape))
    return f"vectors of {sizes}" if len(shape) == 1 else sizes


def _end(model: Any) -> str:
    """Return how a model ends, by what it says about random numbers."""
    import keras

    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        return "no single row of numbers for an image"
    units = int(model.outputs[0].shape[1])
    shape = [8 if size is None else size for size in model.inputs[0].shape[1:]]
    images = np.random.default_rng(0).normal(0, 3, (_IMAGES, *shape)).astype(np.float32)
    plain = keras.Model(model.inputs[0], model.outputs[0])
    said = keras.ops.convert_to_numpy(plain(images, training=False))
    if not ((said >= 0).all() and (said <= 1).all()):
        return f"{units} logits"
    if units == 1:
        return "one probability (sigmoid): two classes"
    alone = np.allclose(said.sum(axis=1), 1, atol=_CLOSE)
    return f"{units} probabilities ({'softmax' if alone else 'each for itself'})"


def _scales_itself(model: Any) -> bool:
    """Return whether the first layer makes numbers as they are in files small."""
    import keras

    first = next(
        (layer for layer in flat(model).layers if not isinstance(layer, keras.layers.InputLayer)), None
    )
    if isinstance(first, keras.layers.Rescaling):
        return float(np.max(np.abs(np.asarray(first.scale, np.float64)))) < _SMALL
    if isinstance(first, keras.layers.Normalization):
        wide = np.sqrt(np.asarray(keras.ops.convert_to_numpy(first.variance), np.float64))
        return len(model.inputs[0].shape) == 2 or float(np.max(wide)) > 1
    return False
