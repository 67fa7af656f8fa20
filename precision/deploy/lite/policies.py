"""Which policies a LiteRT file can carry, and as what; others are refused by name, before anything runs."""

from __future__ import annotations

from precision.arithmetic.accumulators.register import Register
from precision.errors import PrecisionError, short
from precision.formats import parse
from precision.quantization.policy.integers import check_integers
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting

HALF = "{weights: float16, biases: float16}"
KINDS = {
    "float32": "float32",
    "float16": "weights in float16, sums in float32",
    "dynamic": "weights in int8, activations rounded while it runs",
    "int8": "integers of 8 bits",
    "int16x8": "activations of 16 bits, weights of 8 bits",
}
SCALES = ("ours", "converter")
_ROUNDED = ("weights", "activations", "inputs")


def kind_of(policy: Policy, scales: str) -> str:
    """Return as what a policy is written into a file, a key of ``KINDS``.

    Args:
        scales: ``ours``, those of the emulation, or ``converter``, which calibrates by itself.

    Raises:
        PrecisionError: for what the format, or the converter, has no words for.
    """
    if policy.is_float32:
        return "float32"
    for slot, setting in policy.settings():
        if isinstance(setting, Register) and setting.bits >= 32 and setting.overflow == "wrap":
            continue  # as LiteRT has
        if not isinstance(setting, Setting):
            raise PrecisionError(
                f"LiteRT multiplies exactly and sums in 32 bits, so {slot} in {setting} cannot be written; "
                f"leave {slot!r} out, or use method integer"
            )
        if slot not in (*_ROUNDED, "biases"):
            raise PrecisionError(
                f"a LiteRT file trains nothing, so {slot!r} has no place in it; leave it out"
            )
    if _is_half(policy):
        return "float16"
    if any("float" in str(setting) for _, setting in policy.settings()):
        raise PrecisionError(
            "LiteRT keeps weights in float16 and computes in float32; it knows no other such format, but got "
            f"'{short(str(policy))}'; write {HALF}, or use ptq for it"
        )
    if any(getattr(s, "scaling", None) and s.scaling.dynamic for s in _of(policy, "activations")):
        _check_converter(policy, scales, "dynamic", "int(8)", True)
        return "dynamic"
    if any(s.number_format.bits > 8 for s in _of(policy, "activations")):
        _check_converter(policy, scales, "int16x8", "int(16,symmetric=true)", False)
        return "int16x8"
    if scales == "converter":
        _check_converter(policy, scales, "int8", "int(8)", True)
    _check_ours(policy)
    return "int8"


def _of(policy: Policy, slot: str) -> list[Setting]:
    return [s for name, s in policy.settings() if name == slot and isinstance(s, Setting)]


def _is_half(policy: Policy) -> bool:
    if policy.layers or policy.exempt or set(policy.slots) - {"weights", "biases"}:
        return False
    found = [policy.slots.get(slot) for slot in ("weights", "biases")]
    return all(isinstance(s, Setting) and str(s) == "float16" for s in found)


def _check_ours(policy: Policy) -> None:
    check_integers(policy)
    if "additions" in policy.exempt:
        raise PrecisionError("LiteRT rounds what it adds; leave out 'exempt: additions'")


def _check_converter(policy: Policy, scales: str, kind: str, activations: str, zero_point: bool) -> None:
    """Refuse what the converter does not make, and what it alone makes where it is not asked to."""
    ours = ", or take 'scales: ours'" if kind == "int8" else ""
    if policy.layers or policy.exempt:
        raise PrecisionError(
            f"'{short(str(policy))}' is {KINDS[kind]}, which the converter of LiteRT gives all layers alike; "
            f"leave out 'layers' and 'exempt'{ours}"
        )
    wanted = {"weights": ("int(8,symmetric=true)", "channel", False)}
    wanted |= dict.fromkeys(("activations", "inputs"), (activations, "tensor", zero_point))
    for slot, (text, per, affine) in wanted.items():
        setting = policy.slots.get(slot)
        found = (
            (setting.number_format.name, setting.scaling.per, setting.scaling.zero_point)
            if isinstance(setting, Setting)
            else None
        )
        if found != (parse(text).name, per, affine):
            raise PrecisionError(
                f"the converter of LiteRT writes {KINDS[kind]} with {slot} in {text}, a real scale per "
                f"{per}, {'with' if affine else 'without'} a zero point, but got "
                f"'{setting or 'float32'}'; write that{ours}"
            )
    if scales != "converter":
        raise PrecisionError(
            f"'{short(str(policy))}' is {KINDS[kind]}, which the converter alone writes: add 'scales: "
            "converter'"
        )
