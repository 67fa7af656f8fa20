"""In which element type of ONNX the values of a setting are stored, or why in none.

QuantizeLinear has integers of 8 and 16 bits with a scale: it computes clip(rint(x / s) + z). So it says fixed
point too, whose scale is the step of the format, and integers of other widths in the next wider type with a
Clip behind. Constants may have 4 bits. Floating-point types of 8 bits, float16 and bfloat16 are said by Cast.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from precision import formats
from precision.errors import PrecisionError
from precision.formats import Lattice, NumberFormat
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting

# By name, least and largest code. A Clip of the runtime takes those of 8 bits alone.
INTEGERS = {
    "INT4": (-8, 7),
    "UINT4": (0, 15),
    "INT8": (-128, 127),
    "UINT8": (0, 255),
    "INT16": (-(2**15), 2**15 - 1),
    "UINT16": (0, 2**16 - 1),
    "INT32": (-(2**31), 2**31 - 1),
}
CLIPPED = ("INT8", "UINT8")
WIDE = ("INT4", "UINT4", "INT16", "UINT16")
SHIFT = 128  # between INT8 and UINT8
# Types of constants. QuantizeLinear does not write INT32, and ONNX Runtime 1.32 refuses a Clip before one
# that writes 4 bits.
STORED_ALONE = ("INT4", "UINT4", "INT32")
WITHOUT_ZERO = "INT32"
FLOATS = {
    "float8_e4m3fn": "FLOAT8E4M3FN",
    "float8_e4m3fnuz": "FLOAT8E4M3FNUZ",
    "float8_e5m2": "FLOAT8E5M2",
    "float8_e5m2fnuz": "FLOAT8E5M2FNUZ",
}
CASTS = {"float16": "FLOAT16", "bfloat16": "BFLOAT16"}
SAID = (
    "int(n), uint(n) and fixed point of at most 16 bits, float8_e4m3fn, float8_e5m2, their fnuz relatives, "
    "float16 and bfloat16"
)


@dataclass(frozen=True)
class Element:
    """How a tensor is stored.

    Attributes:
        kind: ``integer``, ``float8`` or ``cast``.
        type: of ONNX, by name.
        low, high: the least and the largest code of integers.
        step: what one code stands for beside the scale, a power of two.
        saturate: whether what lies beyond the range ends there, of ``float8``.
        number_format: that it was chosen for; None of integers in the units of sums.
    """

    kind: str
    type: str
    number_format: NumberFormat | None = None
    low: int = 0
    high: int = 0
    step: float = 1.0
    saturate: bool = True

    @property
    def wide(self) -> bool:
        """Whether only the later version of the operators has the type."""
        return self.type in WIDE

    def unsigned(self) -> Element:
        """Return the element with codes of 8 bits that are larger by 128."""
        return replace(self, type="UINT8", low=self.low + SHIFT, high=self.high + SHIFT)

    @property
    def clips(self) -> bool:
        """Whether the type has codes that the format has not."""
        return self.kind == "integer" and (self.low, self.high) != INTEGERS[self.type]


def element_of(setting: Setting, what: str, *, stored: bool) -> Element:
    """Return the element of a setting.

    Args:
        what: begins the sentence of an error, in the plural.
        stored: whether the values are constants of the file, whose codes need no Clip.

    Raises:
        PrecisionError: for what ONNX has no nodes for.

    >>> from precision.formats import parse
    >>> from precision.quantization.policy.settings import Setting
    >>> fixed = element_of(Setting(parse("fixed(8,4)")), "the weights", stored=True)
    >>> fixed.type, fixed.step
    ('INT8', 0.0625)
    """
    f = setting.number_format
    if setting.rounding != "nearest":
        raise PrecisionError(f"{what} are rounded {setting.rounding}; ONNX rounds to nearest alone")
    if isinstance(f, Lattice) and f.floating and (found := _floating(f, setting)):
        return found
    if isinstance(f, Lattice) and not f.floating and f.overflow == "saturate":
        step = 2.0**f.exponent
        low, high = round(f.low / step), round(f.high / step)
        if name := _container(low, high, stored):
            return Element("integer", name, f, low, high, step)
    raise PrecisionError(f"{what} are in {f}, which ONNX cannot say; it has {SAID}")


def is_lattice(setting: Setting) -> bool:
    """Return whether the codes of a setting are integers, which have no NaN."""
    return isinstance(setting.number_format, Lattice) and not setting.number_format.floating


def check_scale(setting: Setting, what: str) -> None:
    """Refuse the scale of activations that moves with the tensor at hand.

    Raises:
        PrecisionError: saying what to write instead.
    """
    if setting.scaling.dynamic:
        raise PrecisionError(
            f"{what} have a scale that follows from each tensor, which QuantizeLinear does not compute; "
            "leave 'dynamic: true' out"
        )


def check_policy(policy: Policy) -> None:
    """Refuse a policy that no network could be written under, whatever its layers.

    Raises:
        PrecisionError: naming the slot.
    """
    for slot, setting in policy.settings():
        if isinstance(setting, Setting) and slot in ("weights", "biases", "activations", "inputs"):
            stored = slot in ("weights", "biases")
            element_of(setting, slot, stored=stored)
            if not stored:
                check_scale(setting, slot)
        elif not isinstance(setting, Setting | None):
            raise PrecisionError(
                f"{slot} of {setting} are no part of an ONNX file, whose runtime sums as it likes; leave "
                f"{slot!r} out"
            )


def _container(low: int, high: int, stored: bool) -> str:
    """Return the narrowest type of integers that has all codes; empty where there is none."""
    found = (name for name, (least, most) in INTEGERS.items() if least <= low and high <= most)
    return next((name for name in found if stored or name not in STORED_ALONE), "")


def _floating(f: Lattice, setting: Setting) -> Element | None:
    for name, element in FLOATS.items():
        beyond = {"saturate": True, formats.parse(name).overflow: False}  # type: ignore[attr-defined]
        if f.overflow in beyond and _same(f, name):
            return Element("float8", element, f, saturate=beyond[f.overflow])
    for name, element in CASTS.items():
        if f.overflow == "infinity" and not setting.scaled and _same(f, name):
            return Element("cast", element, f)
    return None


def _same(f: Lattice, name: str) -> bool:
    """Return whether two formats have the same values, however they are called and whatever lies beyond."""
    other = formats.parse(name)
    assert isinstance(other, Lattice)
    return astuple(replace(f, name="", overflow="")) == astuple(replace(other, name="", overflow=""))
