"""The slots of a policy and of its overrides, and what an override keeps of the setting that it replaces.

A floating-point or fixed-point format has a range of its own, so an override that names one says all. An
integer format has none: unless the override says how it is scaled, it keeps what it replaces but the format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.accumulators.register import Register
from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.formats import parse
from precision.formats.families.integers import needs_scale
from precision.quantization.policy.accumulators import parse_accumulator
from precision.quantization.policy.multipliers import Multiplying, parse_multiplying
from precision.quantization.policy.options import PolicyOptions, SlotOptions
from precision.quantization.policy.presets import expanded
from precision.quantization.policy.settings import (
    QUOTES,
    Defaults,
    Setting,
    is_automatic,
    parse_setting,
)

COMPUTED = ("weights", "biases", "activations", "inputs")  # what a format text alone stands for
SLOTS = tuple(SlotOptions.model_fields)
INSIDE = ("accumulators", "multipliers")  # of a layer that sums products
Slotted = Setting | Accumulator | Register | Multiplying
Slots = Mapping[str, Slotted | None]
Location = tuple[str, ...]


@dataclass
class SlotReader:
    """Reads the slots of one policy: those of the network first, then the overrides in their order.

    Args:
        resolved: whether every setting says all, as ``Policy.to_json`` writes them: then nothing is kept, and
            an integer format without a scale means whole numbers.
    """

    defaults: Defaults
    resolved: bool = False
    _read: list[tuple[str | None, str, Any]] = field(default_factory=list)  # pattern, slot, what it says

    def read(self, spec: Any, location: Location = (), pattern: str | None = None) -> Slots:
        """Return the slots; a format text, or a setting, is for the computed ones.

        Args:
            location: the way to them in the policy.
            pattern: of the layers, where they are an override; None for those of the whole network.

        Raises:
            LocatedError: for an unknown slot, what :func:`parse_setting` refuses, a scaling that a slot
                cannot have, and an integer format without a scale.
        """
        slots_of_preset = expanded(spec)
        if slots_of_preset is not spec:  # what it does not name is float32, in a layer too
            spec = {**dict.fromkeys(COMPUTED, "float32"), **slots_of_preset}
        if not isinstance(spec, Mapping) or "format" in spec:
            return self._whole(spec, location, pattern)
        slots: dict[str, Slotted | None] = {}
        read: dict[str, Any] = {}
        for slot, entry in spec.items():
            if slot not in SLOTS:
                known = SlotOptions.model_fields if location else PolicyOptions.model_fields
                hint = QUOTES if ")" in str(slot) else suggest(slot, known)
                raise LocatedError((*location, str(slot)), f"unknown slot {shown(slot)}; {hint}")
            if slot == "accumulators":
                slots[slot] = self._accumulator(entry, (*location, slot))
                continue
            if slot == "multipliers":
                slots[slot] = parse_multiplying(entry, (*location, slot))
                continue
            where = (*location, slot)
            read[slot] = self._entry(entry, slot, where, pattern)
            slots[slot] = self._setting(read[slot], slot, where)
        self._remember(pattern, read)
        return slots

    def _accumulator(self, entry: Any, location: Location) -> Accumulator | Register | None:
        for key, part in (("format", entry), ("products", _options(entry).get("products"))):
            if not self.resolved and is_bare(part):
                name = _options(part)["format"]
                raise LocatedError(
                    (*location, key) if isinstance(entry, Mapping) else location,
                    f"a running sum in {name} is rounded to whole numbers, as it has no scale; write fixed "
                    "point with a binary point, such as fixed(16,8)",
                )
        return parse_accumulator(entry, location)

    def _whole(self, spec: Any, location: Location, pattern: str | None) -> Slots:
        """Read one setting for all computed slots; an integer is for those that have a scale to keep."""
        read = dict.fromkeys(COMPUTED, spec)
        if pattern is not None and not self.resolved and is_bare(spec):
            kept = {slot: self._kept(slot, spec, location, pattern) for slot in COMPUTED}
            if not any(kept.values()):
                raise _unscaled(spec, "weights", location)
            for slot, options in kept.items():
                if options:
                    read[slot] = _over(options, spec)
                else:
                    read[slot] = self._as_it_is(slot, spec, location, pattern)
        slots = {slot: self._setting(entry, slot, location) for slot, entry in read.items()}
        self._remember(pattern, read)
        return slots

    def _entry(self, entry: Any, slot: str, location: Location, pattern: str | None) -> Any:
        """Return what an entry says, with what it keeps."""
        if self.resolved or pattern is None or not is_bare(entry):
            return entry
        kept = self._kept(slot, entry, location, pattern)
        return _over(kept, entry) if kept else entry

    def _setting(self, entry: Any, slot: str, location: Location) -> Setting | None:
        setting = parse_setting(entry, location, self.defaults)
        if setting is not None and not self.resolved and is_bare(entry):
            raise _unscaled(entry, slot, location)
        _check_slot(slot, setting, location)
        return setting

    def _remember(self, pattern: str | None, read: Mapping[str, Any]) -> None:
        self._read += [(pattern, slot, entry) for slot, entry in read.items()]

    def _replaced(self, slot: str, pattern: str | None) -> list[tuple[str | None, Any]]:
        """Return what layers that match a pattern may have in a slot so far, and where it was said."""
        return [
            (other, entry) for other, name, entry in self._read if name == slot and not _apart(other, pattern)
        ]

    def _as_it_is(self, slot: str, spec: Any, location: Location, pattern: str | None) -> Any:
        """Return what a slot without a scale has, which stays.

        Raises:
            LocatedError: when that differs among the layers.
        """
        found = self._replaced(slot, pattern)
        entries = [entry for _, entry in found]
        if not any(other is None for other, _ in found):
            entries.insert(0, "float32")
        if any(entry != entries[0] for entry in entries):
            name = _options(spec)["format"]
            raise LocatedError(
                location,
                f"{name} leaves slots without a scale as they are, but the {slot} of these layers differ; "
                f"name the slots, as in {{weights: {name}}}",
            )
        return entries[0]

    def _kept(self, slot: str, entry: Any, location: Location, pattern: str | None) -> dict[str, Any]:
        """Return how the setting that an override replaces is scaled; nothing where it has no scale.

        Raises:
            LocatedError: when that depends on which of several overrides a layer has.
        """
        found = [
            (other, kept) for other, said in self._replaced(slot, pattern) if (kept := _scaling_of(said))
        ]
        for other, options in found:
            if options != found[0][1]:
                name = _options(entry)["format"]
                raise LocatedError(
                    location,
                    f"{name} keeps the scaling that it overrides, but some of these {slot} may have that of "
                    f"{_shown(found[0][0])} and others that of {_shown(other)}; say which, as in "
                    f"{{format: {name}, scaling: real}}",
                )
        return found[0][1] if found else {}


def _options(spec: Any) -> dict[str, Any]:
    return dict(spec) if isinstance(spec, Mapping) else {"format": spec}


def _scaling_of(spec: Any) -> dict[str, Any]:
    """Return what an entry says besides the format, where it has a scale; empty where it has none."""
    options = _options(spec)
    if is_automatic(options.get("format")):
        options["scaling"] = "pow2"
    if options.get("scaling", "none") == "none":
        return {}
    return {key: value for key, value in options.items() if key != "format"}


def is_bare(spec: Any) -> bool:
    """Return whether an entry of a policy names an integer format and does not say how it is scaled."""
    options = _options(spec)
    text = options.get("format")
    if "scaling" in options or not isinstance(text, str) or "int" not in text:  # some formats take a second
        return False
    try:
        return needs_scale(parse(text))
    except PrecisionError:  # which the setting's own parser reports
        return False


def _over(kept: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    """Return what is kept under what is given, less what the given rules out."""
    given = _options(spec)
    gone: set[str] = set()
    if given.get("dynamic"):
        gone |= {"observer", "percentile"}
    if "observer" in given:
        gone |= {"percentile", "dynamic"}
    if given.get("per", "block") != "block":
        gone |= {"block"}
    elif "per" in given:
        gone |= {"observer", "percentile", "zero_point", "dynamic"}
    return {**{key: value for key, value in kept.items() if key not in gone}, **given}


def _apart(one: str | None, other: str | None) -> bool:
    """Return whether no layer can match both patterns, as far as their texts tell; None matches all."""
    if one is None or other is None:
        return False
    plain = not any(re.search(r"[*?\[@]", pattern) for pattern in (one, other))
    alike = one.startswith("class:") == other.startswith("class:")
    return plain and alike and one != other


def _shown(pattern: str | None) -> str:
    return "the whole network" if pattern is None else repr(pattern)


def _unscaled(spec: Any, slot: str, location: Location) -> LocatedError:
    name = _options(spec)["format"]
    dynamic = ", dynamic: true" if slot in ("gradients", "optimizer_state") else ""
    return LocatedError(
        location,
        f"{name} without a scale rounds to whole numbers, which makes most weights and images 0; write "
        f"{{format: \"{name}\", scaling: real{dynamic}}}, or a policy such as int8, or 'scaling: none' where "
        "whole numbers are meant",
    )


def _check_slot(slot: str, setting: Setting | None, location: Location) -> None:
    """Refuse a scaling that a slot cannot have."""
    if setting is None or not setting.scaled:
        return
    if slot in ("gradients", "optimizer_state"):
        if not setting.scaling.dynamic:
            raise LocatedError(
                (*location, "scaling"),
                f"the {slot} change while a network is trained, so their range cannot be calibrated; add "
                "'dynamic: true', as in {format: fixed(8,auto), dynamic: true}",
            )
        if setting.per_channel:
            raise LocatedError(
                (*location, "per"), f"{slot} have one scale per tensor; leave 'per: channel' out"
            )
    if slot == "biases" and setting.per_channel:
        raise LocatedError(
            (*location, "per"),
            "a channel has a single bias, so 'per: channel' is not for biases; give them a slot of their "
            "own, with a scale per tensor",
        )
