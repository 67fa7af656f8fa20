"""Entries that name a data set, a network or a method, with options and a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from typing_extensions import TypeAliasType

import architectures
import precision.data
import precision.methods  # files the methods
from precision.errors import LocatedError, PrecisionError, shown
from precision.registry import METHODS
from precision.trial import Choice


class Labelled(BaseModel):
    """A choice and the label under which tables show it."""

    model_config = ConfigDict(frozen=True)
    label: str
    choice: Choice


def _choice(kind: str, check: Callable[[str, dict[str, Any]], None]) -> BeforeValidator:
    """Return a reader of ``lenet`` or ``{name: vgg, width: 0.5, label: small vgg}``.

    The JSON schema calls what it reads by its kind.
    """

    def read_choice(entry: Any) -> Any:
        if isinstance(entry, Labelled):
            return entry
        options = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(options, dict) or not isinstance(options.get("name"), str):
            raise PrecisionError(
                f"write a name, or a mapping with 'name:' and options, but got {shown(entry)}"
            )
        options = dict(options)
        name = options.pop("name")
        label = options.pop("label", None)
        label = name if label is None else label
        check_label(label, ("label",))
        check(name, options)
        return Labelled(label=str(label), choice=Choice(name, options))

    return BeforeValidator(read_choice, json_schema_input_type=TypeAliasType(kind, Any))


def check_label(label: Any, location: tuple[str | int, ...]) -> None:
    """Refuse what a table cannot show as the name of a row or a column."""
    text = str(label)
    if isinstance(label, list | dict) or not text.strip() or not text.isprintable() or len(text) > 64:
        raise LocatedError(
            location, f"a label is a printable text of 1 to 64 characters, but got {shown(label)}"
        )


def _method(name: str, options: dict[str, Any]) -> None:
    METHODS.check_options(name, options)
    if name == "float32":
        raise PrecisionError("the float32 baseline is trained wherever it is needed; name ptq or qat")


DatasetChoice = Annotated[Labelled, _choice("dataset", precision.data.check)]
ArchitectureChoice = Annotated[Labelled, _choice("architecture", architectures.check)]
MethodChoice = Annotated[Labelled, _choice("method", _method)]
