"""What an editor needs of policies beside their models: names of formats, sweeps, and what null removes."""

from __future__ import annotations

from precision.grid.editor.parts import NULL, Schema, cases, each, has, ref, sweepable
from precision.quantization.policy.options import (
    AccumulatorOptions,
    CalibrationOptions,
    PolicyOptions,
    SettingOptions,
    SlotOptions,
)
from precision.registry import FORMATS

_MAPPINGS = (SettingOptions, AccumulatorOptions, CalibrationOptions, SlotOptions, PolicyOptions)
_ENTRIES = ("Slot", "Override", "PolicyEntry")


def definitions(derived: dict[str, Schema]) -> dict[str, Schema]:
    """Return the definitions of policies, from those that were derived of their models."""
    found = {kind.__name__: sweepable(derived[kind.__name__]) for kind in _MAPPINGS}
    for name in _ENTRIES:  # which an extending file removes by null
        found[name] = cases((has("each"), each(ref(name))), (NULL, {}), otherwise=derived[name])
    names = [name for name in FORMATS if FORMATS.owner(name).builtin]
    text = (
        "A number format, such as float16, fixed(8,4) or block(int(8),32); 'precision formats' lists them: "
        f"{', '.join(names)}. Inside {{ }} and [ ] a format with a comma stands in quotes."
    )
    return {**found, "Format": {"description": text, "anyOf": [{"enum": names}, derived["Format"]]}}
