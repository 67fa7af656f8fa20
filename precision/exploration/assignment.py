"""From an assignment of policies to units of a network to one policy for the whole network.

A unit is what a format is chosen for: a layer with a kernel, and everything behind it up to the next kernels
(its normalisation, activation function, pooling, an addition). A policy gives a unit all the settings that it
gives its layers: weights, biases, activations, inputs and accumulators.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Mapping
from typing import Any

from precision.analysis.search import Unit
from precision.errors import PrecisionError
from precision.exploration.problem import Assignment
from precision.measure.counted.activations import activations
from precision.measure.counted.cost import LayerCost, layer_costs
from precision.measure.counted.energy import layer_energy
from precision.measure.counted.energy_table import EnergyTable
from precision.measure.counted.packed import weight_memory
from precision.measure.counted.products import Found, bit_operations, require_counted
from precision.quantization import Policy
from precision.quantization.layers.axes import UNSUMMED
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.variables import variables
from precision.quantization.policy.policy import COMPUTED
from precision.quantization.sites import sites

SLOTS = (*COMPUTED, "accumulators")
_WHOLE = ("exempt", "images", "fold_batch_norm", "transforms")  # of a policy: what no single layer can have


def units(model: Any) -> dict[str, list[str]]:
    """Return the layers of every unit, by the name of its layer with the kernel, in the order of the network.

    What lies before the first kernel belongs to the first unit, and what several units lead to belongs to the
    last of them.

    Raises:
        PrecisionError: when no layer has a kernel.
    """
    found: dict[str, list[str]] = {}
    before: list[str] = []
    unit: dict[str, int] = {}  # of each layer
    model = flat(model)
    graph = Graph(model)
    for layer in model.layers:
        name = address(layer)
        if _has_kernel(layer):
            unit[name] = len(found)
            found[name] = [*before, name]
            before = []
            continue
        sources = graph.producers(layer)
        unit[name] = max((unit.get(address(source), -1) for source in sources), default=-1)
        if unit[name] >= 0:
            list(found.values())[unit[name]].append(name)
        elif not found:
            before.append(name)
        else:
            found[next(iter(found))].append(name)
            unit[name] = 0
    if not found:
        raise PrecisionError(f"the network {model.name!r} has no layer with a kernel to choose a format for")
    return found


def _has_kernel(layer: Any) -> bool:
    return any(
        slot == "weights" and len(v.shape) > 1 and (v.name not in UNSUMMED or v.name == "embeddings")
        for v, slot in variables(layer)
    )


class Assignments:
    """The policies of a network that assignments stand for, and what they cost.

    Args:
        model: the unquantised network, folded if the policies fold.
        policies: the choices of every unit, by label.
        table: energies of operations; None for Horowitz's.

    Raises:
        PrecisionError: when the policies differ in what is for the whole network, or one does not fit it.
    """

    def __init__(self, model: Any, policies: Mapping[str, Policy], table: EnergyTable | None = None) -> None:
        self.model, self.labels = flat(model), list(policies)
        self._policies = list(policies.values())
        self._whole = alike(policies)
        self.units = units(model)
        self._of_unit = {layer: i for i, layers in enumerate(self.units.values()) for layer in layers}
        self._sites = [
            {
                layer: {slot: s for slot, s in slots.items() if slot in SLOTS}
                for layer, slots in sites(model, policy).items()
            }
            for policy in self._policies
        ]
        exempt = [word for word in self._policies[0].exempt if word == "additions"]
        self._costs = layer_costs(model, exempt)
        self._bytes: list[list[int]] = []
        self._table = table
        self._energies: dict[Any, float] = {}
        self._operations: dict[Any, float] = {}
        self._peaks: dict[Assignment, int] = {}

    @property
    def uniform(self) -> tuple[Assignment, ...]:
        """The assignments of one policy to every unit."""
        return tuple((choice,) * len(self.units) for choice in range(len(self.labels)))

    def text(self, assignment: Assignment) -> str:
        """Return an assignment as words."""
        pairs = zip(self.units, assignment, strict=True)
        return ", ".join(f"{unit} {self.labels[choice]}" for unit, choice in pairs)

    def policy(self, assignment: Assignment) -> Policy:
        """Return the policy that gives every layer what the policy of its unit gives it."""
        layers = []
        for layer in self.model.layers:
            name = address(layer)
            if name in self._of_unit:
                slots = self._sites[assignment[self._of_unit[name]]].get(name, {})
                if slots:
                    layers.append((glob.escape(name), slots))
        return Policy(
            layers=tuple(layers),
            exempt=self._whole.exempt,
            images=self._whole.images,
            fold_batch_norm=self._whole.fold_batch_norm,
            transforms=self._whole.transforms,
        )

    def bytes(self, assignment: Assignment) -> float:
        """Return the bytes of all stored variables, as ``measure.packed`` counts them."""
        if not self._bytes:
            start = [0] * len(self.units)
            base = weight_memory(self.model, self.policy(tuple(start))).bytes
            self._bytes = [[base]]
            for unit in range(len(self.units)):
                row = []
                for choice in range(len(self.labels)):
                    changed = (*start[:unit], choice, *start[unit + 1 :])
                    row.append(weight_memory(self.model, self.policy(changed)).bytes - base)
                self._bytes.append(row)
        (base,), *rows = self._bytes
        return float(base + sum(row[choice] for row, choice in zip(rows, assignment, strict=True)))

    def rows(self, assignment: Assignment) -> list[Unit]:
        """Return the units with what they have; the energy is NaN where it is not known."""
        found = []
        for (name, layers), choice in zip(self.units.items(), assignment, strict=True):
            costs = [cost for cost in self._costs if cost.name in layers]
            known = all(cost.counted for cost in costs)
            found.append(
                Unit(
                    name,
                    self.labels[choice],
                    sum(cost.weights for cost in costs),
                    sum(cost.macs for cost in costs),
                    sum(self._energy(cost, assignment) for cost in costs) if known else math.nan,
                )
            )
        return found

    def cost(self, objective: str) -> Callable[[Assignment], float]:
        """Return the cost that an objective makes least."""
        costs = {
            "memory": self.bytes,
            "energy": self.energy,
            "activations": self.activations,
            "bops": self.bops,
        }
        return costs[objective]

    @property
    def counted(self) -> bool:
        """Whether the products of every layer are known, and so the bit operations and the energy."""
        return all(cost.counted for cost in self._costs)

    def activations(self, assignment: Assignment) -> int:
        """Return the most that activations of one image take at once, in bytes.

        Raises:
            PrecisionError: when a layer computes in a way that is not counted.
        """
        for cost in self._costs:
            require_counted(cost, "activation memory")
        if assignment not in self._peaks:
            self._peaks[assignment] = activations(self.model, self.policy(assignment)).peak
        return self._peaks[assignment]

    def bops(self, assignment: Assignment) -> float:
        """Return the bit operations of one inference.

        Raises:
            PrecisionError: when a layer multiplies in a way that is not counted.
        """
        return sum(self._of(cost, assignment, self._operations, bit_operations) for cost in self._costs)

    def energy(self, assignment: Assignment) -> float:
        """Return the modelled picojoules of one inference, as ``measure.counted.energy`` sums them up.

        Raises:
            PrecisionError: when a layer multiplies in a way that is not counted.
        """
        return sum(self._energy(cost, assignment) for cost in self._costs)

    def _energy(self, cost: LayerCost, assignment: Assignment) -> float:
        def picojoules(cost: LayerCost, found: Found) -> float:
            return layer_energy(cost, found, table=self._table).total

        return self._of(cost, assignment, self._energies, picojoules)

    def _of(
        self,
        cost: LayerCost,
        assignment: Assignment,
        known: dict[Any, float],
        compute: Callable[[LayerCost, Found], float],
    ) -> float:
        """Return a number of one layer; it depends on its own unit and on those that it reads from."""
        layers = [cost.name, cost.images, *(name for name, _ in cost.reads if name)]
        key = (cost.name, *(assignment[self._of_unit[name]] for name in layers if name in self._of_unit))
        if key not in known:
            found: dict[str, Mapping[str, Any]] = {
                name: self._sites[assignment[self._of_unit[name]]].get(name, {})
                for name in layers
                if name in self._of_unit
            }
            known[key] = compute(cost, found)
        return known[key]


def alike(policies: Mapping[str, Policy]) -> Policy:
    """Return the policy that says what is for the whole network, the same in all.

    Raises:
        PrecisionError: when they differ in it.
    """
    for name in _WHOLE:
        # The images of calibration matter where they are looked at.
        about = [(label, p) for label, p in policies.items() if name != "images" or p.reads_images]
        for label, policy in about[1:]:
            first, one = about[0]
            a, b = getattr(one, name), getattr(policy, name)
            if a != b:
                key = "calibration images" if name == "images" else name
                raise PrecisionError(
                    f"a network has one {key!r}, but the policies {first} and {label} have {a!r} and {b!r}; "
                    "name policies that agree by --policies"
                )
    return next(
        (policy for policy in policies.values() if policy.reads_images), next(iter(policies.values()))
    )
