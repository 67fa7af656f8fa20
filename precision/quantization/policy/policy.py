"""A policy: how each kind of tensor is rounded, and where a layer differs.

In YAML a policy is a format text for weights, biases, activations and inputs, or a mapping. Slots that are
not named stay float32, and a later layer pattern overrides an earlier one:

    fixed8:
      weights: fixed(8,6)
      activations: {format: int(8), scaling: real, zero_point: true}
      calibration: {images: 512, observer: percentile}
      layers:
        "conv*": {weights: "fixed(6,5)"}      # by the name of the layer
        "class:Dense": {weights: "fixed(4,3)"}  # by its class
        "@last": float32                      # the last layer with weights
      exempt: [first, additions]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, get_args

from precision import plugins
from precision.arithmetic.accumulators.register import Register
from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.formats import NumberFormat
from precision.quantization.policy.multipliers import Multiplying
from precision.quantization.policy.options import (
    IMAGES,
    CalibrationOptions,
    Exemption,
    PolicyOptions,
    option,
)
from precision.quantization.policy.presets import expanded
from precision.quantization.policy.settings import Defaults, Setting
from precision.quantization.policy.slots import COMPUTED, INSIDE, SLOTS, SlotReader, Slots, Slotted
from precision.registry import MULTIPLIERS, OBSERVERS, TRANSFORMS

EXEMPTIONS = get_args(Exemption)


class LayerName(NamedTuple):
    """What patterns are compared with: name and class of a layer, and whether it is the first or last one.

    First and last count among the layers that have weights.
    """

    name: str
    kind: str = ""
    first: bool = False
    last: bool = False

    def matches(self, pattern: str) -> bool:
        """Return whether a pattern of a policy stands for this layer: as its very name, or by wildcards.

        A name may have ``[``, ``*`` or ``?`` in it, which are wildcards of a pattern.
        """
        if pattern in ("@first", "@last"):
            return self.first if pattern == "@first" else self.last
        if pattern.startswith("class:"):
            return fnmatchcase(self.kind, pattern.removeprefix("class:"))
        return self.name == pattern or fnmatchcase(self.name, pattern)


@dataclass(frozen=True)
class Policy:
    """Settings for the whole network, and overrides for layers that match a pattern.

    Attributes:
        slots: by name; what is missing stays float32.
        layers: patterns and their overrides, of which None is float32.
        rounding: mode of every slot that has none of its own.
        exempt: ``first`` and ``last`` layer with weights, outputs of ``additions`` and of ``pooling``.
        images: training images that calibration looks at.
        fold_batch_norm: whether normalisations are folded into the layers before them first.
        transforms: what changes the weights then, one after the other, see ``quantization.transforms``.

    >>> from precision.quantization import parse_policy
    >>> policy = parse_policy({"weights": "fixed(8,6)", "layers": {"logits": "float16"}})
    >>> str(policy.for_layer("logits")["weights"])
    'float16'
    """

    slots: Slots = field(default_factory=dict)
    layers: tuple[tuple[str, Slots], ...] = ()
    rounding: str = "nearest"
    exempt: tuple[str, ...] = ()
    images: int = IMAGES
    fold_batch_norm: bool = False
    transforms: tuple[str, ...] = ()

    @property
    def is_float32(self) -> bool:
        """Whether no tensor is rounded at all."""
        return not any(setting for _, setting in self.settings())

    def settings(self) -> list[tuple[str, Slotted]]:
        """Return every slot that is named anywhere, with its setting; float32 is left out."""
        every = [self.slots, *(override for _, override in self.layers)]
        return [(slot, s) for slots in every for slot, s in slots.items() if s is not None]

    def formats(self) -> list[NumberFormat]:
        """Return the formats that the policy names, without float32."""
        return [found for _, setting in self.settings() for found in setting.formats()]

    def plugins(self) -> dict[str, str]:
        """Return what rounding depends on beyond this project, see ``plugins.identities``.

        Raises:
            PrecisionError: for something that no worker process could load.
        """
        observers = {
            s.scaling.observer for _, s in self.settings() if isinstance(s, Setting) and s.calibrated
        }
        others = [(OBSERVERS, name) for name in sorted(observers)]
        others += [(TRANSFORMS, name) for name in sorted(set(self.transforms))]
        multipliers = {s.family for _, s in self.settings() if isinstance(s, Multiplying)}
        others += [(MULTIPLIERS, name) for name in sorted(multipliers)]
        return plugins.identities(self.formats(), others)

    @property
    def calibrated(self) -> bool:
        """Whether images have to be looked at before anything can be rounded."""
        return any(
            isinstance(setting, Setting) and setting.calibrated
            for slot, setting in self.settings()
            if slot in ("activations", "inputs")
        )

    @property
    def reads_images(self) -> bool:
        """Whether training images are looked at: for ranges, or by a transform."""
        return self.calibrated or bool(self.transforms)

    @property
    def preparation(self) -> tuple[Any, ...]:
        """What is done to the float32 network before it is rounded; the same for policies that share one."""
        return (self.fold_batch_norm, self.transforms, self.images if self.transforms else None)

    @property
    def in_integers(self) -> dict[str, Register | Multiplying]:
        """By slot, a setting that a network of integers alone computes: a register or a multiplier."""
        return {slot: s for slot, s in self.settings() if isinstance(s, Register | Multiplying)}

    def emulated(self) -> Policy:
        """Return the policy of a network of integers without its arithmetic: its codes and scales."""

        def kept(slots: Slots) -> Slots:
            return {slot: s for slot, s in slots.items() if slot not in INSIDE}

        layers = tuple((pattern, rest) for pattern, override in self.layers if (rest := kept(override)))
        return replace(self, slots=kept(self.slots), layers=layers)

    def images_of(self, available: int) -> int:
        """Return how many training images calibration looks at: all, where the default asks for more."""
        return min(self.images, available) if self.images == IMAGES else self.images

    def for_layer(self, layer: LayerName | str) -> dict[str, Slotted]:
        """Return the slots of a layer that are rounded."""
        layer = LayerName(layer) if isinstance(layer, str) else layer
        if (layer.first and "first" in self.exempt) or (layer.last and "last" in self.exempt):
            return {}
        slots = dict(self.slots)
        for pattern, override in self.layers:
            if layer.matches(pattern):
                slots.update(override)
        return {slot: setting for slot in SLOTS if (setting := slots.get(slot)) is not None}

    def check_layers(self, layers: Iterable[LayerName | str]) -> None:
        """Refuse a pattern that matches no layer of a network.

        Raises:
            PrecisionError: naming the pattern and the layers there are.
        """
        known = [LayerName(layer) if isinstance(layer, str) else layer for layer in layers]
        for pattern, _ in self.layers:
            if not any(layer.matches(pattern) for layer in known):
                words = [layer.name for layer in known]
                if pattern.startswith("class:"):
                    words = [f"class:{kind}" for kind in {layer.kind for layer in known}]
                raise PrecisionError(
                    f"the policy's layer pattern {shown(pattern)} matches no layer; {suggest(pattern, words)}"
                )

    def to_json(self) -> dict[str, Any]:
        """Return the resolved policy as plain data, part of a trial's identity; empty for float32."""
        if self.is_float32:
            return {}
        layers = [[pattern, self._texts(override)] for pattern, override in self.layers]
        rounded = {slot: setting for slot, setting in self.slots.items() if setting is not None}
        data = {**self._texts(rounded), "layers": layers, "rounding": self.rounding}
        if self.exempt:
            data["exempt"] = list(self.exempt)
        if self.reads_images:
            data["calibration"] = {"images": self.images}
        if self.fold_batch_norm:
            data["fold_batch_norm"] = True
        if self.transforms:
            data["transforms"] = list(self.transforms)
        return data

    def _texts(self, slots: Slots) -> dict[str, Any]:
        return {slot: s.to_json(self.rounding) if s else "float32" for slot, s in slots.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Policy:
        """Return the policy that :meth:`to_json` described, in which every setting says all."""
        return _read({**data, "layers": dict(data.get("layers", []))}, resolved=True)

    def __str__(self) -> str:
        parts = [f"{slot} {setting}" for slot, setting in self.slots.items() if setting is not None]
        parts += [f"{pattern}: {_override_text(override)}" for pattern, override in self.layers]
        parts += [f"exempt {' '.join(self.exempt)}"] if self.exempt else []
        parts += ["batch norm folded"] if self.fold_batch_norm else []
        parts += [f"transformed by {' '.join(self.transforms)}"] if self.transforms else []
        return ", ".join(parts) or "float32"


def _override_text(override: Slots) -> str:
    texts = {slot: str(setting) if setting else "float32" for slot, setting in override.items()}
    if set(texts) == set(COMPUTED) and len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return " ".join(f"{slot} {text}" for slot, text in texts.items())


def parse_policy(spec: Any) -> Policy:
    """Return the policy that a format text or a mapping (from YAML) describes.

    Raises:
        PrecisionError: for an unknown slot, format, rounding or option, and for options that contradict.

    >>> from precision.quantization import parse_policy
    >>> policy = parse_policy({"weights": "fixed(8,6)", "activations": "float8_e5m2"})
    >>> [str(number_format) for number_format in policy.formats()]
    ['fixed(8,6)', 'float8_e5m2']
    """
    return _read(expanded(spec))


def _read(spec: Any, resolved: bool = False) -> Policy:
    if not isinstance(spec, Mapping):
        return Policy(SlotReader(Defaults(), resolved).read(spec))
    rest = dict(spec)
    options = {key: rest.pop(key) for key in PolicyOptions.model_fields if key not in SLOTS and key in rest}
    rounding = option(PolicyOptions, options, "rounding", ())
    images, defaults = _calibration(options.get("calibration", {}), rounding)
    layers = options.get("layers", {})
    if not isinstance(layers, Mapping):
        raise LocatedError(
            ("layers",), f"layers must map a pattern such as 'conv*' to formats, but got {shown(layers)}"
        )
    reader = SlotReader(defaults, resolved)
    return Policy(
        slots=reader.read(rest),
        layers=tuple((str(p), reader.read(entry, ("layers", p), str(p))) for p, entry in layers.items()),
        rounding=rounding,
        exempt=_exempt(options.get("exempt", [])),
        images=images,
        fold_batch_norm=option(PolicyOptions, options, "fold_batch_norm", ()),
        transforms=tuple(option(PolicyOptions, options, "transforms", ())),
    )


def _exempt(entry: Any) -> tuple[str, ...]:
    entries = [entry] if isinstance(entry, str) else entry
    for word in entries if isinstance(entries, list | tuple) else [entries]:
        if word not in EXEMPTIONS:
            raise LocatedError(
                ("exempt",),
                f"exempt lists some of {', '.join(EXEMPTIONS)}, but got {shown(word)}; a single layer is "
                "exempted by layers: {NAME: float32}",
            )
    return tuple(word for word in EXEMPTIONS if word in entries)


def _calibration(entry: Any, rounding: str) -> tuple[int, Defaults]:
    location = ("calibration",)
    if not isinstance(entry, Mapping):
        raise LocatedError(
            location, f"calibration is a mapping such as {{images: {IMAGES}}}, but got {shown(entry)}"
        )
    for key in entry:
        if key not in CalibrationOptions.model_fields:
            hint = suggest(key, CalibrationOptions.model_fields)
            raise LocatedError((*location, str(key)), f"unknown key {shown(key)}; {hint}")
    images = option(CalibrationOptions, entry, "images", location)
    usual = "percentile" if "percentile" in entry else "minmax"
    observer = option(CalibrationOptions, entry, "observer", location, usual)
    if "percentile" in entry and observer != "percentile":
        raise LocatedError((*location, "percentile"), "'percentile' needs 'observer: percentile'")
    percentile = option(CalibrationOptions, entry, "percentile", location)
    return images, Defaults(rounding, observer, percentile)
