"""The right answers of test images, by the trials that were asked of them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping

import numpy as np

from precision.analysis.images import Labels
from precision.errors import PrecisionError
from precision.grid.store import Store


def labels_of(digests: Mapping[str, str], store: Store) -> Labels:
    """Return what gives the labels of a trial, or None where the store has none that can be trusted.

    Those of many trials are the same, and are read once; a warning tells what cannot be trusted.

    Args:
        digests: trial to the digest of its images and labels, as its result names it.
    """

    @functools.lru_cache(maxsize=8)
    def read(digest: str) -> np.ndarray | None:
        try:
            return store.labels(digest)
        except FileNotFoundError:
            return None
        except (OSError, PrecisionError) as error:
            warnings.warn(str(error), stacklevel=2)
            return None

    return lambda trial: read(digests.get(trial, ""))
