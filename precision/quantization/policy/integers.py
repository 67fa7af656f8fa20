"""What a policy has to say so that a network computes with integers alone."""

from __future__ import annotations

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.errors import PrecisionError
from precision.formats import Lattice
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting

WIDEST = 8  # bits of an operand
EXAMPLE = '{format: "int(8,symmetric=true)", scaling: real, per: channel}'


def codes_of(setting: Setting, what: str) -> tuple[int, int, float]:
    """Return the least and the largest code of a setting, and the step of its format beside any scale.

    Args:
        what: begins the sentence of an error, in the plural.

    Raises:
        PrecisionError: when its values are not integers of at most 8 bits times a step.

    >>> from precision.formats import parse
    >>> from precision.quantization.policy.settings import Setting
    >>> codes_of(Setting(parse("fixed(8,4)")), "the weights")
    (-128, 127, 0.0625)
    """
    f = setting.number_format
    if not isinstance(f, Lattice) or f.floating:
        problem = f"are in {f}, which is no integer times a step; take int(8) with a scale, or fixed point"
    elif f.overflow == "wrap":
        problem = f"are in {f}, which wraps around; codes saturate, and it is the register that may wrap"
    elif f.bits > WIDEST:
        problem = f"have {f.bits} bits in {f}; the operands of integer arithmetic have at most {WIDEST}"
    elif setting.rounding != "nearest":
        problem = f"are rounded {setting.rounding}; integer arithmetic rounds codes to nearest"
    else:
        step = 2.0**f.exponent
        return round(f.low / step), round(f.high / step), step
    raise PrecisionError(f"{what} {problem}")


def check_weights(setting: Setting, what: str) -> None:
    """Refuse weights that :func:`codes_of` refuses, or with a zero point."""
    codes_of(setting, what)
    if setting.scaling.zero_point:
        raise PrecisionError(
            f"{what} have a zero point; integer arithmetic takes symmetric weights, such as {EXAMPLE}"
        )


def check_activations(setting: Setting, what: str) -> None:
    """Refuse activations or images that :func:`codes_of` refuses, or with several scales."""
    codes_of(setting, what)
    if setting.per_channel:
        raise PrecisionError(
            f"{what} have a scale for each channel, so that a sum over channels has no unit; take "
            "'per: tensor'"
        )
    if setting.scaling.dynamic and setting.scaling.zero_point:
        raise PrecisionError(
            f"{what} have a zero point that moves with each image, which is not computed in integers; leave "
            "'zero_point' out where the policy says 'dynamic: true'"
        )


def check_integers(policy: Policy) -> None:
    """Refuse a policy that leaves a tensor of a network of integers without codes.

    Biases need none: they are integers in the units of the sums.

    Raises:
        PrecisionError: naming the slot and what to write.
    """
    for slot in ("weights", "activations", "inputs"):
        if policy.slots.get(slot) is None:
            raise PrecisionError(
                f"a network of integers needs {slot} in integers; give the policy '{slot}' in int(8) with a "
                "scale or in fixed point, as the policy int8 has them"
            )
    if policy.exempt:
        raise PrecisionError(
            f"a network of integers has no part in float32; leave out 'exempt: {policy.exempt[0]}'"
        )
    for slot, setting in policy.settings():
        if slot == "weights" and isinstance(setting, Setting):
            check_weights(setting, "weights")
        elif slot in ("activations", "inputs") and isinstance(setting, Setting):
            check_activations(setting, slot)
        elif slot in ("gradients", "optimizer_state"):
            raise PrecisionError(f"{slot} have no part in integer inference; leave {slot!r} out")
        elif isinstance(setting, Accumulator):
            raise PrecisionError(
                f"accumulators of {setting} hold real numbers; a network of integers has registers: write "
                "register(16), or register(16,overflow=saturate)"
            )
