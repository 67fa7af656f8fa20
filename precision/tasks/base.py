"""What every task says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:  # checking a grid imports this file
    import numpy as np


@dataclass(frozen=True)
class Judged:
    """What a network says about images whose targets are known.

    Attributes:
        metrics: by name, as in ``precision.metrics``.
        predictions: of every image, in the form that is stored, see ``Task.judge``.
        reason: why there is no result; empty where there is one.

    >>> import numpy as np
    >>> from precision import tasks
    >>> judged = tasks.named("regression").judge(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    >>> judged.metrics["mae"], judged.predictions.tolist()
    (1.0, [[0.0], [2.0]])
    """

    metrics: dict[str, float]
    predictions: np.ndarray
    reason: str = ""


class Task(ABC):
    """A kind of question to a network.

    Attributes:
        name: in options, facts and columns.
        score: the metric by which networks are compared.
        sign: 1 where more of it is better, -1 where less is.
        relative: whether a difference to the baseline counts as a share of the baseline's score; otherwise
            it is the difference itself. So does the tolerance, in per cent or in percentage points.
        title: of the score, for tables and axes.
        outputs: what the numbers are called that a network returns for an image.
        least: how many of them there are at least.
        lost: the column that says how much of the score is lost, in the unit of the tolerance.
        tested: the score on the test images in words, with its unit.
        compared: what a difference between a run and the baseline is, in words.
        points: the unit of a difference and of the tolerance.
        unit_of_loss: of what training minimises.

    >>> from precision import tasks
    >>> task = tasks.named("regression")
    >>> task.difference, task.changed(task.differs(10.2, 10.0)), task.tolerated(1)
    ('rmse_difference', '+2.00 %', '1 % of the RMSE')
    """

    name: ClassVar[str]
    score: ClassVar[str]
    sign: ClassVar[int]
    relative: ClassVar[bool]
    title: ClassVar[str]
    outputs: ClassVar[str]
    least: ClassVar[int]
    lost: ClassVar[str]
    tested: ClassVar[str]
    compared: ClassVar[str]
    points: ClassVar[str]
    unit_of_loss: ClassVar[str]

    # Columns of results and summaries, all by the name of the score.

    @property
    def baseline(self) -> str:
        """The column of the baseline's score."""
        return f"baseline_{self.score}"

    @property
    def difference(self) -> str:
        """The column of the difference to the baseline's score."""
        return f"{self.score}_difference"

    @property
    def untouched(self) -> str:
        """The column of the score that the baseline had before it went on training."""
        return f"untouched_{self.score}"

    @property
    def ends(self) -> tuple[str, str]:
        """The columns of the least and the largest end of the interval of the difference."""
        return f"{self.difference}_low", f"{self.difference}_high"

    @property
    def error(self) -> str:
        """The column of the standard error of the difference."""
        return f"{self.difference}_error"

    @property
    def shared(self) -> str:
        """The column of what the differences of several seeds have in common, by the same test images."""
        return f"{self.difference}_shared"

    @property
    def freedom(self) -> str:
        """The column of the degrees of freedom of the standard error."""
        return f"{self.difference}_freedom"

    @property
    def worst(self) -> str:
        """Which of the two ends loses more."""
        return self.ends[0 if self.sign > 0 else 1]

    def differs(self, score: Any, baseline: Any) -> Any:
        """Return the difference of scores to those of the baseline, numbers or columns of numbers."""
        return score / baseline - 1 if self.relative else score - baseline

    def loss_of(self, difference: Any) -> Any:
        """Return what a difference loses, in the unit of the tolerance; less than 0 for a gain."""
        return -100 * self.sign * difference

    # In words.

    @abstractmethod
    def said(self, score: float) -> str:
        """Return a score: ``98.50 %``."""

    @abstractmethod
    def changed(self, difference: float) -> str:
        """Return a difference to the baseline: ``-0.10 points``."""

    @abstractmethod
    def tolerated(self, tolerance: float) -> str:
        """Return a tolerance: ``1 percentage point``."""

    @abstractmethod
    def bounded(self, tolerance: float) -> str:
        """Return what a format may do: ``lose at most 1 percentage point of test accuracy``."""

    # Of data and networks.

    @abstractmethod
    def check(self, location: str, targets: np.ndarray, names: Sequence[str]) -> None:
        """Refuse targets of another type, shape or range.

        Args:
            targets: of all images, the first axis.
            names: of the numbers that a network returns.

        Raises:
            PrecisionError: with what they must be.
        """

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return for each image a whole number (N,): of each, a part of the images has its share."""
        import numpy as np

        return np.zeros(len(targets), np.int64)

    @abstractmethod
    def described(self, targets: np.ndarray, names: Sequence[str]) -> str:
        """Return in words how the targets of a part of the data are distributed."""

    @abstractmethod
    def compiled(self) -> tuple[Any, Any]:
        """Return the loss of Keras that training minimises, and the metric called ``score``."""

    def by_class(self, outputs: np.ndarray, targets: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return what is kept of the outputs beside the predictions, see ``tasks.by_class``; by name."""
        return {}

    @abstractmethod
    def judge(self, outputs: np.ndarray, targets: np.ndarray) -> Judged:
        """Return what outputs (N, k) say of images with these targets."""

    @abstractmethod
    def scored(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Return the score of images whose predictions are stored, as ``judge`` has them."""
