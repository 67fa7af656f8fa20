"""How many terms an exact factorisation of an integer matrix needs: its rank, and whether that is proven.

Gaussian elimination over the integers modulo a prime p is exact, and quick. The rank there is never larger
than the true one: a minor that is not zero modulo p is not zero. It is smaller only where p divides every
minor of the size of the true rank. So the largest rank r of several primes is a lower bound; and it is the
rank itself as soon as the product of these primes exceeds what a minor of r + 1 rows can be in magnitude
(Hadamard: the product of the lengths of its rows), because all of those minors are then zero.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

_FEW, _MANY = 2, 24  # primes that are always tried, and at most for the sake of a proof
_HIGHEST = (1 << 31) - 1  # products of two residues fit into 63 bits


@dataclass(frozen=True)
class Rank:
    """The rank of an integer matrix.

    Attributes:
        value: the largest rank modulo a prime that was found; the true rank is not smaller.
        proven: whether it is the true rank for certain, and not only modulo every prime that was tried.
    """

    value: int
    proven: bool


def rank(matrix: np.ndarray) -> Rank:
    """Return the rank of a matrix of integers of at most 32 bits over the rational numbers.

    Two primes always vote. A rank up to about 40 of a table of 16-bit products is proven by more of them, and
    a full one by its size; between, the rank is a lower bound that two primes agree on.
    """
    matrix = np.unique(np.asarray(matrix, np.int64), axis=0)  # equal rows and columns add nothing
    matrix = np.unique(matrix, axis=1)
    full = min(matrix.shape)
    lengths = np.sort(np.log2(np.maximum(1.0, np.sqrt((matrix.astype(np.float64) ** 2).sum(1)))))[::-1]
    found = tried = 0
    while tried < _FEW or (found < full and tried < _primes_for(found, lengths) <= _MANY):
        found = max(found, _rank_modulo(matrix, primes(_MANY)[tried]))
        tried += 1
    return Rank(found, found == full or tried >= _primes_for(found, lengths))


def _primes_for(found: int, lengths: np.ndarray) -> int:
    """Return how many primes prove a rank: with a bit to spare for the rounding of logarithms."""
    bits = float(lengths[: found + 1].sum()) + 1
    return math.ceil(bits / math.log2(primes(_MANY)[-1]))


def _rank_modulo(matrix: np.ndarray, prime: int) -> int:
    left = matrix % prime
    found = 0
    while left.size:
        columns = np.flatnonzero(left.any(axis=0))
        if not len(columns):
            break
        column = int(columns[0])
        row = int(np.flatnonzero(left[:, column])[0])
        left[[0, row]] = left[[row, 0]]
        left[:, [0, column]] = left[:, [column, 0]]
        inverse = pow(int(left[0, 0]), -1, prime)
        factors = left[1:, :1] * inverse % prime
        left = (left[1:, 1:] - factors * left[:1, 1:]) % prime
        found += 1
    return found


@functools.cache
def primes(count: int) -> tuple[int, ...]:
    """Return the largest primes below 2^31, descending."""
    odd = np.arange(3, 46342, 2)
    found: list[int] = []
    candidate = _HIGHEST
    while len(found) < count:
        if (candidate % odd != 0).all():
            found.append(candidate)
        candidate -= 2
    return tuple(found)
