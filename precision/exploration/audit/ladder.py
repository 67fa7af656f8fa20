"""The formats that an audit tries, by the kind of hardware that computes in them, from 16 bits to 4.

- Integers with real scales, as inference engines have them: a scale for each channel of the weights, one and
  a zero point for the activations (B. Jacob et al., CVPR 2018). Biases are 32-bit integers in such an engine,
  and stay as they are here.
- Fixed point, as it is synthesised for an FPGA: a binary point for each tensor, chosen by calibration.
- Floating point of 8 and 4 bits as GPUs have it: FP8 with a scale per tensor, and OCP MX and NVFP4 blocks.

Every rung rounds weights, activations and images. Batch normalisations are folded first, as deployment does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from precision.errors import unknown

_COMMON: dict[str, Any] = {"calibration": {"images": 512, "observer": "mse"}, "fold_batch_norm": True}


@dataclass(frozen=True)
class Target:
    """A kind of hardware, with the policies that it can compute, by label, as plain data of a grid.

    Attributes:
        name: as ``--target`` takes it.
        title: in words.
        files: the kinds of files that such hardware reads, the usual one first; see ``deployed``.
    """

    name: str
    title: str
    policies: Mapping[str, Mapping[str, Any]]
    files: tuple[str, ...]


def _integers(weights: int, activations: int) -> dict[str, Any]:
    values = {"format": f"int({activations})", "scaling": "real", "zero_point": True}
    return {
        "weights": {"format": f"int({weights},symmetric=true)", "scaling": "real", "per": "channel"},
        "activations": values,
        "inputs": values,
        **_COMMON,
    }


def _fixed(weights: int, activations: int) -> dict[str, Any]:
    return {
        "weights": f"fixed({weights},auto)",
        "biases": f"fixed({activations},auto)",
        "activations": f"fixed({activations},auto)",
        "inputs": f"fixed({activations},auto)",
        **_COMMON,
    }


def _same(number_format: str, **scaling: str) -> dict[str, Any]:
    setting: Any = {"format": number_format, **scaling} if scaling else number_format
    return {**dict.fromkeys(("weights", "biases", "activations", "inputs"), setting), **_COMMON}


def _blocks(weights: str, activations: str) -> dict[str, Any]:
    # A bias is added to the sum, which such hardware keeps in 16 bits or more.
    return {
        "weights": weights,
        "biases": "bfloat16",
        "activations": activations,
        "inputs": activations,
        **_COMMON,
    }


TARGETS = (
    Target(
        "integer",
        "integer hardware",
        {
            "int16": _integers(16, 16),
            "int8x16": _integers(8, 16),
            "int8": _integers(8, 8),
            "int6": _integers(6, 6),
            "int4x8": _integers(4, 8),
            "int4": _integers(4, 4),
        },
        ("LiteRT", "ONNX"),
    ),
    Target(
        "fixed",
        "fixed point on an FPGA",
        {
            "fixed16": _fixed(16, 16),
            "fixed12": _fixed(12, 12),
            "fixed10": _fixed(10, 10),
            "fixed8": _fixed(8, 8),
            "fixed6": _fixed(6, 6),
            "fixed4x8": _fixed(4, 8),
            "fixed4": _fixed(4, 4),
        },
        ("QONNX", "ONNX", "LiteRT"),
    ),
    Target(
        "float",
        "FP8 and FP4 hardware",
        {
            "bfloat16": _same("bfloat16"),
            "float16": _same("float16"),
            "mxfp8": _blocks("mxfp8_e4m3", "mxfp8_e4m3"),
            "fp8_e5m2": _same("float8_e5m2", scaling="real"),
            "fp8_e4m3": _same("float8_e4m3fn", scaling="real"),
            "mxfp6": _blocks("mxfp6_e2m3", "mxfp6_e2m3"),
            "mxfp4x8": _blocks("mxfp4_e2m1", "mxfp8_e4m3"),
            "nvfp4": _blocks("nvfp4", "nvfp4"),
            "mxfp4": _blocks("mxfp4_e2m1", "mxfp4_e2m1"),
        },
        ("ONNX", "LiteRT"),
    ),
)
"""Each with its largest format first."""


def chosen(names: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets of these names; all of them for none.

    Raises:
        PrecisionError: for a name that no target has.
    """
    wanted = list(names)
    known = [target.name for target in TARGETS]
    for name in wanted:
        if name not in known:
            raise unknown("target", name, known)
    return tuple(target for target in TARGETS if not wanted or target.name in wanted)
