"""What a check of the conformance kit says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

OK, BROKEN, NOT_APPLICABLE = "ok", "BROKEN", "not applicable"


@dataclass(frozen=True)
class Result:
    """What one check found.

    Attributes:
        check: its name, for example ``"idempotent"``.
        state: ``"ok"``, ``"BROKEN"`` or ``"not applicable"``.
        text: what broke and on which value, or why the check does not apply; empty when all is well.

    >>> from precision.formats.conformance import check
    >>> str(check("int(4)", tensors=False)[0])
    'declares what it is: ok'
    """

    check: str
    state: str
    text: str = ""

    @property
    def broken(self) -> bool:
        """Whether the format does not keep what it promises."""
        return self.state == BROKEN

    def __str__(self) -> str:
        return f"{self.check}: {self.text or self.state}"


class Broken(Exception):  # noqa: N818 (a finding about a format is no error of the program)
    """A check found that the format does not keep a promise; the text says which and on which value."""


class NotApplicable(Exception):  # noqa: N818
    """A check has nothing to look at in this format; the text says why."""


def broken(text: str) -> NoReturn:
    """End a check with a finding."""
    raise Broken(text)


def not_applicable(text: str) -> NoReturn:
    """End a check that has nothing to look at."""
    raise NotApplicable(text)


def number(value: Any) -> str:
    """Return a float32 as it would be typed, in as few digits as name it."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    text = str(np.float32(value)) if float(np.float32(value)) == value else repr(value)
    return text.removesuffix(".0")


def said(error: BaseException) -> str:
    """Return an exception as part of a sentence: its type and the first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith(":")]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def differs(a: np.ndarray, b: np.ndarray, sign_of_zero: bool = True) -> np.ndarray:
    """Return where two float32 arrays differ; every NaN equals every other."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    other = a.view(np.int32) != b.view(np.int32) if sign_of_zero else a != b
    return other & ~(np.isnan(a) & np.isnan(b))


def first(mask: np.ndarray) -> tuple[int, ...] | None:
    """Return the index of the first True, or None."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return ", ".join(words)
