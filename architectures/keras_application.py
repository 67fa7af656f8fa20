"""A network of ``keras.applications``, by the name of its function there: MobileNetV2, ResNet50, ...

Trained anew, or with the weights of a file (``model.save_weights``), which are taken as they are.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from architectures._heads import brings_its_end, without_function
from architectures._model_file import ModelPath
from precision import received
from precision.errors import PrecisionError, said, shown, suggest
from precision.options import Rule
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("keras_application")
@brings_its_end
def keras_application(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    model: Annotated[str, Rule("the name of a network in keras.applications, such as MobileNetV2")],
    weights: ModelPath | None = None,
) -> keras.Model:
    """A network of keras.applications, trained anew or with the weights of a file."""
    import keras

    functions = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    known = [
        name
        for name, function in functions.items()
        if name[0].isupper() and "include_top" in inspect.signature(function).parameters
    ]
    if model not in known:
        raise PrecisionError(
            "option 'model' of architecture 'keras_application' must be a network of keras.applications, "
            f"but got {shown(model)}; {suggest(model, known)}"
        )
    name = f"keras_application {model}"
    try:
        network = functions[model](weights=None, input_shape=tuple(input_shape), classes=classes)
    except ValueError as error:  # of images that are too small, or no images at all
        raise PrecisionError(f"{name}: cannot be built for these images ({said(error)})") from None
    if weights is not None:
        _load_weights(network, Path(weights).expanduser())
    return without_function(network)


def _load_weights(network: keras.Model, path: Path) -> None:
    if not path.name.endswith(".weights.h5"):
        raise PrecisionError(
            f"{path}: weights are a .weights.h5 file, as model.save_weights('model.weights.h5') writes it; a "
            "whole model is the architecture keras_file"
        )
    received.check(path, received.memory(), near="*.weights.h5")
    try:
        network.load_weights(path)
    except Exception as error:  # a file from elsewhere can raise anything
        raise PrecisionError(f"{path}: these are not the weights of {network.name} ({said(error)})") from None
