"""The networks that a grid may name: one family per file, plain Keras 3, built for any size of the inputs.

    model = architectures.build("lenet", input_shape=(28, 28, 1), classes=10, width=0.5)

Every family is a function registered with ``@ARCHITECTURES.register(name)`` whose keyword-only
parameters are the options that a user may set, with annotations that say what these may be (see
``precision.options``). A model returns logits, its last layer is called
``logits``, and its layers keep the same names at every build, because a policy addresses them by name.

Importing this package must stay instant, because checking a YAML grid uses it, and importing Keras takes
seconds. Hence every family imports Keras inside its function, and custom layers live in modules that only
those functions import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

# Imported for their registrations; a new family is a new file and a name in this list.
from architectures import (
    alexnet,
    basic_cnn,
    binary_cnn,
    keras_application,
    keras_file,
    lenet,
    mlp,
    pointwise_lenet,
    resnet,
    two_conv,
    vgg,
)
from architectures._input import Shape, checked_shape
from architectures.given import title_of
from precision import tasks
from precision.errors import PrecisionError, shown
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras

__all__ = [
    "alexnet",
    "basic_cnn",
    "binary_cnn",
    "build",
    "check",
    "custom_objects",
    "describe",
    "keras_application",
    "keras_file",
    "lenet",
    "mlp",
    "names",
    "pointwise_lenet",
    "resnet",
    "two_conv",
    "vgg",
]


def names() -> list[str]:
    """Return the names of all architectures in alphabetical order.

    >>> import architectures
    >>> architectures.names()[:3]
    ['alexnet', 'basic_cnn', 'binary_cnn']
    """
    return list(ARCHITECTURES)


def describe() -> list[dict[str, Any]]:
    """Return name, summary and options (with their defaults; None if required) of every architecture.

    >>> import architectures
    >>> next(row for row in architectures.describe() if row["name"] == "mlp")
    {'name': 'mlp', 'summary': 'A perceptron with one hidden layer.', 'options': {'width': 1.0}}
    """
    return [
        {
            "name": name,
            "summary": ARCHITECTURES.summary(name),
            "options": {
                key: None if parameter.default is parameter.empty else parameter.default
                for key, parameter in ARCHITECTURES.options(name).items()
            },
        }
        for name in names()
    ]


def check(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Refuse an unknown architecture, an option it lacks and an option value outside its rule.

    Raises:
        PrecisionError: with the rule and the received value.

    >>> import architectures
    >>> architectures.check("mlp", {"width": 0.5})  # all is well
    >>> architectures.check("mlp", {"widht": 0.5})
    Traceback (most recent call last):
    precision.errors.LocatedError: architecture 'mlp' has no option 'widht'; did you mean 'width'?
    """
    ARCHITECTURES.check_options(name, dict(options or {}))


def build(
    name: str,
    input_shape: Shape = (28, 28, 1),
    classes: int = 10,
    task: str = tasks.CLASSIFICATION.name,
    **options: Any,
) -> keras.Model:
    """Return a new Keras model that maps inputs of a shape to as many numbers as are asked for.

    Args:
        name: one of `names()`; it becomes the name of the model.
        input_shape: (height, width, channels) of images, at least 28x28x1 for all but ``mlp``, or
            (features,) of vectors, which ``mlp`` takes alone.
        classes: the number of classes or labels, at least 2, of which the model returns the logits; or of the
            targets of a regression, at least 1.
        task: what the network is asked, one of ``precision.tasks``. A network that a user gives has to end as
            it wants.
        options: the options of the family; `describe()` lists them.

    Raises:
        PrecisionError: for any argument outside its rule.

    >>> import architectures
    >>> model = architectures.build("mlp", input_shape=(28, 28, 1), classes=10, width=0.5)
    >>> model.output_shape, model.count_params()
    ((None, 10), 50890)
    """
    check(name, options)
    input_shape, asked = checked_shape(name, input_shape), tasks.named(task)
    if not _is_integer(classes) or classes < asked.least:
        what = asked.outputs if asked.least > 1 else asked.outputs.removesuffix("s")
        raise PrecisionError(
            f"architecture {shown(name)} needs at least {asked.least} {what}, but got {shown(classes)}"
        )
    import keras

    model = ARCHITECTURES.call(name, keras.Model, input_shape, classes, **options)
    fitted = getattr(ARCHITECTURES[name], "fitted", None)
    if fitted is not None:
        model = fitted(model, title_of(name, options), classes, asked)
    if not ARCHITECTURES.owner(name).builtin:
        _check_network(name, model, classes)
    return model


def _check_network(name: str, model: keras.Model, classes: int) -> None:
    """Refuse a network of a plugin that cannot be trained, or addressed by a policy."""
    if getattr(model, "output_shape", None) != (None, classes):
        raise ARCHITECTURES.error(
            name,
            f"must return a network from its inputs to {classes} logits, but its output has the shape "
            f"{getattr(model, 'output_shape', None)}",
        )
    if model.layers[-1].name != "logits":
        raise ARCHITECTURES.error(
            name, f"must call its last layer 'logits', but it is called {shown(model.layers[-1].name)}"
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def custom_objects() -> dict[str, type]:
    """Return the layer classes of this package, which Keras must know to load a saved model (imports Keras).

    keras.models.load_model(path, custom_objects=architectures.custom_objects())

    >>> import architectures
    >>> sorted(architectures.custom_objects())
    ['LocalResponseNormalization', 'SubsamplingShortcut']
    """
    from architectures._normalisation import LocalResponseNormalization
    from architectures._shortcut import SubsamplingShortcut

    return {layer.__name__: layer for layer in (LocalResponseNormalization, SubsamplingShortcut)}
