"""Numbers for an image: the network returns each of them as it is.

Networks are compared by the root mean squared error (RMSE) on the test images, of which less is better. What
is a small error depends on the unit of the targets, so that differences, and the tolerance of a report, are
in per cent of the RMSE of the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from precision.errors import PrecisionError, short
from precision.tasks.base import Judged, Task

if TYPE_CHECKING:
    import numpy as np


class Regression(Task):
    """The targets are numbers (N, targets), float32; the loss is the mean squared error."""

    name = "regression"
    outputs = "targets"
    least = 1
    score = "rmse"
    sign = -1
    relative = True
    title = "RMSE"
    lost = "rmse_rise"
    tested = "RMSE on the test images in the unit of the targets"
    compared = (
        "By how many per cent the RMSE of each run on the test images is higher than that of the {baseline} "
        "run with the same seed."
    )
    points = "per cent"
    unit_of_loss = "mean squared error"

    def said(self, score: float) -> str:
        """Return an RMSE to four digits."""
        return f"RMSE {score:.4g}"

    def changed(self, difference: float) -> str:
        """Return a share of the baseline's RMSE in percent; a rise is above 0."""
        return f"{100 * difference:+.2f} %"

    def tolerated(self, tolerance: float) -> str:
        """Return ``1 % of the RMSE``."""
        return f"{tolerance:g} % of the RMSE"

    def bounded(self, tolerance: float) -> str:
        """Return ``raise the RMSE on the test images by at most 1 %``."""
        return f"raise the RMSE on the test images by at most {tolerance:g} %"

    def check(self, location: str, targets: np.ndarray, names: Sequence[str]) -> None:
        """Refuse what are no finite float32 numbers, one for each target."""
        import numpy as np

        if targets.dtype != np.float32 or targets.ndim != 2 or targets.shape[1] != len(names):
            raise PrecisionError(
                f"{location} targets must be float32 of the shape (N, {len(names)}), "
                f"but got {targets.dtype} {targets.shape}"
            )
        finite = np.isfinite(targets).all(axis=1)
        if not finite.all():
            raise PrecisionError(
                f"{location} targets must be finite, but image {int(finite.argmin())} has NaN or infinity"
            )

    def described(self, targets: np.ndarray, names: Sequence[str]) -> str:
        """Return mean, standard deviation and range of each target."""
        import numpy as np

        mean, std = targets.mean(0, dtype=np.float64), targets.std(0, dtype=np.float64)
        mean = np.where(np.abs(mean) < 1e-6 * std, 0, mean)  # what is left after it was subtracted
        rows = zip(names, mean, std, targets.min(0), targets.max(0), strict=True)
        texts = (f"{name} {m:.4g} ± {s:.4g} ({low:.4g} to {high:.4g})" for name, m, s, low, high in rows)
        return short(", ".join(texts), 1000)

    def compiled(self) -> tuple[Any, Any]:
        """Return mean squared error and RMSE."""
        import keras

        return keras.losses.MeanSquaredError(), keras.metrics.RootMeanSquaredError(name=self.score)

    def judge(self, outputs: np.ndarray, targets: np.ndarray) -> Judged:
        """Return RMSE, mean absolute error, R2 and mean squared error.

        The errors are over all targets of all images, R2 is the mean over targets; that of a target which is
        the same in all images is 1 without any error and otherwise 0. What is stored of an image is by how
        much each target is missed, output minus target, (N, targets) float32. An output that is no finite
        number leaves the network without a result: its errors are infinite.
        """
        import numpy as np

        numbers, truth = outputs.astype(np.float64), targets.astype(np.float64)
        bad = int((~np.isfinite(numbers)).any(axis=1).sum())
        errors = np.where(np.isfinite(numbers), numbers - truth, np.inf)
        squares = (errors**2).sum(axis=0)
        spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
        constant = np.where(squares == 0, 1.0, 0.0)
        r2 = np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1), constant)
        metrics = {
            "rmse": float(np.sqrt((errors**2).mean())),
            "mae": float(np.abs(errors).mean()),
            "r2": float(r2.mean()),
            "loss": float((errors**2).mean()),
        }
        why = f"the network returns no finite number for {bad} of {len(numbers)} test images" if bad else ""
        with np.errstate(over="ignore"):
            return Judged(metrics, errors.astype(np.float32), why)

    def scored(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Return the RMSE; predictions are errors, in float32."""
        import numpy as np

        return float(np.sqrt((predictions.astype(np.float64) ** 2).mean()))
