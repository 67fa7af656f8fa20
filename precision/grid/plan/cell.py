"""What a grid expands to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from precision.trial import Trial


@dataclass(frozen=True)
class Cell:
    """One row of the report: the labels of a grid, and the trial that they stand for.

    Two cells may have one trial: the float32 policy is the same under every method that does not train.

    Attributes:
        control: how the float32 network is trained that the cell is compared with, as text: empty for the
            baseline of the grid.
        training: the options of training and runtime that vary in the grid, as text.
        repeats: the same experiment again, for its times.

    >>> from precision.grid import expand, load_grid
    >>> cell = expand(*load_grid("grid.yaml"))[2]
    >>> cell.architecture, cell.policy, cell.seed
    ('mlp', 'fixed8', 0)
    """

    dataset: str
    architecture: str
    policy: str
    method: str
    training: str
    seed: int
    trial: Trial
    repeats: tuple[Trial, ...] = ()
    control: str = ""

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels, which name a cell within its grid."""
        return (self.dataset, self.architecture, self.policy, self.method, self.training, self.seed)

    def trials(self) -> Iterator[Trial]:
        """Return the trial and its repeats."""
        yield self.trial
        yield from self.repeats
