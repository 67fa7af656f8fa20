"""The shortcut of a residual network where it halves the image. Imports Keras: see the package."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="architectures")
class SubsamplingShortcut(keras.layers.Layer):
    """Keep every second row and column and append channels of zeros up to ``filters`` (option A)."""

    only_moves = True  # values, and zeros: a network of integers calls it with codes less that of zero

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def call(self, x: Any) -> Any:
        """Return the pixels at the centres of the windows of a 3x3 convolution, stride 2, padding "same"."""
        # Keras puts an odd pixel of padding behind an even image, whose first window then has centre 1.
        top, left = (1 - size % 2 for size in x.shape[1:3])
        kept = x[:, top::2, left::2, :]
        return ops.pad(kept, [[0, 0], [0, 0], [0, 0], [0, self.filters - x.shape[3]]])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with half the height and width, rounded up, and ``filters`` channels."""
        batch, height, width, _ = input_shape
        return (batch, -(-height // 2), -(-width // 2), self.filters)  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that recreate the layer."""
        return super().get_config() | {"filters": self.filters}
