"""Which trials can be explained: asked before anything slow is imported."""

from __future__ import annotations

from precision.errors import PrecisionError
from precision.registry import METHODS
from precision.trial import Trial

EXPLAINED = ("ptq", "qat", "low_precision")


def check(trial: Trial) -> None:
    """Refuse a trial whose errors cannot be switched off.

    Raises:
        PrecisionError: saying which can be.
    """
    if trial.method.name not in EXPLAINED and METHODS.owner(trial.method.name).builtin:
        raise PrecisionError(
            f"trial {trial.id} is of method {trial.method.name}, whose errors cannot be switched off one by "
            f"one; explain a trial of {', '.join(EXPLAINED[:-1])} or {EXPLAINED[-1]} with the same policy"
        )
    if not trial.policy:
        raise PrecisionError(f"trial {trial.id} rounds nothing, so there is nothing to explain")
