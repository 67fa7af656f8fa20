"""A policy: which number format each kind of tensor has, and where a layer differs.

In YAML a policy is a format text for all slots, or a mapping. Slots that are not named stay float32, and a
later layer pattern wins over an earlier one:

    fixed8:
      weights: fixed(8,6)
      activations: fixed(8,4)
      layers:
        "conv*": {weights: "fixed(6,5)"}
        logits: float32
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from precision.errors import PlacedError, PrecisionError, suggest
from precision.formats import NumberFormat, parse, parse_rounding

SLOTS = ("weights", "biases", "activations", "inputs")


@dataclass(frozen=True)
class Slots:
    """The format of each slot of one layer; None is float32 as it comes, without any rounding.

    Attributes:
        weights: kernels, embeddings and the scale of a normalisation.
        biases: biases and the offset of a normalisation.
        activations: what a layer hands to the next one (see ``quantization.points``).
        inputs: the images, rounded where a layer reads them.
    """

    weights: NumberFormat | None = None
    biases: NumberFormat | None = None
    activations: NumberFormat | None = None
    inputs: NumberFormat | None = None

    def to_json(self) -> dict[str, str]:
        """Return the named slots with their canonical format texts."""
        return {slot: f.name for slot in SLOTS if (f := getattr(self, slot)) is not None}


@dataclass(frozen=True)
class Policy:
    """Formats for the whole network, and overrides for layers whose name matches a wildcard pattern."""

    slots: Slots
    layers: tuple[tuple[str, Mapping[str, NumberFormat | None]], ...] = ()
    rounding: str = "nearest"

    @property
    def is_float32(self) -> bool:
        """Whether no tensor is rounded at all."""
        return not self.formats()

    def formats(self) -> list[NumberFormat]:
        """Return the formats that the policy names, without float32."""
        overrides = [f for _, override in self.layers for f in override.values()]
        return [f for f in (*(getattr(self.slots, slot) for slot in SLOTS), *overrides) if f is not None]

    def for_layer(self, name: str) -> Slots:
        """Return the slots of the layer called ``name``."""
        slots = self.slots
        for pattern, override in self.layers:
            if fnmatchcase(name, pattern):
                slots = replace(slots, **override)
        return slots

    def check_layers(self, names: Iterable[str]) -> None:
        """Refuse a pattern that matches no layer of a network.

        Raises:
            PrecisionError: naming the pattern and the layers there are.
        """
        known = list(names)
        for pattern, _ in self.layers:
            if not any(fnmatchcase(name, pattern) for name in known):
                raise PrecisionError(
                    f"the policy's layer pattern {pattern!r} matches no layer; {suggest(pattern, known)}"
                )

    def to_json(self) -> dict[str, Any]:
        """Return the resolved policy as plain data, part of a trial's identity; empty for float32."""
        if self.is_float32:
            return {}
        layers = [
            [pattern, {slot: f.name if f else "float32" for slot, f in override.items()}]
            for pattern, override in self.layers
        ]
        return {**self.slots.to_json(), "layers": layers, "rounding": self.rounding}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Policy:
        """Return the policy that :meth:`to_json` described."""
        return parse_policy({**data, "layers": dict(data.get("layers", []))})

    def __str__(self) -> str:
        parts = [f"{slot} {name}" for slot, name in self.slots.to_json().items()]
        parts += [f"{pattern}: {_override_text(override)}" for pattern, override in self.layers]
        if self.rounding != "nearest":
            parts.append(f"rounding {self.rounding}")
        return ", ".join(parts) or "float32"


def _override_text(override: Mapping[str, NumberFormat | None]) -> str:
    names = {slot: f.name if f else "float32" for slot, f in override.items()}
    if len(names) == len(SLOTS) and len(set(names.values())) == 1:
        return next(iter(names.values()))
    return " ".join(f"{slot} {name}" for slot, name in names.items())


def parse_policy(spec: Any) -> Policy:
    """Return the policy that a format text or a mapping (from YAML) describes.

    Raises:
        PrecisionError: for an unknown slot, format or rounding.
    """
    if not isinstance(spec, Mapping):
        return Policy(Slots(**_slots(spec)))
    rest = dict(spec)
    rounding = rest.pop("rounding", "nearest")
    try:
        rounding = str(parse_rounding(rounding))
    except PrecisionError as error:
        raise PlacedError(("rounding",), str(error)) from None
    layers = rest.pop("layers", {})
    if not isinstance(layers, Mapping):
        text = f"layers must map a pattern such as 'conv*' to formats, but got {layers!r}"
        raise PlacedError(("layers",), text)
    overrides = tuple((str(p), _slots(override, ("layers", p))) for p, override in layers.items())
    policy = Policy(Slots(**_slots(rest, (), also=("rounding", "layers"))), overrides, rounding)
    for number_format in policy.formats():
        try:
            parse_rounding(rounding, number_format.roundings, number_format.name)
        except PrecisionError as error:
            raise PlacedError(("rounding",), str(error)) from None
    return policy


def _slots(
    spec: Any, place: tuple[str, ...] = (), also: Iterable[str] = ()
) -> dict[str, NumberFormat | None]:
    if not isinstance(spec, Mapping):
        return dict.fromkeys(SLOTS, _format(spec, place))
    for slot in spec:
        if slot not in SLOTS:
            hint = _QUOTES if ")" in str(slot) else suggest(slot, [*SLOTS, *also])
            raise PlacedError((*place, slot), f"unknown slot {slot!r}; {hint}")
    return {slot: _format(text, (*place, slot)) for slot, text in spec.items()}


# YAML reads {weights: fixed(8,6)} as two entries.
_QUOTES = 'inside { } and [ ] write a format in quotes, such as "fixed(8,6)"'


def _format(text: Any, place: tuple[str, ...]) -> NumberFormat | None:
    if isinstance(text, str) and text.count("(") != text.count(")"):
        raise PlacedError(place, f"malformed format {text!r}; {_QUOTES}")
    try:
        number_format = parse(text)
    except PrecisionError as error:
        raise PlacedError(place, str(error)) from None
    return None if number_format.name == "float32" else number_format
