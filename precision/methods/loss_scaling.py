"""Loss scaling: gradients that are too small for their format are computed of a loss that is multiplied.

After P. Micikevicius et al. 2018, "Mixed Precision Training" (arXiv:1710.03740), section 3.2. The scaled
gradients are what a format holds; before the step they are divided by the scale, in float32.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from precision.options import Rule

LossScale = Annotated[
    Annotated[float, Field(gt=0)] | Literal["dynamic"] | None,
    Rule("null, a finite number above 0 or the word dynamic"),
]


def scale_loss(optimizer: Any, loss_scale: float | str | None) -> Any:
    """Return an optimizer that scales the loss.

    Args:
        optimizer: of Keras, whose class takes ``loss_scale_factor``; it may be changed.
        loss_scale: the factor, or ``dynamic``: 2^15 at first, half as much after each step whose gradients
            are not finite, which is left out, and twice as much after 2000 steps without one; None leaves the
            loss as it is.
    """
    if loss_scale is None:
        return optimizer
    if loss_scale == "dynamic":
        import keras

        return keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.loss_scale_factor = float(loss_scale)
    return optimizer
