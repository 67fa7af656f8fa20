"""A setting: how the tensors of one slot are rounded: the format, the rounding mode and the scaling.

In YAML it is a format text, or a mapping that says more:

    weights: {format: "int(8,symmetric=true)", scaling: real, per: channel}
    activations: {format: int(8), scaling: real, zero_point: true, observer: percentile, percentile: 99.99}
    gradients: {format: float8_e5m2, scaling: pow2, dynamic: true, rounding: stochastic}

``fixed(8,auto)`` is short for 8-bit fixed point whose binary point is chosen for each tensor: a power of two
as scale (dynamic fixed point: M. Courbariaux et al. 2014, arXiv:1412.7024; P. Gysel et al. 2016, "Hardware-
oriented Approximation of Convolutional Neural Networks", arXiv:1604.03168).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.formats import Codebook, Lattice, NumberFormat, parse, parse_rounding
from precision.formats.kernels.callback import ArrayFormat
from precision.quantization.policy.options import PERCENTILE, SettingOptions, option


@dataclass(frozen=True)
class Scaling:
    """How a tensor is mapped onto the range of its format: y = s * Q(x / s).

    Attributes:
        kind: ``none`` (s = 1), ``pow2`` or ``real``.
        per: what shares a scale: a ``tensor`` or a ``channel`` (of a weight: what makes one output channel).
            Blocks have no scaling of this kind: they are formats of their own, ``block(int(8),32)``.
        zero_point: affine: s and an offset z map [low, high] onto all codes, y = s * (code - z).
        dynamic: whether the range is that of the tensor at hand. None: of a weight under ``minmax`` while it
            is trained, as it moves; otherwise the range is calibrated once.
        observer: how a calibrated range is chosen, see ``quantization.calibration.observers``.
        percentile: share of the values, in percent, that the observer ``percentile`` keeps in range.

    >>> from precision.quantization import Scaling
    >>> Scaling("real", per="channel").zero_point
    False
    """

    kind: str = "none"
    per: str = "tensor"
    zero_point: bool = False
    dynamic: bool | None = None
    observer: str = "minmax"
    percentile: float = PERCENTILE


NO_SCALING = Scaling()


@dataclass(frozen=True)
class Setting:
    """How one slot of one layer is rounded; immutable, and equal where the numbers are.

    >>> from precision.formats import parse
    >>> from precision.quantization import Scaling, Setting
    >>> str(Setting(parse("int(8)"), scaling=Scaling("real")))
    'int(8) scale per tensor minmax'
    """

    number_format: NumberFormat
    rounding: str = "nearest"
    scaling: Scaling = NO_SCALING

    def formats(self) -> list[NumberFormat]:
        """Return the formats that it names."""
        return [self.number_format]

    @property
    def scaled(self) -> bool:
        """Whether there is a scale beside the format."""
        return self.scaling.kind != "none"

    @property
    def per_channel(self) -> bool:
        """Whether every channel has a scale of its own."""
        return self.scaled and self.scaling.per == "channel"

    @property
    def calibrated(self) -> bool:
        """Whether activations need a range from calibration."""
        return self.scaled and not self.scaling.dynamic

    def to_json(self, rounding: str = "nearest") -> str | dict[str, Any]:
        """Return the setting as :func:`parse_setting` reads it: a format text where that says it all.

        Args:
            rounding: mode that need not be written, because it is that of the whole policy.
        """
        data: dict[str, Any] = {"format": self.number_format.name}
        if self.rounding != rounding:
            data["rounding"] = self.rounding
        s = self.scaling
        if self.scaled:
            data |= {"scaling": s.kind, "per": s.per, "zero_point": s.zero_point, "observer": s.observer}
            if s.dynamic is not None:
                data["dynamic"] = s.dynamic
            if s.observer == "percentile":
                data["percentile"] = s.percentile
        return data if len(data) > 1 else self.number_format.name

    def __str__(self) -> str:
        words = [self.number_format.name]
        if self.scaled:
            s = self.scaling
            words += ["affine" if s.zero_point else "", "2^k" if s.kind == "pow2" else "scale", "per", s.per]
            words += ["dynamic" if s.dynamic else s.observer]
            if s.observer == "percentile" and not s.dynamic:
                words += [f"{s.percentile:g}"]
        if self.rounding != "nearest":
            words += [self.rounding]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Defaults:
    """What the settings of a policy have in common unless they say otherwise."""

    rounding: str = "nearest"
    observer: str = "minmax"
    percentile: float = PERCENTILE


# YAML reads {weights: fixed(8,6)} as two entries.
QUOTES = 'inside { } and [ ] write a format in quotes, such as "fixed(8,6)"'
_AUTO = re.compile(r"\s*(fixed|ufixed)\(\s*(\d+)\s*,\s*auto\s*(,.*)?\)\s*", re.DOTALL)


def parse_setting(spec: Any, location: tuple[str, ...], defaults: Defaults = Defaults()) -> Setting | None:
    """Return the setting that a format text or a mapping describes; None is float32 as it comes.

    Args:
        location: the way to it in the policy, for errors.

    Raises:
        LocatedError: for an unknown key, format, rounding or observer, and for options that contradict.
    """
    options = dict(spec) if isinstance(spec, Mapping) else {"format": spec}
    for key in options:
        if key not in SettingOptions.model_fields:
            hint = QUOTES if ")" in str(key) else suggest(key, SettingOptions.model_fields)
            raise LocatedError((*location, str(key)), f"unknown key {shown(key)} of a slot; {hint}")
    if "format" not in options:
        raise LocatedError(location, "a slot needs a 'format:', such as {format: int(8), scaling: real}")
    where = (*location, "format") if isinstance(spec, Mapping) else location
    number_format, automatic = _format(options["format"], where)
    rounding = _rounding(options.get("rounding", defaults.rounding), number_format, location, options)
    if isinstance(number_format, Codebook) and rounding != "nearest":
        _check_table(number_format, rounding, where)
    if automatic and "scaling" in options:
        raise LocatedError(
            (*location, "scaling"), f"{options['format']} has a power of two as scale; leave 'scaling' out"
        )
    kind = "pow2" if automatic else option(SettingOptions, options, "scaling", location)
    if kind == "none":
        for key in options:
            if key not in ("format", "rounding", "scaling"):
                raise LocatedError(
                    (*location, key), f"{shown(key)} has no effect without 'scaling: pow2' or 'scaling: real'"
                )
        # In every rounding mode: tensors are float32 already.
        return None if number_format.name == "float32" else Setting(number_format, rounding)
    per = option(SettingOptions, options, "per", location)
    _check_scalable(number_format, kind, location)
    number_format = _saturating(number_format, (*location, "format"))
    if per == "block":
        return _blocks(number_format, rounding, kind, options, location)
    if "block" in options:
        raise LocatedError(
            (*location, "block"), "'block' counts the values of a block; it needs 'per: block'"
        )
    return Setting(number_format, rounding, _scaling(options, kind, per, number_format, location, defaults))


def _format(text: Any, location: tuple[str, ...]) -> tuple[NumberFormat, bool]:
    if isinstance(text, str) and text.count("(") != text.count(")"):
        raise LocatedError(location, f"malformed format {shown(text)}; {QUOTES}")
    automatic = _AUTO.fullmatch(text) if isinstance(text, str) else None
    if automatic:
        family, wl, rest = automatic.groups()
        text = f"{family}({wl},0{rest or ''})"
    try:
        return parse(text), automatic is not None
    except PrecisionError as error:
        raise LocatedError(location, str(error)) from None


def _rounding(
    text: Any, number_format: NumberFormat, location: tuple[str, ...], options: Mapping[str, Any]
) -> str:
    try:
        return str(parse_rounding(text, number_format.roundings, number_format.name))
    except PrecisionError as error:
        # That of the whole policy stands elsewhere.
        raise LocatedError(
            (*location, "rounding") if "rounding" in options else ("rounding",), str(error)
        ) from None


def _check_table(number_format: Codebook, rounding: str, location: tuple[str, ...]) -> None:
    """Refuse a table that cannot be rounded to in a mode, which it shows only when it is worked out."""
    try:
        number_format.program(rounding)
    except PrecisionError as error:
        raise LocatedError(location, str(error)) from None


def _check_scalable(number_format: NumberFormat, kind: str, location: tuple[str, ...]) -> None:
    name = number_format.name
    if number_format.block is not None:
        problem = f"{name} has scales of its own; leave 'scaling: {kind}' out"
    elif isinstance(number_format, ArrayFormat):
        problem = (
            f"{name} is rounded by another library, as it is; leave 'scaling: {kind}' out or name a format "
            "of this project"
        )
    elif isinstance(number_format, Lattice) and number_format.overflow == "wrap":
        problem = f"{name} wraps around, which a scale is there to prevent; use overflow=saturate"
    elif not 0 < number_format.max < 2.0**64:
        problem = (
            f"a scale maps a tensor onto the range of its format, but that of {name} ends at "
            f"{number_format.max:.3g}; leave 'scaling: {kind}' out"
        )
    else:
        return
    raise LocatedError((*location, "scaling"), problem)


def _saturating(number_format: NumberFormat, location: tuple[str, ...]) -> NumberFormat:
    """Return a format that saturates: a test image may lie beyond the range that was calibrated.

    An infinity or a NaN in its place would reach every output.
    """
    if not isinstance(number_format, Lattice) or number_format.overflow == "saturate":
        return number_format
    name = number_format.name
    if "overflow=" in name:
        raise LocatedError(location, f"what is scaled must saturate, but got {name}; write overflow=saturate")
    text = f"{name[:-1]},overflow=saturate)" if name.endswith(")") else f"{name}(overflow=saturate)"
    return parse(text)


def _blocks(
    number_format: NumberFormat,
    rounding: str,
    kind: str,
    options: Mapping[str, Any],
    location: tuple[str, ...],
) -> Setting:
    """Return the setting of the block format that ``per: block`` asks for."""
    for key, nothing in (
        ("zero_point", False),
        ("dynamic", None),
        ("observer", "minmax"),
        ("percentile", None),
    ):
        if options.get(key) is not None and options[key] != nothing:
            raise LocatedError(
                (*location, key),
                f"the scale of a block comes from its largest magnitude, so {shown(key)} has no effect; "
                "leave it out",
            )
    size = option(SettingOptions, options, "block", location)
    scale = ",scale=float32" if kind == "real" else ""
    try:
        return Setting(parse(f"block({number_format.name},{size}{scale})"), rounding)
    except PrecisionError as error:
        raise LocatedError((*location, "block" if "block" in options else "per"), str(error)) from None


def _scaling(
    options: Mapping[str, Any],
    kind: str,
    per: str,
    number_format: NumberFormat,
    location: tuple[str, ...],
    defaults: Defaults,
) -> Scaling:
    zero_point = bool(option(SettingOptions, options, "zero_point", location))
    dynamic = option(SettingOptions, options, "dynamic", location)
    if zero_point and (kind != "real" or not is_integer(number_format)):
        raise LocatedError(
            (*location, "zero_point"),
            f"a zero point is a code: it needs 'scaling: real' and int(n) or uint(n), but got {kind} and "
            f"{number_format.name}",
        )
    usual = "minmax" if dynamic else defaults.observer
    observer = option(SettingOptions, options, "observer", location, usual)
    for key in ("observer", "percentile"):
        if dynamic and options.get(key) not in (None, "minmax"):
            raise LocatedError(
                (*location, key),
                f"a dynamic range is that of the tensor at hand, so '{key}: {options[key]}' has no effect; "
                "leave out one of the two",
            )
    if "percentile" in options and observer != "percentile":
        raise LocatedError((*location, "percentile"), "'percentile' needs 'observer: percentile'")
    percentile = option(SettingOptions, options, "percentile", location, defaults.percentile)
    scaling = Scaling(kind, per, zero_point, dynamic, observer)
    return replace(scaling, percentile=percentile) if observer == "percentile" else scaling


def is_integer(number_format: NumberFormat) -> bool:
    """Return whether the values of a format are whole numbers in steps of one: int(n), uint(n)."""
    return isinstance(number_format, Lattice) and not number_format.floating and number_format.exponent == 0


def is_automatic(text: Any) -> bool:
    """Return whether a format text is fixed point whose binary point is chosen for each tensor."""
    return isinstance(text, str) and _AUTO.fullmatch(text) is not None
