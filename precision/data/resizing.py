"""Images of another size, by bilinear interpolation."""

from __future__ import annotations

import numpy as np


def resize_images(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return images (N, H, W, C) as (N, height, width, C) of the same type, uint8 or float32.

    The interpolation is Pillow's: a triangle filter that widens when it shrinks an image, so that
    small strokes do not vanish between the sampled pixels.
    """
    from PIL import Image

    height, width = size
    count, _, _, channels = images.shape
    resized = np.empty((count, height, width, channels), images.dtype)
    for index in range(count):
        for channel in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(images[index, :, :, channel]))
            resized[index, :, :, channel] = plane.resize((width, height), Image.Resampling.BILINEAR)
    return resized
