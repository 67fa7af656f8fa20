"""Texts of multipliers: ``"drum(8,6)"`` to a multiplier."""

from __future__ import annotations

from precision.arithmetic.multipliers.base import Multiplier
from precision.registry import MULTIPLIERS
from precision.texts import Texts

TEXTS = Texts[Multiplier](MULTIPLIERS, Multiplier, ("exact(8)", "drum(8,6)"))


def parse_multiplier(text: str | Multiplier) -> Multiplier:
    """Return the multiplier that a text names, for example ``"exact(8)"``, ``"drum(8,6,signed=True)"``.

    Raises:
        PrecisionError: when the text is malformed, the name unknown, or an argument missing or out of range;
            when a file is none of a table; when the multiplier is a plugin's and the plugin broken.

    >>> from precision.arithmetic.multipliers import parse_multiplier
    >>> int(parse_multiplier("mitchell(8)").multiply(3, 3))
    8
    """
    return TEXTS.parse(text)


def usage(name: str) -> str:
    """Return how a multiplier is written, with its defaults.

    >>> from precision.arithmetic.multipliers import usage
    >>> usage("drum")
    'drum(bits, k, signed=False)'
    """
    return TEXTS.usage(name)
