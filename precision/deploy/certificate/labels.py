"""How the integer tensors of a network are called, in files, by run-times and in certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.values import Codes, Real, Value


def labels(network: IntegerNetwork, values: Sequence[Value]) -> dict[int, str]:
    """Return a name for each step that gives codes, by its place.

    It is that of its layer, and ``images`` for what rounds these. Where a layer has several such steps, as
    one that rounds and then pools, what they do is added: ``pool1 (Round)``, ``pool1 (MaxPool)``; and a
    number where that is not enough.

    Args:
        values: of the steps, for any images.
    """
    places = [place for place, value in enumerate(values) if isinstance(value, Codes)]
    names = {place: network.steps[place].name for place in places}
    names |= dict.fromkeys((place for place in places if _of_images(network, values, place)), "images")
    several = Counter(names.values())
    names = {
        place: f"{name} ({type(network.steps[place].computes).__name__})" if several[name] > 1 else name
        for place, name in names.items()
    }
    several, seen = Counter(names.values()), Counter[str]()
    for place, name in names.items():
        if several[name] > 1:
            seen[name] += 1
            names[place] = f"{name} {seen[name]}"
    return names


def _of_images(network: IntegerNetwork, values: Sequence[Value], place: int) -> bool:
    """Return whether a step reads the images, or what a layer of real numbers made of them."""
    return any(read == -1 or isinstance(values[read], Real) for read in network.steps[place].reads)
