"""What an option may be, said once: the checks and the JSON schema of grids both follow from it.

    Width = Annotated[float, Field(gt=0), Rule("a finite number above 0")]

    @ARCHITECTURES.register("vgg")
    def vgg(input_shape, classes, *, width: Width = 1.0): ...

The types are strict: 1 is no truth value, "1" no number, and infinities and NaN are none either. Of what no
``Field`` can say, ``annotated_types.Predicate`` and the validators of pydantic take care.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails

from precision.errors import LocatedError, PrecisionError, shown, suggest


@dataclass(frozen=True)
class Rule:
    """What an option must be, in words, which complete the sentence of an error."""

    text: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"description": self.text[:1].upper() + self.text[1:], **handler(schema)}


Flag = Annotated[bool, Rule("true or false")]


class Options(BaseModel):
    """Options by name: unknown ones are errors, and a text is never taken for a number."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        validate_assignment=True,
        protected_namespaces=(),
    )


@cache
def options_of(*owners: Callable[..., Any]) -> type[Options]:
    """Return the model of the options that functions take as keywords only, and of all that classes take.

    Where an option has several owners, the last one says what it may be. One whose annotation is not
    ``Annotated`` may be anything. ``X | None`` beside the default None means that the option may be left out;
    who names it gives an X.
    """
    fields: dict[str, Any] = {}
    for owner in owners:
        for key, parameter in inspect.signature(owner).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY or isinstance(owner, type):
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[key] = (_stated(_hint(owner, key, parameter.annotation), default), default)
    name = getattr(owners[-1], "__name__", "options")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Field name .* shadows")  # an option may be called copy
        model: type[Options] = create_model(name, __base__=Options, **fields)
    return model


def _hint(owner: Callable[..., Any], key: str, annotation: Any) -> Any:
    """Return the type of one parameter; the rest of a signature may need what is not imported."""
    own = inspect.unwrap(owner)
    names = vars(sys.modules[own.__module__]) if isinstance(own, type) else getattr(own, "__globals__", {})
    stub = type("Stub", (), {"__annotations__": {key: annotation}})
    try:
        return get_type_hints(stub, globalns=names, include_extras=True)[key]
    except NameError:  # a type that only a type checker imports
        return Any


def _stated(hint: Any, default: Any) -> Any:
    union = get_origin(hint) in (Union, types.UnionType)
    parts = get_args(hint) if union else (hint,)
    if not any(get_origin(part) is Annotated for part in parts):
        return Any
    if default is None:
        parts = tuple(part for part in parts if part is not type(None))
    return Union[parts]  # noqa: UP007 (the parts are known only now)


def read(
    model: type[Options],
    given: Mapping[str, Any],
    owner: str,
    must_be: str = "{owner} needs {key!r} to be",
) -> dict[str, Any]:
    """Return the options that are given, in their final types.

    Args:
        owner: what has the options, such as ``dataset 'mnist'``.
        must_be: the beginning of a sentence that ends with a rule.

    Raises:
        LocatedError: with the option, for an unknown one or a value against its rule.
        PrecisionError: for a missing option without a default.
    """
    try:
        found = model.model_validate(dict(given), context=lambda key: f"option {shown(key)} of {owner}")
    except ValidationError as error:
        first = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}
        for key, value in given.items():  # a misspelt option explains the missing one
            if key in first and key not in model.model_fields:
                text = f"{owner} has no option {shown(key)}; {suggest(key, model.model_fields)}"
                raise LocatedError((key,), text) from None
            if key in first:
                sentence = _refusal(model, first[key], value, must_be.format(owner=owner, key=key))
                raise LocatedError((key,), sentence) from None
        raise PrecisionError(f"{owner} needs the option {shown(next(iter(first)))}") from None
    return {key: vars(found)[key] for key in given}


def location_of(info: ValidationInfo) -> str:
    """Return how a validator that words its error itself names the option that it validates."""
    return str(info.context(info.field_name)) if info.context else str(info.field_name)


def read_option(model: type[Options], key: str, value: Any, must_be: str = "{key} must be") -> Any:
    """Return the value of one option in its final type, whatever the others are.

    Raises:
        PrecisionError: with the rule and the value; for a word that is none of those known, with the nearest.
    """
    found = model.model_construct()
    try:
        setattr(found, key, value)
    except ValidationError as error:
        raise PrecisionError(_refusal(model, error.errors()[0], value, must_be.format(key=key))) from None
    return vars(found)[key]


def _refusal(model: type[Options], problem: ErrorDetails, value: Any, must_be: str) -> str:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, PrecisionError):
        return str(cause)
    key = str(problem["loc"][0])
    field = model.model_fields[key]
    rule = next(_rules(field), None)
    if rule is not None:
        return f"{must_be} {rule.text}, but got {shown(value)}"
    if problem["type"] == "literal_error":
        return f"unknown {key} {shown(value)}; {suggest(value, get_args(field.annotation))}"
    text = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{must_be} {text}, but got {shown(value)}"


def _rules(field: FieldInfo) -> Iterator[Rule]:
    parts = [
        *field.metadata,
        *(m for p in get_args(field.annotation) for m in getattr(p, "__metadata__", ())),
    ]
    return (part for part in parts if isinstance(part, Rule))


def rule_of(model: type[Options], key: str) -> str:
    """Return in words what an option may be; empty where nothing says so."""
    rule = next(_rules(model.model_fields[key]), None)
    return "" if rule is None else rule.text


def meanings(owner: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring of a function or class says of each of its arguments, as one line each."""
    found: dict[str, str] = {}
    doc = (inspect.getdoc(owner) or "").replace("``", "")
    section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n|\n)*)", doc + "\n", re.MULTILINE)
    for line in section[1].splitlines() if section else ():
        begun = re.match(r"    (\w+): (.*)", line)
        if begun:
            found[begun[1]] = begun[2]
        elif line.strip() and found:
            found[next(reversed(found))] += f" {line.strip()}"
    return found
