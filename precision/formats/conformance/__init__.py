"""The conformance kit: whether a number format keeps what its interface promises.

In the tests of a plugin, one line:

    from precision.formats.conformance import assert_conforms

    def test_my_format():
        assert_conforms(MyFormat(8))

or, with a test of its own for each check,

    from precision.formats import conformance

    @pytest.mark.parametrize("result", conformance.check("my_format(8)"), ids=lambda r: r.check)
    def test_my_format(result):
        assert not result.broken, result.text

On the command line it is ``precision formats check "my_format(8)"``. The kit is deterministic. It tries every
value of a format of at most 16 bits, the midpoints between them, and random numbers; wider formats are tried
on random numbers and on what their own roundings down and up say.
"""

from __future__ import annotations

import numpy as np

from precision.formats.base import NumberFormat
from precision.formats.conformance import basics, choices, numbers, on_tensors, sharing, storage
from precision.formats.conformance.check import Check
from precision.formats.conformance.subject import Subject
from precision.formats.conformance.verdict import (
    BROKEN,
    NOT_APPLICABLE,
    OK,
    Broken,
    NotApplicable,
    Result,
    said,
)
from precision.formats.text import parse

__all__ = ["CHECKS", "Check", "Result", "assert_conforms", "check"]

# A check comes after those that it needs.
CHECKS: tuple[Check, ...] = (
    *basics.CHECKS,
    *numbers.CHECKS,
    *storage.CHECKS,
    *choices.CHECKS,
    *sharing.CHECKS,
    *on_tensors.CHECKS,
)


_BLOCKED = "it needs what does not hold: "


def check(number_format: str | NumberFormat, *, tensors: bool = True) -> list[Result]:
    """Return what every check of the kit found in a format, in the order of ``CHECKS``.

    Whatever the format does, an exception included, becomes a finding: its text says what broke and on which
    value.

    Args:
        tensors: whether to run the checks on tensors too; they import the Keras backend.

    Raises:
        PrecisionError: when the text names no format.

    >>> from precision.formats.conformance import check
    >>> [str(result) for result in check("int(4)", tensors=False) if result.broken]
    []
    """
    subject = Subject(parse(number_format))
    results: dict[str, Result] = {}
    for one in CHECKS:
        if one.blocks is not None and _has_blocks(subject) != one.blocks:
            reason = "every value stands alone" if one.blocks else "neighbours share a scale"
            results[one.name] = Result(one.name, NOT_APPLICABLE, reason)
        elif one.tensors and not tensors:
            results[one.name] = Result(one.name, NOT_APPLICABLE, "left out")
        else:
            results[one.name] = _run(one, subject, results)
    return list(results.values())


def assert_conforms(number_format: str | NumberFormat, *, tensors: bool = True) -> None:
    """Fail, with one line for each broken check, when a format does not keep what it promises.

    Raises:
        AssertionError: when a check is broken.
        PrecisionError: when the text names no format.

    >>> from precision.formats.conformance import assert_conforms
    >>> assert_conforms("int(4)", tensors=False)
    """
    findings = [result for result in check(number_format, tensors=tensors) if result.broken]
    if findings:
        lines = "\n".join(f"- {finding}" for finding in findings)
        raise AssertionError(f"{number_format} does not keep {len(findings)} of its promises:\n{lines}")


def _run(one: Check, subject: Subject, results: dict[str, Result]) -> Result:
    for name in one.needs:
        if name in results and (results[name].broken or results[name].text.startswith(_BLOCKED)):
            return Result(one.name, NOT_APPLICABLE, f"{_BLOCKED}{name}")
    try:
        # A NaN or an overflow inside a format is no accident, and no reason for a warning.
        with np.errstate(all="ignore"):
            one.function(subject)
    except Broken as finding:
        return Result(one.name, BROKEN, str(finding))
    except NotApplicable as reason:
        return Result(one.name, NOT_APPLICABLE, str(reason))
    except Exception as error:  # of a property, or of a result that is of no use
        return Result(one.name, BROKEN, f"the check could not go on: {said(error)}")
    return Result(one.name, OK)


def _has_blocks(subject: Subject) -> bool:
    return getattr(subject.format, "block", None) is not None
