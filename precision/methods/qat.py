"""Quantisation-aware training: the network learns while its forward pass is rounded.

After B. Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (arXiv:1712.05877): forward with rounded weights and activations, backward
straight through, updates on the unrounded float32 weights.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.registry import METHODS, Rule
from precision.trial import Trial

Start = Annotated[str, Rule("baseline or scratch", lambda value: value in ("baseline", "scratch"))]
Epochs = Annotated[int | None, Rule("a whole number above 0", lambda value: type(value) is int and value > 0)]
Rate = Annotated[
    float | None,
    Rule("a finite number above 0", lambda value: type(value) in (int, float) and 0 < value < math.inf),
]


@METHODS.register("qat")
def qat(
    trial: Trial,
    bench: Workbench,
    *,
    start: Start = "baseline",
    epochs: Epochs = None,
    learning_rate: Rate = None,
) -> Outcome:
    """Quantisation-aware training, from the float32 baseline or from scratch.

    Args:
        start: ``baseline`` to fine-tune the trained float32 weights, ``scratch`` for a new initialisation.
        epochs, learning_rate: instead of those of the grid's training.
    """
    from precision.methods.training import train
    from precision.quantization import apply

    source = bench.baseline(trial) if start == "baseline" else bench.network(trial)
    bench.restart(trial)
    model = apply(source, Policy.from_json(trial.policy), trial.seed)
    training = replace(
        trial.training,
        epochs=epochs or trial.training.epochs,
        learning_rate=learning_rate or trial.training.learning_rate,
    )
    dataset = bench.dataset(trial.dataset)
    trained = train(model, dataset, training, trial.seed, bench.augmentation(trial.dataset), bench.report)
    bench.save(trial, model)
    return Outcome(model, source, trained, timing="emulated")
