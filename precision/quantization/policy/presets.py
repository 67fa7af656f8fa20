"""The usual policies of integers, each by one word; docs/policies.md has what they expand to."""

from __future__ import annotations

from typing import Any

from precision.registry import FORMATS

_AFFINE = {"format": "int(8)", "scaling": "real", "zero_point": True}

PRESETS: dict[str, dict[str, Any]] = {
    "int8": {
        "weights": {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"},
        "activations": _AFFINE,
        "inputs": _AFFINE,
    },
    "int8_dynamic": {
        "weights": {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"},
        "activations": {**_AFFINE, "dynamic": True},
        "inputs": {**_AFFINE, "dynamic": True},
    },
    "int4_weights": {"weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"}},
}
"""By name, the slots of the policy; what is not named stays float32."""


def expanded(spec: Any) -> Any:
    """Return the slots that a preset stands for, and anything else as it is.

    A format of that name, which a plugin may have, comes first.
    """
    name = spec.strip() if isinstance(spec, str) else None
    if name is None or name not in PRESETS or name in FORMATS:
        return spec
    return PRESETS[name]
