"""The JSON schema of a pydantic model, in the form that editors complete and explain best."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from precision.grid.editor.parts import Schema, cases, has


class _Untitled(GenerateJsonSchema):
    """Without titles, which would repeat the names of options and of classes."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def derived(model: type[BaseModel]) -> tuple[Schema, dict[str, Schema]]:
    """Return the schema of a model and the definitions that it refers to, by name."""
    whole = model.model_json_schema(schema_generator=_Untitled)
    definitions = whole.pop("$defs", {})
    return _readable(whole, definitions), {
        name: _readable(schema, definitions) for name, schema in definitions.items()
    }


def _readable(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return a schema, and all that are inside it, as an editor shows them."""
    found = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in found:
        found["properties"] = {
            name: _readable(value, definitions) for name, value in found["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _readable(found[key], definitions)
    if "prefixItems" in found:  # many editors know no later draft than 7, which has none; all items are alike
        found["items"] = _readable(found.pop("prefixItems")[0], definitions)
    if "description" in found:
        found["description"] = found["description"].split("\n")[0].replace("``", "")
    if "default" in found:
        found |= _default(found.pop("default"))
    if "anyOf" in found:
        found |= _cases([_readable(value, definitions) for value in found.pop("anyOf")], definitions)
    return found


def _default(value: Any) -> Schema:
    """Return what an editor inserts: a value by itself where the default is a list of one."""
    if isinstance(value, list) and len(value) == 1:
        return _default(value[0])
    return {"default": value} if isinstance(value, bool | int | float | str) else {}


def _cases(branches: list[Schema], definitions: dict[str, Schema]) -> Schema:
    """Return alternatives as conditions on the kind of a value and on the keys that a mapping must have."""
    known = [(branch, _followed(branch, definitions)) for branch in branches]
    arrays = [branch for branch, seen in known if seen.get("type") == "array"]
    conditions: list[tuple[Schema, Schema]] = []
    for branch, seen in sorted(known, key=lambda pair: "required" not in pair[1]):
        if seen.get("type") == "object":
            conditions.append(
                (has(seen["required"][0]) if "required" in seen else {"type": "object"}, branch)
            )
    if arrays:
        conditions.append(({"type": "array"}, arrays[0] if len(arrays) == 1 else {"anyOf": arrays}))
    rest = [branch for branch, seen in known if seen.get("type") not in ("object", "array")]
    otherwise = conditions.pop()[1] if not rest else rest[0] if len(rest) == 1 else {"anyOf": rest}
    return cases(*conditions, otherwise=otherwise)


def _followed(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return what a schema refers to, or itself."""
    return definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
