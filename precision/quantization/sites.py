"""The sites of a network under a policy: every layer and slot, how it is rounded, or why it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from precision.errors import PrecisionError
from precision.quantization.layers.axes import UNSUMMED
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.inside import inside
from precision.quantization.layers.kept import constants_of, untrained
from precision.quantization.layers.operation import kind
from precision.quantization.layers.points import INDICES, INTEGERS, POOLING_EXEMPT, moves, unread, unrounded
from precision.quantization.layers.variables import VARIABLES, variables
from precision.quantization.policy.policy import COMPUTED, SLOTS, LayerName, Policy
from precision.quantization.policy.slots import INSIDE, Slotted
from precision.quantization.sums import refusal
from precision.quantization.wrapper import unwrapped

Sites = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Site:
    """One slot of one layer.

    Attributes:
        setting: how it is rounded; None where it is not, and ``reason`` says why.
    """

    layer: str
    kind: str
    slot: str
    setting: Slotted | None
    reason: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to round, whatever a policy asks."""
        return self.setting is None and self.reason not in (*_BY_CHOICE, POOLING_EXEMPT)


def layer_names(model: Any) -> list[LayerName]:
    """Return names and classes of a flat network's layers, and which are the first and last with weights."""
    weighted = [address(layer) for layer in model.layers if variables(layer)]
    ends = (weighted[0], weighted[-1]) if weighted else ("", "")
    return [
        LayerName(name, kind(unwrapped(layer)), name == ends[0], name == ends[1])
        for layer in model.layers
        for name in [address(layer)]
    ]


def resolve(model: Any, policy: Policy) -> list[Site]:
    """Return every layer and slot of a network under a policy; see ``layers.flat`` for what a layer is.

    Raises:
        PrecisionError: when the policy names a layer that the model lacks, asks for sums that are not
            emulated, or the model is not functional.
    """
    model = flat(model)
    names = layer_names(model)
    policy.check_layers(names)
    graph, pairs = Graph(model), zip(model.layers, names, strict=True)
    found = [site for layer, name in pairs for site in _of(graph, layer, name, policy)]
    _check_overrides(found, names, policy)
    return found


def _check_overrides(found: list[Site], names: list[LayerName], policy: Policy) -> None:
    """Refuse a pattern that names a slot which none of its layers has."""
    for pattern, override in policy.layers:
        if set(override) == set(COMPUTED):  # a format alone, for whatever a layer has
            continue
        matched = {name.name for name in names if name.matches(pattern)}
        for slot, setting in override.items():
            if slot in INSIDE and setting is None:  # as a sum that is not emulated asks for
                continue
            reasons = {site.reason for site in found if site.layer in matched and site.slot == slot}
            if not reasons & {"", *_BY_CHOICE}:
                raise PrecisionError(
                    f"the policy's layer pattern {pattern!r} names {slot}, but of its layers "
                    f"({', '.join(sorted(matched))}) none has any to round: {'; '.join(sorted(reasons))}"
                )


def _of(graph: Graph, layer: Any, name: LayerName, policy: Policy) -> list[Site]:
    slots = policy.for_layer(name)
    present = {slot for _, slot in variables(layer)}
    out = unrounded(graph, layer, policy.exempt)
    missing = {
        "weights": "" if "weights" in present else "has none",
        "biases": "" if "biases" in present else "has none",
        "activations": out,
        "inputs": unread(graph, layer),
        "gradients": "" if present or not out else "nothing to round",
        "optimizer_state": "" if present else "has no variables",
        "accumulators": _unsummed(layer),
        "multipliers": _unsummed(layer),
    }
    found = []
    for slot in SLOTS:
        reason = missing[slot]
        if slot in INSIDE and reason and slot in slots and _sums(layer):
            nothing = "float32" if slot == "accumulators" else "exact"
            raise PrecisionError(f"{reason}: layers: {{{name.name}: {{{slot}: {nothing}}}}}")
        if not reason and slot not in slots:
            reason = _exempt(name, policy) or _FLOAT32
        found.append(Site(name.name, name.kind, slot, None if reason else slots[slot], reason))
    return found


_FLOAT32, _EXEMPT = "float32 in the policy", "the {} layer is exempt"
_BY_CHOICE = (_FLOAT32, _EXEMPT.format("first"), _EXEMPT.format("last"))


def _unsummed(layer: Any) -> str:
    """Return why the sums of a layer are not formed in an accumulator; empty when they are."""
    return (refusal(unwrapped(layer)) or "") if _sums(layer) else "no sum of products"


def _sums(layer: Any) -> bool:
    """Return whether a layer sums products of what it reads and of its variables."""
    return any(len(v.shape) > 1 and v.name not in UNSUMMED for v, _ in variables(layer))


def _exempt(name: LayerName, policy: Policy) -> str:
    for end, is_end in (("first", name.first), ("last", name.last)):
        if is_end and end in policy.exempt:
            return _EXEMPT.format(end)
    return ""


def unreached(model: Any, policy: Policy) -> dict[str, str]:
    """Return what is not rounded inside layers whose activations the policy rounds, by layer.

    >>> import keras
    >>> from precision.quantization import parse_policy
    >>> from precision.quantization.sites import unreached
    >>> model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(2, name="memory")])
    >>> unreached(model, parse_policy("fixed(8,4)"))
    {'memory': 'the sums, gates and states of its steps'}
    """
    model = flat(model)
    return {
        name.name: found
        for layer, name in zip(model.layers, layer_names(model), strict=True)
        if "activations" in policy.for_layer(name) and (found := inside(unwrapped(layer)))
    }


def untouched(model: Any, policy: Policy) -> dict[str, list[str]]:
    """Return what layers compute with that stays as it is where the policy rounds, each with their names.

    These are inputs that are integers or indices, numbers and arrays in the code of a network, and variables
    that are not trainable.

    >>> import keras
    >>> from precision.quantization import parse_policy
    >>> from precision.quantization.sites import untouched
    >>> model = keras.Sequential([keras.Input((5, 3)), keras.layers.BatchNormalization(name="norm")])
    >>> untouched(model, parse_policy("fixed(8,4)"))
    {'the variables moving_mean and moving_variance, not trainable': ['norm']}
    """
    model = flat(model)
    graph, found = Graph(model), dict[str, list[str]]()
    for layer, name in zip(model.layers, layer_names(model), strict=True):
        slots, inner = policy.for_layer(name), unwrapped(layer)
        texts = []
        if "inputs" in slots and (reason := unread(graph, layer)) in (INTEGERS, INDICES):
            texts.append(reason)
        if slots.keys() & {*VARIABLES, "activations"}:
            calls = graph.calls(layer)
            texts.append(constants_of(inner, calls, moves=moves(inner, calls)))
        if slots.keys() & set(VARIABLES):
            texts += untrained(inner)
        for text in filter(None, texts):
            found.setdefault(text, []).append(name.name)
    return found


def sites(model: Any, policy: Policy) -> Sites:
    """Return, for every layer of a model that rounds anything, the setting of each of its slots.

    Raises:
        PrecisionError: as :func:`resolve`.
    """
    found: Sites = {}
    for site in resolve(model, policy):
        if site.setting is not None:
            found.setdefault(site.layer, {})[site.slot] = site.setting
    return found
