"""The JSON schema of a whole grid file."""

from __future__ import annotations

from precision.grid.editor import options, policies
from precision.grid.editor.derived import derived
from precision.grid.editor.parts import Schema, cases, each, has, nullable, sweep
from precision.grid.file.extends import FREE, KEY
from precision.grid.file.schema import Grid, RuntimeAxes, TrainingAxes
from precision.grid.plan.axes import ORDER
from precision.registry import ARCHITECTURES, DATASETS, METHODS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_AXES = {"training": TrainingAxes.__name__, "runtime": RuntimeAxes.__name__}


def json_schema() -> Schema:
    """Return the JSON schema (draft 2020-12) of grid files.

    >>> from precision.grid.editor import json_schema
    >>> json_schema()["$schema"]
    'https://json-schema.org/draft/2020-12/schema'
    """
    grid, inner = derived(Grid)
    sections = grid["properties"]
    axes = {part: _axes(inner[name]) for part, name in _AXES.items()}
    dotted = {f"{part}.{name}": schema for part in axes for name, schema in axes[part]["properties"].items()}
    text = {"type": "string"}
    files = cases(({"type": "array"}, {"items": text}), otherwise=text)
    open_sections = "|".join(key for key in sections if key not in (*_AXES, "name"))
    return {
        "$schema": DIALECT,
        "title": "Grid of the precision framework",
        "description": "Axes whose product is the trials, less 'exclude', plus 'include'.",
        "type": "object",
        "properties": {
            KEY: {
                "description": "Files whose content this one changes, seen from its folder.",
                **files,
            },
            **{key: nullable(schema) for key, schema in sections.items()},
            **dotted,
        },
        "patternProperties": {
            f"^{FREE}": {"description": "Free: a place for YAML anchors."},
            f"^({open_sections})\\.": {"description": "A dotted key means the nested entry."},
        },
        "additionalProperties": False,
        # What is missing may come from the files that it extends.
        "anyOf": [{"required": [KEY]}, {"required": grid["required"]}],
        "$defs": {
            **inner,
            **{_AXES[part]: schema for part, schema in axes.items()},
            **policies.definitions(inner),
            **options.definitions(DATASETS),
            **options.definitions(ARCHITECTURES),
            **options.definitions(METHODS, without=("float32",)),
            "Axis": {"enum": list(ORDER)},
            "sweep": sweep(),
        },
    }


def _axes(model: Schema) -> Schema:
    """Return the schema of options each of which is a value, a list, a sweep, or removed by null."""
    properties = {
        name: nullable(cases((has("each"), each(schema["else"])), otherwise=schema))
        for name, schema in model["properties"].items()
    }
    return {**model, "properties": properties}
