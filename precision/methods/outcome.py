"""What a method hands back: a network to be evaluated, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # training.py imports Keras
    from precision.methods.training import Trained


@dataclass(frozen=True)
class Outcome:
    """A compiled network, its training if the method trained, and whether its times are those of hardware.

    Attributes:
        network: the same network without any rounding, on which its variables are counted.
        timing: ``native`` when the computer's own arithmetic ran, ``emulated`` when a format was imitated.
        facts: what the method decided by itself, by name, for the record of the trial.
    """

    model: Any
    network: Any
    trained: Trained | None
    timing: str
    facts: dict[str, str] = field(default_factory=dict)
