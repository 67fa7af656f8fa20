"""The convolution as it stands in the definition, with sums that stay in registers: nothing is unrolled.

The filters lie side by side, LANES of them at a time; see ``tiles`` for the inner loop.
"""

from __future__ import annotations

import numpy as np

from precision.arithmetic.convolutions import memory
from precision.arithmetic.convolutions.base import Convolution, as_convolution
from precision.arithmetic.convolutions.tiles import LANES, over_images
from precision.arithmetic.window import offsets

_MANY, _FEW = (0,) * 16, (0,) * 4  # places of a tile: only the lengths count


class Direct(Convolution):
    """Compiled loops over images, pixels and the window, in tiles of pixels and filters."""

    name = "direct"
    meaning = "compiled loops, sums in registers"
    any_type = False

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        pixels, steps = _pixels(x, strides, output), _steps(x, w)
        flat = np.ascontiguousarray(x).reshape(-1)
        parts = []
        for kernel in _in_lanes(w.reshape(-1, w.shape[3])):
            out = memory.zeros((len(x), len(pixels), LANES), x.dtype)
            over_images(
                flat, x[0].size, pixels, steps, kernel.reshape(-1), 0, out.reshape(-1), out[0].size,
                _MANY, _FEW, 0, len(x),
            )  # fmt: skip
            parts.append(out)
        return _without_lanes(parts, w.shape[3]).reshape(len(x), *output, w.shape[3])

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        pixels, steps = _pixels(x, strides, dy.shape[1:3]), _steps(x, w)
        flat, parts = np.ascontiguousarray(x).reshape(-1), []
        for gradient in _in_lanes(dy.reshape(-1, w.shape[3])):
            out = np.zeros((len(steps), LANES), x.dtype)
            over_images(
                flat, x[0].size, steps, pixels, gradient.reshape(-1), len(pixels) * LANES, out.reshape(-1), 0,
                _MANY, _FEW, 0, len(x),
            )  # fmt: skip
            parts.append(out)
        dw = _without_lanes(parts, w.shape[3]).reshape(w.shape)
        if not inputs:
            return None, dw
        return self._forward(*as_convolution(x, w, strides, dy), (1, 1), x.shape[1:3]), dw


def _pixels(x: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]) -> np.ndarray:
    """Return where the window of each output pixel begins in an image."""
    row = x.shape[2] * x.shape[3]
    return offsets(output, (strides[0] * row, strides[1] * x.shape[3]))


def _steps(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return how far from there each number of a window lies."""
    return offsets(w.shape[:3], (x.shape[2] * x.shape[3], x.shape[3], 1))


def _in_lanes(rows: np.ndarray) -> list[np.ndarray]:
    """Return (n, filters) in parts of LANES filters, the last one filled up with zeros."""
    missing = -rows.shape[1] % LANES
    wide = np.pad(rows, [(0, 0), (0, missing)]) if missing else rows
    return [np.ascontiguousarray(wide[:, at : at + LANES]) for at in range(0, wide.shape[1], LANES)]


def _without_lanes(parts: list[np.ndarray], filters: int) -> np.ndarray:
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    return np.ascontiguousarray(joined[..., :filters])
