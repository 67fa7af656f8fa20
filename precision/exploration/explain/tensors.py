"""What becomes of the values of each tensor: how many overflow or vanish, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from precision.analysis.explanation import Histogram
from precision.errors import PrecisionError
from precision.formats import Block, NumberFormat
from precision.formats.engine.program import Axis
from precision.quantization.fates import FATES, placed
from precision.quantization.quantizer import Quantizer

BINS = 4  # of a histogram, for each power of two
_LEAST, _MOST = -40, 40  # exponents of two that are told apart
EDGES = np.arange(_LEAST * BINS, _MOST * BINS + 1) / BINS
LISTED = 1 << 9  # magnitudes of a format that a figure can show


@dataclass
class Tensor:
    """What was seen of the tensor of a slot of a layer, over all images.

    Attributes:
        values: how many.
        suffer: of these, by kind of error, those that suffer it.
        counts: of the first call, by magnitude in units of the format, see ``EDGES``.
        zeros: of the first call, values that are zero.
    """

    setting: str
    format: NumberFormat
    affine: bool
    values: int = 0
    suffer: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) - 1, np.int64))
    zeros: int = 0

    def share(self, cause: str) -> float:
        """Return the share of the values that suffer an error."""
        return self.suffer[cause] / max(1, self.values)


class Seen:
    """The tensors of a network, by layer and slot, as a watch is told of them.

    A variable is the same for every batch, and is counted in each, which changes no share. Magnitudes are
    those of the first batch: to count all of them takes longer than to evaluate the network.

    Args:
        magnitudes: whether they are counted too.
    """

    def __init__(self, *, magnitudes: bool = False) -> None:
        self._magnitudes = magnitudes
        self.tensors: dict[tuple[str, str], Tensor] = {}

    def __call__(
        self,
        layer: str,
        slot: str,
        quantizer: Quantizer,
        x: Any,
        y: Any,
        beyond: Any,
        vanished: Any,
        axis: Axis,
    ) -> None:
        """Take in a tensor and what became of it."""
        if quantizer.scale is None:
            return
        setting = quantizer.scale.setting
        fresh = Tensor(str(setting), setting.number_format, setting.scaling.zero_point)
        tensor = self.tensors.setdefault((layer, slot), fresh)
        before, after, out, gone = map(keras.ops.convert_to_numpy, (x, y, beyond, vanished))
        moved = ~(out | gone) & (before != after) & ~(np.isnan(before) & np.isnan(after))
        tensor.values += before.size
        for name, mask in zip(FATES, (out, gone, moved), strict=True):
            tensor.suffer[name] += int(mask.sum())
        if self._magnitudes and not tensor.counts.any() and not tensor.zeros:
            units = np.abs(np.asarray(keras.ops.convert_to_numpy(placed(quantizer, x, axis)[0])))
            tensor.zeros += int((units == 0).sum())
            exponents = np.log2(units[(units > 0) & np.isfinite(units)])
            inside = np.clip(exponents, EDGES[0], np.nextafter(EDGES[-1], 0))
            tensor.counts += np.histogram(inside, EDGES)[0]


def histograms(seen: Mapping[tuple[str, str], Tensor]) -> tuple[Histogram, ...]:
    """Return the histograms of tensors, cut to where they have values."""
    return tuple(_histogram(layer, slot, tensor) for (layer, slot), tensor in seen.items())


def _histogram(layer: str, slot: str, tensor: Tensor) -> Histogram:
    filled = np.flatnonzero(tensor.counts)
    first, last = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0)
    return Histogram(
        layer,
        slot,
        tensor.setting,
        EDGES[first : last + 1],
        tensor.counts[first:last],
        tensor.zeros,
        _magnitudes(tensor),
        tensor.share("overflow"),
        tensor.share("underflow"),
    )


def _magnitudes(tensor: Tensor) -> np.ndarray:
    """Return the magnitudes that a format has in its units; none where they are too many, or unknown."""
    f = tensor.format
    if f.block is not None and not isinstance(f, Block):
        return np.zeros(0)
    element = f.element if isinstance(f, Block) else f
    try:
        values = element.values().astype(np.float64)
    except PrecisionError:
        return np.zeros(0)
    if tensor.affine:  # the zero point lies anywhere among the codes
        values = np.arange(0, element.max - element.lowest + 1)
    found = np.unique(np.abs(values[values != 0]))
    return found if len(found) <= LISTED else np.zeros(0)
