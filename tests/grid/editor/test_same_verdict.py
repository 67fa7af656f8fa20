"""Reading a grid and its JSON schema say the same of every option: both follow from one model."""

import json

import jsonschema
import pytest

from precision.data.options import COMMON
from precision.errors import PrecisionError
from precision.grid import load_grid
from precision.grid.editor import json_schema
from precision.grid.file.schema import RuntimeAxes, TrainingAxes
from precision.quantization.policy.options import (
    AccumulatorOptions,
    CalibrationOptions,
    PolicyOptions,
    SettingOptions,
    SlotOptions,
)
from precision.registry import ARCHITECTURES, DATASETS, METHODS, OBSERVERS

SCHEMAS = [kind(json_schema()) for kind in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator)]
VALUES = [
    *(-1, 0, 0.2, 0.5, 0.9, 0.95, 1, 1.5, 2, 8, 14, 20, 30, 50, 50.5, 99.9, 100, 101, 200, 70000, 2**31),
    *(True, False, None, "", "8", "word", "float16", "fixed(8,4)", "stochastic(8)", "TRN", "first"),
    *("baseline", "scratch", "clipped", "straight", "auto", "dynamic", "rgb", "gray", "percentile", "mse"),
    *("white", "fresh", "single", "exact", "direct", "ours", "reference", "fused"),
    *("none", "pow2", "real", "tensor", "channel", "block", "adam", "cosine", "cpu", "linear", "jax"),
    *([], [1], [1, 2], [1, 1], [1, 2, 3], [1, 2, 3, 4], [0, 1], [1, "2"], [1.5, 2], [True, 2]),
    *(["first", "last"], ["first", "word"], ["adam", "sgd"]),
    *({}, {"rotation": 10}, {"rotation": 200}, {"shift": 1}, {"turn": 1}, {"images": 8}, {"images": 0}),
    *({"percentile": 30}, {"percentile": 99}, {"conv1": "float16"}, {"conv1": 3}, {"format": "fixed(8,4)"}),
]


def grid(**sections):
    base = {
        "name": "test",
        "datasets": "digits",
        "architectures": "lenet",
        "policies": {"float32": "float32"},
    }
    return {**base, **sections}


def entries(section, registry, common=()):
    for name in registry:
        if registry.owner(name).builtin and name != "float32":
            options = registry.options(name)
            needed = {key: "x" for key, p in options.items() if p.default is p.empty}
            for key in dict.fromkeys((*(common if name == "npz" else ()), *options)):
                if key == "label":  # that of the entry
                    continue
                yield (
                    f"{section} {name} {key}",
                    lambda value, name=name, key=key, needed=needed: grid(
                        **{section: [{"name": name, **needed, key: value}]}
                    ),
                )


def policy(**keys):
    return grid(policies={"float32": "float32", "mine": keys})


SCALED = {"format": "int(8)", "scaling": "real"}
BESIDE = {  # what gives a key an effect
    "scaling": {"format": "int(8)"},
    "block": {**SCALED, "per": "block"},
    "percentile": {**SCALED, "observer": "percentile"},
}


def settings():
    for key in SettingOptions.model_fields:
        if key != "format":
            beside = BESIDE.get(key, SCALED)
            yield f"setting {key}", lambda value, k=key, b=beside: policy(weights={**b, k: value})
    for key in AccumulatorOptions.model_fields:
        yield (
            f"accumulators {key}",
            lambda value, k=key: policy(accumulators={"format": "float16", k: value}),
        )
    for key in CalibrationOptions.model_fields:
        yield f"calibration {key}", lambda value, k=key: policy(calibration={k: value})
    for key in PolicyOptions.model_fields:
        yield f"policy {key}", lambda value, k=key: policy(**{k: value})
    for part, axes in (("training", TrainingAxes), ("runtime", RuntimeAxes)):
        for key in axes.model_fields:
            yield f"{part} {key}", lambda value, p=part, k=key: grid(**{p: {k: value}})
    for key in ("seeds", "repeats"):
        yield key, lambda value, k=key: grid(**{k: value})
    yield "tolerance", lambda value: grid(report={"tolerance": value})


ALL = [
    *entries("datasets", DATASETS, COMMON),
    *entries("architectures", ARCHITECTURES),
    *entries("methods", METHODS),
    *settings(),
]


FORMATS = [
    *(f"policy {slot}" for slot in SlotOptions.model_fields),
    *("accumulators format", "accumulators products"),
]


def beyond_a_schema(name, value):
    """Whether no schema can say it, or leaves it to an extending file."""
    if name == "architectures resnet depth":
        return type(value) is int and value >= 8 and value % 6 != 2
    if name.endswith(" observer"):  # a plugin may have any name
        return isinstance(value, str) and value.isidentifier() and value not in OBSERVERS
    if name == "policy transforms":  # here too
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    if name == "policy multipliers":  # likewise
        return value is None or (isinstance(value, str) and value not in ("", "8", "exact"))
    if name in FORMATS:  # a plugin may have any name
        return value is None or (isinstance(value, str) and value not in ("", "8", "float16", "fixed(8,4)"))
    if name.split()[0] in ("training", "runtime", "seeds", "repeats", "tolerance"):
        return value is None or value in ([], [1, 1])
    return False


@pytest.mark.parametrize(("name", "write"), ALL, ids=[name for name, _ in ALL])
def test_both_say_the_same(tmp_path, name, write):
    path = tmp_path / "grid.yaml"
    verdicts = set()
    for value in VALUES:
        if beyond_a_schema(name, value):
            continue
        data = write(value)
        path.write_text(json.dumps(data))
        try:
            load_grid(path)
            loaded = True
        except PrecisionError:
            loaded = False
        verdicts.add(loaded)
        for schema in SCHEMAS:
            assert schema.is_valid(data) == loaded, (value, loaded)
    assert verdicts == {True, False}
