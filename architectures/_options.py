"""Options of architectures: their rules, which are checked without Keras, and what they scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from precision.errors import PrecisionError
from precision.registry import ARCHITECTURES


@dataclass(frozen=True)
class Rule:
    """What an option's value must satisfy; a factory states it in the annotation of the option.

    Rate = Annotated[float, Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)]

    def network(input_shape, classes, *, rate: Rate = 0.5): ...
    """

    text: str
    holds: Callable[[Any], bool]


def is_integer(value: object) -> bool:
    """Tell whether ``value`` is an integer; True and False, which YAML reads from yes and no, are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_width(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


Width = Annotated[float, Rule("a finite number above 0", _is_width)]


def scaled(units: int, width: float) -> int:
    """Return ``width`` times ``units``, rounded, at least 1."""
    return max(1, round(units * width))


def check_values(name: str, received: Mapping[str, Any]) -> None:
    """Check the values of known options of the architecture ``name`` against the rules it states.

    Raises:
        PrecisionError: with the rule and the received value.
    """
    parameters = ARCHITECTURES.options(name)
    module = getattr(ARCHITECTURES[name], "__globals__", {})
    for key, value in received.items():
        annotation = parameters[key].annotation
        if isinstance(annotation, str):  # the module postpones the evaluation of annotations
            annotation = module.get(annotation)
        for rule in getattr(annotation, "__metadata__", ()):
            if isinstance(rule, Rule) and not rule.holds(value):
                raise PrecisionError(
                    f"architecture {name!r} needs {key!r} to be {rule.text}, but received {value!r}"
                )
