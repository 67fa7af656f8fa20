"""Pieces of JSON schema from which the others are put together."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
EACH = "each"
NULL: Schema = {"type": "null"}


def cases(*branches: tuple[Schema, Schema], otherwise: Schema) -> Schema:
    """Return a schema that asks in turn: what meets a condition must meet the schema beside it.

    Unlike ``anyOf`` it lets an editor say what is wrong with the branch that was meant.
    """
    result = otherwise
    for condition, then in reversed(branches):
        result = {"if": condition, "then": then, "else": result}
    return result


def has(key: str) -> Schema:
    """Return the condition of being a mapping with a key."""
    return {"type": "object", "required": [key]}


def ref(name: str) -> Schema:
    """Return a reference to a definition of the schema."""
    return {"$ref": f"#/$defs/{name}"}


def each(value: Schema) -> Schema:
    """Return a sweep over values: a list, or a mapping that names them."""
    values = cases(
        ({"type": "object"}, {"minProperties": 1, "additionalProperties": value}),
        otherwise={"type": "array", "items": value, "minItems": 1},
    )
    return {"type": "object", "properties": {EACH: values}, "additionalProperties": False}


def swept(value: Schema) -> Schema:
    """Return a schema for a value or a sweep over values.

    What is swept is checked where that takes a reference; otherwise the schema would be three times as long,
    and reading the grid checks all.
    """
    values = each({"$ref": value["$ref"]}) if "$ref" in value else ref("sweep")
    return cases((has(EACH), values), otherwise=value)


def sweepable(schema: Schema) -> Schema:
    """Return the schema of a mapping each of whose values may be swept."""
    return {**schema, "properties": {key: swept(value) for key, value in schema["properties"].items()}}


def sweep() -> Schema:
    """Return a sweep over values of any kind."""
    return {
        "description": "The option is an axis: each value makes an entry of its own, whose label names the "
        "value.",
        **each({}),
    }


def mapping(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Return a schema for a mapping with these keys and no others."""
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def nullable(value: Schema) -> Schema:
    """Return a schema for a value, or null: of an empty section, or of what an extending file removes."""
    return {"anyOf": [NULL, value]}
