"""The exact factors of a multiplier's table: sums of products of two functions, one of each operand.

T[a, w] = sum over r of F_r(a) G_r(w), over the integers. Many approximate multipliers differ from the exact
one by an error of small rank, and some have a table of rank 1, so that their layers are ordinary layers with
a few times the channels. The rows of a matrix of integers generate a lattice; a basis of it are the G_r, and
each row is a combination of them with whole numbers, the F_r. So there are no fractions.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from precision import kept
from precision.arithmetic.products import Products

MOST = 16  # terms beyond which no factors are looked for: the table engine is faster long before
_SMALL = 1 << 40  # entries beyond which the search gives up, so that nothing overflows


@dataclass(frozen=True, eq=False)
class Factors:
    """Terms whose sum is a table.

    Attributes:
        activations: int64, (activations, terms): F_r(a), in the order of the table's rows.
        weights: int64, (weights, terms): G_r(w).
        error: whether the first term is the exact product and the others are the error.
    """

    activations: np.ndarray
    weights: np.ndarray
    error: bool

    @property
    def terms(self) -> int:
        """How many products are added for one of the multiplier's."""
        return self.activations.shape[1]

    def certified(self, products: Products) -> bool:
        """Return whether they multiply out to a table, in every entry, with sums that float64 holds."""
        largest = np.abs(self.activations).max(initial=0).astype(float) * np.abs(self.weights).max(initial=0)
        if largest * self.terms >= 1 << 53:
            return False
        shapes = (len(self.activations), len(self.weights)) == products.table.shape
        return shapes and bool(np.array_equal(self.activations @ self.weights.T, products.table))


def factors(products: Products) -> Factors | None:
    """Return the fewest terms that make a multiplier; None where more than MOST would be needed.

    The search takes part of a second, so what it found is kept with this machine under the sha256 of the
    table. The certificate is not what was kept: the terms are multiplied out whenever they are read.
    """
    table = np.ascontiguousarray(products.table)
    digest = hashlib.sha256(table.tobytes()).hexdigest()
    key = (digest, list(table.shape), table.dtype.str, products.lowest_a, products.lowest_w, MOST)
    with _lock:
        if json.dumps(key) not in _known:
            _known[json.dumps(key)] = _read(products, key) or _search(products, key)
        return _known[json.dumps(key)]


def rank_one(products: Products) -> bool:
    """Return whether a table is made of one term, without a search for it."""
    table = products.table.astype(np.int64)
    row, column = np.unravel_index(np.abs(table).argmax(), table.shape)
    # Every minor of two rows and two columns through the largest entry is 0; entries have 32 bits at most.
    return bool(np.array_equal(table * table[row, column], np.outer(table[:, column], table[row])))


_known: dict[str, Factors | None] = {}
_lock = threading.Lock()


def _read(products: Products, key: tuple[object, ...]) -> Factors | None:
    kept_ = kept.find("factors", *key)
    with suppress(KeyError, TypeError, ValueError, OverflowError):
        if kept_:
            of_a, of_w = (np.array(kept_[side], np.int64).reshape(-1, kept_["terms"]) for side in ("a", "w"))
            found = Factors(of_a, of_w, bool(kept_["error"]))
            return found if found.certified(products) else None
    return None


def _search(products: Products, key: tuple[object, ...]) -> Factors | None:
    table = products.table.astype(np.int64)
    a = np.arange(products.lowest_a, products.highest_a + 1)
    w = np.arange(products.lowest_w, products.highest_w + 1)
    tried = []
    if (plain := _split(table, 1)) is not None:
        tried.append(Factors(*plain, error=False))
    if (error := _split(table - np.outer(a, w), 0)) is not None:
        of_a, of_w = error
        tried.append(Factors(np.c_[a, of_a], np.c_[w, of_w], error=True))
    tried = [f for f in tried if f.terms <= MOST and f.certified(products)]
    found = min(tried, key=_cost, default=None)
    if found:
        value = {"terms": found.terms, "error": found.error}
        sides = {"a": found.activations.tolist(), "w": found.weights.tolist()}
        kept.keep("factors", *key, value=value | sides)
    return found


def _cost(found: Factors) -> tuple[int, int]:
    """Few terms first, and then small numbers, as their sums stay exact in float32 for longer."""
    return found.terms, int((np.abs(found.activations).max(axis=0) * np.abs(found.weights).max(axis=0)).sum())


def _split(matrix: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return F, (rows, rank), and G, (columns, rank), with F G^T the matrix; None where the rank is large.

    A matrix of zeros has as many terms as the least that is asked for.
    """
    rows = np.unique(matrix, axis=0)
    basis = _basis(rows[np.argsort(np.abs(rows).sum(axis=1), kind="stable")])
    if basis is None:
        return None
    if not len(basis):
        basis = np.zeros((least, matrix.shape[1]), np.int64)
        return np.zeros((len(matrix), len(basis)), np.int64), basis.T
    basis = _shortened(basis)
    # The coefficients are whole numbers, so those next to the ones of least squares; they are checked later.
    coefficients, *_ = np.linalg.lstsq(basis.T.astype(float), matrix.T.astype(float), rcond=None)
    return np.rint(coefficients).astype(np.int64).T, basis.T


def _basis(rows: np.ndarray) -> np.ndarray | None:
    """Return a basis of the lattice that rows generate, in echelon form: Euclid on the leading entries."""
    basis: dict[int, np.ndarray] = {}
    for row in rows:
        while (at := np.flatnonzero(row)).size:
            first = int(at[0])
            if first not in basis:
                if len(basis) == MOST:
                    return None
                basis[first] = row
                break
            held = basis[first]
            if abs(row[first]) < abs(held[first]):
                basis[first], row, held = row, held, row
            row = row - row[first] // held[first] * held
            if np.abs(row).max() > _SMALL:
                return None
    return np.array(list(basis.values()))


def _shortened(basis: np.ndarray) -> np.ndarray:
    """Return a basis of the same lattice with small entries: pairs are reduced until none gets shorter."""
    basis = basis.copy()
    shorter = True
    while shorter:
        shorter = False
        for i in range(len(basis)):
            for j in range(len(basis)):
                if i != j:
                    onto = basis[j].astype(float)
                    times = round(float(basis[i] @ onto) / float(onto @ onto))
                    tried = basis[i] - times * basis[j]
                    if times and np.abs(tried).sum() < np.abs(basis[i]).sum():
                        basis[i], shorter = tried, True
    return basis
