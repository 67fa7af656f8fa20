"""Decorators that say of a method what a grid has to know before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Factory = TypeVar("Factory", bound=Callable[..., Any])


def checked_by(check: Callable[[Any, dict[str, Any]], None]) -> Callable[[Factory], Factory]:
    """Return a decorator for a method that cannot run every policy, or not with every combination of options.

    A grid calls ``check(policy, options)`` for each pair that it asks for, before anything runs; a
    ``PrecisionError`` that it raises is shown with the line of the policy.

    @METHODS.register("native")
    @checked_by(check)
    def native(trial, bench): ...
    """

    def decorate(method: Factory) -> Factory:
        method.check = check  # type: ignore[attr-defined]
        return method

    return decorate


def measured_alone(method: Factory) -> Factory:
    """Mark a method that runs natively: the memory of its process is worth a measurement.

    Each of its trials gets a process of its own, so that the peak does not depend on what ran before it. What
    an emulation holds says nothing about a format.
    """
    method.alone = True  # type: ignore[attr-defined]
    return method


def in_integers(method: Factory) -> Factory:
    """Mark a method that computes what a policy says of registers and multipliers of integers.

    Others are refused such a policy before anything runs.
    """
    method.in_integers = True  # type: ignore[attr-defined]
    return method


def rounds_nothing(method: Factory) -> Factory:
    """Mark a method that computes float32 in a way of its own.

    Under other methods a policy without any rounding stands for the float32 baseline; under this one it is a
    trial of the method.
    """
    method.rounds_nothing = True  # type: ignore[attr-defined]
    return method
