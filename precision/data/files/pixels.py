"""An opened image file as pixels of 8 bits: turned upright, without transparency, deep ones made shallow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MODES = {"rgb": "RGB", "gray": "L"}
_BACKGROUNDS = {"white": 255, "black": 0}
_TOP = 65535  # the largest number of a gray image of 16 bits


def pixels(opened: Image.Image, color: str, background: str) -> Image.Image:
    """Return an image in the mode ``RGB`` or ``L``, as a viewer shows it on a background.

    Gray images of 16 bits keep their 8 upper bits, rounded: 0..65535 becomes 0..255. Colour images of 16 bits
    have been cut to 8 by Pillow already.

    Args:
        color: ``rgb`` or ``gray``.
        background: ``white`` or ``black``, which is seen where the image is transparent.

    Raises:
        ValueError: for real numbers, and for integers outside of 16 bits.
    """
    from PIL import Image, ImageOps

    image: Image.Image = ImageOps.exif_transpose(opened)
    transparent = image.has_transparency_data
    if image.mode.startswith(("I", "F")):
        image = _shallow(image)
    if transparent:
        seen = image.convert("RGBA")
        shade = _BACKGROUNDS[background]
        image = Image.alpha_composite(Image.new("RGBA", seen.size, (shade, shade, shade, 255)), seen)
    return image.convert(MODES[color])


def _shallow(image: Image.Image) -> Image.Image:
    """Return a gray image of more than 8 bits in 8; with its transparency, if it names one gray level."""
    from PIL import Image

    deep = np.asarray(image)
    if deep.dtype.kind == "f" or deep.min() < 0 or deep.max() > _TOP:
        raise ValueError(
            f"more than 16 bits per channel, mode {image.mode}, numbers in {deep.min():g}..{deep.max():g}"
        )
    gray = np.rint(deep.astype(np.float64) * (255 / _TOP)).astype(np.uint8)
    level = image.info.get("transparency")
    if not isinstance(level, int):
        return Image.fromarray(gray)
    return Image.fromarray(np.stack([gray, np.where(deep == level, 0, 255).astype(np.uint8)], axis=-1))
