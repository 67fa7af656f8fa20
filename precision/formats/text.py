"""Format texts: ``"fixed(8,4)"`` to a format."""

from __future__ import annotations

from precision.formats.base import NumberFormat
from precision.formats.names import meant
from precision.registry import FORMATS
from precision.texts import Texts

_TEXTS = Texts[NumberFormat](
    FORMATS, NumberFormat, ("float16", "fixed(8,4)"), meant, "return one, for example a Codebook"
)


def parse(text: str | NumberFormat) -> NumberFormat:
    """Return the format that a text names, for example ``"float16"``, ``"fixed(8,4)"``, ``"float(4,3)"``.

    Raises:
        PrecisionError: when the text is malformed, the name unknown, or an argument missing or out of range;
            when the format is a plugin's and the plugin broken.

    >>> import numpy as np
    >>> from precision.formats import parse
    >>> parse("fixed(8,4)").quantize(np.array([0.1, 3.14159, 100.0]))
    array([0.125 , 3.125 , 7.9375], dtype=float32)
    >>> parse("float8_e4m3fn").max
    448.0
    """
    return _TEXTS.parse(text)


def usage(name: str) -> str:
    """Return how a format is written, with its defaults: ``float(e, m, overflow=infinity)``.

    >>> from precision.formats import usage
    >>> usage("fixed")
    'fixed(wl, fl, symmetric=False, overflow=saturate)'
    """
    return _TEXTS.usage(name)
