"""How far the products of a multiplier are from the exact ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.rank import Rank, rank
from precision.errors import PrecisionError, shown

EXHAUSTIVE = 20  # bits of both operands together, up to which every pair is tried
RANKED = 16  # the same for the ranks
SAMPLES = 1 << 20  # pairs that are drawn of larger ones
_PIECE = 1 << 18


@dataclass(frozen=True)
class Errors:
    """Figures over all pairs of operands that the circuit itself takes, or over a sample of them.

    An error is the product less the exact one, its distance the magnitude of that.

    Attributes:
        pairs: how many were tried.
        exhaustive: whether these are all.
        probability: share of the pairs with an error.
        worst: largest distance.
        mean: mean distance.
        share: mean distance as a fraction of 2^(bits of both operands), the range of the output.
        square: mean square of the error.
        relative: mean of the distance over the magnitude of the exact product, over the pairs whose exact
            product is not zero.
        relative_from_one: the same over all pairs, with max(1, magnitude) below.
        worst_relative: largest distance over the magnitude of an exact product that is not zero.
        bias: mean error, with its sign.
        zero_activation: whether every product of the activation zero is zero; tried for every weight.
        zero_weight: whether every product of the weight zero is; tried for every activation.
        symmetric: whether the operands can be exchanged, as far as tried; no where their widths differ.
        rank: of the table of products: terms of an exact factorisation. None above 16 bits of both operands.
        error_rank: the same of the table of errors.

    >>> from precision.arithmetic.multipliers import errors_of, parse_multiplier
    >>> found = errors_of(parse_multiplier("drum(8,4)"))
    >>> round(found.relative, 4), found.zero_weight
    (0.0589, True)
    """

    pairs: int
    exhaustive: bool
    probability: float
    worst: int
    mean: float
    share: float
    square: float
    relative: float
    relative_from_one: float
    worst_relative: float
    bias: float
    zero_activation: bool
    zero_weight: bool
    symmetric: bool
    rank: Rank | None
    error_rank: Rank | None


def errors_of(multiplier: Multiplier, samples: int = SAMPLES, seed: int = 0, ranks: bool = True) -> Errors:
    """Measure a multiplier: every pair up to 20 bits of both operands together, a sample of larger ones.

    Args:
        samples: pairs that are drawn, evenly over both ranges, where there are too many.
        seed: of the draw.
        ranks: whether to determine the ranks, which takes longest.

    Raises:
        PrecisionError: for a number of samples below one.

    >>> from precision.arithmetic.multipliers import errors_of, parse_multiplier
    >>> found = errors_of(parse_multiplier("udm(8)"))
    >>> round(found.probability, 3), found.worst, found.rank.value
    (0.467, 14450, 2)
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise PrecisionError(
            f"errors of a sample: samples must be a whole number above 0, but got {shown(samples)}"
        )
    exhaustive = sum(multiplier.bits) <= EXHAUSTIVE
    (low_a, high_a), (low_w, high_w) = multiplier.own
    every_a, every_w = np.arange(low_a, high_a + 1), np.arange(low_w, high_w + 1)
    if exhaustive:
        a, w = (operand.reshape(-1) for operand in np.meshgrid(every_a, every_w, indexing="ij"))
    else:
        draw = np.random.default_rng(seed)
        a, w = draw.integers(low_a, high_a + 1, samples), draw.integers(low_w, high_w + 1, samples)
    error = np.concatenate([multiplier.multiply(x, y) - x * y for x, y in _pieces(a, w)])
    distance, magnitude = np.abs(error), np.abs(a * w)
    some = magnitude > 0
    relative = distance[some] / magnitude[some]
    table = error.reshape(len(every_a), len(every_w)) if exhaustive else None
    ranked = table is not None and ranks and sum(multiplier.bits) <= RANKED
    return Errors(
        pairs=len(a),
        exhaustive=exhaustive,
        probability=float((error != 0).mean()),
        worst=int(distance.max()),
        mean=float(distance.mean()),
        share=float(distance.mean()) / 2 ** sum(multiplier.bits),
        square=float((error.astype(np.float64) ** 2).mean()),
        relative=float(relative.mean()) if some.any() else 0.0,
        relative_from_one=float((distance / np.maximum(1, magnitude)).mean()),
        worst_relative=float(relative.max()) if some.any() else 0.0,
        bias=float(error.mean()),
        zero_activation=not multiplier.multiply(0, every_w).any(),
        zero_weight=not multiplier.multiply(every_a, 0).any(),
        symmetric=_symmetric(multiplier, a, w, error, table),
        rank=rank(table + np.multiply.outer(every_a, every_w)) if ranked and table is not None else None,
        error_rank=rank(table) if ranked and table is not None else None,
    )


def _pieces(a: np.ndarray, w: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pairs some at a time, so that what a family makes of them fits into the caches."""
    for first in range(0, len(a), _PIECE):
        yield a[first : first + _PIECE], w[first : first + _PIECE]


def _symmetric(
    multiplier: Multiplier, a: np.ndarray, w: np.ndarray, error: np.ndarray, table: np.ndarray | None
) -> bool:
    if multiplier.bits[0] != multiplier.bits[1]:
        return False
    if table is not None:
        return bool((table == table.T).all())
    return all(
        (multiplier.multiply(y, x) - x * y == error[first : first + len(x)]).all()
        for first, (x, y) in zip(range(0, len(a), _PIECE), _pieces(a, w), strict=True)
    )
