"""Options of data sets, networks and methods: their schemas from the rules in their annotations."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from precision.data.augment import LIMITS, Augmentation
from precision.data.options import COMMON_RULES, CommonOptions
from precision.errors import PrecisionError
from precision.grid.editor.parts import Schema, cases, each, has, mapping, nullable, ref, swept
from precision.registry import DATASETS, Registry, Rule

Accepts = Callable[[Any], bool]
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
_STRANGER = "what no rule would name"
LABEL: Schema = {
    "description": "The name that the tables show, up to 64 characters.",
    "type": ["string", "number", "boolean", "null"],
}


def definitions(registry: Registry, without: tuple[str, ...] = ()) -> dict[str, Schema]:
    """Return the schemas of a name, and of an entry: a name, or a mapping with it, options and a label."""
    kind = registry.kind
    names = [name for name in registry if registry.owner(name).builtin and name not in without]
    described = [{"const": name, "description": registry.summary(name)} for name in names]
    common = _common() if registry is DATASETS else {}
    known = []
    for name in names:
        options = mapping({"name": {}, "label": {}, **_options(registry, name)}, _required(registry, name))
        known.append({"if": {"properties": {"name": {"const": name}}}, "then": options})
    entry: Schema = {
        "properties": {"name": swept(ref(f"{kind}_name")), "label": LABEL},
        "required": ["name"],
        # Of a name that is swept, the options are checked when the grid is read.
        "allOf": [{"if": {"properties": {"name": {"type": "string"}}}, "then": {"allOf": known}}],
    }
    return {
        f"{kind}_name": {"anyOf": described},
        kind: cases(
            (has("each"), each(ref(kind))), ({"type": "object"}, entry), otherwise=ref(f"{kind}_name")
        ),
        **common,
    }


def _required(registry: Registry, name: str) -> tuple[str, ...]:
    return tuple(key for key, p in registry.options(name).items() if p.default is p.empty)


def _options(registry: Registry, name: str) -> dict[str, Schema]:
    """Return the schemas of the options of one thing."""
    found: dict[str, Schema] = {}
    hints = _hints(registry[name], list(registry.options(name)))
    for option, parameter in registry.options(name).items():
        found[option] = _option(hints[option], parameter.default)
        if registry is DATASETS and parameter.default is None:  # there null means the default
            found[option] = nullable(found[option])
    found = {option: swept(schema) for option, schema in found.items()}
    if registry is DATASETS:
        found = {**{option: ref(f"dataset_{option}") for option in COMMON_RULES}, **found}
    return found


def _common() -> dict[str, Schema]:
    """Return the definitions of the options that every data set has."""
    hints = get_type_hints(CommonOptions)
    found = {}
    for option, rule in COMMON_RULES.items():
        default = getattr(CommonOptions, option)
        schema = _described(_typed(hints[option], _accepts(rule), ""), rule.__doc__, default)
        found[f"dataset_{option}"] = swept(nullable(schema) if default is None else schema)
    return found


def _hints(factory: Callable[..., Any], names: list[str]) -> dict[str, Any]:
    """Return the annotations of some parameters; those of the others may need what is not imported."""
    chosen = {name: factory.__annotations__.get(name, Any) for name in names}
    stub = type("Options", (), {"__annotations__": chosen})
    return get_type_hints(stub, globalns=getattr(factory, "__globals__", {}), include_extras=True)


def _option(hint: Any, default: Any) -> Schema:
    for part in (hint, *get_args(hint)):  # ``FilePath | None`` has the rule of ``FilePath``
        for rule in getattr(part, "__metadata__", ()):
            text = rule.text if isinstance(rule, Rule) else rule.__doc__
            return _described(_typed(_bare(hint), _accepts(rule), str(text)), text, default)
    return {}


def _described(schema: Schema, text: str | None, default: Any) -> Schema:
    text = (text or "").removeprefix("Rule: ").split("\n")[0].replace("``", "")
    found = {"description": text[:1].upper() + text[1:], **schema} if text else dict(schema)
    return (
        found
        if default is None or not isinstance(default, bool | int | float | str)
        else {
            **found,
            "default": default,
        }
    )


def _accepts(rule: Any) -> Accepts:
    """Return whether a rule holds for a value."""
    if isinstance(rule, Rule):
        return rule.holds

    def accepts(value: Any) -> bool:
        try:
            rule("it", value)
        except PrecisionError:
            return False
        return True

    return accepts


def _bare(hint: Any) -> Any:
    """Return a type without its rules."""
    if hasattr(hint, "__metadata__"):
        return _bare(hint.__origin__)
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_bare(part) for part in get_args(hint)]
        return Union[tuple(parts)]  # noqa: UP007 (the parts are known only now)
    return hint


def _typed(hint: Any, accepts: Accepts, text: str) -> Schema:
    """Return the schema of the values of a type that meet a rule, as far as its answers tell.

    The rule is asked about values at which bounds usually lie, and about the words of its own text.
    """
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [part for part in get_args(hint) if part is not type(None)]
        schemas = [_typed(kind, accepts, text) for kind in kinds]
        schemas += [{"type": "null"}] if accepts(None) else []
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    if get_origin(hint) is tuple:
        lengths = [length for length in range(1, 6) if accepts([*range(20, 20 + length)])]
        longest = {} if 5 in lengths else {"maxItems": max(lengths)}
        kinds = [kind for kind in dict.fromkeys(get_args(hint)) if kind is not Ellipsis]
        items = _typed(kinds[0], lambda value: True, "")
        return {"type": "array", "items": items, "minItems": min(lengths), **longest}
    if hint is Augmentation:
        return mapping(
            {key: swept({"type": "number", "minimum": 0, "maximum": limit}) for key, limit in LIMITS.items()}
        )
    schema: Schema = {"type": _NAMES[hint]}
    if hint in (int, float):
        schema |= _bounds(accepts)
    if hint is str and not accepts(_STRANGER):  # the rule knows the words that it accepts
        schema["enum"] = [word for word in re.findall(r"[a-z_]+", text) if accepts(word)]
    return schema


def _bounds(accepts: Accepts) -> Schema:
    found: Schema = {}
    if not accepts(-1):
        found = {"minimum": 0} if accepts(0) else {"exclusiveMinimum": 0}
    if accepts(0.5) and not accepts(1):
        found["exclusiveMaximum"] = 1
    return found
