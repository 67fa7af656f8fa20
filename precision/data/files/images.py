"""Files of images: the formats that are read, and nothing that only calls itself one of them.

Pillow would otherwise go by the content alone, whatever the name: an EPS starts Ghostscript.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from precision import received
from precision.data.files.budget import Budget
from precision.data.files.pixels import MODES, pixels
from precision.errors import PrecisionError, said

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""As Pillow calls them; PPM stands for PGM and PBM as well."""

_ADVICE = "replace or remove it"


def read(path: Path, color: str, background: str, size: tuple[int, int] | None, budget: Budget) -> Image:
    """Return an image with 8 bits per channel, as a viewer shows it.

    Args:
        path: of a file in one of the :data:`FORMATS`.
        color, background: as of ``pixels``.
        size: height and width that it gets; None for those that it has.
        budget: from which the bytes of its pixels are taken, before it is decoded.

    Raises:
        PrecisionError: when the file is anything else, damaged, or larger than the budget.
    """
    from PIL import Image, UnidentifiedImageError

    received.check(path, received.memory())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                height, width = size or (opened.height, opened.width)
                budget.take(height * width * len(MODES[color]))
                image = pixels(opened, color, background)
    except PrecisionError:
        raise
    except UnidentifiedImageError:
        raise PrecisionError(
            f"{path}: this is no image of one of the formats {', '.join(FORMATS)}; {_ADVICE}"
        ) from None
    except Exception as error:  # a decoder can raise anything
        raise PrecisionError(
            f"{path}: must be a readable image of 8 or 16 bits, but got: {said(error)}; {_ADVICE}"
        ) from None
    return image if size is None else image.resize((width, height), Image.Resampling.BILINEAR)
