"""What a policy may say: its keys, the values of each, and what they are where the policy is silent.

The parsers of settings, accumulators and policies read single options with :func:`option`; the JSON schema of
grids is derived from the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypeAliasType

from precision.errors import LocatedError, PrecisionError, unknown
from precision.formats.families.microscaling import MOST
from precision.formats.rounding import HLS, ROUNDINGS, parse_rounding
from precision.options import Flag, Options, Rule, read_option
from precision.registry import OBSERVERS, TRANSFORMS, Registry

BLOCK = 32  # values that share a scale where the policy does not say how many
PERCENTILE = 99.9
IMAGES = 512
IDENTIFIER = r"^[A-Za-z_]\w*$"  # a name that a plugin may have given

Format = TypeAliasType(
    "Format",
    Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\s*[A-Za-z]\w*\s*(\(.*\))?\s*$"})],
)
Rounding = TypeAliasType(
    "Rounding",
    Annotated[
        str,
        BeforeValidator(lambda text: str(parse_rounding(text))),
        WithJsonSchema(
            {
                "description": "How a value between two representable ones is rounded.",
                "anyOf": [
                    {"enum": [*ROUNDINGS, *HLS]},
                    {"type": "string", "pattern": r"^\s*stochastic\s*\(.*\)\s*$"},
                ],
            }
        ),
    ],
)


def _known(registry: Registry) -> BeforeValidator:
    """Return what refuses a name that a registry does not have."""

    def known(name: Any) -> Any:
        if not isinstance(name, str):
            raise unknown(registry.kind, name, registry)
        registry[name]
        return name

    return BeforeValidator(known)


def _names(registry: Registry, description: str) -> WithJsonSchema:
    """Return the schema of a name of a registry: what is built in, and whatever a plugin may have given."""
    registry.fill()
    built_in = [name for name in registry if registry.owner(name).builtin]
    either: list[dict[str, Any]] = [{"enum": built_in}, {"type": "string", "pattern": IDENTIFIER}]
    return WithJsonSchema({"description": description, "anyOf": either})


Observer = TypeAliasType(
    "Observer",
    Annotated[str, _known(OBSERVERS), _names(OBSERVERS, "How a calibrated range is chosen.")],
)
Transform = TypeAliasType(
    "Transform",
    Annotated[
        str, _known(TRANSFORMS), _names(TRANSFORMS, "What changes the weights before they are rounded.")
    ],
)
Percentile = Annotated[
    float,
    Field(gt=50, le=100, description="Share of the values, in percent, that stay in range."),
    Rule("a number with 50 < percentile <= 100"),
]
Exemption = Literal["first", "last", "additions", "pooling"]


class SettingOptions(Options):
    """A format, and how it is scaled."""

    format: Format
    rounding: Rounding = "nearest"
    scaling: Literal["none", "pow2", "real"] = "none"
    per: Literal["tensor", "channel", "block"] = "tensor"
    block: Annotated[  # the format of blocks itself refuses more
        int, Field(ge=1, json_schema_extra={"maximum": MOST}), Rule("a whole number of values above 0")
    ] = BLOCK
    zero_point: Flag | None = False
    dynamic: Flag | None = None
    observer: Observer = "minmax"
    percentile: Percentile = PERCENTILE


Slot = TypeAliasType("Slot", Format | SettingOptions)


class AccumulatorOptions(Options):
    """The format of a running sum, and how often the sum is rounded to it."""

    format: Format
    every: Annotated[int, Field(ge=1), Rule("a whole number of steps above 0")] = 1
    products: Slot = "float32"
    rounding: Rounding = "nearest"


class CalibrationOptions(Options):
    """What calibration looks at, and how it chooses ranges."""

    images: Annotated[int, Field(ge=1), Rule("a whole number above 0")] = IMAGES
    observer: Observer = "minmax"
    percentile: Percentile = PERCENTILE


class SlotOptions(Options):
    """What a layer has of its own, by slot."""

    weights: Slot = Field(default="float32", description="Weights of the layers.")
    biases: Slot = Field(default="float32", description="Biases of the layers.")
    activations: Slot = Field(default="float32", description="Outputs of the layers.")
    inputs: Slot = Field(default="float32", description="The images.")
    gradients: Slot = Field(
        default="float32", description="Gradients of the weights, while a network is trained."
    )
    optimizer_state: Slot = Field(default="float32", description="What the optimizer keeps between steps.")
    accumulators: Format | AccumulatorOptions = Field(
        default="float32", description="Running sums inside convolutions and matrix products."
    )
    multipliers: Format = Field(
        default="exact", description="What multiplies integers; method integer computes with it."
    )


Override = TypeAliasType("Override", Format | SettingOptions | SlotOptions)


class PolicyOptions(SlotOptions):
    """Slots, and what holds for all of them; what is not named stays float32."""

    rounding: Rounding = Field(default="nearest", description="Of every slot without one of its own.")
    layers: dict[str, Override] = Field(
        default={},
        description="What differs by layer: a name, a wildcard, class:Dense, @first or @last; later wins.",
    )
    exempt: Exemption | list[Exemption] = Field(default=[], description="What stays float32.")
    calibration: CalibrationOptions = Field(
        default=CalibrationOptions(), description="How ranges are chosen that scales map."
    )
    fold_batch_norm: Flag = Field(
        default=False, description="Fold normalisations into the layers before them first."
    )
    transforms: Annotated[list[Transform], Rule("a list of names, such as [equalize]")] = Field(
        default=[], description="What changes the weights before they are rounded, one after the other."
    )


# A format text is for the computed slots.
PolicyEntry = TypeAliasType("PolicyEntry", Format | SettingOptions | PolicyOptions)


def option(
    model: type[Options], given: Mapping[str, Any], key: str, location: tuple[str, ...], default: Any = None
) -> Any:
    """Return one of the options that are given, or its default.

    Args:
        location: the way to them in the policy.
        default: instead of that of the model.

    Raises:
        LocatedError: with the rule and the value.
    """
    if key not in given:
        return model.model_fields[key].default if default is None else default
    try:
        return read_option(model, key, given[key])
    except PrecisionError as error:
        raise LocatedError((*location, key), str(error)) from None
