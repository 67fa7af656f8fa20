"""Random small rotations, shifts and zooms of the training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo

from precision.errors import PrecisionError, shown, suggest
from precision.options import Options, Rule, location_of, options_of, read


@dataclass(frozen=True)
class Augmentation:
    """How far images are moved at random; 0 switches a movement off.

    Above the largest amounts hardly anything of an image would be left.

    Attributes:
        rotation: the largest angle to either side, degrees in 0..180.
        shift: the largest shift in each direction, as a fraction (0..0.5) of the height and width.
        zoom: the largest change of scale, a fraction in 0..0.9: the scale is in 1-zoom..1+zoom.

    Raises:
        PrecisionError: for a value that is not a number in its range.

    >>> from precision.data import Augmentation
    >>> Augmentation(rotation=10, shift=0.1).zoom
    0.0
    """

    __pydantic_config__ = Options.model_config

    rotation: Annotated[float, Field(ge=0, le=180), Rule("a number in 0..180")] = 0.0
    shift: Annotated[float, Field(ge=0, le=0.5), Rule("a number in 0..0.5")] = 0.0
    zoom: Annotated[float, Field(ge=0, le=0.9), Rule("a number in 0..0.9")] = 0.0

    def __post_init__(self) -> None:
        _amounts(asdict(self), "augment")

    @classmethod
    def parse(cls, mapping: object, location: str = "augment") -> Augmentation | None:
        """Return the augmentation that a mapping such as ``{rotation: 10, shift: 0.1}`` describes.

        Returns:
            None for None, and for a mapping that moves nothing.

        Raises:
            PrecisionError: for an unknown key or a value out of its range.
        """
        if mapping is None:
            return None
        if not isinstance(mapping, Mapping):
            raise PrecisionError(
                f"{location} must map rotation, shift or zoom to numbers, but got {shown(mapping)}"
            )
        amounts = _amounts(mapping, location)
        return cls(**amounts) if any(amounts.values()) else None

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Move each image by one random affine transform about its centre.

        Bilinear, 0 outside. Every image draws the same four numbers whatever is switched on, so two
        augmentations that differ in one amount agree in the rest; the same state of ``rng`` gives the
        same bits.

        Args:
            images: float32 (B, H, W, C).
            rng: the source of the amounts; advanced by 4 draws per image.

        Returns:
            Moved images, float32 (B, H, W, C); a new array.

        Raises:
            PrecisionError: if the images are of another type or rank.
        """
        from scipy import ndimage

        if images.dtype != np.float32 or images.ndim != 4:
            raise PrecisionError(
                f"augmented images must be float32 (B, H, W, C), but got {images.dtype} {images.shape}"
            )
        size = np.array(images.shape[1:3])
        centre = (size - 1) / 2
        moved = np.empty_like(images)
        for index, (turn, down, right, scale) in enumerate(rng.uniform(-1, 1, (len(images), 4))):
            # ndimage wants the way back, from a pixel of the result to its source.
            angle = np.deg2rad(turn * self.rotation)
            rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            back = rotation / (1 + scale * self.zoom)
            offset = centre - back @ (centre + np.array([down, right]) * self.shift * size)
            for channel in range(images.shape[3]):
                ndimage.affine_transform(
                    images[index, :, :, channel],
                    back,
                    offset,
                    output=moved[index, :, :, channel],
                    order=1,
                    mode="grid-constant",  # unlike "constant", fades into the 0 outside
                )
        return moved


def _amounts(given: Mapping[str, Any], location: str) -> dict[str, float]:
    model = options_of(Augmentation)
    for key in given:
        if key not in model.model_fields:
            raise PrecisionError(f"{location} has no key {shown(key)}; {suggest(key, model.model_fields)}")
    return read(model, given, location, "{owner}: {key} must be")


def _parse(value: object, info: ValidationInfo) -> Augmentation | None:
    return Augmentation.parse(value, location_of(info))


Augment = Annotated[
    Augmentation | None, BeforeValidator(_parse), Rule("a mapping of rotation, shift or zoom to numbers")
]
