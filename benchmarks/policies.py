"""Fifty policies on one trained network against fifty plain evaluations.

Each policy is bound to the traced model (ranges of weights chosen anew, those of activations from
statistics that are observed once) and evaluated on 10,000 images, as the trials of a PTQ grid are; the peer
evaluates the float32 network on the same images. Among them are every kind of scaling and five observers.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
from timing import Row, row

IMAGES, POLICIES = 10_000, 50


def rows() -> list[Row]:
    import keras

    import architectures
    from precision.data import Dataset
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.evaluation import evaluate
    from precision.methods.training import prepare
    from precision.methods.workbench import Workbench
    from precision.trial import Choice, Training, Trial

    rng = np.random.default_rng(0)
    images = (rng.random((IMAGES, 28, 28, 1)) * 255).astype(np.uint8)
    labels, names = rng.integers(0, 10, IMAGES), tuple("0123456789")
    keras.utils.set_random_seed(0)
    network = architectures.build("lenet")
    prepare(network)
    trial = Trial(Choice("random"), Choice("lenet"), Choice("ptq"), {}, Training(), seed=0)
    bench = Workbench(None, lambda name: None)
    bench._datasets[repr(trial.dataset)] = Dataset("random", "Random", images, labels, images, labels, names)
    bench._baselines[trial.baseline.id] = network
    ours, plain = [], []
    policies = _policies()
    for policy in policies:  # the first of each structure traces, as in a grid
        began = time.perf_counter()
        evaluate(KerasPredictor(bench.quantised(trial, policy)), images, labels)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        evaluate(KerasPredictor(network), images, labels)
        plain.append(time.perf_counter() - began)
    return [
        row(
            f"{len(policies)} policies, LeNet, {IMAGES:,} images",
            "plain evaluations",
            [sum(ours)] * 2,
            [sum(plain)] * 2,
            limit=1.3,
            rate=False,
        )
    ]


def _policies() -> list:
    from precision.quantization import parse_policy
    from precision.quantization.calibration.observers import OBSERVERS

    found = []
    for bits, observer in itertools.product((8, 7, 6, 5, 4, 3), OBSERVERS):
        real = {"scaling": "real", "observer": observer}
        found.append(
            {
                "weights": {"format": f"int({bits},symmetric=true)", "per": "channel", **real},
                "activations": {"format": f"int({bits})", "zero_point": True, **real},
            }
        )
    found += [f"fixed({bits},{bits - 4})" for bits in range(6, 16)]
    found += [
        {"weights": f"fixed({bits},auto)", "activations": f"fixed({bits},auto)"} for bits in range(4, 14)
    ]
    assert len(found) == POLICIES
    return [parse_policy(spec) for spec in found]
