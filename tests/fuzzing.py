"""Damage to files, and the one way in which what reads them may fail."""

import warnings

import pytest

from precision.errors import MOST, PrecisionError


def refuses(function, *arguments, attack=None, **options):
    """Call a function that may only succeed or raise a ``PrecisionError``; return whether it raised one.

    To the ``attack`` that a tally counts, what is not refused is harmless, unless the function returns True.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            told = function(*arguments, **options) is True
    except PrecisionError as error:
        text = str(error)
        assert text.isprintable() and 0 < len(text) <= MOST, text
        return True
    except Exception as error:
        pytest.fail(f"{function.__name__}({arguments!r:.1000}) raised {type(error).__name__}: {error!s:.300}")
    if attack is not None:
        attack.harmless = not told
    return False


def damaged(rng, content):
    """Return bytes of which some are others, are missing, or stand twice."""
    content = bytearray(content)
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.choice([1, 3, 30])):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == 1:
        del content[rng.randrange(len(content)) :]
    elif kind == 2:
        at = rng.randrange(len(content))
        content[at:at] = rng.choice(
            [b"\0" * 100, b"PK\3\4", b"(" * 5000, b"9" * 5000, b"nan,", b"\n", b"\xff"]
        )
    else:
        at = rng.randrange(len(content))
        content[at : at + 8] = rng.randbytes(8)
    return bytes(content)
