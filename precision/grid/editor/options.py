"""Options of data sets, networks and methods: entries that name one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from precision.data.options import CommonOptions
from precision.grid.editor.derived import derived
from precision.grid.editor.parts import (
    Schema,
    cases,
    each,
    has,
    mapping,
    nullable,
    ref,
    sweepable,
    swept,
)
from precision.options import options_of
from precision.quantization.policy.options import IDENTIFIER
from precision.registry import DATASETS, Registry

LABEL: Schema = {
    "description": "The name that the tables show, up to 64 characters.",
    "type": ["string", "number", "boolean", "null"],
}


def definitions(registry: Registry, without: tuple[str, ...] = ()) -> dict[str, Schema]:
    """Return the schemas of a name, and of an entry: a name, or a mapping with it, options and a label."""
    kind = registry.kind
    names = [name for name in registry if registry.owner(name).builtin and name not in without]
    described = [{"const": name, "description": registry.summary(name)} for name in names]
    inner: dict[str, Schema] = {}
    common: dict[str, Schema] = {}
    if registry is DATASETS:
        _, shared, parts = _options(CommonOptions, null=True)
        inner = {**parts, **{f"{kind}_{option}": schema for option, schema in shared.items()}}
        common = {option: ref(f"{kind}_{option}") for option in shared}
    known = []
    for name in names:
        required, own, _ = _options(registry[name], null=registry is DATASETS)
        options = mapping({"name": {}, "label": {}, **common, **own}, required)
        known.append({"if": {"properties": {"name": {"const": name}}}, "then": options})
    entry: Schema = {
        "properties": {"name": swept(ref(f"{kind}_name")), "label": LABEL},
        "required": ["name"],
        # Of a name that is swept, the options are checked when the grid is read.
        "allOf": [{"if": {"properties": {"name": {"type": "string"}}}, "then": {"allOf": known}}],
    }
    plugin: Schema = {"type": "string", "pattern": IDENTIFIER}
    if without:
        plugin["not"] = {"enum": list(without)}
    return {
        f"{kind}_name": {"anyOf": [*described, plugin]},  # a plugin may have given any other name
        kind: cases(
            (has("each"), each(ref(kind))), ({"type": "object"}, entry), otherwise=ref(f"{kind}_name")
        ),
        **inner,
    }


def _options(
    owner: Callable[..., Any], *, null: bool
) -> tuple[tuple[str, ...], dict[str, Schema], dict[str, Schema]]:
    """Return which options must be given, the schema of each, and the definitions to which these refer.

    Args:
        null: whether null means the default where that is null as well.
    """
    model = options_of(owner)
    schema, inner = derived(model)
    found = {
        option: swept(nullable(value) if null and model.model_fields[option].default is None else value)
        for option, value in schema["properties"].items()
    }
    return tuple(schema.get("required", ())), found, {name: sweepable(part) for name, part in inner.items()}
