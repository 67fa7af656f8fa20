"""The schemas of policies: formats, settings of slots, layers."""

from __future__ import annotations

from precision.formats.rounding import HLS, ROUNDINGS
from precision.grid.editor.parts import (
    Schema,
    cases,
    each,
    has,
    listed,
    mapping,
    nullable,
    ref,
    swept,
    words,
)
from precision.quantization.calibration.observers import OBSERVERS
from precision.quantization.policy.accumulators import KEYS as ACCUMULATOR_KEYS
from precision.quantization.policy.policy import COMPUTED, EXEMPTIONS, IMAGES, SLOTS
from precision.quantization.policy.settings import BLOCK, KEYS, KINDS, PER, PERCENTILE
from precision.registry import FORMATS

_SLOTS = {
    "weights": "Weights of the layers.",
    "biases": "Biases of the layers.",
    "activations": "Outputs of the layers.",
    "inputs": "The images.",
    "gradients": "Gradients of the weights, while a network is trained.",
    "optimizer_state": "What the optimizer keeps between steps.",
    "accumulators": "Running sums inside convolutions and matrix products.",
}
_WHOLE = {"type": "integer", "minimum": 1}
_FLAG = {"type": "boolean"}
_PERCENTILE = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 100,
    "default": PERCENTILE,
    "description": "Share of the values, in percent, that stay in range.",
}


def definitions() -> dict[str, Schema]:
    """Return what the schema of a policy refers to, by name."""
    return {
        "format": _format(),
        "rounding": words(
            "How a value between two representable ones is rounded.",
            anyOf=[
                {"enum": [*ROUNDINGS, *HLS]},
                {"type": "string", "pattern": r"^\s*stochastic\s*\(.*\)\s*$"},
            ],
        ),
        "setting": _setting(),
        "accumulator": _accumulator(),
        "override": _override(),
        "policy": _policy(),
    }


def policies() -> Schema:
    """Return the schema of the section ``policies``."""
    return cases(
        ({"type": "array"}, {"items": ref("format"), "minItems": 1}),
        otherwise={"type": "object", "additionalProperties": nullable(ref("policy"))},
    )


def _format() -> Schema:
    names = [name for name in FORMATS if FORMATS.owner(name).builtin]
    return words(
        "A number format, such as float16, fixed(8,4) or block(int(8),32); 'precision formats' lists them: "
        f"{', '.join(names)}. Inside {{ }} and [ ] a format with a comma stands in quotes.",
        anyOf=[{"enum": names}, {"type": "string", "pattern": r"^\s*[A-Za-z]\w*\s*(\(.*\))?\s*$"}],
    )


def _setting() -> Schema:
    """Return the schema of a slot: a format, or a mapping with a format and how it is scaled."""
    keys: dict[str, Schema] = {
        "format": swept(ref("format")),
        "rounding": swept(ref("rounding")),
        "scaling": swept({"enum": list(KINDS), "default": "none"}),
        "per": swept({"enum": list(PER), "default": "tensor"}),
        "block": swept({**_WHOLE, "default": BLOCK}),
        "zero_point": swept({**_FLAG, "default": False}),
        "dynamic": swept(_FLAG),
        "observer": swept({"enum": list(OBSERVERS), "default": "minmax"}),
        "percentile": swept(_PERCENTILE),
    }
    return cases(
        (has("each"), each(ref("setting"))),
        ({"type": "object"}, mapping({key: keys[key] for key in KEYS}, ("format",))),
        otherwise=nullable(ref("format")),
    )


def _accumulator() -> Schema:
    keys: dict[str, Schema] = {
        "format": swept(ref("format")),
        "every": swept({**_WHOLE, "default": 1}),
        "products": swept(ref("format")),
        "rounding": swept(ref("rounding")),
    }
    return cases(
        (has("each"), each(ref("accumulator"))),
        ({"type": "object"}, mapping({key: keys[key] for key in ACCUMULATOR_KEYS}, ("format",))),
        otherwise=nullable(ref("format")),
    )


def _slots() -> dict[str, Schema]:
    return {
        slot: words(_SLOTS[slot], **ref("accumulator" if slot == "accumulators" else "setting"))
        for slot in SLOTS
    }


def _override() -> Schema:
    """Return the schema of what a layer has of its own: slots, or one setting for the computed ones."""
    return cases(
        (has("each"), each(ref("override"))),
        (has("format"), ref("setting")),
        ({"type": "object"}, mapping(_slots())),
        otherwise=nullable(ref("format")),
    )


def _policy() -> Schema:
    calibration = mapping(
        {
            "images": swept({**_WHOLE, "default": IMAGES}),
            "observer": swept({"enum": list(OBSERVERS), "default": "minmax"}),
            "percentile": swept(_PERCENTILE),
        }
    )
    more: dict[str, Schema] = {
        "rounding": words("Of every slot without one of its own.", **swept(ref("rounding"))),
        "layers": words(
            "What differs by layer: a name, a wildcard, class:Dense, @first or @last; later wins.",
            type="object",
            additionalProperties=ref("override"),
        ),
        "exempt": words("What stays float32.", **swept(listed({"enum": list(EXEMPTIONS)}))),
        "calibration": words("How ranges are chosen that scales map.", **swept(calibration)),
        "fold_batch_norm": words("Fold normalisations into the layers before them first.", **swept(_FLAG)),
    }
    text = f"A format for {', '.join(COMPUTED)}, or a mapping of slots; what is not named stays float32."
    return words(
        text,
        **cases(
            (has("each"), each(ref("policy"))),
            (has("format"), ref("setting")),
            ({"type": "object"}, mapping({**_slots(), **more})),
            otherwise=ref("format"),
        ),
    )
