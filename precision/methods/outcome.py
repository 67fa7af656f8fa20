"""What a method hands back: a network to be evaluated, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they import Keras
    from precision.deploy.predictor import Predictor
    from precision.methods.training import Trained


TIMINGS = ("native", "emulated")


@dataclass(frozen=True)
class Outcome:
    """A network ready to be evaluated, its training if the method trained, and what its times are.

    Attributes:
        timing: ``native`` when the computer's own arithmetic ran, ``emulated`` when a format was imitated.
        facts: what the method decided by itself, by name, for the record of the trial.
    """

    predictor: Predictor
    trained: Trained | None
    timing: str
    facts: dict[str, str] = field(default_factory=dict)
