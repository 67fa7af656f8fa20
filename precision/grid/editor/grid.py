"""The JSON schema of a whole grid file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter

from precision.grid.editor import options, policies
from precision.grid.editor.parts import (
    Schema,
    cases,
    each,
    has,
    listed,
    mapping,
    nullable,
    ref,
    sweep,
    words,
)
from precision.grid.file.extends import FREE, KEY
from precision.grid.file.schema import (
    MAX_REPEATS,
    Grid,
    ReportOptions,
    RuntimeAxes,
    Seed,
    TrainingAxes,
)
from precision.grid.plan.axes import ORDER
from precision.registry import ARCHITECTURES, DATASETS, METHODS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TRAINING = {
    "epochs": "Passes over the training images.",
    "batch_size": "Images per step.",
    "optimizer": "The optimizer, by its name in Keras.",
    "learning_rate": "Initial rate; null takes the default of the optimizer in Keras.",
    "schedule": "Of the learning rate: constant, or cosine to fall to zero.",
    "momentum": "Of sgd and rmsprop.",
    "weight_decay": "Of every optimizer.",
}
_RUNTIME = {
    "device": "cpu or gpu; null leaves it to the run.",
    "threads": "Of one operation; null leaves it to the run. Other threads give other bits.",
}


def json_schema() -> Schema:
    """Return the JSON schema (draft 2020-12) of grid files."""
    sections = _sections()
    training, runtime = _axes(TrainingAxes, _TRAINING), _axes(RuntimeAxes, _RUNTIME)
    dotted = {
        f"{part}.{name}": value
        for part, axes in (("training", training), ("runtime", runtime))
        for name, value in axes.items()
    }
    properties = {
        KEY: words(
            "Files whose content this one changes, seen from its folder.", **listed({"type": "string"})
        ),
        **{key: nullable(value) for key, value in sections.items()},
        **dotted,
    }
    open_sections = "|".join(key for key in sections if key not in ("training", "runtime", "name"))
    return {
        "$schema": DIALECT,
        "title": "Grid of the precision framework",
        "description": "Axes whose product is the trials, less 'exclude', plus 'include'.",
        "type": "object",
        "properties": properties,
        "patternProperties": {
            f"^{FREE}": words("Free: a place for YAML anchors."),
            f"^({open_sections})\\.": words("A dotted key means the nested entry."),
        },
        "additionalProperties": False,
        # What is missing may come from the files that it extends.
        "anyOf": [
            {"required": [KEY]},
            {"required": [k for k, f in Grid.model_fields.items() if f.is_required()]},
        ],
        "$defs": {
            "sweep": sweep(),
            **options.definitions(DATASETS),
            **options.definitions(ARCHITECTURES),
            **options.definitions(METHODS, without=("float32",)),
            "training": mapping(training),
            "runtime": mapping(runtime),
            **policies.definitions(),
        },
    }


def _sections() -> dict[str, Schema]:
    labels = listed({"type": "string"})
    seeds = listed(TypeAdapter(Seed).json_schema())
    selection: dict[str, Schema] = {
        "dataset": words("Labels or wildcards; all if absent.", **labels),
        "architecture": words("Labels or wildcards; all if absent.", **labels),
        "policy": words("Names or wildcards; all if absent.", **labels),
        "seed": words("All if absent.", **nullable(seeds)),
    }
    either = {"training": ref("training"), "runtime": ref("runtime")}
    exclusion = mapping(
        {**selection, "method": words("Labels or wildcards; all if absent.", **labels), **either}
    )
    inclusion = mapping(
        {
            **selection,
            "method": words("An entry of its own; the grid's if absent.", **nullable(ref("method"))),
            **either,
        }
    )
    axis = {"enum": list(ORDER)}
    group = {"type": "array", "items": axis, "minItems": 2}
    return {
        "name": words(
            "Names the folder of the report.", type="string", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
        ),
        "description": words("Markdown at the top of the report.", type="string"),
        "plugins": words(
            "Python files with number formats, seen from the folder of this file; they are run.",
            type="array",
            items={"type": "string"},
        ),
        "datasets": words("What networks are trained and tested on.", **listed(ref("dataset"))),
        "architectures": words("The networks.", **listed(ref("architecture"))),
        "policies": words("Which format each part of a network has, by name.", **policies.policies()),
        "methods": words("How a format enters; ptq if absent.", **listed(ref("method"))),
        "training": words("How networks are trained; each option may be a list.", **ref("training")),
        "runtime": words("On what trials run; each option may be a list.", **ref("runtime")),
        "seeds": words("Of initialisation and data order; 0 if absent.", **seeds),
        "repeats": words(
            "Runs of each trial, for its times.", type="integer", minimum=1, maximum=MAX_REPEATS
        ),
        "zip": words(
            "Groups of axes that are walked together, such as [[architectures, training.epochs]].",
            type="array",
            **cases(
                ({"type": "array", "items": {"type": "string"}, "minItems": 1}, group),
                otherwise={"items": group},
            ),
        ),
        "exclude": words("Cells to leave out.", type="array", items=exclusion),
        "include": words("Cells to add.", type="array", items=inclusion),
        "report": words("What the report shows.", **_inlined(ReportOptions)),
    }


def _axes(model: type[BaseModel], texts: dict[str, str]) -> dict[str, Schema]:
    """Return the schema of each option: a value, a list of values, or a sweep."""
    properties = model.model_json_schema()["properties"]
    found = {}
    for name, text in texts.items():
        value = {key: entry for key, entry in properties[name]["items"].items() if key != "title"}
        default = properties[name]["default"][0]
        found[name] = words(
            text,
            **cases((has("each"), each(value)), otherwise=listed(nullable(value))),
            **({} if default is None else {"default": default}),
        )
    return found


def _inlined(model: type[BaseModel]) -> Schema:
    """Return the schema of a model without titles and definitions of its own."""
    whole = model.model_json_schema()
    inner = whole.pop("$defs", {})

    def clean(entry: Any) -> Any:
        if isinstance(entry, list):
            return [clean(item) for item in entry]
        if not isinstance(entry, dict):
            return entry
        if "$ref" in entry:
            return clean(inner[entry["$ref"].rsplit("/", 1)[1]])
        return {key: clean(value) for key, value in entry.items() if not _is_title(key, value)}

    schema: Schema = clean(whole)
    schema.pop("description", None)
    return schema


def _is_title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)
