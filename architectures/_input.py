"""What a network reads: images, vectors or both, and refusing the others before Keras is imported.

A network of a plugin or of a user's file is not asked: what it cannot read is refused when it is built.
"""

from __future__ import annotations

from architectures.given import is_given
from precision.errors import PrecisionError, shown
from precision.registry import ARCHITECTURES

Shape = tuple[int, ...]
"""Of one input: (features,) of a vector, (height, width, channels) of an image."""

SMALLEST_IMAGE = 28


def takers() -> list[str]:
    """Return the networks that read vectors and small images."""
    return [name for name in ARCHITECTURES if getattr(ARCHITECTURES[name], "takes_any", False)]


def checked_shape(name: str, shape: object) -> Shape:
    """Return the shape of the inputs of a network, as a tuple.

    Raises:
        PrecisionError: for what is no shape, and for one that the network cannot read, with those that can.
    """
    if not (
        isinstance(shape, tuple | list)
        and len(shape) in (1, 3)
        and all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in shape)
    ):
        raise PrecisionError(
            f"architecture {shown(name)} needs an input shape of three positive integers (height, width, "
            f"channels), or of one (features), but got {shown(shape)}"
        )
    if ARCHITECTURES.owner(name).builtin and not is_given(name) and name not in takers():
        if len(shape) == 1:
            raise PrecisionError(
                f"architecture {shown(name)} takes images, but the data are vectors of {shape[0]} numbers; "
                f"networks that take vectors: {', '.join(takers())}"
            )
        if min(shape[:2]) < SMALLEST_IMAGE:
            raise PrecisionError(
                f"architecture {shown(name)} needs an input shape of at least ({SMALLEST_IMAGE}, "
                f"{SMALLEST_IMAGE}, 1), but got {shown(shape)}; enlarge the images with the option 'resize' "
                f"of the data set, or take {' or '.join(takers())}"
            )
    return tuple(shape)
