"""Which images to take: subsets and splits that keep the share of each class, the same every time."""

from __future__ import annotations

import math

import numpy as np

from precision.errors import PrecisionError


def subset(labels: np.ndarray, size: int, stratified: bool = True) -> np.ndarray:
    """Return ``size`` indices into ``labels`` (N,), ascending and always the same.

    Stratified means that each class keeps its share to within one image, and that no class is left
    out while there are at least as many images as classes. All sizes draw from one random order, so a
    smaller subset lies within a larger one, rounding apart.
    """
    order = _shuffled(len(labels))
    if not stratified:
        return np.sort(order[:size])
    present, counts = np.unique(labels, return_counts=True)
    return _take(order, labels, dict(zip(present.tolist(), allocate(counts, size).tolist(), strict=True)))


def split(
    labels: np.ndarray, test_fraction: float, location: str, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Split all images into train and test indices, both ascending; every class has some in each.

    Raises:
        PrecisionError: if a class has fewer than two images.
    """
    present, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        lonely = names[int(present[counts.argmin()])]
        raise PrecisionError(
            f"{location}: a split into train and test needs at least 2 images of each class, "
            f"but got 1 of class {lonely!r}; add images or give a test set of your own"
        )
    # The small amount undoes representation error: 0.07 * 100 is above 7.
    size = math.ceil(test_fraction * len(labels) - 1e-9)
    shares = np.clip(allocate(counts, size), 1, counts - 1)
    test = _take(_shuffled(len(labels)), labels, dict(zip(present.tolist(), shares.tolist(), strict=True)))
    return np.setdiff1d(np.arange(len(labels)), test), test


def allocate(counts: np.ndarray, size: int) -> np.ndarray:
    """Share ``size`` images among classes in proportion to ``counts``, by largest remainder.

    A class whose share rounds to nothing gets one image from the class with the most.
    """
    shares, remainders = np.divmod(counts.astype(np.int64) * size, counts.sum())
    largest = np.argsort(-remainders, kind="stable")
    shares[largest[: size - shares.sum()]] += 1
    for empty in np.flatnonzero(shares == 0):
        richest = shares.argmax()
        if shares[richest] < 2:
            break
        shares[[richest, empty]] += (-1, 1)
    return shares


def _shuffled(length: int) -> np.ndarray:
    # Files are often sorted by difficulty (the first half of the MNIST test set is the easier one), so
    # the images are drawn at random. RandomState: NumPy promises that its stream never changes.
    return np.random.RandomState(0).permutation(length)


def _take(order: np.ndarray, labels: np.ndarray, shares: dict[int, int]) -> np.ndarray:
    taken = [order[labels[order] == label][:share] for label, share in shares.items()]
    return np.sort(np.concatenate(taken))
