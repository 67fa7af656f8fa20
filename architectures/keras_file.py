"""A network of the user's own, from a file that ``model.save`` of Keras wrote.

``start: pretrained`` takes it as it is, with its weights: it is the float32 row, and what is rounded.
``start: fresh`` takes the layers alone and trains them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from architectures._heads import brings_its_end
from architectures._keras import all_layers
from architectures._model_file import SUFFIXES, ModelPath, load
from precision.errors import PrecisionError
from precision.options import Rule
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("keras_file")
@brings_its_end
def keras_file(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    path: ModelPath,
    start: Annotated[
        Literal["pretrained", "fresh"], Rule("'pretrained' for its weights or 'fresh' to train anew")
    ] = "pretrained",
) -> keras.Model:
    """A model of your own, from a .keras or .h5 file."""
    if Path(path).suffix not in SUFFIXES:
        raise PrecisionError(
            f"{path}: a model is a .keras or .h5 file, as model.save('model.keras') writes it"
        )
    import keras

    model = load(path)
    check_types(model, str(path))
    check_input(model, str(path), input_shape)
    return keras.models.clone_model(model) if start == "fresh" else model


def check_types(model: keras.Model, name: str) -> None:
    """Refuse a model that does not compute in float32, on which all emulation stands."""
    import keras

    for layer in all_layers(model):
        mode = getattr(layer, "quantization_mode", None)
        if mode is not None:
            raise PrecisionError(
                f"{name}: layer {layer.name!r} was quantised by Keras ({mode}) and holds no float32 weights; "
                "give the model as it was before quantize()"
            )
        if layer.weights and not isinstance(layer, keras.Model) and layer.compute_dtype != "float32":
            raise PrecisionError(
                f"{name}: layer {layer.name!r} computes in {layer.compute_dtype}, and formats are emulated "
                "in float32; build the model with dtype='float32', and set its weights"
            )


def check_input(model: keras.Model, name: str, input_shape: tuple[int, ...]) -> None:
    """Refuse a model that does not read the images of a data set, or is no graph of layers."""
    import keras

    if not (isinstance(model, keras.Model) and isinstance(model, keras.Function | keras.Sequential)):
        raise PrecisionError(
            f"{name}: a network is a functional or a sequential model, but this is a {type(model).__name__}; "
            "build it with keras.Input and keras.Model(inputs, outputs)"
        )
    if not model.built or len(model.inputs) != 1:
        inputs = len(model.inputs) if model.built else "no"
        raise PrecisionError(f"{name}: a network has one input of a known shape, but this has {inputs}")
    wanted = tuple(model.inputs[0].shape[1:])
    if len(wanted) != len(input_shape) or any(
        size not in (None, given) for size, given in zip(wanted, input_shape, strict=True)
    ):
        sizes = "x".join("any" if size is None else str(size) for size in wanted)
        hint = ""
        if len(wanted) == len(input_shape) == 3 and None not in wanted:
            hint = f"; give the data set resize: [{wanted[0]}, {wanted[1]}]"
            if wanted[2] != input_shape[2]:
                hint = f"; the data set has {input_shape[2]} channels, the model reads {wanted[2]}"
        raise PrecisionError(
            f"{name}: the model reads {sizes}, but the data set has {'x'.join(map(str, input_shape))}{hint}"
        )
