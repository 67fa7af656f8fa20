"""The Shapley value of a game with few players: L. S. Shapley 1953, "A Value for n-Person Games"."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations


def shapley(worth: Callable[[frozenset[int]], float], count: int) -> list[float]:
    """Return the Shapley value of each of a few players, which add up to the worth of all of them.

    Args:
        worth: of a set of players, by their numbers from 0; that of none is asked for too.
        count: how many there are; 2^count sets are asked for, each once.

    >>> shapley(lambda some: 10.0 * (len(some) == 2), 2)  # neither can do it alone
    [5.0, 5.0]
    """
    sets = [frozenset(some) for size in range(count + 1) for some in combinations(range(count), size)]
    known = {some: worth(some) for some in sets}
    values = []
    for player in range(count):
        without = [some for some in sets if player not in some]
        weights = [
            math.factorial(len(some)) * math.factorial(count - len(some) - 1) / math.factorial(count)
            for some in without
        ]
        gains = [known[some | {player}] - known[some] for some in without]
        values.append(math.fsum(w * gain for w, gain in zip(weights, gains, strict=True)))
    return values
